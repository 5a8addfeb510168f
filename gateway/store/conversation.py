"""Threads as they are read: pages of them, newest first, and the messages of one in and out.

Pages walk the inbound messages from the newest to the oldest; each thread is found at its last one, so that neither its
order nor what is unread has to be written for each message. Reads are bounded: a page that looked at enough says where
to go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model import CLASSES
from gateway.store.hot import Row, Values
from gateway.store.last import FORWARD, LOOKED_THROUGH, REPLY

SCAN_ROWS: Final = 20_000
"""Messages that one page looks at, at most."""
MOST_UNREAD: Final = 1000
"""How far unread messages of a thread are counted."""


class Thread(NamedTuple):
    """A thread: ``last_in`` is its last inbound message, ``unread`` at most `MOST_UNREAD`, ``name`` the peer's."""

    number: str
    peer: str
    first_at: int
    last_in: int
    unread: int
    attention: int | None
    assigned: str | None
    name: str | None
    text: str | None  # of the last inbound message


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which threads: of these numbers (None: all), of this peer, with something unread; ``before`` a stored id."""

    numbers: frozenset[str] | None = None
    peer: str | None = None
    unread: bool = False
    attention: bool = False
    before: int | None = None


_THREAD: Final = (
    "SELECT t.number, t.peer, t.first_at, i.id, (SELECT count(*) FROM (SELECT 1 FROM inbound u WHERE u.peer = t.peer"
    f" AND u.id > t.read_up_to AND u.number = t.number LIMIT {MOST_UNREAD})), t.attention, t.assigned,"
    " coalesce(q.name, p.name), i.text"
)
# The last one of its pair.
_LAST: Final = "NOT EXISTS (SELECT 1 FROM inbound n WHERE n.peer = i.peer AND n.id > i.id AND n.number = i.number)"
_NAMED: Final = " LEFT JOIN peer p ON p.address = t.peer LEFT JOIN peer q ON q.address = p.same_as"


class Page(NamedTuple):
    """Threads, newest first, and where to go on (``before`` of the next page) or None."""

    threads: list[Thread]
    next: int | None


def thread_page(con: sqlite3.Connection, wanted: Wanted, limit: int) -> Page:
    """A page of at most ``limit`` threads."""
    where: list[str] = []
    values: list[Any] = []
    if wanted.peer is not None:
        where.append("i.peer = ?")
        values.append(wanted.peer)
    if wanted.before is not None:
        where.append("i.id < ?")
        values.append(wanted.before)
    condition = " AND ".join(where) or "1"
    floor = con.execute(
        f"SELECT i.id FROM inbound i WHERE {condition} ORDER BY i.id DESC LIMIT 1 OFFSET ?", (*values, SCAN_ROWS - 1)
    ).fetchone()
    if floor is not None:
        condition += " AND i.id >= ?"
        values.append(floor[0])
    if wanted.unread:
        condition += " AND i.id > t.read_up_to"
    if wanted.attention:
        condition += " AND t.attention IS NOT NULL"
    if wanted.numbers is not None and len(wanted.numbers) == 1:
        condition += " AND i.number = ?"
        values += wanted.numbers
    rows = con.execute(
        f"{_THREAD} FROM inbound i CROSS JOIN thread t ON t.number = i.number AND t.peer = i.peer"
        f"{_NAMED} WHERE {condition} AND {_LAST} ORDER BY i.id DESC",
        values,
    )
    found: list[Thread] = []
    for row in rows:
        thread = Thread(*row)
        if wanted.numbers is not None and thread.number not in wanted.numbers:
            continue
        if wanted.attention and pair_of(thread) in answered(con, [thread]):
            continue
        found.append(thread)
        if len(found) == limit:
            rows.close()
            return Page(found, thread.last_in)
    return Page(found, floor[0] if floor is not None else None)


def thread_of(con: sqlite3.Connection, number: str, peer: str) -> Thread | None:
    """The thread of a pair, if the peer ever wrote."""
    row = con.execute(
        f"{_THREAD} FROM inbound i CROSS JOIN thread t ON t.number = i.number AND t.peer = i.peer{_NAMED}"
        " WHERE i.peer = ? AND i.number = ? ORDER BY i.id DESC LIMIT 1",
        (peer, number),
    ).fetchone()
    return Thread(*row) if row is not None else None


def pair_of(thread: Thread) -> tuple[str, str]:
    """(number, peer)."""
    return thread.number, thread.peer


# A message of ours to the pair after that for which it needs attention. Broadcasts and what rules sent answer nobody.
_ANSWERED: Final = Values(
    "WITH v(number, peer, since) AS (VALUES {values}) SELECT v.number, v.peer FROM v WHERE EXISTS"
    " (SELECT 1 FROM (SELECT number, door, class FROM message WHERE peer = v.peer AND id > v.since ORDER BY id DESC"
    f" LIMIT {LOOKED_THROUGH}) l WHERE l.number = v.number AND l.class <> {CLASSES.index('marketing')}"
    f" AND coalesce(l.door, '') NOT IN ('{FORWARD}', '{REPLY}'))",
    3,
)


def answered(con: sqlite3.Connection, threads: Iterable[Thread]) -> set[tuple[str, str]]:
    """The pairs that needed attention and were answered since."""
    rows = [(*pair_of(t), t.attention) for t in threads if t.attention is not None]
    return {(number, peer) for number, peer in _ANSWERED.fetch(con, rows)}


# --- the messages of one thread ---------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """A message of a thread: its stored id and whether it came in."""

    id: int
    inbound: bool


def turns(
    con: sqlite3.Connection, number: str, peer: str, *, app: str | None, before: int | None, limit: int
) -> tuple[list[Turn], int | None]:
    """Messages of a pair, newest first, and where to go on; of what was sent that of ``app`` (None: all)."""
    ends = (peer, before if before is not None else (1 << 63) - 1, SCAN_ROWS)
    came = con.execute("SELECT id, number, NULL FROM inbound WHERE peer = ? AND id < ? ORDER BY id DESC LIMIT ?", ends)
    sent = con.execute("SELECT id, number, app FROM message WHERE peer = ? AND id < ? ORDER BY id DESC LIMIT ?", ends)
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
