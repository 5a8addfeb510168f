"""What an operator may ask of a carrier: pause, drain, resume and bind anew; nothing lost by any of it, nor doubled."""

from __future__ import annotations

import pytest
import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Wire, carrier, hold, segments

Clock = trio.testing.MockClock
FROM, TO = p.Address(1, 1, "15557650002"), p.Address(1, 1, "15551230001")


async def slow(wire: Wire) -> None:
    """Answers each submit after three seconds, and all else at once."""
    await wire.accept()

    async def answer(sequence: int) -> None:
        await trio.sleep(3)
        wire.submits += 1
        await wire.send(p.SubmitSmResp(f"{wire.submits}"), sequence)

    async with trio.open_nursery() as nursery:
        while (found := await wire.read()) is not None:
            sequence, pdu = found
            if isinstance(pdu, p.SubmitSm):
                nursery.start_soon(answer, sequence)
            elif isinstance(pdu, p.EnquireLink):
                await wire.send(p.EnquireLinkResp(), sequence)
            elif isinstance(pdu, p.Unbind):
                await wire.send(p.UnbindResp(), sequence)
                return


async def state(held: Held, word: str) -> None:
    await held.notes.until(lambda: held.carrier.state == word)


# --- pause ------------------------------------------------------------------------------------------------------------


async def test_a_pause_writes_nothing_and_the_bind_goes_on(autojump_clock: Clock) -> None:
    delivered = trio.Event()

    async def behave(wire: Wire) -> None:
        await wire.accept()
        await delivered.wait()
        await wire.send(p.DeliverSm(FROM, TO, b"STOP"), 1)
        await wire.serve()

    async with carrier(behave=behave) as held:
        await held.bound()
        held.carrier.hold("number change")
        assert (held.carrier.state, held.carrier.held_for) == ("paused", "number change")
        claimed = segments(2)
        held.carrier.push(claimed)
        assert held.carrier.room() == 0
        delivered.set()
        await held.notes.until(lambda: held.notes.came)
        await trio.sleep(600)
        assert held.line.wires[0].submits == 0
        assert held.bind.state == "bound"
        held.carrier.release()
        assert (held.carrier.state, held.carrier.held_for) == ("up", None)
        await held.notes.until(lambda: len(held.notes.answers) == 2)
        assert len(held.line.attempts) == 1


async def test_a_pause_gives_back_what_is_claimed_and_takes_the_answers_under_way(autojump_clock: Clock) -> None:
    async with carrier(behave=slow, window=2) as held:
        await held.bound()
        sent = segments(5)
        held.carrier.push(sent)
        held.carrier.hold()
        assert held.notes.given_back == sent[2:]
        await held.notes.until(lambda: len(held.notes.answers) == 2)
        assert {id(a.segment) for a in held.notes.answers} == {id(s) for s in sent[:2]}


# --- drain ------------------------------------------------------------------------------------------------------------


async def test_a_drain_waits_for_answers_unbinds_and_stays_so(autojump_clock: Clock) -> None:
    async with carrier(behave=slow, window=2, binds=2) as held:
        await held.bound(2)
        sent = segments(6)
        held.carrier.push(sent)
        asked = trio.current_time()
        held.carrier.drain("maintenance")
        assert held.carrier.state == "draining"
        assert held.carrier.room() == 0
        await state(held, "drained")
        assert trio.current_time() - asked == pytest.approx(3, abs=0.1)
        assert {a.segment.message.id for a in held.notes.answers} == {1, 2, 3, 4}
        assert held.notes.given_back == sent[4:]
        assert not held.notes.in_doubt
        assert all(w.kinds()[-1] == "Unbind" for w in held.line.wires)
        assert [b.state for b in held.carrier.binds] == ["drained"] * 2
        await trio.sleep(100_000 / 4)
        assert len(held.line.attempts) == 2
        assert held.carrier.alarms() == []
        held.carrier.release()
        await held.bound(2)
        assert held.carrier.state == "up"


async def test_a_drain_with_no_answer_ends_all_the_same(autojump_clock: Clock) -> None:
    async def mute(wire: Wire) -> None:
        await wire.accept()
        await wire.serve(answer=False)

    async with carrier(behave=mute, response_timeout=20) as held:
        await held.bound()
        sent = segments(2)
        held.carrier.push(sent)
        asked = trio.current_time()
        held.carrier.drain()
        await state(held, "drained")
        assert trio.current_time() - asked <= 21
        assert held.notes.in_doubt == sent


@pytest.mark.parametrize("behave", [ConnectionRefusedError(111, "Connection refused"), hold])
async def test_a_carrier_that_is_not_bound_is_drained_at_once(autojump_clock: Clock, behave: Exception) -> None:
    async with carrier(behave=behave, reconnect_min=100, reconnect_max=1000) as held:
        if isinstance(behave, Exception):
            await held.state("down")
        await trio.testing.wait_all_tasks_blocked()
        attempts = len(held.line.attempts)
        held.carrier.drain()
        await state(held, "drained")
        held.line.behave = hold
        await trio.sleep(2000)
        assert len(held.line.attempts) == attempts
        held.carrier.release()
        await held.bound()


async def test_a_drain_before_the_start_never_connects(autojump_clock: Clock) -> None:
    async with carrier() as held:
        held.carrier.drain("as before the restart")
        await state(held, "drained")
        await trio.sleep(1000)
        assert held.line.attempts == []


async def test_a_resume_while_it_drains_binds_again(autojump_clock: Clock) -> None:
    async with carrier(behave=slow) as held:
        await held.bound()
        sent = segments(2)
        held.carrier.push(sent)
        held.carrier.drain()
        await trio.sleep(1)
        held.carrier.release()
        await held.notes.until(lambda: len(held.notes.answers) == 2)
        await held.bound()
        assert held.carrier.state == "up"
        held.carrier.push(segments(1))
        await held.notes.until(lambda: len(held.notes.answers) == 3)
        assert not held.notes.in_doubt


async def test_a_pause_after_a_drain_binds_and_writes_nothing(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        held.carrier.drain()
        await state(held, "drained")
        held.carrier.hold()
        await held.bound()
        assert held.carrier.state == "paused"
        assert held.carrier.room() == 0


async def test_it_stops_from_a_drain(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        held.carrier.drain()
        await state(held, "drained")
        await held.carrier.stop()
        await held.notes.until(lambda: held.bind.state == "stopped")
        assert held.carrier.state == "stopping"


async def test_a_carrier_that_winds_down_is_nobodys_to_resume(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        held.carrier.hold("x")
        held.carrier.wind_down()
        held.carrier.release()
        held.carrier.drain()
        assert held.carrier.held
        assert held.carrier.state == "stopping"
        assert held.carrier.wish == "pause"


# --- rebind -----------------------------------------------------------------------------------------------------------


async def test_a_rebind_ends_one_bind_after_the_other_and_loses_nothing(autojump_clock: Clock) -> None:
    async with carrier(behave=slow, binds=3, window=2) as held:
        await held.bound(3)
        sent = segments(6)
        held.carrier.push(sent)
        seen = len(held.notes.states)
        shown = await held.carrier.rebind()
        assert shown == [{"bind": b.name, "state": "bound", "last_error": None} for b in held.carrier.binds]
        assert len(held.notes.answers) == 6
        assert not held.notes.in_doubt
        assert not held.notes.given_back
        assert sum(w.submits for w in held.line.wires) == 6
        assert [w.kinds()[-1] for w in held.line.wires[:3]] == ["Unbind"] * 3
        states = {b.name: "bound" for b in held.carrier.binds}
        for _, name, word in held.notes.states[seen:]:
            states[name] = word
            assert sum(s != "bound" for s in states.values()) <= 1
        assert held.carrier.rebinds["operator"] == 3


async def test_a_rebind_comes_back_at_once(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        await trio.sleep(3)
        asked = trio.current_time()
        await held.carrier.rebind()
        assert held.bind.state == "bound"
        assert trio.current_time() - asked < 0.1


async def test_a_rebind_leaves_the_others_when_one_does_not_come_back(autojump_clock: Clock) -> None:
    async with carrier(binds=3) as held:
        await held.bound(3)

        async def refuse(wire: Wire) -> None:
            await wire.refuse(CommandStatus.ESME_RINVPASWD)
            await wire.end()

        held.line.behave = refuse
        shown = await held.carrier.rebind()
        assert [s["state"] for s in shown] == ["refused", "bound", "bound"]
        assert "ESME_RINVPASWD" in shown[0]["last_error"]
        assert held.carrier.can_send


async def test_a_rebind_tries_at_once_what_is_down(autojump_clock: Clock) -> None:
    async with carrier(behave=ConnectionRefusedError(111, "no"), reconnect_min=500, reconnect_max=1000) as held:
        await held.state("down")
        held.line.behave = hold
        asked = trio.current_time()
        await held.carrier.rebind()
        await held.bound()
        assert trio.current_time() - asked <= 1.1


async def test_a_rebind_whose_asker_goes_away_is_not_left_half_done(autojump_clock: Clock) -> None:
    async with carrier(behave=slow, binds=2) as held:
        await held.bound(2)
        held.carrier.push(segments(2))
        with trio.move_on_after(1):
            await held.carrier.rebind()
        await held.notes.until(lambda: held.carrier.rebinds["operator"] == 2)
        await held.bound(2)
        await trio.sleep(5)
        assert held.carrier.state == "up"
        assert len(held.notes.answers) == 2


async def test_a_rebind_of_what_is_drained_does_nothing(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        held.carrier.drain()
        await state(held, "drained")
        assert [s["state"] for s in await held.carrier.rebind()] == ["drained"]
        assert len(held.line.attempts) == 1


async def test_what_comes_in_while_we_unbind_is_answered_or_comes_again(autojump_clock: Clock) -> None:
    """A message that comes after our unbind is told to be for the next session (`Bind.leaving`)."""

    async def behave(wire: Wire) -> None:
        await wire.accept()
        while (found := await wire.read()) is not None:
            sequence, pdu = found
            if isinstance(pdu, p.Unbind):
                await wire.send(p.DeliverSm(FROM, TO, b"late"), 9)
                await wire.expect(p.DeliverSmResp)
                await wire.send(p.UnbindResp(), sequence)
                return

    async with carrier(behave=behave) as held:
        await held.bound()
        leaving: list[bool] = []

        async def answer() -> None:
            await held.notes.until(lambda: held.notes.came)
            bind, session, sequence, _ = held.notes.came[0]
            leaving.append(bind.leaving)
            bind.respond(session, [(sequence, p.DeliverSmResp())], int(CommandStatus.ESME_RX_T_APPN))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            held.line.behave = hold
            await held.carrier.rebind()
        assert leaving == [True]
        assert not held.bind.leaving
        assert held.bind.state == "bound"
