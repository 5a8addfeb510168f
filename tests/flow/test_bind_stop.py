"""Stopping: politely where the carrier listens, in bounded time where it does not, at whatever point the bind is."""

from __future__ import annotations

import pytest
import trio

from gateway.carrier.bind import UNBIND_WAIT
from gateway.smpp import pdu as p
from tests.support.wire import Behaviour, Held, Wire, carrier, hold, segments

Clock = trio.testing.MockClock


async def _stop(held: Held) -> float:
    """Stops the carrier and waits until no task of it is left; the seconds that took."""
    start = trio.current_time()
    await held.carrier.stop()
    await held.notes.until(lambda: all(b.state == "stopped" for b in held.carrier.binds))
    return trio.current_time() - start


async def test_it_unbinds_and_takes_the_answer(autojump_clock: Clock) -> None:
    async with carrier(binds=3) as held:
        await held.bound(3)
        assert await _stop(held) == 0
        for wire in held.line.wires:
            assert wire.kinds()[-1] == "Unbind"
            assert wire.ended_at is not None


async def deaf(wire: Wire) -> None:
    await wire.accept()
    await wire.end()


async def deaf_and_full(wire: Wire) -> None:
    await wire.accept()
    await trio.sleep_forever()


async def babbling(wire: Wire) -> None:
    """Answers everything but the unbind, and goes on asking."""
    await wire.accept()
    sequence = 0
    while True:
        sequence += 1
        await wire.send(p.EnquireLink(), sequence)
        await wire.next()
        await trio.sleep(0.5)


@pytest.mark.parametrize("behave", [deaf, deaf_and_full, babbling])
async def test_a_deaf_carrier_does_not_hold_up_the_stop(autojump_clock: Clock, behave: Behaviour) -> None:
    async with carrier(binds=3, behave=behave, response_timeout=600) as held:
        await held.bound(3)
        assert await _stop(held) <= UNBIND_WAIT + 0.1


async def test_an_unanswered_submit_does_not_hold_up_the_stop_and_is_in_doubt(autojump_clock: Clock) -> None:
    async with carrier(behave=deaf) as held:
        await held.bound()
        sent = segments(2)
        held.carrier.push(sent)
        await held.notes.until(lambda: held.bind.in_use == 2)
        await trio.testing.wait_all_tasks_blocked()
        assert await _stop(held) <= UNBIND_WAIT + 0.1
        assert held.notes.in_doubt == sent


async def test_it_stops_while_it_connects(autojump_clock: Clock) -> None:
    async with carrier(connect_timeout=300) as held:

        async def slow(host: str, port: int, local_address: str | None) -> trio.abc.Stream:
            await trio.sleep_forever()
            raise AssertionError

        held.bind._connector = slow
        await held.state("connecting")
        await trio.testing.wait_all_tasks_blocked()
        assert await _stop(held) == 0
        assert held.line.wires == []


async def test_it_stops_while_it_binds(autojump_clock: Clock) -> None:
    async def silent(wire: Wire) -> None:
        await wire.end()

    async with carrier(behave=silent, bind_timeout=300) as held:
        await held.state("binding")
        await trio.testing.wait_all_tasks_blocked()
        assert await _stop(held) == 0


async def test_it_stops_while_it_waits_for_another_attempt(autojump_clock: Clock) -> None:
    async with carrier(behave=ConnectionRefusedError(111, "Connection refused")) as held:
        await held.attempts(5)
        await held.state("down")
        await trio.testing.wait_all_tasks_blocked()
        assert await _stop(held) == 0
        assert len(held.line.attempts) == 5


async def test_it_stops_while_binds_wait_for_their_turn(autojump_clock: Clock) -> None:
    async with carrier(binds=30) as held:
        await held.bound(2)
        assert await _stop(held) < 0.1
        assert len(held.line.attempts) == 2


async def test_it_stops_while_the_carrier_unbinds_as_well(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.SubmitSm)
        await wire.send(p.Unbind(), 1)  # a submit is not answered: both ends wait for a while
        await wire.end()

    async with carrier(behave=behave) as held:
        await held.bound()
        held.carrier.push(segments(1))
        await held.state("unbinding")
        await trio.sleep(0.5)
        assert await _stop(held) <= UNBIND_WAIT + 0.1
        assert held.line.wires[0].kinds() == ["BindTransceiver", "SubmitSm", "UnbindResp"]


async def test_no_connection_is_left_behind_by_a_stop_at_any_moment(autojump_clock: Clock) -> None:
    """The stop comes after each number of steps of the scheduler; nothing may be bound afterwards."""
    for steps in range(25):
        async with carrier(behave=hold, seed=steps) as held:
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            assert await _stop(held) <= UNBIND_WAIT + 0.1
            await trio.testing.wait_all_tasks_blocked()
            for wire in held.line.wires:
                with pytest.raises(trio.BrokenResourceError):  # nobody reads: it is closed
                    await wire.stream.send_all(b"x")
