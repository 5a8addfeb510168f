"""Peers that cannot be sent to for long: what waits for them is in nobody's way, in order, and fills no memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.outbound import pairs, retries
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Submitted, labelled, peers, withhold

RMSGQFUL = 0x14

BLOCKED, *OTHERS = peers(101)
LOOK_AHEAD = "[limits]\nlook_ahead = 50"
CLASSES = pytest.mark.parametrize("kind", ["transactional", "marketing"])


class Doors:
    """Answers for a carrier some of whose peers' queues are full."""

    def __init__(self, *full: str) -> None:
        self.full = set(full)

    def __call__(self, submit: Submitted) -> int:
        return RMSGQFUL if submit.peer in self.full else 0


def came(g: Gateway, peer: str) -> list[str]:
    """Labels of what a peer got, in order."""
    return [s.label for s in g.smsc.submits if s.peer == peer and s.status == 0]


def reached(g: Gateway) -> set[str]:
    return {s.peer for s in g.smsc.submits if s.status == 0}


def at_rest(g: Gateway) -> None:
    """Nothing is left in memory of what went through."""
    queue = g.daemon.outbound.queues["acme"]
    assert (queue.known, queue.pairs.busy, queue.pairs.waiting, queue.retries.left) == ({}, {}, 0, {})
    assert queue.passes(1, "+15551230001", BLOCKED)


async def submit(g: Gateway, wanted: list[dict[str, object]]) -> None:
    app = await g.connect()
    for at in range(0, len(wanted), 50):
        await app.submits(wanted[at : at + 50])


@CLASSES
@pytest.mark.parametrize("restarted", [False, True])
async def test_far_more_than_the_look_ahead_to_one_full_peer(
    autojump_clock: MockClock, tmp_path: Path, kind: str, restarted: bool
) -> None:
    doors = Doors(BLOCKED)
    settings = {"carrier": "window = 10\nretry_delay = 60", "extra": LOOK_AHEAD}
    async with gateway(tmp_path, **settings, answer=doors) as g:
        await submit(g, [{"to": BLOCKED, "text": labelled(i), "class": kind} for i in range(500)])
        if not restarted:
            await submit(g, [{"to": peer, "text": "other", "class": kind} for peer in OTHERS])
            start = trio.current_time()
            await g.smsc.until(lambda: reached(g) == set(OTHERS))
            assert trio.current_time() - start < 5
            await g.settled()
            assert len(g.daemon.outbound.queues["acme"].known) <= 1 + pairs.MOST
            doors.full.clear()
            await g.smsc.until(lambda: len(came(g, BLOCKED)) == 500)
            assert came(g, BLOCKED) == [f"{i:04}" for i in range(500)]
            await g.settled()
            at_rest(g)
            return
    async with gateway(tmp_path, **settings, answer=doors) as g:
        await submit(g, [{"to": peer, "text": "other", "class": kind} for peer in OTHERS])
        await g.smsc.until(lambda: reached(g) == set(OTHERS))
        assert came(g, BLOCKED) == []
        doors.full.clear()
        await g.smsc.until(lambda: len(came(g, BLOCKED)) == 500)
        assert came(g, BLOCKED) == [f"{i:04}" for i in range(500)]
        await g.settled()
        at_rest(g)


async def test_a_message_in_doubt_for_long_holds_up_its_peer_only(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 10\nresponse_timeout = 600", extra=LOOK_AHEAD, answer=withhold) as g:
        await submit(g, [{"to": BLOCKED, "text": labelled(i)} for i in range(500)])
        await g.settled()
        (first,) = g.smsc.unanswered
        g.smsc.answer = Doors()
        await submit(g, [{"to": peer, "text": "other"} for peer in OTHERS])
        await g.smsc.until(lambda: reached(g) == set(OTHERS))
        g.smsc.respond(first)
        await g.smsc.until(lambda: len(came(g, BLOCKED)) == 500)
        assert came(g, BLOCKED) == [f"{i:04}" for i in range(500)]


async def test_a_code_overtakes_what_a_full_peer_left_on_disk(autojump_clock: MockClock) -> None:
    """Both lanes have more than is held in memory; each keeps its order, and lane 0 goes first."""
    doors = Doors(BLOCKED)
    async with gateway(carrier="window = 10\nretry_delay = 60", extra=LOOK_AHEAD, answer=doors) as g:
        sales = [{"to": BLOCKED, "text": labelled(i), "class": "marketing"} for i in range(200)]
        await submit(g, sales)
        await g.settled()
        await submit(g, [{"to": BLOCKED, "text": labelled(1000 + i)} for i in range(200)])
        await g.settled()
        doors.full.clear()
        await g.smsc.until(lambda: len(came(g, BLOCKED)) == 400)
        assert came(g, BLOCKED) == [f"{i:04}" for i in (*range(1000, 1200), *range(200))]
        await g.settled()
        at_rest(g)


async def test_what_is_cancelled_or_expires_on_disk_is_passed_over(autojump_clock: MockClock) -> None:
    doors = Doors(BLOCKED)
    async with gateway(carrier="window = 10\nretry_delay = 60", extra=LOOK_AHEAD, answer=doors) as g:
        app = await g.connect()
        kept = [await app.submit(labelled(i), to=BLOCKED) for i in range(100)]
        brief = [await app.submit("brief", to=BLOCKED, validity=100) for _ in range(30)]
        last = await app.submit(labelled(100), to=BLOCKED)
        for id in kept[1:90]:
            await app.call("cancel", id=id)
        await trio.sleep(150)
        doors.full.clear()
        await app.until_state(last, "sent")
        assert came(g, BLOCKED) == ["0000", *(f"{i:04}" for i in range(90, 101))]
        assert {(await app.message(id))["state"] for id in brief} == {"expired"}
        await trio.sleep(400)
        at_rest(g)


async def test_all_of_it_goes_when_a_reload_lifts_the_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    doors = Doors(BLOCKED)
    async with gateway(tmp_path, carrier="window = 10\nretry_delay = 60", extra=LOOK_AHEAD, answer=doors) as g:
        await submit(g, [{"to": BLOCKED, "text": labelled(i)} for i in range(300)])
        await g.settled()
        doors.full.clear()
        queue = g.daemon.outbound.queues["acme"]
        start = trio.current_time()
        queue.set_ordered(False)
        g.daemon.outbound.loader.wake("acme")
        await g.smsc.until(lambda: len(came(g, BLOCKED)) >= 299)
        assert trio.current_time() - start < 5, "they did not wait for the retry of the first"
        await g.smsc.until(lambda: len(came(g, BLOCKED)) == 300)
        await g.settled()
        assert queue.known == {}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a small test passes."""
    monkeypatch.setattr(retries, "IN_MEMORY", 10)
    monkeypatch.setattr(retries, "MOST_DUE", 5)
    monkeypatch.setattr(pairs, "IN_ALL", 10)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("end", ["none", "stopped", "killed"])
async def test_very_many_full_peers_fill_no_memory(autojump_clock: MockClock, tmp_path: Path, end: str) -> None:
    """Three messages to each of a hundred full peers; then they take again, over a restart or not."""
    doors = Doors(*OTHERS)
    settings = {"carrier": "window = 10\nretry_delay = 30", "extra": LOOK_AHEAD}
    async with gateway(tmp_path, **settings, answer=doors, stop=end != "killed") as g:
        await submit(g, [{"to": peer, "text": labelled(i)} for i in range(3) for peer in OTHERS])
        await trio.sleep(900)
        assert {s.peer for s in g.smsc.submits} == set(OTHERS)
        queue = g.daemon.outbound.queues["acme"]
        assert len(queue.retries.left) >= 80
        assert len(queue.known) <= 10 + 10 + 5
        if end == "none":
            await come_through(g, doors)
            return
    async with gateway(tmp_path, **settings, answer=doors) as g:
        await come_through(g, doors)


async def come_through(g: Gateway, doors: Doors) -> None:
    doors.full.clear()
    await g.smsc.until(lambda: all(len(came(g, peer)) == 3 for peer in OTHERS))
    assert all(came(g, peer) == ["0000", "0001", "0002"] for peer in OTHERS)
    await g.settled()
    at_rest(g)


@pytest.mark.usefixtures("few")
async def test_others_of_the_lane_wait_when_too_many_wait_for_another_attempt(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bulk to full peers holds up bulk, when its bound is reached, and no codes; then all of it comes."""
    monkeypatch.setattr(retries, "MOST", 30)
    full, rest = OTHERS[:60], OTHERS[60:]
    doors = Doors(*full)
    async with gateway(carrier="window = 10\nretry_delay = 300", extra=LOOK_AHEAD, answer=doors) as g:
        await submit(g, [{"to": peer, "text": labelled(0), "class": "marketing"} for peer in OTHERS])
        await trio.sleep(60)
        queue = g.daemon.outbound.queues["acme"]
        assert 30 <= len(queue.retries.left) <= 30 + 20
        assert not reached(g) & set(rest)
        assert not g.daemon.outbound.waiting(g.daemon.outbound.carriers["acme"]), "it is no stall"
        await submit(g, [{"to": BLOCKED, "text": labelled(1)}])
        await g.smsc.until(lambda: BLOCKED in reached(g))
        assert not reached(g) & set(rest)
        doors.full.clear()
        await g.smsc.until(lambda: reached(g) == {BLOCKED, *OTHERS})
        await g.settled()
        at_rest(g)


async def test_a_late_answer_ends_one_that_waits_for_another_attempt(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was in doubt before, so it stays in memory, where the answer finds it."""
    monkeypatch.setattr(retries, "IN_MEMORY", 0)
    async with gateway(
        carrier="window = 10\nresponse_timeout = 10\nretry_delay = 60", extra=LOOK_AHEAD, answer=withhold
    ) as g:
        app = await g.connect()
        first = await app.submit(labelled(1), to=BLOCKED)
        await submit(g, [{"to": BLOCKED, "text": labelled(2)}])
        await g.settled()
        (attempt,) = g.smsc.unanswered
        g.smsc.answer = Doors(BLOCKED)
        await g.smsc.came(2)
        await g.settled()
        queue = g.daemon.outbound.queues["acme"]
        assert queue.retries.in_memory == 1
        g.smsc.answer = Doors()
        g.smsc.respond(attempt)
        await app.until_state(first, "sent")
        await g.smsc.until(lambda: came(g, BLOCKED) == ["0001", "0002"])
        await g.settled()
        assert len(g.smsc.submits) == 3
        assert queue.stored.get("local", 0) == 0
        at_rest(g)
