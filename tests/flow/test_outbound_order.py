"""Between a number and a peer, texts arrive in the order in which they were written."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Submitted, labelled, peers, withhold

PEER = peers(1)[0]


def pairs_under_way(submits: list[Submitted]) -> None:
    """Checks that a pair has one message under way."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for s in submits:
        pairs.setdefault((s.pdu.source.addr, s.peer), set()).add(s.label)
    for pair, labels in pairs.items():
        assert len(labels) == 1, f"{pair} has {sorted(labels)} under way"


async def play(g: Gateway, total: int, rng: random.Random, statuses: list[int]) -> None:
    """Answers in any order until every part of ``total`` messages came through."""
    while True:
        await g.settled()
        waiting = g.smsc.unanswered
        pairs_under_way(waiting)
        if waiting:
            submit = rng.choice(waiting)
            # Twice refused is enough: the waits double.
            before = sum(
                s.label == submit.label and s.concat == submit.concat and bool(s.status) for s in g.smsc.submits
            )
            g.smsc.respond(submit, rng.choice(statuses) if before < 2 else 0)
            continue
        if not g.segments("1", "state < 3"):
            return
        assert trio.current_time() < 2000, f"stuck: {g.segments('message_id', 'state < 3')}"
        await trio.sleep(1)


def accepted(submits: list[Submitted], peer: str) -> list[str]:
    """The messages that came through to a peer, in the order of their last parts."""
    last = {s.label: i for i, s in enumerate(submits) if s.peer == peer and s.status == 0}
    return sorted(last, key=lambda label: last[label])


@pytest.mark.parametrize("window", [1, 2, 3, 10])
@pytest.mark.parametrize("statuses", [[0], [0, 0, 0x14, 0x58, 0x64, 0x08]], ids=["accepted", "retried"])
@pytest.mark.parametrize("look_ahead", [4, 2000])
async def test_a_pair_has_one_message_under_way(
    autojump_clock: MockClock, window: int, statuses: list[int], look_ahead: int
) -> None:
    rng = random.Random(window)
    async with gateway(
        carrier=f"window = {window}\nretry_delay = 0.1\nthrottle_pause = 0.1",
        extra=f"[limits]\nlook_ahead = {look_ahead}",
        answer=withhold,
    ) as g:
        app = await g.connect()
        messages = [
            {"to": rng.choice(peers(4)), "text": labelled(i, rng.choice([10, 10, 200, 500]))} for i in range(40)
        ]
        for at in range(0, len(messages), 7):
            await app.submits(messages[at : at + 7])
        await play(g, len(messages), rng, statuses)
        for peer in peers(4):
            assert accepted(g.smsc.submits, peer) == [m["text"][:4] for m in messages if m["to"] == peer]
        assert len([s for s in g.smsc.submits if s.status == 0]) == len(g.segments())


async def test_segments_of_a_message_go_together(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": PEER, "text": labelled(1, 700)}, {"to": PEER, "text": labelled(2)}])
        await g.settled()
        assert [(s.label, s.concat[2]) for s in g.smsc.submits] == [("0001", i) for i in range(1, 6)]
        for submit in reversed(g.smsc.unanswered[1:]):
            g.smsc.respond(submit)
        await g.settled()
        assert len(g.smsc.submits) == 5, "the next message did not wait for the first part"
        g.smsc.respond(g.smsc.unanswered[0])
        await g.settled()
        assert g.smsc.submits[-1].label == "0002"


async def test_a_short_one_does_not_pass_a_long_one_that_is_being_stored(autojump_clock: MockClock) -> None:
    """There is no room for five segments, so that message waits; the next one would find room."""
    async with gateway(carrier="window = 1", answer=lambda _: 0) as g:
        app = await g.connect()
        await app.submits([{"to": PEER, "text": labelled(1, 700)}, {"to": PEER, "text": labelled(2)}])
        await g.smsc.came(6)
        assert [s.label for s in g.smsc.submits] == ["0001"] * 5 + ["0002"]


async def test_order_none_lets_all_of_a_peer_go(autojump_clock: MockClock) -> None:
    async with gateway(carrier='order = "none"', answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": PEER, "text": labelled(i)} for i in range(20)])
        await g.settled()
        assert [s.label for s in g.smsc.submits] == [f"{i:04}" for i in range(20)]


async def test_pairs_do_not_wait_for_each_other(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2, answer=withhold) as g:
        app = await g.connect()
        await app.submits(
            [
                {"from": number, "to": peer, "text": labelled(i)}
                for i in range(2)
                for number in ("+15551230001", "+15551230002")
                for peer in peers(2)
            ]
        )
        await g.settled()
        assert [s.label for s in g.smsc.submits] == ["0000"] * 4


async def test_order_holds_when_the_connection_breaks(autojump_clock: MockClock) -> None:
    """In doubt and sent again: still before what was written after it."""
    rng = random.Random(5)
    async with gateway(carrier="window = 3\nbinds = 2\nresponse_timeout = 600", answer=withhold) as g:
        app = await g.connect()
        messages = [{"to": rng.choice(peers(4)), "text": labelled(i, rng.choice([10, 400]))} for i in range(40)]
        await app.submits(messages)
        for _ in range(8):
            await g.settled()
            for submit in rng.sample(g.smsc.unanswered, min(2, len(g.smsc.unanswered))):
                g.smsc.respond(submit)
            await g.settled()
            rng.choice([b for b in g.smsc.binds if b.open]).disconnect()
            binds = len(g.smsc.binds)
            await g.smsc.until(lambda binds=binds: len(g.smsc.binds) > binds)
        await play(g, len(messages), rng, [0])
        doubted = g.segments("in_doubt")
        assert max(doubted) >= 1
        for peer in peers(4):
            want = [m["text"][:4] for m in messages if m["to"] == peer]
            came = accepted(g.smsc.submits, peer)
            assert came == [label for label in want if label in came]
