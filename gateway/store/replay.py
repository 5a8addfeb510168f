"""Events that were told, looked at again: found by stream, state and time, and put back to be delivered once more.

Events stay where they were written. What is put back is a row of ``retry`` that is due at once, whatever became of the
event before; its age counts from then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar, Final, NamedTuple

from gateway.store.ends import rfc3339
from gateway.store.hot import Row, Values
from gateway.store.queries import cursor_of, first_since
from gateway.store.tx import Op, Tx

REPLAYED: Final = "replayed"
"""What stands in place of the last error until the first try."""

_LAST_SEQ: Final = (1 << 63) - 1

SELECT_EVENTS: Final = Values(
    "WITH v(stream, seq) AS (VALUES {values}) SELECT e.seq, e.at, e.kind, e.subject, e.payload FROM v"
    " CROSS JOIN event e ON e.stream = v.stream AND e.seq = v.seq",
    2,
)

SELECT_DEAD: Final = Values(
    "WITH v(stream, seq) AS (VALUES {values}) SELECT r.seq FROM v"
    " CROSS JOIN retry r ON r.stream = v.stream AND r.seq = v.seq WHERE r.due_at IS NULL",
    2,
)

REPLAY: Final = Values(
    "WITH v(stream, seq, at) AS (VALUES {values}) INSERT INTO retry (stream, seq, attempts, due_at, error, replayed_at)"
    f" SELECT v.stream, v.seq, 0, v.at, '{REPLAYED}', v.at FROM v"
    " WHERE EXISTS (SELECT 1 FROM event e WHERE e.stream = v.stream AND e.seq = v.seq)"
    " ON CONFLICT (stream, seq) DO UPDATE SET attempts = 0, due_at = excluded.due_at, error = excluded.error,"
    " replayed_at = excluded.replayed_at RETURNING seq",
    3,
)


class ReplayOp(Op):
    """Puts events of a stream back. Afterwards: ``at`` (ms), ``done`` those that there are, ``dead`` how many of
    them were dead letters."""

    __slots__ = ("at", "dead", "done", "seqs", "stream")
    order: ClassVar[int] = 82  # after what came of earlier deliveries, told in the same burst
    name: ClassVar[str] = "replay"

    def __init__(self, stream: int, seqs: Sequence[int]) -> None:
        super().__init__()
        self.stream = stream
        self.seqs = list(dict.fromkeys(seqs))
        self.at = 0
        self.done: list[int] = []
        self.dead = 0

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.seqs), 200 * len(self.seqs)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.at, op.done, op.dead = tx.now, [], 0
            if op.stream in tx.streams.by_id:
                keys: list[Row] = [(op.stream, seq) for seq in op.seqs]
                op.dead = len(SELECT_DEAD.fetch(tx.con, keys))
                op.done = [seq for (seq,) in REPLAY.fetch(tx.con, [(*key, tx.now) for key in keys])]


def replayed(con: sqlite3.Connection, stream: int) -> dict[int, int]:
    """Events of a stream that were put back and are not through yet: when that was (ms), by sequence number."""
    return dict(
        con.execute(
            "SELECT seq, replayed_at FROM retry WHERE stream = ? AND due_at IS NOT NULL AND replayed_at IS NOT NULL",
            (stream,),
        ).fetchall()
    )


def events_at(con: sqlite3.Connection, stream: int, seqs: Iterable[int]) -> dict[int, Row]:
    """Events by sequence number, each as (seq, at, kind, subject, payload)."""
    return {row[0]: row for row in SELECT_EVENTS.fetch(con, [(stream, seq) for seq in seqs])}


# --- finding ----------------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """Which events: of these streams; told from ``since`` to before ``until`` (ms since 1970).

    ``dead``: dead letters only. ``start``: the stream and sequence number to go on from, that one not included.
    """

    streams: tuple[int, ...]
    dead: bool = False
    since: int | None = None
    until: int | None = None
    start: tuple[int, int] | None = None
    limit: int = 50


class Told(NamedTuple):
    """An event and what became of it: ``status`` is waiting, acknowledged, retrying or dead; times in ms."""

    stream: int
    seq: int
    at: int
    kind: str
    payload: bytes
    status: str
    attempts: int
    due: int | None
    error: str | None
    replayed: int | None

    def shown(self) -> dict[str, Any]:
        """Its members for who looks, apart from where it went and its payload."""
        found: dict[str, Any] = {
            "event_id": f"{self.stream}-{self.seq}",
            "at": rfc3339(self.at),
            "kind": self.kind,
            "status": self.status,
        }
        if self.status in ("retrying", "dead"):
            found |= {"attempts": self.attempts, "error": self.error}
        if self.due is not None:
            found["due"] = rfc3339(self.due)
        if self.replayed is not None:
            found["replayed_at"] = rfc3339(self.replayed)
        return found


_COLUMNS: Final = "e.seq, e.at, e.kind, e.payload, r.attempts, r.due_at, r.error, r.replayed_at"
_FROM: Final = {
    False: "event e LEFT JOIN retry r ON r.stream = e.stream AND r.seq = e.seq WHERE e.stream = ?",
    True: "retry r CROSS JOIN event e ON e.stream = r.stream AND e.seq = r.seq WHERE r.due_at IS NULL AND r.stream = ?",
}
"""By whether only dead letters are wanted: each walks a primary key in its order, and looks up the other."""


def find(con: sqlite3.Connection, wanted: Wanted, *, oldest_first: bool = False) -> list[Told]:
    """At most ``limit`` events of all these streams together, from the newest to the oldest or the other way.

    Those of the same moment are in the order of their streams.
    """
    sign = 1 if oldest_first else -1
    lines: list[Iterator[tuple[tuple[int, int, int], int, Row]]] = []
    with ExitStack() as stack:
        for stream, one in _each(con, wanted, oldest_first=oldest_first):
            rows = stack.enter_context(closing(_rows(con, stream, one, oldest_first=oldest_first)))
            lines.append(_keyed(stream, rows, sign))
        found = [(stream, row) for _, stream, row in islice(merge(*lines, key=itemgetter(0)), wanted.limit)]
    cursors = {stream: cursor_of(con, stream) for stream in {stream for stream, _ in found}}
    return [_told(stream, row, *cursors[stream]) for stream, row in found]


def _keyed(stream: int, rows: Iterable[Row], sign: int) -> Iterator[tuple[tuple[int, int, int], int, Row]]:
    return (((sign * row[1], stream, sign * row[0]), stream, row) for row in rows)


def _each(con: sqlite3.Connection, wanted: Wanted, *, oldest_first: bool) -> Iterator[tuple[int, Wanted]]:
    """What is wanted of each stream: of others than that of ``start`` what comes behind it by time."""
    start = wanted.start
    at = _at(con, *start) if start is not None else None
    for stream in wanted.streams:
        if start is None or at is None or stream == start[0]:
            yield stream, wanted
        elif oldest_first:
            yield stream, wanted._replace(start=None, since=max(wanted.since or 0, at + (stream < start[0])))
        else:
            behind = at + (stream > start[0])
            yield stream, wanted._replace(start=None, until=min(behind, wanted.until or behind))


def _at(con: sqlite3.Connection, stream: int, seq: int) -> int | None:
    """When an event was told; of one that is gone, the next one of its stream, or the one before."""
    row = (
        con.execute("SELECT at FROM event WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1", (stream, seq)).fetchone()
        or con.execute(
            "SELECT at FROM event WHERE stream = ? AND seq < ? ORDER BY seq DESC LIMIT 1", (stream, seq)
        ).fetchone()
    )
    return row[0] if row is not None else None


def _rows(con: sqlite3.Connection, stream: int, wanted: Wanted, *, oldest_first: bool) -> sqlite3.Cursor:
    """Rows of one stream in their order, read one by one as they are asked for."""
    side = "r" if wanted.dead else "e"
    order, beyond, edge = ("", ">", -1) if oldest_first else ("DESC", "<", _LAST_SEQ)
    low = 0 if wanted.since is None else first_since(con, stream, wanted.since)
    high = _LAST_SEQ if wanted.until is None else first_since(con, stream, wanted.until)
    until = wanted.until if wanted.until is not None else _LAST_SEQ
    from_seq = wanted.start[1] if wanted.start is not None and wanted.start[0] == stream else edge
    return con.execute(
        f"SELECT {_COLUMNS} FROM {_FROM[wanted.dead]} AND {side}.seq BETWEEN ? AND ? AND {side}.seq {beyond} ?"
        f" AND e.at >= ? AND e.at < ? ORDER BY {side}.seq {order} LIMIT ?",
        (stream, low, high, from_seq, wanted.since or 0, until, wanted.limit),
    )


def event(con: sqlite3.Connection, stream: int, seq: int) -> Told | None:
    """One event."""
    row = con.execute(f"SELECT {_COLUMNS} FROM {_FROM[False]} AND e.seq = ?", (stream, seq)).fetchone()
    return _told(stream, row, *cursor_of(con, stream)) if row is not None else None


def _told(stream: int, row: Row, acked: int, done: frozenset[int]) -> Told:
    seq, at, kind, payload, attempts, due, error, again = row
    if error is not None:
        status = "dead" if due is None else "retrying"
    else:
        status = "acknowledged" if seq <= acked or seq in done else "waiting"
    return Told(stream, seq, at, kind, payload, status, attempts or 0, due, error, again)
