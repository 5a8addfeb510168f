"""The carrier's side of a long run: its log folded message by message, so that no more is held than what is open.

As `bench.reconcile` for runs whose log does not fit into memory. A copy of a segment is in order only where the one
before was cut off: its connection was dropped before the sink had answered, or so shortly after that the answer may
not have been read. What came in is told a second time only where the sink sent it again, for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from bench import keys, wire
from bench.ledger import Marks, Wrong
from bench.reconcile import faithful
from bench.sinklog import Delivery, Message, SinkLog, Submit, long_blocks
from bench.trace import Line

DROPPED = "dropped on command"
"""Why the sink closed a connection that it cut."""
READ_WITHIN = 2.0
"""Seconds in which an answer was certainly read."""
SETTLED = 30.0
"""Seconds after which a message that is complete has no copy any more."""
_BATCH = 32 << 20
"""Octets of the log between two folds: some fifty thousand messages."""


class Tally:
    """What came to the sink, and what it sent. outbound, inbound: lines of the traces, as they were played."""

    def __init__(self, outbound: Sequence[Line], inbound: Sequence[Line]) -> None:
        self._outbound = [line for line in outbound if line.kind == "mt"]
        self._inbound = [line for line in inbound if line.kind == "mo"]
        self.arrived = Marks()
        """Messages of which the sink accepted every segment."""
        self.acknowledged = Marks()
        """Inbound messages of which every segment was acknowledged with status 0."""
        self.resent = Marks()
        """Inbound messages of which a segment was sent again, since the connection was cut before its answer."""
        self.copies = 0
        """Segments that came again after their connection was cut."""
        self.segments = 0
        self.receipts = 0
        self.wrong = Wrong()
        self._log = SinkLog()
        self._unacked: set[str] = set()
        self._now = 0.0

    @classmethod
    def read(cls, path: Path, outbound: Sequence[Line], inbound: Sequence[Line]) -> Tally:
        """Folds a whole log. Raises ValueError when it is none, OSError."""
        tally = cls(outbound, inbound)
        octets = 0
        for block in long_blocks(path):
            tally._log.add(*block)
            tally._now = block[1]
            octets += len(block[3])
            if octets >= _BATCH:
                tally._fold()
                octets = 0
        tally._fold(last=True)
        return tally

    def _fold(self, *, last: bool = False) -> None:
        self._fold_submits(last)
        self._fold_deliveries(last)

    def _fold_submits(self, last: bool) -> None:
        kept: list[Submit] = []
        for message in self._log.messages().values():
            copies = [copy for part in message.parts.values() for copy in part]
            if not last and not (message.complete and copies[-1].t < self._now - SETTLED):
                kept += copies
                continue
            self.segments += len(message.parts)
            self._judge(message)
        kept.sort(key=lambda submit: submit.t)
        self._log.submits = kept

    def _judge(self, message: Message) -> None:
        if not message.key.startswith("#" + keys.MT):
            self.wrong.note("stray", message.key)
            return
        number = keys.number(message.key)
        if self.arrived[number]:
            self.wrong.note("doubled", message.key)
            return
        for copies in message.parts.values():
            for before, _ in pairwise(copies):
                if before.status in wire.TEMPORARY:
                    continue
                if self._cut_off(before):
                    self.copies += 1
                else:
                    self.wrong.note("doubled", message.key)
        if not faithful(message, self._outbound[number % len(self._outbound)], number):
            self.wrong.note("garbled", message.key)
        if message.complete:
            self.arrived.set(number)

    def _cut_off(self, submit: Submit) -> bool:
        connection = self._log.connections[submit.connection]
        if connection.closed is None or connection.reason != DROPPED:
            return False
        return submit.answered is None or connection.closed - submit.answered < READ_WITHIN

    def _fold_deliveries(self, last: bool) -> None:
        kept: list[Delivery] = []
        for delivery in self._log.deliveries:
            if delivery.kind != "receipt":
                continue
            which = str(delivery.smsc_message_id)
            if delivery.acked is not None and delivery.status == wire.ROK:
                self.receipts += 1
                self._unacked.discard(which)
            elif delivery.acked is not None or self._log.connections[delivery.connection].closed is not None or last:
                self._unacked.add(which)
            else:
                kept.append(delivery)
        for key, parts in self._log.inbound().items():
            taken = {part.concat.part for part in parts if part.acked is not None and part.status == wire.ROK}
            if len(taken) == parts[0].concat.total:
                if not key.startswith("#" + keys.MO):
                    self.wrong.note("inbound without a key", key)
                    continue
                self.acknowledged.set(keys.number(key))
                if len({part.concat.part for part in parts}) < len(parts):
                    self.resent.set(keys.number(key))
            elif last:
                self.wrong.note("inbound not acknowledged", key)
            else:
                kept += parts
        if last:
            for which in sorted(self._unacked):
                self.wrong.note("receipts not acknowledged", which)
        kept.sort(key=lambda delivery: delivery.t)
        self._log.deliveries = kept
