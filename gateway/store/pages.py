"""Messages that wait, read from disk in pages, each page as one row of JSON.

sqlite3 gives the interpreter's lock up and takes it again at each row of a result, beside a loop that wants it too: a
page of 500 messages in as many rows takes twice the time of this, and holds the loop up as often.
"""

from __future__ import annotations

import sqlite3
from operator import attrgetter
from typing import Any, Final

import msgspec

from gateway.store.hot import DAMAGE, is_damage
from gateway.store.queries import SCANNED, QueueUnit


class QueuedPart(msgspec.Struct, array_like=True, gc=False):
    """A queued segment. ``due_at`` is ms since 1970, None: no other attempt was put off."""

    part: int
    due_at: int | None
    attempts: int
    in_doubt: int
    status: int | None


class Queued(msgspec.Struct, array_like=True, gc=False):
    """What is stored of a message that waits, with its queued segments.

    ``body`` is the text; octets in hexadecimal where the encoding is binary; None where it is gone, or no octets.
    ``segments`` is None where there is nothing to tell: the first is queued, no other is, and it was never tried.
    ``damage`` says what is wrong with a row that cannot be read: then it has an id and the numbers of its segments, and
    nothing else.
    """

    id: int
    app: str
    number: str
    peer: str
    klass: int
    body: str | None
    encoding: str
    options: str | None
    scheme: str
    concat_ref: int
    parts: int
    receipt: int
    expires_at: int
    carrier: str
    lane: int
    rank: int
    segments: list[QueuedPart] | None
    damage: str = ""

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"<Queued {self.id}>"

    @property
    def waiting(self) -> list[int]:
        """The numbers of its queued segments."""
        return [1] if self.segments is None else sorted([segment.part for segment in self.segments])


Page = tuple[list[Queued], int | None]
"""Messages, oldest first, and the id to go on from (None: no more)."""

_BODY: Final = (
    "CASE WHEN typeof(m.body) <> 'blob' THEN NULL WHEN m.encoding = 'binary' THEN hex(m.body)"
    " ELSE CAST(m.body AS TEXT) END"
)
# Of the first queued segment, `s`. It is asked before an array is made, which takes longer.
_IS_USUAL: Final = (
    "s.part = 1 AND s.attempts = 0 AND s.in_doubt = 0 AND s.due_at IS NULL AND s.status IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM segment o WHERE o.message_id = s.message_id AND o.part > 1)"
)
_SEGMENTS: Final = (
    f"CASE WHEN NOT ({_IS_USUAL}) THEN"
    " (SELECT json_group_array(json_array(o.part, o.due_at, o.attempts, o.in_doubt, o.status)) FROM segment o"
    " WHERE o.message_id = s.message_id AND o.part >= s.part AND o.state = 1) END"
)
_IS_FIRST: Final = (
    "(s.part = 1 OR NOT EXISTS (SELECT 1 FROM segment b WHERE b.message_id = s.message_id AND b.part < s.part"
    " AND b.state = 1))"
)
# One of each message that has a queued segment, so that a long body is there once. As a blob, or a text that is none
# would be shown by the error that it makes.
_MESSAGES: Final = (
    "SELECT CAST(json_group_array(json_array(m.id, m.app, m.number, m.peer, m.class,"
    f" {_BODY}, m.encoding, m.options, m.scheme, m.concat_ref, m.parts, m.receipt, m.expires_at,"
    f" s.carrier, s.lane, s.rank, {_SEGMENTS})) AS BLOB) FROM q CROSS JOIN message m ON m.id = q.id"
    f" CROSS JOIN segment s ON s.message_id = m.id AND s.state = 1 AND {_IS_FIRST}"
)
_PAGE: Final = (
    f"WITH q(id) AS MATERIALIZED ({{}}) SELECT ({_MESSAGES}), (SELECT count(*) FROM q), (SELECT max(id) FROM q)"
)
_decode: Final = msgspec.json.Decoder(list[Queued]).decode
_by_id: Final = attrgetter("id")

_UNIT: Final = (
    "SELECT DISTINCT message_id{} FROM segment WHERE state = 1 AND carrier = ? AND lane = ? AND app = ? AND rank = ?"
    " AND message_id > ? ORDER BY message_id LIMIT "
)
_OF_UNIT: Final = _UNIT.format("") + "?"
_SCAN: Final = _UNIT.format(" AS id") + str(SCANNED)
_SCANNED: Final = f"SELECT count(*), max(id) FROM ({_SCAN})"
_OF_NUMBER: Final = f"SELECT m.id FROM ({_SCAN}) x CROSS JOIN message m ON m.id = x.id WHERE m.number = ? LIMIT ?"
_OF_PAIR: Final = (
    "SELECT m.id FROM message m INDEXED BY message_peer WHERE m.peer = ? AND m.id BETWEEN ? AND ? AND m.number = ?"
    " AND EXISTS (SELECT 1 FROM segment s WHERE s.message_id = m.id AND s.state = 1 AND s.carrier = ?"
    " AND s.lane = ? AND s.app = ? AND s.rank = ?) ORDER BY m.id LIMIT ?"
)


def of_unit(con: sqlite3.Connection, unit: QueueUnit, after: int, limit: int) -> Page:
    """Messages of a unit that wait, after the id ``after``."""
    given = (unit.carrier, unit.lane, unit.app, unit.rank, after, limit)
    found, count, last = _read(con, _OF_UNIT, given)
    return found, last if count >= limit else None


def of_number(con: sqlite3.Connection, unit: QueueUnit, after: int, limit: int, number: str) -> Page:
    """As `of_unit`, of one of our numbers only. It may find none and yet not be at the end."""
    given = (unit.carrier, unit.lane, unit.app, unit.rank, after)
    found, count, last = _read(con, _OF_NUMBER, (*given, number, limit))
    if count >= limit:
        return found, last
    seen, last = con.execute(_SCANNED, given).fetchone()
    return found, last if seen >= SCANNED else None


def of_pair(con: sqlite3.Connection, unit: QueueUnit, pair: tuple[str, str], low: int, high: int, limit: int) -> Page:
    """As `of_unit`, of one (number, peer) and ids from ``low`` to ``high``: what there is of the peer is walked."""
    number, peer = pair
    given = (peer, low, high, number, unit.carrier, unit.lane, unit.app, unit.rank, limit)
    found, count, last = _read(con, _OF_PAIR, given)
    return found, last if count >= limit else None


def by_id(con: sqlite3.Connection, ids: list[int]) -> list[Queued]:
    """The same for messages whose ids are known, for instance those whose time has come."""
    if not ids:
        return []
    return _read(con, f"SELECT id FROM message WHERE id IN ({','.join('?' * len(ids))})", tuple(ids))[0]


def _read(con: sqlite3.Connection, ids: str, given: tuple[Any, ...]) -> tuple[list[Queued], int, int | None]:
    """The messages whose ids a statement selects, in their order; how many ids it gave, and the last of them."""
    count: int
    last: int | None
    try:
        packed, count, last = con.execute(_PAGE.format(ids), given).fetchone()
        found = _decode(packed)
    except DAMAGE as error:
        if not is_damage(error):
            raise
        rows = [i for (i,) in con.execute(ids, given).fetchall()]
        found = [message for i in rows for message in _one(con, i)]
        count, last = len(rows), max(rows, default=None)
    found.sort(key=_by_id)
    return found, count, last


def _one(con: sqlite3.Connection, id: int) -> list[Queued]:
    """A message alone, as one in its page is damaged; none when it does not wait any more."""
    try:
        return _decode(con.execute(_PAGE.format("SELECT ?"), (id,)).fetchone()[0])
    except DAMAGE as error:
        if not is_damage(error):
            raise
        damage = str(error)  # never its repr, which may have the text in it
    parts = con.execute("SELECT part FROM segment WHERE message_id = ? AND state = 1 ORDER BY part", (id,)).fetchall()
    if not parts:
        return []
    segments = [QueuedPart(part, None, 0, 0, None) for (part,) in parts]
    return [Queued(id, "", "", "", 0, None, "", None, "", 0, 0, 0, 0, "", 0, 0, segments, damage)]
