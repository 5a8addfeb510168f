"""Dead and half-dead connections: enquire_link both ways in every bound state, and silence of our own making."""

from __future__ import annotations

import pytest
import trio

from gateway import link as link_module
from gateway.carrier import traffic as traffic_module
from gateway.carrier.life import LOOK_EVERY
from gateway.carrier.traffic import HOLD_MOST
from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Wire, carrier, segments

Clock = trio.testing.MockClock
FROM, TO = p.Address(1, 1, "15557650002"), p.Address(1, 1, "15551230001")


async def mute(wire: Wire) -> None:
    """Takes what comes and says nothing."""
    await wire.accept()
    await wire.end()


@pytest.mark.parametrize("enquire_link", [5, 30])
@pytest.mark.parametrize("every", [0.01, 0.5, 4])
async def test_a_dead_link_is_noticed_in_two_intervals_while_we_send(
    autojump_clock: Clock, enquire_link: float, every: float
) -> None:
    async with carrier(behave=mute, enquire_link=enquire_link, response_timeout=300, window=10_000) as held:
        await held.bound()
        start = trio.current_time()

        async def feed() -> None:
            while True:
                held.carrier.push(segments(1))
                await trio.sleep(every)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            await held.notes.until(lambda: held.bind.state != "bound")
            nursery.cancel_scope.cancel()
        assert trio.current_time() - start <= 2 * enquire_link
        assert "enquire link timeout" in (held.bind.last_error or "")
        await held.over()
        assert len(held.notes.in_doubt) > 1


async def test_a_connection_that_takes_no_octets_is_noticed_too(autojump_clock: Clock) -> None:
    """The writer hangs in the middle of a submit; time goes on all the same."""
    async with carrier(behave=mute, enquire_link=10) as held:
        await held.bound()
        link = held.bind.link
        assert link is not None

        async def stuck() -> None:
            await trio.sleep_forever()

        link.stream.send_stream.send_all_hook = stuck  # type: ignore[attr-defined]
        start = trio.current_time()
        sent = segments(3)
        held.carrier.push(sent)
        await held.notes.until(lambda: held.bind.state != "bound")
        assert trio.current_time() - start <= 20
        assert held.notes.in_doubt + held.notes.unwritten == sent
        await held.attempts(2)


async def test_enquire_link_is_answered_with_a_full_window(autojump_clock: Clock) -> None:
    answered: list[float] = []

    async def behave(wire: Wire) -> None:
        await wire.accept()
        for _ in range(5):
            await wire.expect(p.SubmitSm)
        for sequence in range(50, 53):
            asked = trio.current_time()
            await wire.send(p.EnquireLink(), sequence)
            await wire.expect(p.EnquireLinkResp)
            answered.append(trio.current_time() - asked)
        await wire.serve(answer=False)

    async with carrier(behave=behave, window=5, response_timeout=600) as held:
        await held.bound()
        held.carrier.push(segments(9))
        await trio.sleep(100)
        assert answered == [0.0] * 3
        assert held.bind.state == "bound"
        assert held.line.wires[0].kinds().count("EnquireLink") == 3, "every 30 s of silence, with a full window too"


async def test_enquire_link_is_answered_while_either_end_unbinds(autojump_clock: Clock) -> None:
    async def theirs(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.SubmitSm)
        await wire.send(p.Unbind(), 8)  # we owe the answer until the submit has its own
        await wire.send(p.EnquireLink(), 9)
        await wire.expect(p.EnquireLinkResp)
        await wire.send(p.SubmitSmResp("1"), 2)
        await wire.expect(p.UnbindResp)
        await wire.end()

    async def ours(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.SubmitSm)
        await trio.sleep(2)  # a drain waits for this answer
        await wire.send(p.EnquireLink(), 7)
        await wire.expect(p.EnquireLinkResp)
        await wire.send(p.SubmitSmResp("1"), 2)
        sequence, _ = await wire.expect(p.Unbind)
        await wire.send(p.EnquireLink(), 9)
        await wire.expect(p.EnquireLinkResp)
        await wire.send(p.UnbindResp(), sequence)
        await wire.end()

    for behave in (theirs, ours):
        async with carrier(behave=behave) as held:
            await held.bound()
            held.carrier.push(segments(1))
            await trio.sleep(1)
            if behave is ours:
                held.carrier.drain()
            await held.notes.until(lambda: held.line.wires[0].ended_at is not None or held.bind.state == "drained")
            await held.notes.until(lambda: held.bind.state != "unbinding")
            assert len(held.notes.answers) == 1
            assert "EnquireLinkResp" in held.line.wires[0].kinds()


# --- reading stopped at our own will ----------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "MAX_UNANSWERED", 100)
    monkeypatch.setattr(link_module, "RECEIVE_SIZE", 1500)


async def _flood(wire: Wire, count: int) -> None:
    pdu = p.DeliverSm(FROM, TO, b"x" * 100)
    for sequence in range(1, count + 1):
        await wire.send(pdu, sequence)


def answer(held: Held, count: int, status: int = 0) -> None:
    """The commit came for the first that wait."""
    for bind, session, sequence, _ in held.notes.came[:count]:
        bind.respond(session, [(sequence, p.DeliverSmResp())], status)
    del held.notes.came[:count]


async def test_a_bind_whose_reading_we_stopped_is_not_taken_for_dead(autojump_clock: Clock, small: None) -> None:
    """The answer to our enquire_link may lie unread in the socket: that is our silence, not the carrier's."""

    async def behave(wire: Wire) -> None:
        await wire.accept()
        await _flood(wire, 200)
        await wire.serve()

    async with carrier(behave=behave, enquire_link=1) as held:
        await held.bound()
        await held.notes.until(lambda: held.bind.holds)
        assert held.bind.link is not None
        assert held.bind.link.held
        await trio.sleep(HOLD_MOST - 0.5)
        assert held.bind.link.held
        assert held.bind.state == "bound"
        answer(held, len(held.notes.came))
        assert not held.bind.link.held
        await held.notes.until(lambda: len(held.notes.came) == 200 - len(held.line.wires[0].times(p.DeliverSmResp)))
        answer(held, len(held.notes.came))
        await trio.sleep(50)
        assert held.bind.state == "bound"
        assert "EnquireLink" in held.line.wires[0].kinds()


async def test_reading_goes_on_after_a_while_and_refuses_what_is_too_much(autojump_clock: Clock, small: None) -> None:
    """So that the carrier's enquire_link is answered, however long our own store takes."""
    asked = answered = 0.0

    async def behave(wire: Wire) -> None:
        nonlocal asked, answered
        await wire.accept()
        await _flood(wire, 300)
        asked = trio.current_time()
        await wire.send(p.EnquireLink(), 1000)
        while (found := await wire.read()) is not None:
            if isinstance(found[1], p.EnquireLinkResp):
                answered = trio.current_time()
            elif isinstance(found[1], p.EnquireLink):
                await wire.send(p.EnquireLinkResp(), found[0])

    async with carrier(behave=behave) as held:
        arrived = held.notes.arrived

        def refusing(bind: object, session: object, pdus: list) -> None:  # type: ignore[type-arg]
            """As the inbound flow does."""
            arrived(bind, session, pdus)  # type: ignore[arg-type]
            if held.bind.overfull:
                taken = held.notes.came[-len(pdus) :]
                del held.notes.came[-len(pdus) :]
                for of, its, sequence, _ in taken:
                    of.respond(its, [(sequence, p.DeliverSmResp())], int(CommandStatus.ESME_RX_T_APPN))

        held.notes.arrived = refusing  # type: ignore[method-assign, assignment]
        await held.bound()
        await held.notes.until(lambda: held.bind.holds)
        await trio.sleep(60)
        assert answered - asked <= HOLD_MOST + LOOK_EVERY
        assert held.bind.state == "bound"
        assert held.bind.unanswered == len(held.notes.came) <= 120
        wire = held.line.wires[0]
        refused = sum(1 for _, _, status, pdu in wire.received if isinstance(pdu, p.DeliverSmResp) and status)
        assert refused == 300 - len(held.notes.came)
        answer(held, len(held.notes.came))
        assert not held.bind.overfull
        assert held.bind.unanswered == 0
