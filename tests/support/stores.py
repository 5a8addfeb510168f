"""A store in the test's own thread: operations go in as bursts, the wall clock is turned by hand."""

from __future__ import annotations

import sqlite3
from collections import Counter
from functools import partial
from typing import Any

import msgspec
import trio

from gateway.model import Clock, State
from gateway.store.begun import Awaited, RunSync
from gateway.store.events import OpenStreamOp
from gateway.store.hot import Row
from gateway.store.receipts import ReceiptIn, ReceiptOp
from gateway.store.sends import ClaimOp, ResponseOp, Sent
from gateway.store.store import Store
from gateway.store.streams import StreamInfo
from gateway.store.submits import NewMessage, SubmitOp
from gateway.store.tx import Live, Op

START = 1_760_000_000_000
"""2025-10-09 08:53:20 UTC in ms: not at the border of a day or of six hours."""
DAY = 86_400_000
NUMBER, PEER = "+15551230001", "+12125550101"


class Desk:
    """A store whose writer runs in the test's nursery; what it committed is gathered here."""

    def __init__(
        self, nursery: trio.Nursery, url: str = "sqlite://", *, run_sync: RunSync | None = None, **options: Any
    ) -> None:
        if run_sync is not None:
            options["begin"] = partial(Awaited, run_sync)
        self._nursery = nursery
        self._url = url
        self._options = options
        self.now = START
        self.counts: Counter[str] = Counter()
        self.events: list[Live] = []
        self._open()

    def _open(self) -> None:
        self.store = Store(self._url, clock=Clock(lambda: self.now), inline=True, **self._options)
        self.writer = self.store.writer
        self.writer.on_counts = self.counts.update
        self.writer.on_events = self.events.extend
        self.store.streams.configure({"app": None}, {})
        self._ended = trio.Event()
        self._nursery.start_soon(self._run, self._ended)

    async def _run(self, ended: trio.Event) -> None:
        try:
            await self.writer.run()
        finally:
            ended.set()

    @property
    def con(self) -> sqlite3.Connection:
        """The writer's connection."""
        return self.store.read_now(lambda con: con)

    async def close(self) -> None:
        """Stops the writer and closes the database."""
        self.store.stop()
        await self._ended.wait()
        self.store.close()

    async def restart(self, **options: Any) -> None:
        """Closes the database (a file) and opens it again, as a new start of the daemon would."""
        await self.close()
        self._options |= options
        self.events = []
        self._open()

    async def burst(self, *ops: Op) -> list[Exception | None]:
        """Puts operations as one burst; returns for each what made it fail, or None."""
        outcome: dict[int, Exception | None] = {}
        done = trio.Event()

        def settled(op: Op, error: Exception | None = None) -> None:
            assert id(op) not in outcome, "an operation is settled once"
            outcome[id(op)] = error
            if len(outcome) == len(ops):
                done.set()

        for op in ops:
            self.writer.put(op, settled, settled)
        with trio.fail_after(10):
            await done.wait()
        return [outcome[id(op)] for op in ops]

    async def do(self, *ops: Op) -> None:
        """Puts operations as one burst, all of which have to be stored."""
        for error in await self.burst(*ops):
            if error is not None:
                raise error

    # --- messages -----------------------------------------------------------------------------------------------------

    def new(self, **given: Any) -> NewMessage:
        """A message as the door makes it; one queued segment to `PEER` unless told otherwise."""
        fields: dict[str, Any] = {
            "id": self.store.ids.next(),
            "app": "app",
            "number": NUMBER,
            "peer": PEER,
            "klass": 0,
            "body": b"Hello",
            "meta": None,
            "ref": None,
            "digest": b"digest",
            "encoding": "gsm7",
            "options": None,
            "scheme": "udh8",
            "concat_ref": 7,
            "parts": 1,
            "receipt": True,
            "expires_at": self.now + DAY,
            "carrier": "acme",
            "lane": 0,
            "rank": 9,
            "shard": 0,
            "state": State.QUEUED,
            "due_at": None,
        }
        return NewMessage(**(fields | given))

    async def submit(self, **given: Any) -> int:
        """Stores a message and returns its id."""
        message = self.new(**given)
        await self.do(SubmitOp([message]))
        assert message.duplicate_of is None
        return message.id

    async def sent(self, *raw: str, **given: Any) -> int:
        """Stores a message whose segments were sent and answered with the ids ``raw``; returns its id."""
        mid = await self.submit(**({"parts": len(raw), "state": State.SUBMITTING} | given))
        await self.respond(mid, *raw, carrier=given.get("carrier", "acme"), receipt=given.get("receipt", True))
        return mid

    async def respond(self, mid: int, *raw: str, carrier: str = "acme", receipt: bool = True, first: int = 1) -> None:
        """Positive responses for the segments from ``first``, in one burst."""
        sent = [Sent(mid, part, r, self.now, receipt) for part, r in enumerate(raw, first)]
        await self.do(ResponseOp(carrier, sent, [], [], None))

    async def claim(self, *keys: tuple[int, int]) -> set[tuple[int, int]]:
        """Claims segments; returns those that were claimed."""
        op = ClaimOp(list(keys))
        await self.do(op)
        return set(op.claimed)

    def receipt(self, raw: str, state: int | None = State.DELIVERED, **given: Any) -> ReceiptIn:
        """A receipt as it comes in."""
        fields: dict[str, Any] = {
            "carrier": "acme",
            "raw": raw,
            "peer": PEER,
            "state": int(state) if state is not None else None,
            "receipt_state": 2 if state == State.DELIVERED else 5,
            "reason": "delivered" if state == State.DELIVERED else "undelivered",
            "error": "000" if state == State.DELIVERED else "069",
            "at": self.now,
        }
        return ReceiptIn(**(fields | given))

    async def receive(self, *receipts: ReceiptIn) -> None:
        """Applies receipts as one burst."""
        await self.do(ReceiptOp(list(receipts)))

    # --- streams ------------------------------------------------------------------------------------------------------

    async def open(self, name: str = "default", *, app: str = "app", kind: Any = "subscription", **given: Any) -> int:
        """Opens a stream and returns its number."""
        op = OpenStreamOp(kind, app, name, **given)
        await self.do(op)
        info = op.info
        assert isinstance(info, StreamInfo)
        return info.id

    def told(self, kind: str = "receipt") -> list[dict[str, Any]]:
        """The payloads of the events of a kind that were committed, as their readers see them."""
        return [msgspec.json.decode(e.payload) for e in self.events if e.kind == kind]

    # --- what is stored -----------------------------------------------------------------------------------------------

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Rows of a read."""
        return self.store.read_now(lambda con: con.execute(sql, values).fetchall())

    def segments(self, mid: int) -> list[dict[str, Any]]:
        """The segments of a message, in order."""

        def read(con: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = con.execute("SELECT * FROM segment WHERE message_id = ? ORDER BY part", (mid,))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return self.store.read_now(read)

    def states(self, mid: int) -> list[State]:
        """The states of a message's segments."""
        return [State(s["state"]) for s in self.segments(mid)]

    def put_in(self, mid: int, state: State, part: int = 1) -> None:
        """Puts a segment in a state by hand."""
        self.con.execute("UPDATE segment SET state = ? WHERE message_id = ? AND part = ?", (int(state), mid, part))
