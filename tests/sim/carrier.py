"""A carrier as it is on its worst days, on octets of its own: what it does is drawn from its `Mood`.

It knows for each segment that it took which receipts it sent, keeps what the gateway has not acknowledged, and tries
again. `honest` ends the bad days.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from tests.sim.ledger import Segment, label_in
from tests.sim.line import BINDS, Delivery, Line, Lines
from tests.sim.mood import Mood
from tests.sim.streams import Weather, connection

if TYPE_CHECKING:
    from tests.sim.world import World

THROTTLED: Final = 0x58
QUEUE_FULL: Final = 0x14
SYSTEM_ERROR: Final = 0x08
ALREADY_BOUND: Final = 0x05
WRONG_PASSWORD: Final = 0x0E
TEMPORARY: Final = frozenset({THROTTLED, QUEUE_FULL, SYSTEM_ERROR, 0x64})
STATS: Final = {5: "DELIVRD", 6: "UNDELIV", 7: "EXPIRED"}
"""How a receipt writes the state that the gateway stores for it."""
_NUMBERS: Final = {"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5}  # message_state (SMPP 3.4 §5.2.28)


class Taken:
    """A submit_sm that was accepted."""

    def __init__(self, segment: Segment, pdu: p.SubmitSm, raw: str, written: str) -> None:
        self.segment = segment
        self.pdu = pdu
        self.raw = raw  # its id in the response
        self.written = written  # its id in receipts
        self.state: int | None = None  # what became of it; None: not known yet


class SimCarrier:
    """One carrier with all its connections."""

    def __init__(self, world: World, name: str, mood: Mood, weather: Weather, rng: Random) -> None:
        self.world = world
        self.name = name
        self.mood = mood
        self.weather = weather
        self._rng = rng
        self.honest = False
        self.lines = Lines()
        self.taken: list[Taken] = []
        self.undelivered = 0  # deliveries that the gateway has not acknowledged
        self.attempts: list[tuple[int, float]] = []  # in which life, and when, a connection was asked for
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._ties = itertools.count()
        self._lines = itertools.count(1)
        self._scope: trio.CancelScope | None = None
        self._bad_until = 0.0
        self._nursery: trio.Nursery | None = None

    @property
    def busy(self) -> bool:
        """Whether it has something to do yet."""
        return bool(self._heap)

    def chance(self, what: str) -> bool:
        """Draws whether something bad happens now."""
        likely = getattr(self.mood, what)
        return bool(likely) and not self.honest and self._rng.random() < likely

    # --- time ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """What is due, and what the carrier does unasked."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._moods)
            while True:
                due = self._heap[0][0] if self._heap else float("inf")
                with trio.CancelScope(deadline=due) as self._scope:
                    await trio.sleep_forever()
                now = trio.current_time()
                while self._heap and self._heap[0][0] <= now:
                    heapq.heappop(self._heap)[2]()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Has something done in so many seconds."""
        at = trio.current_time() + seconds
        heapq.heappush(self._heap, (at, next(self._ties), act))
        if self._scope is not None and at < self._scope.deadline:
            self._scope.deadline = at

    async def _moods(self) -> None:
        """Now and then something comes over it."""
        while True:
            await trio.sleep(self._rng.uniform(1, 8))
            if self.honest or not self.lines:
                continue
            line = self._rng.choice(self.lines)
            if self.chance("unbinds"):
                self.world.ledger.note("carrier", f"{self.name} unbinds {line.number}")
                line.unbind()
                if self._rng.random() < 0.5:
                    self.later(self._rng.uniform(0, 3), line.hang_up)
            elif self.chance("closes"):
                self.world.ledger.note("carrier", f"{self.name} closes {line.number}")
                line.hang_up()
            elif self.chance("half_a_pdu"):
                self.world.ledger.note("carrier", f"{self.name} closes {line.number} within a PDU")
                line.send(encode(p.EnquireLink(), 99)[: self._rng.randrange(1, 16)])
                self.later(0.05, line.hang_up)
            elif self.chance("enquires"):
                line.enquire()
            elif self.chance("bad_spell"):
                self._bad_until = trio.current_time() + self._rng.uniform(1, 10)

    # --- binds --------------------------------------------------------------------------------------------------------

    async def connect(self) -> trio.abc.Stream:
        """What the daemon is given in place of TCP."""
        self.attempts.append((self.world.life, trio.current_time()))
        await trio.sleep(self._rng.uniform(0.001, 0.05))
        if self.chance("refuses_connection"):
            raise ConnectionRefusedError(111, "Connection refused")
        if self.chance("hangs_connection"):
            await trio.sleep(self._rng.uniform(5, 40))
        theirs, ours = connection(self._rng, self.weather.calm() if self.honest else self.weather)
        line = Line(self, ours, next(self._lines))
        self.lines.append(line)
        life = self.world.life
        theirs.on_write = lambda data: self.world.gateway_writes(life, line, theirs, data)
        self.world.streams.append(theirs)
        assert self._nursery is not None
        self._nursery.start_soon(line.run)
        return theirs

    def binding(self, line: Line, sequence: int, pdu: Any) -> None:
        answer = BINDS[type(pdu)]("sim")
        status = 0
        if self.chance("ignores_bind"):
            return
        if any(o.bound and o.kind is type(pdu) for o in self.lines) and self.chance("already_bound"):
            status = ALREADY_BOUND
        elif self.chance("wrong_password"):
            status = WRONG_PASSWORD
        elif self.chance("bind_fails"):
            status = SYSTEM_ERROR
        self.world.ledger.note("bind", f"{self.name}/{line.number} {type(pdu).__name__} {status:#x}")

        def respond() -> None:
            if line.open:
                line.send(encode(answer, sequence, status))
                if not status:
                    line.kind = type(pdu)

        if self.chance("slow"):
            self.later(self._rng.uniform(0.1, 4), respond)
        else:
            respond()

    # --- submits ------------------------------------------------------------------------------------------------------

    def submitted(self, line: Line, sequence: int, pdu: p.SubmitSm) -> None:
        label, part = label_of(pdu)
        if label < 0:
            label = line.named[sequence]
        segment = self.world.ledger.find(label, part, self.name)
        if segment is None:
            return  # a law is broken, and told of: it was written without being stored
        now = trio.current_time()
        segment.arrivals.append((now, self.name))
        given_up = self.world.settings.carriers_by_name[self.name].response_timeout
        line.unanswered[sequence] = line.written.pop(sequence, now)
        young = sum(now - at < given_up for at in line.unanswered.values())
        self.world.laws.arrived(self.name, segment, unanswered=young)
        status = self._judge(label, pdu)
        self.world.ledger.note("submit", f"{segment.place} on {self.name}/{line.number}: {status:#x}")
        raw = ""
        if status in TEMPORARY:
            segment.temporary += 1
        elif status == 0:
            segment.accepted += 1
            raw, written = self.mood.ids.next(self._rng)
            taken = Taken(segment, pdu, raw, written)
            self.taken.append(taken)
            self._plan_receipts(taken)
        if self.chance("silent"):
            self.world.ledger.note("carrier", f"{self.name} does not answer {segment.place}")
            return

        def respond() -> None:
            line.unanswered.pop(sequence, None)
            busy = (p.Tlv(0x0428, self._rng.randrange(100)),) if self.chance("congested") else ()
            line.send(encode(p.SubmitSmResp(raw, busy), sequence, status))

        wait = self._rng.uniform(*self.mood.answer_time)
        if self.chance("late"):
            wait += given_up + self._rng.uniform(0, 3)
        if wait < 0.0005:
            respond()
        else:
            self.later(wait, respond)

    def _judge(self, label: int, pdu: p.SubmitSm) -> int:
        if self.honest:
            return 0
        if trio.current_time() < self._bad_until:
            return self._rng.choice((THROTTLED, QUEUE_FULL, SYSTEM_ERROR))
        if self.chance("throttles"):
            return THROTTLED
        if self.chance("full_queues"):
            return QUEUE_FULL
        if self.chance("fails_for_now"):
            return self._rng.choice((SYSTEM_ERROR, 0x64))
        if self.chance("refuses"):
            return self._rng.choice((0x0B, 0x0A, 0x45, 0xFF))
        return 0

    def asked(self, line: Line, sequence: int, pdu: p.QuerySm) -> None:
        """query_sm: what became of a message that it took, by the id of its response."""
        found = [t for t in self.taken if t.raw == pdu.message_id]
        if self.mood.queries == "ignored":
            return
        if self.mood.queries == "refused" or not found:
            line.send(encode(p.QuerySmResp(), sequence, 0x67))
            return
        state = found[-1].state
        if state is None:
            line.send(encode(p.QuerySmResp(pdu.message_id, "", 1), sequence))
            return
        segment = found[-1].segment
        number = int(error_of(segment)) & 0xFF
        segment.receipts.add((state, number))
        line.send(encode(p.QuerySmResp(pdu.message_id, "251121220100000+", _NUMBERS[STATS[state]], number), sequence))

    # --- receipts and messages ----------------------------------------------------------------------------------------

    def _plan_receipts(self, taken: Taken) -> None:
        rng = self._rng
        state = 5 if rng.random() < 0.85 else rng.choice((6, 7))
        if not taken.pdu.registered_delivery & 3 or self.chance("no_receipt"):
            self.later(rng.uniform(0, 15), lambda: setattr(taken, "state", state))
            return
        states = [state]
        if self.chance("contradicts"):
            states.append(rng.choice([s for s in STATS if s != state]))
        elif self.chance("duplicates"):
            states.append(state)
        wait = 0.0 if self.chance("receipt_first") else rng.uniform(*self.mood.receipt_time)
        if self.chance("enroute"):
            self.later(wait / 2, lambda: self._receipt(taken, None))
        for i, said in enumerate(states):
            self.later(wait + i * rng.uniform(0, 2), lambda said=said: self._receipt(taken, said))  # type: ignore[misc]

    def _receipt(self, taken: Taken, state: int | None) -> None:
        """Sends a receipt; its error code tells whose it is."""
        segment = taken.segment
        error = error_of(segment)
        if state is not None:
            taken.state = taken.state or state
            segment.receipts.add((state, int(error)))
        stat = STATS[state] if state is not None else "ENROUTE"
        form = self.mood.receipt_form
        text = (
            f"id:{taken.written} sub:001 dlvrd:001 submit date:2511212200 done date:2511212201 stat:{stat} err:{error}"
        )
        tlvs: tuple[p.Tlv, ...] = ()
        if form != "text":
            tlvs = (p.Tlv(0x001E, taken.written),)
            if form == "tlv":
                tlvs += (p.Tlv(0x0427, _NUMBERS[stat]), p.Tlv(0x0423, b"\x03" + int(error).to_bytes(2)))
        pdu = p.DeliverSm(
            taken.pdu.destination,
            taken.pdu.source,
            b"" if form == "tlv" else f"{text} text:".encode(),
            esm_class=0x04,
            tlvs=tlvs,
        )
        self.give(Delivery(pdu, f"receipt {stat} of {segment.place} as {taken.written}", lambda: None))

    def give(self, delivery: Delivery) -> None:
        """Something new for the gateway."""
        self.undelivered += 1
        self._try(delivery)

    def again(self, delivery: Delivery) -> None:
        """It was refused, or its connection ended."""
        if not delivery.done:
            self.later(self._rng.uniform(0.2, 3), lambda: self._try(delivery))

    def _try(self, delivery: Delivery) -> None:
        if delivery.done:
            return
        lines = [line for line in self.lines if line.receives]
        if not lines:
            self.later(1.0, lambda: self._try(delivery))
            return
        line = self._rng.choice(lines)
        self.world.ledger.note("deliver", f"{delivery.told} on {self.name}/{line.number}")
        line.deliver(delivery)

    def acknowledged(self, delivery: Delivery) -> None:
        if not delivery.done:
            delivery.done = True
            self.undelivered -= 1
            self.world.ledger.note("acked", delivery.told)
            delivery.acknowledged()


def error_of(segment: Segment) -> str:
    """The error code of its receipts: with the number of labels in a run, of hardly another segment."""
    return f"{(segment.message.label * 11 + segment.part) % 999 + 1:03d}"


def label_of(pdu: p.SubmitSm) -> tuple[int, int]:
    """The label in a segment's text (-1: it has none), and its part."""
    text, part = _read(pdu)
    return label_in(text), part


def text_of(pdu: p.SubmitSm) -> str:
    """The text of a segment."""
    return _read(pdu)[0]


def _read(pdu: p.SubmitSm) -> tuple[str, int]:
    octets = pdu.short_message
    part = 1
    for tlv in pdu.tlvs:
        if tlv.tag == 0x0424 and isinstance(tlv.value, bytes):  # message_payload
            octets = tlv.value
        elif tlv.tag == 0x020F and isinstance(tlv.value, int):  # sar_segment_seqnum
            part = tlv.value
    if pdu.esm_class & 0x40:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        part = header[-1]
    text = octets.decode("utf-16-be", "replace") if pdu.data_coding & 0x0C == 8 else octets.decode("latin-1")
    return text, part
