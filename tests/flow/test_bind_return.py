"""Back to the first host once it is there: nothing lost, one bind at a time, and not at any price."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Wire, carrier, hold, segments

Clock = trio.testing.MockClock
AWAY = ConnectionRefusedError(111, "Connection refused")
HOSTS: dict[str, Any] = {"hosts": ["a.example:2775", "b.example:2775"], "return_to_first": 100}


def to(held: Held) -> list[str]:
    """The first letter of each host that was connected to, in order."""
    return [host[0] for _, host, _ in held.line.attempts]


async def at_second(held: Held, binds: int = 1) -> None:
    """The first host was away, and the binds are at the second."""
    await held.bound(binds)
    assert {b.host for b in held.carrier.binds} == {"b.example:2775"}


async def test_a_bind_returns_once_the_first_host_takes_a_connection(autojump_clock: Clock) -> None:
    async with carrier(**HOSTS) as held:
        held.line.by_host["a.example"] = AWAY
        await at_second(held)
        bound_at = trio.current_time()
        await trio.sleep(50)
        held.line.by_host["a.example"] = hold
        await held.notes.until(lambda: held.bind.host == "a.example:2775" and held.bind.state == "bound")
        assert 100 <= trio.current_time() - bound_at <= 107
        assert to(held) == ["a", "b", "a"], "the connection that showed it is there is the one that is bound"
        b, a = held.line.wires
        assert b.kinds()[-1] == "Unbind"
        assert b.ended_at is not None
        assert b.ended_at <= a.times(p.BindTransceiver)[0], "unbound before it is bound anew"
        assert held.carrier.rebinds == {"operator": 0, "stall": 0, "first_host": 1}
        await trio.sleep(1000)
        assert len(held.line.attempts) == 3


async def test_while_the_first_host_is_away_the_bind_stays_and_sends(autojump_clock: Clock) -> None:
    async with carrier(**HOSTS) as held:
        held.line.by_host["a.example"] = AWAY
        await at_second(held)
        await trio.sleep(1000)
        assert held.bind.state == "bound"
        assert held.line.wires[0].kinds().count("Unbind") == 0
        looked = to(held)[2:]
        assert looked
        assert set(looked) == {"a"}
        assert len(looked) <= 5, "ever more rarely"
        held.carrier.push(segments(3))
        await held.notes.until(lambda: len(held.notes.answers) == 3)


async def test_what_is_under_way_is_answered_before_the_return(autojump_clock: Clock) -> None:
    async def slow(wire: Wire) -> None:
        await wire.accept()
        await wire.serve(after=5)

    async with carrier(**HOSTS) as held:
        held.line.by_host |= {"a.example": AWAY, "b.example": slow}
        await at_second(held)
        held.line.by_host["a.example"] = hold
        await trio.sleep(99)
        sent = segments(1)
        held.carrier.push(sent)
        await held.notes.until(lambda: held.bind.state == "unbinding")
        late = segments(2)
        held.carrier.push(late)
        await held.notes.until(lambda: held.bind.host == "a.example:2775" and held.bind.state == "bound")
        assert [a.segment for a in held.notes.answers] == sent
        assert held.notes.given_back == late, "nothing new is written on a session that is left"
        assert not held.notes.in_doubt


async def _refuse(wire: Wire) -> None:
    await wire.refuse(CommandStatus.ESME_RSYSERR)
    await wire.end()


async def _silent(wire: Wire) -> None:
    await wire.end()


async def _closes(wire: Wire) -> None:
    await wire.close()


@pytest.mark.parametrize("behave", [_refuse, _silent, _closes])
async def test_a_first_host_that_takes_no_bind_is_left_again(autojump_clock: Clock, behave: Any) -> None:
    async with carrier(**HOSTS) as held:
        held.line.by_host["a.example"] = AWAY
        await at_second(held)
        held.line.by_host["a.example"] = behave
        down = 0.0
        for _ in range(4):
            await held.notes.until(lambda: held.bind.state != "bound")
            left = trio.current_time()
            await held.bound()
            assert held.bind.host == "b.example:2775"
            down += trio.current_time() - left
        assert trio.current_time() > 100 + 100 + 200 + 400, "ever more rarely"
        assert down < 4 * 20


async def test_one_bind_after_the_other(autojump_clock: Clock) -> None:
    async with carrier(binds=4, **HOSTS) as held:
        held.line.by_host["a.example"] = AWAY
        await at_second(held, 4)
        held.line.by_host["a.example"] = hold
        down = most = 0
        seen = len(held.notes.states)
        await held.notes.until(lambda: all(b.host[0] == "a" and b.state == "bound" for b in held.carrier.binds))
        states = {b.name: "bound" for b in held.carrier.binds}
        for _, name, state in held.notes.states[seen:]:
            states[name] = state
            down = sum(s != "bound" for s in states.values())
            most = max(most, down)
        assert most == 1
        assert held.carrier.rebinds["first_host"] == 4
        assert min(held.line.waits) >= 0
        binds = sorted(w.times(p.BindTransceiver)[0] for w in held.line.wires)
        assert min(b - a for a, b in itertools.pairwise(binds)) >= 1 - 1e-9


async def test_without_return_a_bind_stays_where_it_is(autojump_clock: Clock) -> None:
    async with carrier(**{**HOSTS, "return_to_first": 0}) as held:
        held.line.by_host["a.example"] = AWAY
        await at_second(held)
        held.line.by_host["a.example"] = hold
        await trio.sleep(5000)
        assert to(held) == ["a", "b"]


async def test_a_stop_while_the_first_host_is_looked_at_leaves_no_connection(autojump_clock: Clock) -> None:
    for steps in range(12):
        async with carrier(**HOSTS, seed=steps) as held:
            held.line.by_host["a.example"] = AWAY
            await at_second(held)
            there = trio.Event()

            async def behave(wire: Wire, there: trio.Event = there) -> None:
                there.set()
                await hold(wire)

            held.line.by_host["a.example"] = behave
            await there.wait()
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            await held.carrier.stop()
            await held.notes.until(lambda: held.bind.state == "stopped")
            await trio.testing.wait_all_tasks_blocked()
            for wire in held.line.wires:
                with pytest.raises(trio.BrokenResourceError):  # nobody reads: it is closed
                    await wire.stream.send_all(b"x")
