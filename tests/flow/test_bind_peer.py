"""What a carrier says of itself, and what it asks of a bind that is not for it to ask."""

from __future__ import annotations

import pytest
import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from gateway.smpp.states import MAY_REQUEST, RESPONSE_TO, WINDOWED, Role
from tests.support.wire import Wire, carrier, segments

Clock = trio.testing.MockClock

A = p.Address(1, 1, "15551230001")
B = p.Address(1, 1, "15557650002")
NOT_FOR_AN_SMSC: list[p.Pdu] = [
    p.SubmitSm(A, B, b"x"),
    p.SubmitMulti(A, (B,), b"x"),
    p.QuerySm("id", A),
    p.CancelSm("id", A),
    p.ReplaceSm("id", A, b"x"),
    p.BroadcastSm(A),
    p.QueryBroadcastSm("id", A),
    p.CancelBroadcastSm("id", A),
    p.BindTransceiver("user", "pw"),
    p.Outbind("user", "pw"),
]


def test_all_that_an_smsc_may_ask_is_served() -> None:
    """deliver_sm and data_sm go inbound, and nothing else waits for an answer of ours."""
    asked = set().union(*(ends[Role.SMSC] for ends in MAY_REQUEST.values()))
    assert asked & WINDOWED == {p.DeliverSm, p.DataSm}
    assert {type(pdu) for pdu in NOT_FOR_AN_SMSC} >= WINDOWED - asked


@pytest.mark.parametrize("asked", NOT_FOR_AN_SMSC, ids=[type(pdu).__name__ for pdu in NOT_FOR_AN_SMSC])
async def test_what_an_smsc_may_not_ask_is_refused_and_the_bind_lives(autojump_clock: Clock, asked: p.Pdu) -> None:
    answer = RESPONSE_TO.get(type(asked), p.GenericNack)
    already = isinstance(asked, p.BindTransceiver)
    status = CommandStatus.ESME_RALYBND if already else CommandStatus.ESME_RINVBNDSTS

    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.send(asked, 70)
        await wire.serve()

    async with carrier(behave=behave) as held:
        await held.notes.until(lambda: held.notes.rejections)
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        assert held.notes.rejections == 1
        assert (held.bind.state, held.bind.unanswered) == ("bound", 0)
        assert held.bind.session is not None
        assert held.bind.session.unanswered == 0
        wire = held.line.wires[0]
        assert wire.kinds() == ["BindTransceiver", answer.__name__, "SubmitSm"]
        assert wire.received[1][1:3] == (70, status)


async def test_an_alert_is_taken_and_needs_no_answer(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.send(p.AlertNotification(A, B, (p.Tlv(0x0422, 0),)), 70)
        await wire.serve()

    async with carrier(behave=behave) as held:
        await held.bound()
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        assert held.line.wires[0].kinds() == ["BindTransceiver", "SubmitSm"]
        assert (held.notes.rejections, held.bind.unanswered) == (0, 0)


@pytest.mark.parametrize(("said", "shown"), [(0x34, "3.4"), (0x50, "5.0"), (0x33, "3.3"), (None, None)])
async def test_the_version_of_the_carrier_is_shown(autojump_clock: Clock, said: int | None, shown: str | None) -> None:
    async def behave(wire: Wire) -> None:
        sequence, _ = await wire.expect(p.BindTransceiver)
        tlvs = () if said is None else (p.Tlv(0x0210, said),)
        await wire.send(p.BindTransceiverResp("carrier", tlvs), sequence)
        await wire.serve()

    async with carrier(behave=behave) as held:
        assert held.bind.version is None
        await held.bound()
        assert held.bind.version == shown


async def test_how_busy_the_carrier_says_it_is(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        sequence, _ = await wire.expect(p.SubmitSm)
        await wire.send(p.SubmitSmResp("1", (p.Tlv(0x0428, 95),)), sequence)
        sequence, _ = await wire.expect(p.SubmitSm)
        await wire.send(p.SubmitSmResp("2"), sequence)
        sequence, _ = await wire.expect(p.SubmitSm)
        await wire.close()

    async with carrier(behave=behave, window=1) as held:
        await held.bound()
        assert held.bind.congestion is None
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        assert held.bind.congestion == 95
        held.carrier.push(segments(1))
        await held.notes.until(lambda: len(held.notes.answers) == 2)
        assert held.bind.congestion == 95  # the last that was said
        held.carrier.push(segments(1))
        await held.over()
        assert held.bind.congestion is None
