"""What happened in a simulation, as the database committed it and as the carriers and applications saw it.

Triggers tell of every row that changes; what they tell counts once the transaction is committed. Texts carry a label,
``<17>``, in each of their segments, inbound ones ``<i17.2>`` with their part: so whoever sees octets knows whose.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import trio

from gateway.model import STATE_WORDS, State
from gateway.settings.own import OWN_APP
from tests.sim import permits

LABEL: Final = re.compile(r"<(\d+)>")
INBOUND_LABEL: Final = re.compile(r"<i(\d+)\.(\d+)(?:\+\d+)?>")
_OWN: Final = re.compile(r"(?:auto|duty(\d)): (?:<i)?(\d+)\.\d+\+(\d+)")
"""What rules send of an inbound message: to whom, its label, and which of its copies it was."""
UNLABELLED: Final = 2_000_000
"""Beyond this are the labels of messages whose texts have none: answers to STOP and the like, forwards of those."""

_TRIGGERS: Final = """
CREATE TEMP TRIGGER sim_m AFTER INSERT ON main.message BEGIN
 SELECT sim_message(new.id, new.app, new.number, new.peer, new.body, new.receipt, new.expires_at, new.class, new.door,
  new.meta); END;
CREATE TEMP TRIGGER sim_n AFTER UPDATE ON main.message BEGIN
 SELECT sim_message(new.id, new.app, new.number, new.peer, new.body, new.receipt, new.expires_at, new.class, new.door,
  new.meta); END;
CREATE TEMP TRIGGER sim_s AFTER INSERT ON main.segment BEGIN
 SELECT sim_segment(new.message_id, new.part, new.carrier, new.lane, new.rank, -1, new.state, new.in_doubt); END;
CREATE TEMP TRIGGER sim_u AFTER UPDATE ON main.segment BEGIN
 SELECT sim_segment(new.message_id, new.part, new.carrier, new.lane, new.rank, old.state, new.state, new.in_doubt); END;
CREATE TEMP TRIGGER sim_d AFTER DELETE ON main.segment BEGIN
 SELECT sim_segment(old.message_id, old.part, old.carrier, old.lane, old.rank, old.state, -1, old.in_doubt); END;
CREATE TEMP TRIGGER sim_i AFTER INSERT ON main.inbound BEGIN SELECT sim_inbound(new.text); END;
CREATE TEMP TRIGGER sim_p AFTER INSERT ON main.mo_part BEGIN SELECT sim_inbound(new.data); END;
CREATE TEMP TRIGGER sim_q AFTER UPDATE ON main.mo_part BEGIN SELECT sim_inbound(new.data); END;
"""


def label_in(text: str) -> int:
    """The label of a message of ours; -1: it has none."""
    if (found := LABEL.search(text)) is not None:
        return int(found[1])
    if (own := _OWN.match(text)) is None:
        return -1
    return 10_000 + (int(own[2]) * 100 + int(own[3])) * 10 + int(own[1] or 0)


class Message:
    """A message that was stored."""

    __slots__ = (
        "app",
        "cause",
        "door",
        "expires_at",
        "gone",
        "id",
        "klass",
        "label",
        "number",
        "peer",
        "receipt",
        "rule",
        "segments",
        "text",
    )

    def __init__(
        self,
        id: int,
        app: str,
        number: str,
        peer: str,
        label: int,
        receipt: bool,
        expires_at: int,
        klass: int,
        door: str | None,
        text: str,
    ) -> None:
        self.id = id
        self.app = app
        self.number = number
        self.peer = peer
        self.label = label
        self.receipt = receipt
        self.expires_at = expires_at
        self.klass = klass
        self.door = door
        self.text = text
        self.rule = ""  # of ours: the rule that it goes back to
        self.cause = 0  # and the inbound message
        self.segments: dict[int, Segment] = {}
        self.gone: list[Segment] = []  # as they were on carriers that it was taken from

    @property
    def waiting(self) -> list[str]:
        """Its segments that are queued or scheduled."""
        return [s.place for s in self.segments.values() if s.state in (State.SCHEDULED, State.QUEUED)]


class Segment:
    """A segment: its committed state, and what the carriers did with it."""

    __slots__ = (
        "accepted",
        "arrivals",
        "carrier",
        "history",
        "in_doubt",
        "lane",
        "message",
        "part",
        "rank",
        "receipts",
        "state",
        "temporary",
        "written",
    )

    def __init__(self, message: Message, part: int, carrier: str, lane: int, rank: int) -> None:
        self.message = message
        self.part = part
        self.carrier = carrier
        self.lane = lane
        self.rank = rank
        self.state = -1
        self.in_doubt = 0
        self.history: list[tuple[float, int, int, int]] = []  # when, from which state, to which, in doubt how often
        self.written: list[float] = []  # submit_sm handed to a stream
        self.arrivals: list[tuple[float, str]] = []  # when, and on which carrier, one was read
        self.accepted = 0
        self.temporary = 0  # refusals for now
        self.receipts: set[tuple[int, int]] = set()  # (state as stored, error) of the final receipts sent for it

    @property
    def place(self) -> str:
        return f"<{self.message.label}>/{self.part}"


Change = tuple[Segment, int, int]
"""A segment, its state before and after."""


class Passed:
    """The first copies of segments that go one way, by the latest message of each: later ones pass none before."""

    def __init__(self, ledger: Ledger, law: str) -> None:
        self._ledger = ledger
        self._law = law
        self._latest: dict[tuple[str, str, str, str, int, int], int] = {}

    def arrived(self, carrier: str, segment: Segment, why: str) -> None:
        """A carrier has read the first copy; what came back or is in doubt may be passed. ``why`` it may not be."""
        message = segment.message
        key = (carrier, message.number, message.peer, message.app, segment.lane, segment.rank)
        latest = self._latest.get(key, 0)
        self._latest[key] = max(latest, message.id)
        if message.id < latest and not any(s.in_doubt or s.temporary for s in message.segments.values()):
            later = self._ledger.messages[latest].label
            self._ledger.broken(self._law, f"{segment.place} after <{later}>{why}")


class Ledger:
    """The facts. ``on_commit`` gets the changes of each transaction; a broken law is told to `broken`."""

    def __init__(self, *, trace: bool = False) -> None:
        self.messages: dict[int, Message] = {}
        self.by_label: dict[int, Message] = {}
        self.inbound: set[tuple[int, int]] = set()  # labels and parts that are stored
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.lines: list[str] = []
        self.life = 0
        self.start = 0.0
        self.on_commit: Callable[[list[Change]], None] = lambda _: None
        self._trace = trace
        self._digest = hashlib.sha256()
        self._pending: list[tuple[Any, ...]] = []
        self._ghost: list[tuple[Any, ...]] = []
        self._saved: dict[str, int] = {}
        self.permits = permits.Permits(self)
        self.parse: Callable[[str], int] = lambda _: -1  # a message id as applications know it
        self._unlabelled = 0

    # --- notes --------------------------------------------------------------------------------------------------------

    def note(self, kind: str, text: str) -> None:
        """A line of the trace."""
        line = f"{trio.current_time() - self.start:10.4f} {self.life} {kind:8} {text}"
        self._digest.update(line.encode())
        if self._trace:
            self.lines.append(line)
        self.counts[kind] += 1

    @property
    def digest(self) -> str:
        """Of all notes: equal for equal runs."""
        return self._digest.hexdigest()

    def broken(self, law: str, what: str) -> None:
        """A law does not hold."""
        at = trio.current_time() - self.start
        self.note("BROKEN", f"{law}: {what}")
        if len(self.failures) < 20:
            self.failures.append(f"{law}: {what} (at {at:.3f}, life {self.life})")

    # --- the database -------------------------------------------------------------------------------------------------

    def watch(self, con: sqlite3.Connection) -> None:
        """Has a connection tell of its changes."""
        con.create_function("sim_message", 10, lambda *row: self._pending.append(("m", *row)))
        con.create_function("sim_segment", 8, lambda *row: self._pending.append(("s", *row)))
        con.create_function("sim_inbound", 1, lambda *row: self._pending.append(("i", *row)))
        self.permits.watch(con, lambda row: self._pending.append(row))
        con.executescript(_TRIGGERS + permits.TRIGGERS)

    def unwatch(self, con: sqlite3.Connection) -> None:
        """Takes the triggers away: they do not outlive the database under them."""
        for name in ("sim_m", "sim_n", "sim_s", "sim_u", "sim_d", "sim_i", "sim_p", "sim_q", *permits.NAMES):
            con.execute(f"DROP TRIGGER temp.{name}")

    def saved(self, name: str) -> None:
        """A savepoint within the transaction."""
        self._saved[name] = len(self._pending)

    def rolled_back(self, to: str | None = None) -> None:
        """The transaction was taken back, or what came in it after a savepoint."""
        del self._pending[self._saved[to] if to is not None else 0 :]

    def haunted(self) -> None:
        """A commit was reported as failed, and may be found after a crash."""
        self._ghost, self._pending = self._pending, []

    def adopt(self) -> None:
        """It was found."""
        self.note("disk", "a ghost")
        self._apply(self._ghost)

    def forget(self) -> None:
        self._ghost = []

    def committed(self) -> None:
        """What was told of has happened."""
        self._ghost = []
        if self._pending:
            rows, self._pending = self._pending, []
            self._apply(rows)

    def _apply(self, rows: list[tuple[Any, ...]]) -> None:
        changes: list[Change] = []
        now = trio.current_time()
        for kind, *row in rows:
            if kind == "s":
                changes.append(self._segment(now, *row))
            elif kind == "m":
                self._message(*row)
            elif kind in permits.KINDS:
                self.permits.row(kind, *row)
            else:
                text = row[0].decode("latin-1") if isinstance(row[0], bytes) else row[0]
                self.inbound |= {(int(a), int(b)) for a, b in INBOUND_LABEL.findall(text or "")}
        self.permits.committed()
        for segment, old, new in changes:
            if old != new:
                if new in (State.SCHEDULED, State.QUEUED):
                    self.permits.waits(segment.message)
                before, after = (STATE_WORDS[s] if s >= 0 else "-" for s in (old, new))
                self.note("commit", f"{segment.place} {before} -> {after} on {segment.carrier}")
        self.on_commit(changes)

    def _message(
        self,
        id: int,
        app: str,
        number: str,
        peer: str,
        body: bytes,
        receipt: int,
        expires_at: int,
        klass: int,
        door: str | None,
        meta: str | None,
    ) -> None:
        if id in self.messages:
            self.messages[id].receipt = bool(receipt)  # made anew for another carrier
            return
        text = body.decode()
        label = label_in(text)
        if label < 0:
            self._unlabelled += 1
            label = UNLABELLED + self._unlabelled
        message = Message(id, app, number, peer, label, bool(receipt), expires_at, klass, door, text)
        if app == OWN_APP:
            said = json.loads(meta or "{}")
            message.rule, message.cause = said["rule"], self.parse(said["inbound"])
        self.messages[id] = self.by_label[label] = message
        self.permits.stored(message)

    def _segment(
        self, now: float, mid: int, part: int, carrier: str, lane: int, rank: int, old: int, new: int, in_doubt: int
    ) -> Change:
        message = self.messages[mid]
        segment = message.segments.get(part)
        if new < 0:
            segment = message.segments.pop(part)
            message.gone.append(segment)
        elif segment is None:
            segment = message.segments[part] = Segment(message, part, carrier, lane, rank)
        segment.carrier = carrier
        segment.state = new
        segment.in_doubt = in_doubt
        segment.history.append((now, old, new, in_doubt))
        return segment, old, new

    def find(self, label: int, part: int, carrier: str) -> Segment | None:
        """The segment with this label; as it was on this carrier, where it is another's now."""
        message = self.by_label.get(label)
        if message is None:
            return None
        segment = message.segments.get(part)
        if segment is None or segment.carrier != carrier:
            before = [s for s in message.gone if s.part == part and s.carrier == carrier]
            segment = before[-1] if before else segment
        return segment
