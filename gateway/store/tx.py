"""What a burst is made of: operations, and the transaction that they are applied in.

A flow fills an operation in Trio's thread and hands it to the writer. The writer's thread applies all operations of a
burst in one transaction, kind by kind, so that the rows of one kind from all flows share a statement. After the commit
each operation's callback runs in Trio's thread; results are attributes of the operation.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from gateway.model import IdSource, IdText
from gateway.policy.consent import Consents
from gateway.policy.optout import OptOuts
from gateway.settings import Settings
from gateway.store.forms import Forms, FormsChange
from gateway.store.guards import Change as GuardsChange
from gateway.store.guards import Guards
from gateway.store.hot import INSERT_EVENT, Row
from gateway.store.optedout import check as not_opted_out
from gateway.store.streams import Streams
from gateway.store.trace import Trace, write
from gateway.store.verdicts import Check
from gateway.store.waiting import Change, Waiting

if TYPE_CHECKING:
    from gateway.store.reroute import Moved, Planner
    from gateway.store.ruled import Ruling


class Live(msgspec.Struct, eq=False, gc=False):
    """An event as it was just committed, for those who wait for it."""

    stream: int
    seq: int
    at: int
    kind: str
    subject: int
    payload: bytes

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"<{type(self).__name__} {self.stream}-{self.seq} of {self.kind}>"


@cache
def _usual() -> Consents:
    """What holds until settings say otherwise."""
    settings = Settings()
    return Consents(settings, OptOuts(settings))


class Ended(NamedTuple):
    """A message that ended while it waited. ``queued``: segments that waited for the carrier."""

    id: int
    app: str
    carrier: str
    queued: int


class Stopped(NamedTuple):
    """A person who opted out: memory is to let go of what goes to ``peer`` in one of the ``scopes``."""

    peer: str
    scopes: frozenset[str]


class Op:
    """One operation. ``order`` places its kind within a burst; a ``must`` operation is tried until it is stored."""

    __slots__ = ("group", "line", "number", "on_commit", "on_fail", "shared")
    order: ClassVar[int]
    must: ClassVar[bool] = False
    passes: ClassVar[bool] = False  # whether it goes past those that are ``passed``, see `gateway.store.pending`
    passed: ClassVar[bool] = False
    first: ClassVar[bool] = False  # whether its callback comes before those of the others in its burst
    after: ClassVar[bool] = False  # whether its callback comes after those of the others in its burst
    patient: ClassVar[bool] = False  # whether it waits a little for others, so as not to be a transaction by itself
    name: ClassVar[str]

    def __init__(self) -> None:
        self.line: str | None = None  # the carrier in whose line it waits, see `gateway.store.pending`
        self.group = 0  # where it frees a window that waits: rows of that carrier that are stored at once
        self.number = 0  # its place among all that were put
        self.shared = False  # whether it waits a moment for what else is to be stored, see `gateway.store.company`
        self.on_commit: Callable[[Any], None] | None = None
        self.on_fail: Callable[[Any, Exception], None] | None = None

    @property
    def weight(self) -> tuple[int, int]:
        """Rows and octets that it brings, for the bounds of a burst."""
        raise NotImplementedError

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        """Applies all operations of this kind, in the order in which they came."""
        raise NotImplementedError


class Tx:
    """A transaction under way in the writer's thread. Nothing of it is visible outside until it is committed."""

    __slots__ = (
        "_guards",
        "_guards_change",
        "_next_seq",
        "asks",
        "charges",
        "checks",
        "con",
        "consents",
        "counts",
        "ended",
        "epoch",
        "events",
        "forgotten",
        "forms",
        "id_text",
        "ids",
        "moved",
        "now",
        "optouts",
        "parked",
        "planner",
        "receipt_times",
        "ruling",
        "stopped",
        "streams",
        "traces",
        "tuning",
        "unused",
        "waiting",
    )

    def __init__(self, con: sqlite3.Connection, now: int, base: Base) -> None:
        self.con = con
        self.now = now
        self.epoch = base.epoch
        self.ids = base.ids
        self.id_text = base.id_text
        self.streams = base.streams
        self.tuning = base.tuning
        self.parked = base.parked
        self.planner = base.planner
        self.ruling = base.ruling
        self.checks = base.checks
        self.forgotten = base.forgotten
        self.charges = base.charges
        self.consents = base.consents
        self.optouts = base.consents.optouts
        self.asks = base.looked is not self.optouts  # what is claimed may be for who opted out of it, by other rules
        self._guards = base.guards
        self._guards_change: GuardsChange | None = None
        self.waiting = Change(base.waiting)
        self.forms = FormsChange(base.forms)
        self.events: list[Live] = []
        self.traces: list[Trace] = []
        self.moved: list[Moved] = []  # messages that went to another carrier by what came in
        self.stopped: list[Stopped] = []  # who opted out, and what ended by that while it waited
        self.ended: list[Ended] = []
        self.unused: list[tuple[int, int]] = []  # segments that ended without a carrier; where ``charges`` is set
        self.counts: dict[str, int] = {}
        self.receipt_times: dict[str, list[float]] = {}  # by carrier, seconds from a response to its receipt
        self._next_seq: dict[int, int] = {}

    def emit(self, streams: tuple[int, ...], kind: str, subject: int, payload: bytes) -> None:
        """Appends an event to each of ``streams``; written with the burst, delivered after its commit."""
        for stream in streams:
            seq = self._next_seq.get(stream)
            if seq is None:
                seq = self.streams.last_seq.get(stream, 0) + 1
            self._next_seq[stream] = seq + 1
            self.events.append(Live(stream, seq, self.now, kind, subject, payload))

    def count(self, name: str, by: int = 1) -> None:
        """Counts something for the metrics, once the burst is committed."""
        self.counts[name] = self.counts.get(name, 0) + by

    def trace(self, message_id: int, part: int, kind: str, carrier: str, detail: dict[str, Any] | None = None) -> None:
        """Notes what happened beyond the usual (part 0: to the message as a whole); see `gateway.store.trace`."""
        self.traces.append(Trace(message_id, part, self.now, kind, carrier, detail))

    def guards_change(self) -> GuardsChange:
        """The guards of what follows from inbound messages, as this transaction sees them."""
        if self._guards_change is None:
            self._guards_change = GuardsChange(self._guards)
        return self._guards_change

    def write_traces(self) -> None:
        """Writes what was noted."""
        if self.traces and (dropped := write(self.con, self.traces)):
            self.count("traces_dropped", dropped)

    def write_events(self) -> None:
        """Writes what was emitted; the last statement of a burst."""
        if self.events:
            rows: list[Row] = [(e.stream, e.seq, e.at, e.kind, e.subject, e.payload) for e in self.events]
            INSERT_EVENT.run(self.con, rows)

    def committed(self, base: Base) -> None:
        """Takes over the sequence numbers that this transaction gave out, and its counts of what waits."""
        base.parked = self.parked
        base.forgotten = self.forgotten
        self.waiting.commit()
        self.forms.commit()
        if self._guards_change is not None:
            self._guards_change.commit(self.now)
        for stream, following in self._next_seq.items():
            self.streams.last_seq[stream] = following - 1


class Base:
    """What transactions share, owned by the writer: ids, epoch, streams, bounds and the counts of what waits."""

    __slots__ = (
        "charges",
        "checks",
        "consents",
        "epoch",
        "forgotten",
        "forms",
        "guards",
        "id_text",
        "ids",
        "looked",
        "parked",
        "planner",
        "ruling",
        "streams",
        "tuning",
        "waiting",
    )

    def __init__(
        self, epoch: int, ids: IdSource, id_text: IdText, streams: Streams, tuning: Tuning, parked: int
    ) -> None:
        self.epoch = epoch
        self.ids = ids
        self.id_text = id_text
        self.streams = streams
        self.tuning = tuning
        self.parked = parked
        self.waiting = Waiting()
        self.forms = Forms()
        self.forgotten: bytes | None = None  # key of the names of people who were erased, once there are any
        self.planner: Planner | None = None  # where messages may go from one carrier to another
        self.guards = Guards()
        self.ruling: Ruling | None = None  # what rules make of inbound messages
        self.consents = _usual()  # what people have to agree to, and how far an opt-out reaches
        self.looked: OptOuts | None = self.optouts  # by which rules the queues were looked through last
        self.charges = False  # whether messages may have taken segments from a balance
        self.checks: tuple[Check, ...] = (not_opted_out,)  # whether a new message may be sent, in this order

    @property
    def optouts(self) -> OptOuts:
        """How far an opt-out reaches."""
        return self.consents.optouts


class Tuning:
    """Bounds that the operations need, from the settings; replaced as a whole on reload."""

    __slots__ = ("marks_max", "parked_max", "receipt_age_ms", "waiting_max", "waiting_max_peer")

    def __init__(
        self,
        parked_max: int = 100_000,
        receipt_age_ms: int = 7 * 86_400_000,
        waiting_max: int = 50_000,
        waiting_max_peer: int = 1000,
        marks_max: int = 250_000,
    ) -> None:
        self.parked_max = parked_max
        self.receipt_age_ms = receipt_age_ms
        self.waiting_max = waiting_max
        self.waiting_max_peer = waiting_max_peer
        self.marks_max = marks_max
