"""Many long messages at once: in any order, repeated, over starts and under references used again (promise 19).

Each part says which it is, ``<message.part>``, so what was told can be taken apart again. What no receiver can know is
left out: a message begins under the reference of another only when that one is whole, told of, or has the part with
which the new one begins; and copies of the one before do not come in the same moment as its parts.
"""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from gateway.store.inbound import Arrival, GiveUpPartsOp, InboundOp
from gateway.store.tx import Tuning
from tests.support.inbound import part
from tests.support.stores import NUMBER, PEER, Desk

AGE = 1_800_000
HOUR = 3_600_000
APART = 60_000
SCHEMES = ("udh8", "udh16", "sar")


class Message:
    """A message that a phone sends, part by part."""

    def __init__(self, id: int, total: int, rng: random.Random) -> None:
        self.id = id
        self.total = total
        self.left = rng.sample(range(1, total + 1), total)
        self.sent: list[int] = []
        self.given_up = False

    @property
    def text(self) -> str:
        return "".join(f"<{self.id}.{seq}>" for seq in range(1, self.total + 1))


class Line:
    """One number, peer, reference and total, with one message after the other."""

    def __init__(self, number: str, peer: str, ref: int, total: int) -> None:
        self.key = (number, peer, ref, total)
        self.current: Message | None = None
        self.before: Message | None = None
        self.at = 0  # ms: when something of `current` came
        self.copy_at = 0  # when a copy of `before` came
        self.disturbed = False  # since `before`

    def arrival(self, message: Message, seq: int, rng: random.Random) -> Arrival:
        number, peer, ref, total = self.key
        return part(
            f"<{message.id}.{seq}>".encode(),
            ref=ref,
            total=total,
            seq=seq,
            scheme=rng.choice(SCHEMES),
            carrier=rng.choice(("acme", "other")),
            number=number,
            peer=peer,
        )


class World:
    """Phones that send, and what they sent."""

    def __init__(self, rng: random.Random, refs: int, losses: float) -> None:
        self.rng = rng
        self.losses = losses
        self.lines = [
            Line(number, peer, ref, total)
            for number in (NUMBER, "+15551230002")
            for peer in (PEER, "+12125550199")
            for ref in range(refs)
            for total in (2, 3, 4)
        ]
        self.messages: list[Message] = []
        self.now = 0

    def next(self) -> Arrival | None:
        """Something that comes in: a part, a copy of one, or nothing (a part that is lost on the way)."""
        rng, line = self.rng, self.rng.choice(self.lines)
        now = line.current
        if line.before is not None and rng.random() < 0.2 and abs(self.now - line.at) > APART:
            line.copy_at = self.now
            line.disturbed = True
            return line.arrival(line.before, rng.choice(line.before.sent), rng)
        if abs(self.now - line.copy_at) <= APART:
            return None
        line.at = self.now
        if now is None or not now.left or now.given_up:
            return self._begin(line)
        if now.sent and rng.random() < 0.2:
            return line.arrival(now, rng.choice(now.sent), rng)
        if now.sent and rng.random() < self.losses and line.before is None:
            # The rest is lost, and the phone begins anew with a part that was here.
            return self._begin(line, rng.choice(now.sent))
        return self._send(line, now)

    def _begin(self, line: Line, seq: int | None = None) -> Arrival:
        message = Message(len(self.messages), line.key[3], self.rng)
        if seq is not None:
            message.left.remove(seq)
            message.left.append(seq)
        self.messages.append(message)
        line.current = message
        if self.rng.random() < 0.3 and not line.disturbed:
            line.before = None
        return self._send(line, message)

    def _send(self, line: Line, message: Message) -> Arrival:
        seq = message.left.pop()
        message.sent.append(seq)
        if not message.left:
            line.disturbed = False
            line.before = message  # copies of it may still come, also while the next one is under way
        return line.arrival(message, seq, self.rng)

    def rest(self) -> list[Arrival]:
        """What is left of messages that a copy of the one before came into: it would be taken for a shared part."""
        arrivals = []
        for line in self.lines:
            while line.disturbed and line.current is not None and line.current.left:
                arrivals.append(self._send(line, line.current))
        return arrivals

    def give_up(self) -> None:
        """The time of what waits is over: what comes under these references is another message."""
        for line in self.lines:
            if line.current is not None and line.current.left:
                line.current.given_up = True
            line.before = None


async def give_up(desk: Desk) -> None:
    desk.now += AGE + 1
    op = GiveUpPartsOp(desk.now - AGE, desk.now - HOUR)
    op.more = True
    while op.more:
        await desk.do(op)


def pieces(desk: Desk) -> list[tuple[list[tuple[int, int]], bool, int]]:
    """What was told: the parts, whether it is said to be whole, and of how many parts."""
    rows = desk.rows("SELECT text, complete, parts FROM inbound ORDER BY id")
    return [
        ([(int(i), int(seq)) for i, seq in re.findall(r"<(\d+)\.(\d+)>", text)], bool(complete), parts)
        for text, complete, parts in rows
    ]


def check_not_mixed(told: list[tuple[list[tuple[int, int]], bool, int]]) -> Counter[int]:
    """None mixed, none out of order, none said to be whole that is not; returns the whole ones."""
    whole: Counter[int] = Counter()
    for parts, complete, total in told:
        assert len({id for id, _ in parts}) == 1, parts
        seqs = [seq for _, seq in parts]
        assert seqs == sorted(set(seqs))
        assert complete == (seqs == list(range(1, total + 1)))
        whole[parts[0][0]] += complete
    return whole


@pytest.mark.parametrize("seed", range(12))
async def test_each_message_is_whole_once_or_partial_and_none_is_mixed(filed: Desk, seed: int) -> None:
    rng = random.Random(seed)
    world = World(rng, refs=2, losses=0.1)
    for _ in range(120):
        world.now = filed.now
        arrivals = [a for a in (world.next() for _ in range(rng.randint(1, 12))) if a is not None]
        # as one operation or several, of one burst
        cut = rng.randint(0, len(arrivals))
        await filed.do(InboundOp(arrivals[:cut]), InboundOp(arrivals[cut:]))
        filed.now += rng.randint(0, 20_000)
        if rng.random() < 0.04:
            await filed.restart()
        if rng.random() < 0.04:
            filed.now += APART + 1
            await filed.do(InboundOp(world.rest()))
            await give_up(filed)
            world.give_up()
    filed.now += APART + 1
    await filed.do(InboundOp(world.rest()))
    await give_up(filed)
    told = pieces(filed)
    whole = check_not_mixed(told)
    assert sum(whole.values()) > 100
    assert len(told) - sum(whole.values()) > 10, "some have to be partial, or this shows little"
    seen = Counter(piece for parts, *_ in told for piece in parts)
    assert seen == Counter((m.id, seq) for m in world.messages for seq in m.sent), "each part is told of once"
    for m in world.messages:
        assert whole[m.id] == (not m.left)


@pytest.mark.parametrize("seed", range(6))
async def test_within_narrow_bounds_no_part_is_lost(filed: Desk, seed: int) -> None:
    """Messages are cut short by the bounds all the time; then each part is told of, and still none is mixed."""
    rng = random.Random(seed)
    world = World(rng, refs=60, losses=0.0)
    for line in world.lines:
        line.before = None
    for _ in range(100):
        filed.writer.base.tuning = Tuning(waiting_max_peer=12, waiting_max=20, marks_max=1000)
        world.now = filed.now
        arrivals = []
        for _ in range(rng.randint(1, 12)):
            arrivals += [a for a in [world.next()] if a is not None]
            world.lines = [line for line in world.lines if line.current is None or line.current.left]  # each once
        await filed.do(InboundOp(arrivals))
        waiting = filed.writer.base.waiting
        assert waiting.units <= 20
        assert max(waiting.peers.values(), default=0) <= 12
        filed.now += rng.randint(0, 5000)
        if rng.random() < 0.04:
            await filed.restart()
    await give_up(filed)
    told = pieces(filed)
    whole = check_not_mixed(told)
    assert max(whole.values()) == 1
    assert filed.rows("SELECT count(*) FROM inbound WHERE extra LIKE '%evicted%'")[0][0] > 20
    assert {piece for parts, *_ in told for piece in parts} == {(m.id, seq) for m in world.messages for seq in m.sent}
