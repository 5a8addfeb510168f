"""Threads as they are read: pages of them, newest first, and the messages of one in and out.

Pages walk the inbound messages from the newest to the oldest; each thread is found at its last one, so that neither its
order nor what is unread has to be written for each message. Reads are bounded: a page that looked at enough says where
to go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from gateway.model import CLASSES
from gateway.store.hot import Row, Values
from gateway.store.last import FORWARD, LOOKED_THROUGH, REPLY

SCAN_ROWS: Final = 20_000
"""Messages that one page looks at, at most."""
MOST_UNREAD: Final = 1000
"""How far unread messages of a thread are counted: the newest so many are looked at."""
_AT_ONCE: Final = 256
"""Threads that are read together where a page takes only some of them."""
_END: Final = (1 << 63) - 1

UNHEARD: Final = '"unheard":true'
"""How the row of an inbound message says that nobody hears its number; no text within JSON can read so."""


class Thread(NamedTuple):
    """A thread: ``last_in`` is its last inbound message, ``unread`` at most `MOST_UNREAD`, ``name`` the peer's.

    ``attention`` says whether it needs attention and nobody answered since.
    """

    number: str
    peer: str
    first_at: int
    last_in: int
    unread: int
    attention: bool
    assigned: str | None
    name: str | None
    text: str | None  # of the last inbound message


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which threads: of these numbers (None: all), of this peer, with something unread; ``before`` a stored id.

    ``whose`` is asked by number and what is noted as ``assigned``.
    """

    numbers: frozenset[str] | None = None
    peer: str | None = None
    unread: bool = False
    attention: bool = False
    whose: Callable[[str, str | None], bool] | None = None
    before: int | None = None


class Page(NamedTuple):
    """Threads, newest first, and where to go on (``before`` of the next page) or None."""

    threads: list[Thread]
    next: int | None


Last = tuple[int, str, str]
"""An inbound message that may be the last one of its thread: its stored id, number and peer."""

# Where an inbound message is the last one of its pair: what is noted of the thread.
_NOTED: Final = (
    "WITH v(id, number, peer) AS (VALUES {values}) SELECT v.id, t.number, t.peer, t.first_at, t.read_up_to,"
    " t.attention, t.assigned FROM v CROSS JOIN thread t ON t.number = v.number AND t.peer = v.peer WHERE NOT EXISTS"
    " (SELECT 1 FROM inbound n WHERE n.peer = v.peer AND n.number = v.number AND n.id > v.id)"
)
NOTED: Final = Values(_NOTED, 3)
# Few of many: what is not wanted is not looked at any further.
UNREAD: Final = Values(_NOTED + " AND v.id > t.read_up_to", 3)
NEEDY: Final = Values(_NOTED + " AND t.attention IS NOT NULL", 3)
# What is shown of a thread beside that.
SHOWN: Final = Values(
    "WITH v(id, number, peer, up_to) AS (VALUES {values}) SELECT v.id, (SELECT count(*) FROM (SELECT u.extra FROM"
    " inbound u WHERE u.peer = v.peer AND u.number = v.number AND u.id > v.up_to ORDER BY u.id DESC"
    f" LIMIT {MOST_UNREAD}) c WHERE c.extra IS NULL OR c.extra NOT LIKE '%{UNHEARD}%'),"
    " CASE WHEN p.same_as IS NULL THEN p.name ELSE q.name END, i.text FROM v"
    " CROSS JOIN inbound i ON i.id = v.id LEFT JOIN peer p ON p.address = v.peer"
    " LEFT JOIN peer q ON q.address = p.same_as",
    4,
)
# A message of ours to the pair after that for which it needs attention. Broadcasts and what rules sent answer nobody.
_ANSWERED: Final = Values(
    "WITH v(number, peer, since) AS (VALUES {values}) SELECT v.number, v.peer FROM v WHERE EXISTS"
    " (SELECT 1 FROM (SELECT number, door, class FROM message WHERE peer = v.peer AND id > v.since ORDER BY id DESC"
    f" LIMIT {LOOKED_THROUGH}) l WHERE l.number = v.number AND l.class <> {CLASSES.index('marketing')}"
    f" AND coalesce(l.door, '') NOT IN ('{FORWARD}', '{REPLY}'))",
    3,
)
# From one number of the sender to the next by the index, whatever lies between.
_OF_PEER: Final = (
    "WITH RECURSIVE r(number) AS (SELECT min(number) FROM inbound WHERE peer = :peer UNION ALL"
    " SELECT (SELECT min(f.number) FROM inbound f WHERE f.peer = :peer AND f.number > r.number) FROM r"
    " WHERE r.number IS NOT NULL LIMIT :most) SELECT"
    " (SELECT max(n.id) FROM inbound n WHERE n.peer = :peer AND n.number = r.number), r.number, :peer FROM r"
    " WHERE r.number IS NOT NULL"
)


def thread_page(con: sqlite3.Connection, wanted: Wanted, limit: int) -> Page:
    """A page of at most ``limit`` threads."""
    walk = _Walk(con, wanted)
    found: list[Thread] = []
    waiting: list[Last] = []
    picky = wanted.unread or wanted.attention or wanted.whose is not None
    for last in walk:
        waiting.append(last)
        if len(waiting) >= (_AT_ONCE if picky else limit - len(found)):
            found += _wanted(con, waiting, wanted)
            waiting = []
            if len(found) >= limit:
                return Page(found[:limit], found[limit - 1].last_in)
    found += _wanted(con, waiting, wanted)
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].last_in)
    return Page(found, walk.floor)


class _Walk:
    """Inbound messages, each the newest of its pair among those looked at, from the newest to the oldest.

    ``floor`` says afterwards below which id others may be, or None.
    """

    def __init__(self, con: sqlite3.Connection, wanted: Wanted) -> None:
        self._con = con
        self._wanted = wanted
        self.floor: int | None = None

    def __iter__(self) -> Iterator[Last]:
        before, numbers = self._wanted.before or _END, self._wanted.numbers
        if self._wanted.peer is not None:
            lasts = self._con.execute(_OF_PEER, {"peer": self._wanted.peer, "most": SCAN_ROWS}).fetchall()
            yield from sorted(
                [last for last in lasts if last[0] < before and (numbers is None or last[1] in numbers)], reverse=True
            )
            return
        seen: set[tuple[str, str]] = set()
        count = 0
        rows = self._con.execute(
            "SELECT id, number, peer FROM inbound WHERE id < ? ORDER BY id DESC LIMIT ?", (before, SCAN_ROWS)
        )
        for row in rows:
            count += 1
            pair = row[1:]
            if pair not in seen and (numbers is None or row[1] in numbers):
                seen.add(pair)
                yield row
        if count == SCAN_ROWS:
            self.floor = row[0]


def _wanted(con: sqlite3.Connection, lasts: list[Last], wanted: Wanted) -> list[Thread]:
    """The threads of these messages that are wanted, in their order."""
    noted = (NEEDY if wanted.attention else UNREAD if wanted.unread else NOTED).fetch(con, lasts)
    if wanted.whose is not None:
        noted = [row for row in noted if wanted.whose(row[1], row[6])]
    marked = [(number, peer, since) for _, number, peer, _, _, since, _ in noted if since is not None]
    needy = {(number, peer) for number, peer, _ in marked}.difference(_ANSWERED.fetch(con, marked))
    if wanted.attention:
        noted = [row for row in noted if row[1:3] in needy]
    shown = {row[0]: row[1:] for row in SHOWN.fetch(con, [(*row[:3], row[4]) for row in noted])}
    found: list[Thread] = []
    for mid, number, peer, first_at, _, _, assigned in noted:
        unread, name, text = shown[mid]
        if unread or not wanted.unread:
            found.append(Thread(number, peer, first_at, mid, unread, (number, peer) in needy, assigned, name, text))
    return found


def thread_of(con: sqlite3.Connection, number: str, peer: str) -> Thread | None:
    """The thread of a pair, if the peer ever wrote."""
    ((last,),) = con.execute("SELECT max(id) FROM inbound WHERE peer = ? AND number = ?", (peer, number))
    found = _wanted(con, [(last, number, peer)], Wanted()) if last is not None else []
    return found[0] if found else None


# --- the messages of one thread ---------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """A message of a thread: its stored id and whether it came in."""

    id: int
    inbound: bool


def turns(
    con: sqlite3.Connection, number: str, peer: str, *, app: str | None, before: int | None, limit: int
) -> tuple[list[Turn], int | None]:
    """Messages of a pair, newest first, and where to go on; of what was sent that of ``app`` (None: all)."""
    end = before if before is not None else _END
    came = con.execute(
        "SELECT id, number, NULL FROM inbound WHERE peer = ? AND number = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (peer, number, end, SCAN_ROWS),
    )
    sent = con.execute(
        "SELECT id, number, app FROM message WHERE peer = ? AND id < ? ORDER BY id DESC LIMIT ?", (peer, end, SCAN_ROWS)
    )
    found: list[Turn] = []
    reached: list[int] = []  # where each of the two stopped before its end
    for cursor, inbound in ((came, True), (sent, False)):
        seen, kept, last = 0, 0, 0
        for mid, of_number, of_app in cursor:
            seen, last = seen + 1, mid
            if of_number == number and (inbound or app is None or of_app == app):
                found.append(Turn(mid, inbound))
                kept += 1
                if kept == limit:
                    break
        cursor.close()
        if kept == limit or seen == SCAN_ROWS:
            reached.append(last)
    # Below the higher of the two ends something of the other kind may be missing.
    floor = max(reached, default=None)
    if floor is not None:
        found = [turn for turn in found if turn.id >= floor]
    found.sort(reverse=True)
    if len(found) > limit:
        return found[:limit], found[limit - 1].id
    return found, floor


def inbound_messages(con: sqlite3.Connection, ids: list[int]) -> dict[int, Row]:
    """Of inbound messages by id: carrier, text, data, encoding, parts, complete, extra."""
    marks = ",".join("?" * len(ids))
    rows = con.execute(
        f"SELECT id, carrier, text, data, encoding, parts, complete, extra FROM inbound WHERE id IN ({marks})", ids
    )
    return {row[0]: row[1:] for row in rows}
