"""Answers to submits: what each means for its segment, recorded in one operation, whose commit frees the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from gateway.carrier.bind import Answer, Bind
from gateway.carrier.carrier import Carrier
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.carrier.status import Action
from gateway.model import State, receipt_awaited
from gateway.store.ends import End
from gateway.store.hot import Row
from gateway.store.sends import Key, ResponseOp, Sent

if TYPE_CHECKING:
    from gateway.outbound.outbound import Outbound

LONGEST_RETRY: Final = 300.0


class Answers:
    """Judges responses and has them recorded."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        """Responses of one read: recorded in one operation, whose commit frees their slots.

        Where a full window waits for them and the carrier is far, they are recorded in groups
        (`gateway.carrier.distance`). Late ones are not: they come behind the record of their doubt.
        """
        carrier = bind.carrier
        now = trio.current_time()
        carrier.round_trip.took(now - answers[-1].segment.written_at, now)
        group = 0
        if not bind.free and not any(a.late for a in answers):
            group = carrier.round_trip.group(carrier.settings.window, self._outbound.writer.took)
        size = group or len(answers)
        for first in range(0, len(answers), size):
            self._record(bind, answers[first : first + size], group)

    def _record(self, bind: Bind, answers: list[Answer], group: int) -> None:
        carrier = bind.carrier
        counts = self._outbound.metrics.carrier(carrier.name)
        now_ms = self._outbound.clock.now_ms()
        now = trio.current_time()
        sent: list[Sent] = []
        refused: list[End] = []
        retries: list[Row] = []
        mine: list[tuple[SegmentOut, Action, int]] = []
        untaken: list[tuple[SegmentOut, int]] = []
        written: dict[Key, int] = {}  # of what was not accepted
        started = now_ms - now * 1000  # the wall clock's time at the zero of Trio's
        written_at, at = -1.0, 0  # of the segment before: those of one write share it
        throttled_at: float | None = None
        full = False
        action = carrier.statuses.action
        reason = carrier.wire.reasons.of_status
        for a in answers:
            segment = a.segment
            item = segment.message
            judged = action(a.status)
            if segment.written_at != written_at:
                written_at = segment.written_at
                at = int(started + written_at * 1000)
            if judged is Action.SENT:
                receipt = item.receipt
                if receipt > 1:
                    receipt = receipt_awaited(receipt, segment.part, item.parts)
                sent.append(Sent(item.id, segment.part, a.message_id, now_ms, receipt, a.late, at))
                if a.late:
                    self._withdraw(item, segment.part)
            else:
                written[item.id, segment.part] = at
                counts.failed(a.status)
                if (
                    judged is Action.REROUTE
                    and not a.late
                    and self._outbound.rerouter.refused(item, segment.part, a.status, reason(a.status))
                ):
                    # Queued where it is until nothing of it is open; then another carrier takes it, or it ends.
                    judged = Action.RETRY
                    retries.append((item.id, segment.part, a.status, now_ms))
                elif judged is Action.REFUSE or judged is Action.REROUTE:
                    states = ((1, 1), (4, 4)) if a.late else ((2, 2),)
                    refused += [
                        End(
                            item.id,
                            segment.part,
                            State.FAILED,
                            reason(a.status),
                            status=a.status,
                            low=low,
                            high=high,
                        )
                        for low, high in states
                    ]
                elif not a.late:
                    if judged is Action.THROTTLE:
                        throttled_at = max(throttled_at or 0.0, segment.written_at)
                    elif judged is Action.QUEUE_FULL:
                        full |= carrier.pace.full_queues.full(item.peer, now)
                    due = self._retry_at(carrier, segment, judged, now_ms)
                    retries.append((item.id, segment.part, a.status, due))
                    item.due_at = max(item.due_at, due)
                else:
                    untaken.append((segment, a.status))
            if a.late:
                counts.late.inc()
            else:
                mine.append((segment, judged, a.status))
        if untaken:
            self._outbound.doubts.untaken(bind, untaken)
        if sent:
            counts.accepted.inc(len(sent))
        counts.submit_latency.observe([now - a.segment.written_at for a in answers])
        if paused := carrier.judged(bind, len(sent), throttled_at, full=full):
            counts.throttled.inc(paused)
        op = ResponseOp(
            carrier.name, sent, refused, retries, (bind, mine), bind=bind.name, written=written, group=group
        )
        # Where half of the window is free nothing waits for a slot, nor soon will; nor for a message to the same phone.
        op.shared = 2 * bind.free > carrier.settings.window and not self._outbound.queues[carrier.name].pairs.waiting
        self._outbound.writer.put(op, self._recorded, self._not_recorded)

    def _withdraw(self, item: Outgoing, part: int) -> None:
        """A late answer says that the carrier has it: a copy that is not written yet is not sent."""
        queue = self._outbound.queues[item.carrier]
        carrier = self._outbound.carriers.get(item.carrier)
        item.settled = {part, *(item.settled or ())}
        if part in item.waiting:
            item.waiting = [p for p in item.waiting if p != part]
            queue.count(item.app, -1)
        elif carrier is not None and carrier.withdraw(item, part):
            item.open -= 1
        else:
            return
        self._outbound.place(queue, item)

    @staticmethod
    def _retry_at(carrier: Carrier, segment: SegmentOut, judged: Action, now_ms: int) -> int:
        item = segment.message
        if judged is Action.THROTTLE:
            wait = carrier.settings.throttle_pause
        else:
            item.attempts += 1
            wait = min(carrier.settings.retry_delay * 2 ** min(item.attempts - 1, 16), LONGEST_RETRY)
        # Not later than its validity, so that others to the same peer do not wait for what has expired.
        return min(now_ms + int(wait * 1000), item.expires_at)

    def _recorded(self, op: ResponseOp) -> None:
        bind: Bind
        mine: list[tuple[SegmentOut, Action, int]]
        bind, mine = op.context
        carrier = bind.carrier
        queue = self._outbound.queues[carrier.name]
        carrier.settled(bind, len(mine))
        for segment, judged, _ in mine:
            item = segment.message
            item.open -= 1
            if judged is Action.SENT:
                if not item.open and not item.waiting:  # as most are: see `place`
                    queue.finished(item)
                    continue
            elif judged is Action.REFUSE or judged is Action.REROUTE:
                # Its unsent parts ended with it in the same transaction.
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
            elif item.id in op.gone:
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
            else:
                item.waiting = sorted({segment.part, *item.waiting})
                queue.count(item.app, 1)
            self._outbound.place(queue, item)
        carrier.pump()
        self._outbound.claims.refill(carrier.name)

    def _not_recorded(self, op: ResponseOp, error: Exception) -> None:
        # Only a defect gets here. The segments stay `submitting` in the database and are in doubt at the next start.
        bind: Bind
        bind, mine = op.context
        bind.carrier.settled(bind, len(mine))
        for segment, _, _ in mine:
            segment.message.open -= 1
            if not segment.message.open and not segment.message.waiting:
                self._outbound.queues[bind.carrier.name].finished(segment.message)
