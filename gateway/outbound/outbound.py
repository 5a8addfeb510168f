"""`Outbound`: segments to carriers, answers recorded. `intake` is the way in, `loader` the way back from disk.

The database is the truth. In memory are the look-ahead of each carrier's queue, what is claimed, and what is on the
wire. Every step is a burst: the requests of one read of a socket, the claims that ride beside the answers of one read
of a bind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import trio

from gateway.carrier.bind import Answer, Bind
from gateway.carrier.capture import Captures
from gateway.carrier.carrier import Carrier
from gateway.carrier.gate import Gate
from gateway.carrier.outgoing import Outgoing, SegmentOut
from gateway.log import logger
from gateway.metrics import Metrics
from gateway.model import State
from gateway.outbound.answers import Answers
from gateway.outbound.choice import Choice
from gateway.outbound.claims import Claims
from gateway.outbound.doubts import Doubts
from gateway.outbound.explain import Asked, Explainer, Standing
from gateway.outbound.intake import Intake
from gateway.outbound.loader import Loader
from gateway.outbound.queue import CarrierQueue
from gateway.outbound.request import App, Submit
from gateway.outbound.reroute import Rerouter
from gateway.outbound.resting import Resting
from gateway.settings import Settings
from gateway.smpp.session import Session
from gateway.store.ends import ClaimedEndOp, End
from gateway.store.store import Store
from gateway.store.wishes import Wish

_log = logger(component="outbound")


class Outbound:
    """The MT flow of all carriers. Implements what carriers call (`gateway.carrier.carrier.Hooks`) for segments."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics, rng: random.Random | None = None) -> None:
        self.store = store
        self.writer = store.writer
        self.metrics = metrics
        self.clock = store.clock
        self.carriers: dict[str, Carrier] = {}
        self.queues: dict[str, CarrierQueue] = {}
        self.wishes: dict[str, Wish] = {}  # what operators want of carriers, other than that they run
        self.gates: dict[str, Gate] = {}  # the rates of our numbers, by number
        self.campaigns: dict[str, str] = {}  # theirs where they have one, shared by all carriers
        self.captures: dict[str, Captures] = {}  # by carrier, also of one that is just being replaced
        self.stopping = False
        self._settings = settings
        self._set_numbers(settings)
        self.choice = Choice(settings)
        self.claims = Claims(self)
        self.intake = Intake(self, settings, rng)
        self.loader = Loader(self)
        self.answers = Answers(self)
        self.doubts = Doubts(self)
        self.resting = Resting(self)
        self.rerouter = Rerouter(self, settings)
        self.writer.on_stopped = self.claims.stop_peers
        self.on_arrived: Callable[[Bind, Session, list], None] = _ignore_arrived  # type: ignore[type-arg]

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self._settings = settings
        self.choice.configure(settings)
        self.intake.configure(settings)
        self.rerouter.configure(settings)
        for queue in self.queues.values():
            queue.look_ahead = settings.limits.look_ahead
        self._set_numbers(settings)

    def add_carrier(self, carrier: Carrier) -> None:
        """A carrier that was set up; its queue outlives it."""
        self.carriers[carrier.name] = carrier
        carrier.gates = self.gates
        carrier.wire.campaigns = self.campaigns
        queue = self.queue(carrier.name)
        queue.set_ordered(carrier.settings.order == "peer")
        self.metrics.carrier(carrier.name)
        self._apply_wish(carrier)
        self.loader.nudge()

    def want(self, name: str, wish: Wish | None) -> None:
        """What an operator wants of a carrier from now on, also of the one that a reload puts in its place."""
        if wish is None:
            self.wishes.pop(name, None)
        else:
            self.wishes[name] = wish
        carrier = self.carriers.get(name)
        if carrier is not None:
            self._apply_wish(carrier)

    def _apply_wish(self, carrier: Carrier) -> None:
        wish = self.wishes.get(carrier.name)
        if wish is None:
            carrier.release()
        elif wish.wish == "pause":
            carrier.hold(wish.reason)
        else:
            carrier.drain(wish.reason)

    def remove_carrier(self, name: str) -> None:
        """A carrier that is no longer there; what is queued for it waits."""
        self.carriers.pop(name, None)

    async def explain(self, asking: App, asked: Asked) -> dict[str, Any]:
        """Which carrier a message would go to, and why (`gateway.outbound.explain`). Raises Refusal."""
        explainer = Explainer(self._settings, self.choice, self.intake.preparer, self._stands)
        app = explainer.app(asking, asked.app)
        known = await self.intake.known(app, Submit(asked.to, from_=asked.from_, class_=asked.class_, zone=asked.zone))
        return explainer.explain(asking, asked, self.clock.now_ms(), known)

    def _stands(self, name: str) -> Standing:
        carrier = self.carriers.get(name)
        since = None if carrier is not None and carrier.can_send else self.rerouter.down.get(name)
        return Standing(
            state=carrier.state if carrier is not None else "down",
            down=None if since is None else round(trio.current_time() - since, 1),
            queued=self.queue(name).queued,
        )

    def queue(self, name: str) -> CarrierQueue:
        """The queue of a carrier."""
        queue = self.queues.get(name)
        if queue is None:
            look_ahead = self._settings.limits.look_ahead
            queue = self.queues[name] = CarrierQueue(name, look_ahead, ordered=True, gates=self.gates)
            queue.pairs.take_back = self.claims.take_back
            queue.pairs.on_hungry = self.loader.nudge
        return queue

    def _set_numbers(self, settings: Settings) -> None:
        """The campaigns and the rates of numbers; a rate that did not change goes on where it is."""
        self.campaigns.clear()
        self.campaigns |= {v: n.campaign_id for v, n in settings.numbers_by_value.items() if n.campaign_id is not None}
        wanted = {value: n.throughput for value, n in settings.numbers_by_value.items() if n.throughput}
        for number in self.gates.keys() - wanted.keys():
            del self.gates[number]
        for number, throughput in wanted.items():
            gate = self.gates.get(number)
            if gate is None or gate.throughput != throughput:
                self.gates[number] = Gate(throughput)

    # --- what carriers call -------------------------------------------------------------------------------------------

    def ready(self, carrier: Carrier) -> None:
        """There is room to claim more, or a bind came up."""
        self.claims.refill(carrier.name)

    def waiting(self, carrier: Carrier) -> bool:
        """Whether something could be claimed, from memory or from disk; not while the store keeps it."""
        queue = self.queues[carrier.name]
        if queue.reserved or not self.writer.healthy:
            return False
        return queue.waiting or bool(queue.wants_page())

    def stalled(self, carrier: Carrier) -> None:
        """No bind can send: unwritten claims go back."""
        segments = carrier.take_back()
        if segments:
            self.claims.unclaim(carrier.name, segments)

    def late(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed, not written, and past the validity; or for quiet hours to be put off, which a claim does."""
        now_ms = self.clock.now_ms()
        over = [s for s in segments if s.message.expires_at <= now_ms]
        if over:
            self._give_up(carrier, over, State.EXPIRED, "expired_unsent")
        if len(over) < len(segments):
            self.claims.unclaim(carrier.name, [s for s in segments if s.message.expires_at > now_ms])

    def unsendable(self, carrier: Carrier, segments: list[SegmentOut]) -> None:
        """Claimed, and refused by our own encoder: set aside, so that they stop nobody."""
        self.metrics.unsendable.inc(len({s.message.id for s in segments}))
        self._give_up(carrier, segments, State.FAILED, "unsendable")

    def _give_up(self, carrier: Carrier, segments: list[SegmentOut], state: State, reason_: str) -> None:
        ends = [End(s.message.id, s.part, state, reason_, low=2, high=2) for s in segments]
        queue = self.queues[carrier.name]
        for s in segments:
            item = s.message
            item.open -= 1
            if item.waiting:
                queue.count(item.app, -len(item.waiting))
                item.waiting = []
            if not item.open:
                queue.finished(item)
        self.writer.put(ClaimedEndOp(ends))
        self.claims.refill(carrier.name)

    def written(self, carrier: Carrier, segments: int) -> None:
        """Counts."""
        self.metrics.carrier(carrier.name).submitted.inc(segments)

    def rejected(self, bind: Bind) -> None:
        """Counts."""
        self.metrics.carrier(bind.carrier.name).rejected_pdus.inc()

    def state(self, bind: Bind) -> None:
        """A bind that connects again is counted; what it says from the first octet on may be captured."""
        if bind.state == "connecting" and bind.reconnects:
            self.metrics.carrier(bind.carrier.name).reconnects.inc()
        if bind.state == "binding" and bind.link is not None and bind.carrier.name in self.captures:
            self.captures[bind.carrier.name].watch(bind, bind.link)

    def arrived(self, bind: Bind, session: Session, pdus: list) -> None:  # type: ignore[type-arg]
        """Inbound PDUs go to the inbound flow."""
        self.on_arrived(bind, session, pdus)

    def answered(self, bind: Bind, answers: list[Answer]) -> None:
        """Responses of one read."""
        self.answers.answered(bind, answers)

    def place(self, queue: CarrierQueue, item: Outgoing) -> None:
        """After an outcome: the pair is freed when all is done; what has to go again waits until it is due."""
        if item.open:
            return
        if not item.waiting:
            queue.finished(item)
        elif item.refusal is not None:
            self.rerouter.take(queue, item)
        else:
            if not item.placed:
                if item.due_at > self.clock.now_ms():
                    queue.later(item)
                else:
                    queue.again(item)
            self.goes_on(item)

    def goes_on(self, item: Outgoing) -> None:
        """What is queued again for a carrier that is left already is taken elsewhere like what waited there."""
        if self.rerouter.planner.left:
            self.rerouter.due(item.carrier, (item.id,))

    def unanswered(self, bind: Bind, segments: list[SegmentOut]) -> None:
        """No response in time: in doubt."""
        self.doubts.doubt(bind, segments)

    def lost(self, bind: Bind, written: list[SegmentOut], unwritten: list[SegmentOut]) -> None:
        """The session ended."""
        if unwritten:
            self.claims.unclaim(bind.carrier.name, unwritten, bind)
        if written:
            self.doubts.doubt(bind, written, lost=True)


def _ignore_arrived(bind: Bind, session: Session, pdus: object) -> None:
    raise RuntimeError("no inbound flow")
