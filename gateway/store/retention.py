"""What is old enough to be forgotten, found in short reads and removed in small turns of the writer.

Ids lead with the time, so what is old lies together at the beginning of each table. What has not come to its end is
never touched: that is looked at once more in the transaction that removes. What is removed is written over
(``secure_delete``), so that a text that is forgotten is not in the file any more.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, ClassVar, Final, NamedTuple

from gateway.model import State, id_floor
from gateway.store.hot import Values
from gateway.store.info import note, noted
from gateway.store.matching import BUCKET_MS
from gateway.store.queries import first_since
from gateway.store.submits import REF_BUCKET_MS
from gateway.store.tx import Op, Tx
from gateway.store.usage import keep_inbound, keep_messages

PAGE: Final = 100
"""Rows that are removed in one turn, at most."""
STEP: Final = 32
"""Rows that are removed at once. Their pages may have to be read from disk, each from another place."""
LONG: Final = 0.01
"""Seconds after which a turn removes no more."""
LOOKED_THROUGH: Final = 1000
"""Rows that one read looks through."""
TEXTS_UNTIL: Final = "texts_until"
"""Key in ``store_info``: below this id no ended message has a text any more."""

# A message has not come to its end, or did so (or was sent) after the time from which on things are kept. What waits
# for a receipt is open to a late one.
_UNSENT: Final = ", ".join(
    str(int(state)) for state in (State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.IN_DOUBT)
)
_OPEN: Final = (
    f"EXISTS (SELECT 1 FROM segment s WHERE s.message_id = {{mid}} AND (s.state IN ({_UNSENT})"
    f" OR (s.state = {int(State.SENT)} AND s.done_at IS NULL AND (s.sent_at IS NULL OR s.sent_at >= {{receipts}}))"
    " OR coalesce(s.done_at, s.sent_at, 0) >= {since}))"
)


class Until(NamedTuple):
    """Times in ms: what ended before ``since`` is forgotten; what was sent before ``receipts`` gets no late receipt."""

    since: int
    receipts: int


class Found(NamedTuple):
    """``ids`` to remove, ``open`` the first that is not at its end, ``last`` the last looked at, if there was one."""

    ids: list[int]
    open: int | None
    last: int | None
    more: bool


def messages_before(con: sqlite3.Connection, *, after: int, until: Until, texts: bool) -> Found:
    """A page of ended messages above the id ``after``; ``texts``: only those that have one."""
    gone, open_ = "m.body IS NULL" if texts else "0", _OPEN.format(mid="m.id", receipts=":receipts", since=":since")
    rows = con.execute(
        f"SELECT m.id, {gone}, CASE WHEN {gone} THEN 0 ELSE {open_} END FROM message m"
        " WHERE m.id > :after AND m.id < :below ORDER BY m.id LIMIT :limit",
        {**until._asdict(), "after": after, "below": id_floor(until.since), "limit": LOOKED_THROUGH},
    ).fetchall()
    return Found(
        [mid for mid, blank, waits in rows if not blank and not waits],
        next((mid for mid, _, waits in rows if waits), None),
        rows[-1][0] if rows else None,
        len(rows) == LOOKED_THROUGH,
    )


def inbound_before(con: sqlite3.Connection, *, after: int, until: Until, texts: bool) -> Found:
    """A page of inbound messages above the id ``after``; ``texts``: only those that have one."""
    gone = "text IS NULL AND data IS NULL" if texts else "0"
    rows = con.execute(
        f"SELECT id, {gone} FROM inbound WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
        (after, id_floor(until.since), LOOKED_THROUGH),
    ).fetchall()
    last = rows[-1][0] if rows else None
    return Found([mid for mid, blank in rows if not blank], None, last, len(rows) == LOOKED_THROUGH)


def events_below(con: sqlite3.Connection, stream: int, ms: int) -> int:
    """The sequence number below which all events of a stream were told before ``ms``."""
    seq = first_since(con, stream, ms)
    row = con.execute("SELECT at FROM event WHERE stream = ? AND seq = ?", (stream, seq)).fetchone()
    return seq + 1 if row is not None and row[0] < ms else seq


def oldest(con: sqlite3.Connection) -> int | None:
    """The id of the oldest message, ours or inbound."""
    found = con.execute("SELECT (SELECT min(id) FROM message), (SELECT min(id) FROM inbound)").fetchone()
    return min((one for one in found if one is not None), default=None)


def texts_until(con: sqlite3.Connection) -> int:
    """The id below which no ended message has a text."""
    return int(noted(con, TEXTS_UNTIL) or 0)


# --- removed ----------------------------------------------------------------------------------------------------------

_ENDED: Final = Values(
    "WITH v(mid, since, receipts) AS (VALUES {values}) SELECT v.mid FROM v WHERE NOT "
    + _OPEN.format(mid="v.mid", receipts="v.receipts", since="v.since"),
    3,
)
_DELETE_SEGMENTS: Final = Values("DELETE FROM segment WHERE message_id IN (VALUES {values})", 1)
_DELETE_TRACES: Final = Values("DELETE FROM trace WHERE message_id IN (VALUES {values})", 1)
_DELETE_MESSAGES: Final = Values("DELETE FROM message WHERE id IN (VALUES {values}) RETURNING number, peer", 1)
_DELETE_INBOUND: Final = Values("DELETE FROM inbound WHERE id IN (VALUES {values}) RETURNING number, peer", 1)
_BLANK_MESSAGES: Final = Values("UPDATE message SET body = NULL WHERE id IN (VALUES {values}) AND body IS NOT NULL", 1)
_BLANK_INBOUND: Final = Values("UPDATE inbound SET text = NULL, data = NULL WHERE id IN (VALUES {values})", 1)
_DELETE_THREADS: Final = Values(
    "WITH v(number, peer) AS (VALUES {values}) DELETE FROM thread"
    " WHERE (number, peer) IN (SELECT number, peer FROM v)"
    " AND NOT EXISTS (SELECT 1 FROM inbound i WHERE i.peer = thread.peer AND i.number = thread.number)"
    " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.peer = thread.peer AND m.number = thread.number)",
    2,
)
_DELETE_EVENTS: Final = Values(
    "WITH v(stream, seq) AS (VALUES {values}) DELETE FROM event WHERE (stream, seq) IN (SELECT stream, seq FROM v)", 2
)


class written_over:
    """Within it what a connection removes is written over in the file."""

    def __init__(self, con: sqlite3.Connection) -> None:
        self._con = con

    def __enter__(self) -> None:
        self._con.execute("PRAGMA secure_delete = ON").fetchone()

    def __exit__(self, *_: object) -> None:
        self._con.execute("PRAGMA secure_delete = OFF").fetchone()


def _ended(tx: Tx, ids: Iterable[int], until: Until) -> list[tuple[int]]:
    """Of messages those that are at their end in this transaction."""
    return _ENDED.fetch(tx.con, [(mid, *until) for mid in ids])


def delete_threads(tx: Tx, pairs: Iterable[tuple[str, str]]) -> int:
    """Of these pairs (number, peer) the threads go that have no message any more."""
    return _DELETE_THREADS.run(tx.con, list(dict.fromkeys(pairs)))


class PurgeOp(Op):
    """What is removed in one turn. ``seconds``: that its statements took, the commit apart."""

    __slots__ = ("seconds",)
    over: ClassVar[bool] = True  # whether it is written over in the file

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        with written_over(tx.con) if cls.over else nullcontext():
            for op in ops:
                began = time.perf_counter()
                op.purge(tx)
                op.seconds = time.perf_counter() - began

    def purge(self, tx: Tx) -> None:
        """Removes it."""
        raise NotImplementedError


class PurgeIdsOp(PurgeOp):
    """What goes by its id, at most `PAGE`. ``left``: those that are to go in another turn, since this one took long."""

    __slots__ = ("ids", "left")

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids
        self.left: list[int] = []

    def purge(self, tx: Tx) -> None:
        end = time.perf_counter() + LONG
        for at in range(0, len(self.ids), STEP):
            if at and time.perf_counter() >= end:
                self.left = self.ids[at:]
                break
            self.remove(tx, self.ids[at : at + STEP])

    def remove(self, tx: Tx, ids: list[int]) -> None:
        """Removes these."""
        raise NotImplementedError


class BlankOp(PurgeIdsOp):
    """The texts of messages go, ``ours`` or inbound."""

    __slots__ = ("ours", "until")
    order: ClassVar[int] = 95
    name: ClassVar[str] = "blank"

    def __init__(self, ids: list[int], until: Until, *, ours: bool) -> None:
        super().__init__(ids)
        self.until = until
        self.ours = ours

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.ids), 0

    def remove(self, tx: Tx, ids: list[int]) -> None:
        if self.ours:
            gone = _BLANK_MESSAGES.run(tx.con, _ended(tx, ids, self.until))
        else:
            gone = _BLANK_INBOUND.run(tx.con, [(mid,) for mid in ids])
        tx.count("purged:texts", gone)


class DeleteMessagesOp(PurgeIdsOp):
    """Messages of ours go, with their segments and what is known of them."""

    __slots__ = ("until",)
    order: ClassVar[int] = 96
    name: ClassVar[str] = "delete_messages"

    def __init__(self, ids: list[int], until: Until) -> None:
        super().__init__(ids)
        self.until = until

    @property
    def weight(self) -> tuple[int, int]:
        return 4 * len(self.ids), 0

    def remove(self, tx: Tx, ids: list[int]) -> None:
        delete_messages(tx, _ended(tx, ids, self.until))


def delete_messages(tx: Tx, ids: list[tuple[int]]) -> None:
    """Messages go, whatever their state; what they were is summed up."""
    keep_messages(tx.con, ids)
    _DELETE_SEGMENTS.run(tx.con, ids)
    _DELETE_TRACES.run(tx.con, ids)
    pairs = _DELETE_MESSAGES.fetch(tx.con, ids)
    tx.count("purged:messages", len(pairs))
    tx.count("purged:threads", delete_threads(tx, pairs))


class DeleteInboundOp(PurgeIdsOp):
    """Inbound messages go, and the threads that then have none."""

    __slots__ = ()
    order: ClassVar[int] = 97
    name: ClassVar[str] = "delete_inbound"

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.ids), 0

    def remove(self, tx: Tx, ids: list[int]) -> None:
        delete_inbound(tx, [(mid,) for mid in ids])


def delete_inbound(tx: Tx, ids: list[tuple[int]]) -> None:
    """Inbound messages go, and the threads that then have none; what they were is summed up."""
    keep_inbound(tx.con, ids)
    pairs = _DELETE_INBOUND.fetch(tx.con, ids)
    tx.count("purged:inbound", len(pairs))
    tx.count("purged:threads", delete_threads(tx, pairs))


class DeleteKeysOp(PurgeOp):
    """Ids of carriers and idempotency keys of long ago go, a page of each. ``more``: there may be more."""

    __slots__ = ("more", "since")
    order: ClassVar[int] = 98
    name: ClassVar[str] = "delete_keys"
    over: ClassVar[bool] = False  # nothing that a person wrote, and nobody's number

    def __init__(self, since: int) -> None:
        super().__init__()
        self.since = since
        self.more = False

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * PAGE, 0

    def purge(self, tx: Tx) -> None:
        ids = _delete_first(tx, "smsc_id", "bucket, carrier, key, message_id, part", self.since // BUCKET_MS)
        refs = _delete_first(tx, "ref", "bucket, app, ref", self.since // REF_BUCKET_MS)
        self.more = PAGE in (ids, refs)
        tx.count("purged:keys", ids + refs)


def _delete_first(tx: Tx, table: str, keys: str, bucket: int) -> int:
    """The first rows of a table go, as far as they are in buckets before this one; returns how many did."""
    # A range of its key: with IN and a subquery SQLite walks whole buckets.
    row = tx.con.execute(
        f"SELECT {keys} FROM {table} WHERE bucket < ? ORDER BY {keys} LIMIT 1 OFFSET ?", (bucket, PAGE)
    ).fetchone()
    if row is None:
        return tx.con.execute(f"DELETE FROM {table} WHERE bucket < ?", (bucket,)).rowcount
    return tx.con.execute(f"DELETE FROM {table} WHERE ({keys}) < ({', '.join('?' * len(row))})", row).rowcount


class DeleteEventsOp(PurgeOp):
    """Events of a stream before ``below`` go: those that are done, and dead letters (``dead`` of them).

    ``more``: there may be more.
    """

    __slots__ = ("below", "dead", "more", "stream")
    order: ClassVar[int] = 98
    name: ClassVar[str] = "delete_events"

    def __init__(self, stream: int, below: int) -> None:
        super().__init__()
        self.stream = stream
        self.below = below
        self.dead = 0
        self.more = False

    @property
    def weight(self) -> tuple[int, int]:
        return 3 * PAGE, 0

    def purge(self, tx: Tx) -> None:
        done = tx.con.execute(
            "SELECT e.stream, e.seq FROM cursor c CROSS JOIN event e ON e.stream = c.stream AND e.seq <= c.acked"
            " WHERE c.stream = ? AND e.seq < ? AND NOT EXISTS"
            " (SELECT 1 FROM retry r WHERE r.stream = e.stream AND r.seq = e.seq) ORDER BY e.seq LIMIT ?",
            (self.stream, self.below, PAGE),
        ).fetchall()
        dead = tx.con.execute(
            "SELECT stream, seq FROM retry WHERE stream = ? AND due_at IS NULL AND seq < ? ORDER BY seq LIMIT ?",
            (self.stream, self.below, PAGE),
        ).fetchall()
        delete_events(tx, done)
        self.dead = delete_events(tx, dead, letters=True)
        self.more = PAGE in (len(done), len(dead))


_DELETE_LETTERS: Final = Values(
    "WITH v(stream, seq) AS (VALUES {values}) DELETE FROM retry WHERE (stream, seq) IN (SELECT stream, seq FROM v)"
    " AND due_at IS NULL",
    2,
)


def delete_events(tx: Tx, keys: list[tuple[int, int]], *, letters: bool = False) -> int:
    """Events go, with their rows among the dead ``letters`` where they are such; returns how many of these."""
    gone = _DELETE_EVENTS.run(tx.con, keys)
    tx.count("purged:events", gone)
    return _DELETE_LETTERS.run(tx.con, keys) if letters else 0


class TextsUntilOp(Op):
    """Notes how far texts are gone, for the next start."""

    __slots__ = ("below",)
    order: ClassVar[int] = 98
    name: ClassVar[str] = "texts_until"

    def __init__(self, below: int) -> None:
        super().__init__()
        self.below = below

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            note(tx.con, TEXTS_UNTIL, str(op.below))
