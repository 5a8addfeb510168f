"""Subscriptions and handlers as streams, what they have acknowledged, and deliveries that failed."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from gateway.store.hot import DELETE_RETRY, PUT_CURSOR, PUT_RETRY, Row
from gateway.store.streams import HANDLER, SUBSCRIPTION, Kind, StreamInfo
from gateway.store.tx import Op, Tx

ALL_EVENTS = ("inbound", "receipt")


class OpenStreamOp(Op):
    """Makes a stream, or changes what it takes. ``info`` is the result; ``created`` whether it is new.

    ``numbers`` and ``events`` of None keep what an existing stream has.
    """

    __slots__ = ("app", "created", "events", "info", "kind", "name_", "numbers", "replace")
    order: ClassVar[int] = 1
    name: ClassVar[str] = "open_stream"

    def __init__(
        self,
        kind: Kind,
        app: str,
        name: str,
        *,
        numbers: frozenset[str] | None = None,
        events: frozenset[str] = frozenset(ALL_EVENTS),
    ) -> None:
        super().__init__()
        self.kind = kind
        self.app = app
        self.name_ = name
        self.numbers = numbers
        self.events = events
        self.info: StreamInfo | None = None
        self.created = False

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 500

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.info = op._apply(tx)

    def _apply(self, tx: Tx) -> StreamInfo:
        numbers = sorted(self.numbers) if self.numbers is not None else None
        self.created = tx.streams.find(self.kind, self.app, self.name_) is None
        row = tx.con.execute(
            "INSERT INTO stream (kind, app, name, numbers, events, created_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, app, name) DO UPDATE SET numbers = excluded.numbers, events = excluded.events"
            " RETURNING id",
            (
                self.kind,
                self.app,
                self.name_,
                msgspec.json.encode(numbers).decode() if numbers is not None else None,
                msgspec.json.encode(sorted(self.events)).decode(),
                tx.now,
            ),
        ).fetchone()
        info = StreamInfo(row[0], self.kind, self.app, self.name_, self.numbers, self.events)
        # Events of the same burst go by the new wish; if the burst fails, the writer reads all streams anew.
        tx.streams.put(info)
        return info


class CloseStreamOp(Op):
    """Ends a stream: its events, cursor and failed deliveries go with it.

    Before `OpenStreamOp` in a burst: who opens it anew at that moment gets a new one, never one that is gone.
    """

    __slots__ = ("stream",)
    order: ClassVar[int] = 0
    name: ClassVar[str] = "close_stream"

    def __init__(self, stream: int) -> None:
        super().__init__()
        self.stream = stream

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 100

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            for table in ("event", "cursor", "retry"):
                tx.con.execute(f"DELETE FROM {table} WHERE stream = ?", (op.stream,))
            tx.con.execute("DELETE FROM stream WHERE id = ?", (op.stream,))
            tx.streams.drop(op.stream)


class AckOp(Op):
    """Where streams stand: rows (stream, acked, sparse); ``sparse`` are sequence numbers done beyond ``acked``."""

    __slots__ = ("rows",)
    order: ClassVar[int] = 80
    must: ClassVar[bool] = True
    patient: ClassVar[bool] = True  # nobody waits for it, and what is lost with it is told again
    name: ClassVar[str] = "ack"

    def __init__(self, rows: list[tuple[int, int, list[int]]]) -> None:
        super().__init__()
        self.rows = rows

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.rows), 100 * len(self.rows)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        latest: dict[int, Row] = {}
        for op in ops:
            for stream, acked, sparse in op.rows:
                if stream in tx.streams.by_id:
                    packed = msgspec.json.encode(sparse).decode() if sparse else None
                    latest[stream] = (stream, acked, packed)
        PUT_CURSOR.run(tx.con, list(latest.values()))


class RetryOp(Op):
    """Deliveries that failed: ``put`` rows (stream, seq, attempts, due_at in ms or None for a dead letter, error).

    ``done`` are (stream, seq) that came through after failing.
    """

    __slots__ = ("done", "put")
    order: ClassVar[int] = 81
    must: ClassVar[bool] = True
    name: ClassVar[str] = "retry"

    def __init__(self, put: list[Row], done: list[tuple[int, int]]) -> None:
        super().__init__()
        self.put = put
        self.done = done

    @property
    def weight(self) -> tuple[int, int]:
        rows = len(self.put) + len(self.done)
        return rows, 200 * rows

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        put: dict[tuple[int, int], Row] = {}
        for op in ops:
            for row in op.put:
                if row[0] in tx.streams.by_id:
                    put[row[0], row[1]] = row
        PUT_RETRY.run(tx.con, list(put.values()))
        done = [key for op in ops for key in op.done]
        DELETE_RETRY.run(tx.con, done)


__all__ = ["ALL_EVENTS", "HANDLER", "SUBSCRIPTION", "AckOp", "CloseStreamOp", "OpenStreamOp", "RetryOp"]
