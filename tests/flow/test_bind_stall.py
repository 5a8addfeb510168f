"""A carrier that makes no progress though nothing keeps it is bound anew and counted; one that is kept is let be."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio

from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Notes, Wire, carrier, hold, segments

Clock = trio.testing.MockClock


async def mute(wire: Wire) -> None:
    """Answers enquire_link and unbind, and no submit."""
    await wire.accept()
    await wire.serve(answer=False)


async def feed(held: Held, every: float = 1.0) -> None:
    """Has something to send all the time."""
    while True:
        if held.carrier.room():
            held.carrier.push(segments(1))
        await trio.sleep(every)


def unbinds(held: Held) -> int:
    return sum(w.kinds().count("Unbind") for w in held.line.wires)


async def test_a_bind_that_answers_no_submit_is_bound_anew(autojump_clock: Clock) -> None:
    async with carrier(behave=mute, stall_after=60, response_timeout=10, window=5) as held:
        await held.bound()
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held)
            await held.notes.until(lambda: held.carrier.stalls.count)
            # Silence lasts to the expiry of the last submit, which may be a `response_timeout` back, and is looked for
            # every 5 s: which of the tasks that wake in one instant is first decides between 65 and 70.
            assert 60 <= trio.current_time() - start <= 60 + 10 + 5
            [alarm] = held.carrier.alarms()
            assert alarm["kind"] == "stalled"
            assert alarm["detail"].startswith("acme/1: no answer to a submit for 6")
            held.line.behave = hold
            await held.attempts(2)
            await held.notes.until(lambda: held.notes.answers)
            await trio.sleep(6)
            assert held.carrier.alarms() == []
            nursery.cancel_scope.cancel()
        assert held.carrier.stalls.count == 1
        assert held.carrier.rebinds["stall"] == 1
        assert held.line.wires[0].kinds()[-1] == "Unbind"
        assert held.line.wires[0].ended_at is not None


async def test_an_idle_bind_whose_last_submit_was_not_answered_is_no_stall(autojump_clock: Clock) -> None:
    async with carrier(behave=mute, stall_after=60, response_timeout=10, window=5) as held:
        await held.bound()
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.in_doubt)
        await trio.sleep(600)
        assert held.carrier.stalls.count == 0
        assert held.carrier.alarms() == []
        held.carrier.push(segments(1))  # and one after a long rest is but one
        await trio.sleep(5)
        assert held.carrier.stalls.count == 0


async def test_only_the_bind_that_is_silent(autojump_clock: Clock) -> None:
    first = True

    async def behave(wire: Wire) -> None:
        nonlocal first
        first, mine = False, first
        await (mute if mine else hold)(wire)

    async with carrier(behave=behave, binds=3, window=5) as held:
        await held.bound(3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held, 0.2)
            await held.notes.until(lambda: held.carrier.stalls.count)
            await held.attempts(4)
            await held.bound(3)
            await trio.sleep(100)
            nursery.cancel_scope.cancel()
        assert held.carrier.stalls.count == 1
        assert unbinds(held) == 1
        assert held.line.wires[0].kinds()[-1] == "Unbind"


async def test_a_stall_that_goes_on_is_mended_ever_more_rarely(autojump_clock: Clock) -> None:
    times: list[float] = []
    async with carrier(behave=mute, stall_after=20, window=5) as held:
        await held.bound()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held)
            for count in range(1, 6):
                await held.notes.until(lambda count=count: held.carrier.stalls.count >= count)
                times.append(trio.current_time())
            nursery.cancel_scope.cancel()
    waits = [b - a for a, b in itertools.pairwise(times)]
    for wait, ideal in zip(waits, (20, 40, 80, 160), strict=True):
        assert ideal <= wait <= ideal + 30, waits


class Waiting(Notes):
    """Hooks that always have something to be claimed."""

    def waiting(self, carrier: Any) -> bool:
        return True


def always_waiting(held: Held) -> None:
    held.carrier.hooks = Waiting()


async def test_something_waits_and_nothing_is_written(autojump_clock: Clock) -> None:
    async with carrier(stall_after=60) as held:
        await held.bound()
        always_waiting(held)
        start = trio.current_time()
        await trio.sleep(59)
        assert held.carrier.stalls.count == 0
        await trio.sleep(12)
        assert held.carrier.stalls.count == 1
        assert held.carrier.alarms()[0]["detail"] == "nothing written for 60 s with 0 segments claimed"
        assert len(held.line.attempts) == 2
        assert held.line.times[1] - start <= 66


async def _throttled(held: Held) -> None:
    held.carrier.pause(100_000)


async def _paused(held: Held) -> None:
    held.carrier.hold()


async def _full(held: Held) -> None:
    held.carrier.push(segments(held.carrier.settings.window))


async def _nothing(held: Held) -> None:
    held.carrier.hooks = held.notes


@pytest.mark.parametrize("kept", [_throttled, _paused, _full, _nothing])
async def test_what_keeps_a_carrier_is_no_stall(autojump_clock: Clock, kept: Any) -> None:
    async with carrier(behave=mute, stall_after=60, response_timeout=600, window=5) as held:
        await held.bound()
        always_waiting(held)
        await kept(held)
        await trio.sleep(500)
        assert held.carrier.stalls.count == 0
        assert len(held.line.attempts) == 1


async def test_a_carrier_that_is_down_or_slow_is_no_stall(autojump_clock: Clock) -> None:
    async def slow(wire: Wire) -> None:
        await wire.accept()
        await wire.serve(after=30)

    async with carrier(behave=slow, response_timeout=100, enquire_link=200, window=2) as held:
        await held.bound()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held)
            await trio.sleep(1000)
            nursery.cancel_scope.cancel()
        assert held.carrier.stalls.count == 0
        assert len(held.notes.answers) > 20
    async with carrier(behave=ConnectionRefusedError(111, "no")) as held:
        always_waiting(held)
        await trio.sleep(1000)
        assert held.carrier.stalls.count == 0


async def test_refusals_are_answers(autojump_clock: Clock) -> None:
    async def refusing(wire: Wire) -> None:
        await wire.accept()
        await wire.serve(status=CommandStatus.ESME_RSYSERR)

    async with carrier(behave=refusing) as held:
        await held.bound()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held, 10)
            await trio.sleep(1000)
            nursery.cancel_scope.cancel()
        assert held.carrier.stalls.count == 0


async def test_stall_after_of_nothing_is_never(autojump_clock: Clock) -> None:
    async with carrier(behave=mute, stall_after=0) as held:
        await held.bound()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, held)
            await trio.sleep(1000)
            nursery.cancel_scope.cancel()
        assert held.carrier.stalls.count == 0
