"""Asks carriers that answer query_sm (SMPP 3.4 §4.8) what became of sent segments whose receipt is overdue.

A segment is asked for when `query_after` is over, and again after each `query_interval`, `query_times` in all; what
comes back settles it as a receipt does, and a receipt that comes later still counts. Queries go beside the submits,
outside of window and pace, at most `query_rate` a second and `OUTSTANDING` without an answer.
"""

from __future__ import annotations

import heapq
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from gateway.carrier.answer import Ask
from gateway.carrier.carrier import Carrier
from gateway.log import logger
from gateway.model import RECEIPT_STATES, State, id_floor
from gateway.smpp.constants import CommandStatus, MessageState
from gateway.smpp.pdu import Pdu, QuerySm, QuerySmResp
from gateway.smpp.receipt import Receipt
from gateway.smpp.status import status_name
from gateway.store.matching import ReceiptIn
from gateway.store.overdue import Overdue, QueriedOp, RoundsOp, overdue, rounds

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

_log = logger(component="outbound")

OUTSTANDING: Final = 10
SCAN: Final = 2000
"""Segments that one read looks at, whatever their state."""
SCANS: Final = 20
"""Reads for one carrier in a second."""
LATER: Final = 10_000
"""Segments kept in memory that were sent long after their message was made, so that their time is still to come."""
LOOK_BACK_MS: Final = 86_400_000
"""How far the first round goes back beyond `query_after`, where nothing is known of earlier ones."""
THROTTLED_PAUSE: Final = 60.0

_Due = tuple[int, int, Overdue]
"""When (ms), the round, and the segment."""


class Queries:
    """The queries of all carriers; `turn` is called by the sweeper."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._asking: dict[str, Asking] = {}
        self._next = 0.0

    async def turn(self) -> None:
        """Once a second: finds what is overdue and asks for it."""
        now = trio.current_time()
        if now < self._next or self._outbound.stopping:
            return
        self._next = now + 1.0
        for name, carrier in list(self._outbound.carriers.items()):
            if not carrier.settings.query:
                continue
            asking = self._asking.get(name)
            if asking is None or asking.carrier is not carrier:
                asking = self._asking[name] = Asking(self._outbound, carrier)
            await asking.turn()


class Asking:
    """The queries of one carrier, as long as its settings stay."""

    def __init__(self, outbound: Outbound, carrier: Carrier) -> None:
        self.carrier = carrier
        self.settings = carrier.settings
        self._outbound = outbound
        self._rounds: list[int] = []  # by round, the message id up to which segments were looked for
        self._stored: list[int] = []
        self._todo: deque[_Due] = deque()
        self._later: list[_Due] = []
        self._open = 0
        self._credit = 0.0
        self._not_before = 0.0
        self._supported = True
        self._rotation = 0

    async def turn(self) -> None:
        """Asks for what may be asked for in a second."""
        carrier = self.carrier
        if not self._supported or carrier.held or carrier.stopping or not carrier.can_send:
            return
        if not self._rounds:
            await self._begin()
        await self._find()
        now = trio.current_time()
        if now >= self._not_before and now >= carrier.pace.paused_until:
            self._ask()
        await self._keep()

    async def _begin(self) -> None:
        """Takes up the rounds where they were left; not further back than receipts are matched at all."""
        known = await self._outbound.store.reader.read(partial(rounds, carrier=self.carrier.name))
        age = self._outbound.writer.base.tuning.receipt_age_ms
        for number in range(self.settings.query_times):
            reach = self._reach(number)
            oldest = id_floor(max(0, reach - age))
            if number < len(known) and (not number or id_floor(max(0, reach)) <= known[number - 1]):
                start = max(known[number], oldest)
            elif not number:
                start = id_floor(max(0, reach - LOOK_BACK_MS))
            else:
                # The round before comes to these only now, after a long stop: they are not asked for twice in a row.
                start = id_floor(max(0, reach))
            self._rounds.append(start)
        self._stored = list(known)

    def _reach(self, number: int) -> int:
        """Up to when (ms) messages have to be made, and segments sent, for a round to ask for them."""
        wait = self.settings.query_after + number * self.settings.query_interval
        return self._outbound.clock.now_ms() - int(wait * 1000)

    async def _find(self) -> None:
        now = self._outbound.clock.now_ms()
        while self._later and self._later[0][0] <= now:
            self._todo.append(heapq.heappop(self._later))
        left = SCANS
        for number in range(len(self._rounds)):
            before = id_floor(max(0, self._reach(number)))
            if number:
                before = min(before, self._rounds[number - 1] + 1)
            while left and len(self._todo) < 2 * self.settings.query_rate and self._rounds[number] < before - 1:
                left -= 1
                found, last = await self._outbound.store.reader.read(
                    partial(overdue, carrier=self.carrier.name, after=self._rounds[number], before=before, limit=SCAN)
                )
                self._rounds[number] = last if last is not None else before - 1
                for segment in found:
                    self._due(number, segment, now)

    def _due(self, number: int, segment: Overdue, now: int) -> None:
        at = segment.sent_at + now - self._reach(number)
        if at <= now:
            self._todo.append((at, number, segment))
        elif len(self._later) < LATER:
            heapq.heappush(self._later, (at, number, segment))
        # else the next round finds it

    def _ask(self) -> None:
        rate = self.settings.query_rate
        self._credit = min(self._credit + rate, max(rate, 1.0))
        senders = [b for b in self.carrier.binds if b.can_send]
        used = set()
        while self._todo and self._credit >= 1 and self._open < OUTSTANDING and senders:
            due = self._todo.popleft()
            segment = due[2]
            self._credit -= 1
            self._rotation += 1
            bind = senders[self._rotation % len(senders)]
            # §4.8.1: the id as the response had it, and the source address of the submit.
            pdu = QuerySm(segment.smsc_message_id, self.carrier.wire.source(segment.number))
            try:
                bind.ask(pdu, Ask(partial(self._answered, due)))
            except ValueError as error:  # an id that fits no PDU
                self._count("refused")
                _log.warning("query_unsendable", carrier=self.carrier.name, error=str(error))
                continue
            self._open += 1
            used.add(bind)
        for bind in used:
            bind.flush()

    async def _keep(self) -> None:
        """Stores where the rounds stand: before what is still to be asked for."""
        stand = list(self._rounds)
        for _, number, segment in self._todo:
            stand[number] = min(stand[number], segment.message_id - 1)
        # Not at every second in which there was nothing to ask for: only once it makes a difference.
        moved = any(new != old for new, old in zip(stand, self._stored, strict=False))
        if len(stand) != len(self._stored) or (moved and self._worth(stand)):
            await self._outbound.writer.do(RoundsOp(self.carrier.name, stand))
            self._stored = stand

    def _worth(self, stand: list[int]) -> bool:
        return any(new >> 21 > (old >> 21) + 60_000 for new, old in zip(stand, self._stored, strict=False))

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answered(self, due: _Due, pdu: Pdu | None, status: int | None) -> None:
        self._open -= 1
        segment = due[2]
        if status is None:
            self._count("unanswered")
            return
        receipt: ReceiptIn | None = None
        if status == CommandStatus.ESME_ROK and isinstance(pdu, QuerySmResp):
            receipt = self._receipt(segment, pdu)
            self._count(State(receipt.state).word if receipt.state is not None else "no_change")
        elif status in (CommandStatus.ESME_RQUERYFAIL, CommandStatus.ESME_RINVMSGID):
            self._count("unknown")
        elif status == CommandStatus.ESME_RTHROTTLED:
            self._count("throttled")
            self._not_before = trio.current_time() + THROTTLED_PAUSE
            self._todo.appendleft(due)
            return
        elif status == CommandStatus.ESME_RINVCMDID:
            self._count("unsupported")
            if self._supported:
                self._supported = False
                _log.warning("query_not_supported", carrier=self.carrier.name, status=status_name(status))
            return
        else:
            self._count("refused")
        self._outbound.writer.put(QueriedOp(self.carrier.name, segment, status, receipt))

    def _receipt(self, segment: Overdue, pdu: QuerySmResp) -> ReceiptIn:
        try:
            said = MessageState(pdu.message_state)
        except ValueError:
            said = MessageState.UNKNOWN
        state = RECEIPT_STATES.get(said)
        error = f"{pdu.error_code:03d}" if pdu.error_code else None
        told = Receipt(id=segment.smsc_message_id, state=said, error=error)
        return ReceiptIn(
            carrier=self.carrier.name,
            raw=segment.smsc_message_id,
            peer="",
            state=int(state) if state is not None else None,
            receipt_state=int(said),
            reason=self.carrier.wire.reasons.of_receipt(told),
            error=error,
            at=self._outbound.clock.now_ms(),
        )

    def _count(self, result: str) -> None:
        self._outbound.metrics.carrier(self.carrier.name).queried(result)
