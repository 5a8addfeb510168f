"""Cell broadcasts and alerts of the simulated SMSC."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
import trio

from gateway.simulator import OnAir, Simulator, SimulatorConfig
from gateway.simulator.broadcasts import MANDATORY
from gateway.simulator.console import Console
from gateway.smpp.constants import CommandStatus, MessageState, Tag
from gateway.smpp.pdu import (
    Address,
    AlertNotification,
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelBroadcastSmResp,
    Pdu,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
    Tlv,
)

from .esme import NUMBER, PEER, Esme, connect

OK = int(CommandStatus.ESME_ROK)
AREAS = (b"\x00North", b"\x00South")
PARAMETERS: dict[int, int | bytes] = {
    Tag.BROADCAST_CONTENT_TYPE: b"\x01\x00\x20",
    Tag.BROADCAST_REP_NUM: 3,
    Tag.BROADCAST_FREQUENCY_INTERVAL: b"\x09\x00\x02",  # every two minutes
}


def broadcast(without: int | None = None, **changed: Any) -> BroadcastSm:
    """One to two areas, with other values for parameters given by their names."""
    values = PARAMETERS | {int(Tag[name]): value for name, value in changed.items()}
    tlvs = [Tlv(Tag.BROADCAST_AREA_IDENTIFIER, area) for area in AREAS]
    tlvs += [Tlv(tag, value) for tag, value in values.items()]
    tlvs.append(Tlv(Tag.MESSAGE_PAYLOAD, b"High water"))
    return BroadcastSm(NUMBER, service_type="CBS", tlvs=tuple(tlv for tlv in tlvs if tlv.tag != without))


def simulated(**settings: Any) -> Simulator:
    # 2023-11-14 22:13:20 UTC when Trio's clock is at 0
    return Simulator(
        SimulatorConfig(**settings), rng=random.Random(7), wall=lambda: 1_700_000_000.0 + trio.current_time()
    )


async def answered(esme: Esme, pdu: Pdu) -> tuple[int, Any]:
    """Status and PDU of the answer."""
    before = len(esme.responses)
    esme.send(pdu)
    response = (await esme.responds(before + 1))[before]
    return response.status, response.pdu


async def state(esme: Esme, message_id: str) -> int:
    """message_state of a broadcast."""
    status, response = await answered(esme, QueryBroadcastSm(message_id, NUMBER))
    assert status == OK
    return int(response.tlv(Tag.MESSAGE_STATE))


async def test_a_broadcast_is_taken_and_lasts_as_long_as_it_says(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, broadcast())
    assert (status, type(response)) == (OK, BroadcastSmResp)
    areas = tuple(
        tlv
        for area in AREAS
        for tlv in (Tlv(Tag.BROADCAST_AREA_IDENTIFIER, area), Tlv(Tag.BROADCAST_AREA_SUCCESS, 100))
    )
    asked = QueryBroadcastSm(response.message_id, NUMBER)
    assert await answered(esme, asked) == (
        OK,
        QueryBroadcastSmResp(response.message_id, (Tlv(Tag.MESSAGE_STATE, MessageState.ENROUTE), *areas)),
    )
    await trio.sleep(359.9)
    assert await state(esme, response.message_id) == MessageState.ENROUTE
    await trio.sleep(0.2)
    ended = Tlv(Tag.BROADCAST_END_TIME, b"231114221920000+")  # 3 times 2 minutes after 22:13:20
    assert await answered(esme, asked) == (
        OK,
        QueryBroadcastSmResp(response.message_id, (Tlv(Tag.MESSAGE_STATE, MessageState.DELIVERED), *areas, ended)),
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"without": tag}, CommandStatus.ESME_RMISSINGOPTPARAM) for tag in MANDATORY]
    + [
        ({"BROADCAST_FREQUENCY_INTERVAL": b"\x07\x00\x01"}, CommandStatus.ESME_RINVBCASTFREQINT),
    ],
)
async def test_a_broadcast_that_says_too_little_is_refused(autojump_clock, nursery, changes, status):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    assert await answered(esme, broadcast(**changes)) == (status, BroadcastSmResp())
    assert simulator.stats.broadcasts == 0


@pytest.mark.parametrize(
    ("fields", "lasts"),
    [
        ({"priority_flag": 1}, 0.0),  # at once, whatever broadcast_rep_num says
        ({"validity_period": "000000001000000R"}, 600.0),
        ({"validity_period": "231114222320000+"}, 600.0),
    ],
)
async def test_without_repetitions_it_lasts_by_its_priority_or_validity(autojump_clock, nursery, fields, lasts):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    pdu = msgspec.structs.replace(broadcast(BROADCAST_REP_NUM=0), **fields)
    _, response = await answered(esme, pdu)
    if lasts:
        await trio.sleep(lasts - 0.1)
        assert await state(esme, response.message_id) == MessageState.ENROUTE
        await trio.sleep(0.2)
    assert await state(esme, response.message_id) == MessageState.DELIVERED


async def test_an_immediate_broadcast_needs_no_number_of_repetitions(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    pdu = msgspec.structs.replace(broadcast(without=int(Tag.BROADCAST_REP_NUM)), priority_flag=1)
    assert (await answered(esme, pdu))[0] == OK


async def test_a_broadcast_is_cancelled_while_it_lasts(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    for rep_num in (3, 0):  # 0: until it is cancelled
        _, response = await answered(esme, broadcast(BROADCAST_REP_NUM=rep_num))
        assert await answered(esme, CancelBroadcastSm(response.message_id, NUMBER)) == (OK, CancelBroadcastSmResp())
        assert await state(esme, response.message_id) == MessageState.DELETED
    _, over = await answered(esme, broadcast())
    _, endless = await answered(esme, broadcast(BROADCAST_REP_NUM=0))
    await trio.sleep(1000)
    failed = (CommandStatus.ESME_RBCASTCANCELFAIL, CancelBroadcastSmResp())
    assert await answered(esme, CancelBroadcastSm(over.message_id, NUMBER)) == failed
    assert await state(esme, over.message_id) == MessageState.DELIVERED
    assert await state(esme, endless.message_id) == MessageState.ENROUTE
    assert simulator.stats.cancelled == 2


async def test_broadcasts_of_a_kind_are_cancelled_together(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    other = b"\x01\x00\x21"
    ids = [
        (await answered(esme, broadcast(BROADCAST_CONTENT_TYPE=kind)))[1].message_id
        for kind in (PARAMETERS[Tag.BROADCAST_CONTENT_TYPE], other, other)
    ]
    failed = (CommandStatus.ESME_RBCASTCANCELFAIL, CancelBroadcastSmResp())
    assert await answered(esme, CancelBroadcastSm("", NUMBER, "WAP")) == failed
    assert await answered(esme, CancelBroadcastSm("", PEER)) == failed
    of_kind = CancelBroadcastSm("", NUMBER, "CBS", (Tlv(Tag.BROADCAST_CONTENT_TYPE, other),))
    assert await answered(esme, of_kind) == (OK, CancelBroadcastSmResp())
    states = [await state(esme, message_id) for message_id in ids]
    assert states == [MessageState.ENROUTE, MessageState.DELETED, MessageState.DELETED]
    assert await answered(esme, CancelBroadcastSm("", NUMBER)) == (OK, CancelBroadcastSmResp())
    assert await state(esme, ids[0]) == MessageState.DELETED


async def test_a_broadcast_is_known_by_the_reference_that_its_esme_gave(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    reference = Tlv(Tag.USER_MESSAGE_REFERENCE, 7)
    ids = [(await answered(esme, broadcast(USER_MESSAGE_REFERENCE=7)))[1].message_id for _ in range(2)]
    _, response = await answered(esme, QueryBroadcastSm("", NUMBER, (reference,)))
    assert response.message_id == ids[1]
    assert response.tlvs[-1] == reference
    both = QueryBroadcastSm(ids[1], NUMBER, (reference,))
    assert await answered(esme, both) == (CommandStatus.ESME_RBCASTQUERYFAIL, QueryBroadcastSmResp())
    assert await answered(esme, CancelBroadcastSm("", NUMBER, "", (reference,))) == (OK, CancelBroadcastSmResp())
    assert [await state(esme, message_id) for message_id in ids] == [MessageState.ENROUTE, MessageState.DELETED]


async def test_a_broadcast_is_replaced_while_it_lasts(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    _, response = await answered(esme, broadcast())
    longer = broadcast(BROADCAST_REP_NUM=10)
    replacement = msgspec.structs.replace(longer, message_id=response.message_id, replace_if_present_flag=1)
    assert await answered(esme, replacement) == (OK, BroadcastSmResp(response.message_id))
    await trio.sleep(1000)
    assert await state(esme, response.message_id) == MessageState.ENROUTE
    assert (simulator.stats.broadcasts, simulator.stats.replaced) == (1, 1)
    unknown = msgspec.structs.replace(longer, message_id="no such id", replace_if_present_flag=1)
    assert await answered(esme, unknown) == (CommandStatus.ESME_RBCASTFAIL, BroadcastSmResp())
    await trio.sleep(1000)
    assert await answered(esme, replacement) == (CommandStatus.ESME_RBCASTFAIL, BroadcastSmResp())


async def test_a_broadcast_of_another_is_not_known(autojump_clock, nursery):
    simulator = simulated(log_size=1)
    esme = await connect(nursery, simulator)
    stranger = await connect(nursery, simulator, system_id="stranger")
    _, response = await answered(esme, broadcast())
    failed = (CommandStatus.ESME_RBCASTQUERYFAIL, QueryBroadcastSmResp())
    assert await answered(stranger, QueryBroadcastSm(response.message_id, NUMBER)) == failed
    assert await answered(esme, QueryBroadcastSm(response.message_id, PEER)) == failed
    assert await answered(stranger, CancelBroadcastSm("", NUMBER)) == (
        CommandStatus.ESME_RBCASTCANCELFAIL,
        CancelBroadcastSmResp(),
    )
    assert await state(esme, response.message_id) == MessageState.ENROUTE
    await answered(esme, broadcast())
    assert await answered(esme, QueryBroadcastSm(response.message_id, NUMBER)) == failed
    assert simulator.stats.forgotten == 1


async def test_broadcasts_are_shown(autojump_clock, nursery):
    shown: list[OnAir] = []
    simulator = Simulator(on_air=shown.append)
    esme = await connect(nursery, simulator)
    _, response = await answered(esme, broadcast())
    await state(esme, response.message_id)
    assert [(event.kind, event.source, event.message_id, event.text, event.state) for event in shown[1:]] == [
        ("broadcast", "+15551230001", response.message_id, "High water", ""),
        ("query", "+15551230001", response.message_id, None, "ENROUTE"),
    ]


# --- alert_notification ---


async def test_an_alert_goes_to_one_who_receives(autojump_clock, nursery):
    shown: list[OnAir] = []
    simulator = Simulator(on_air=shown.append)
    out = await connect(nursery, simulator, "transmitter")
    incoming = await connect(nursery, simulator, "receiver")
    assert simulator.alert("+12125550101", "+15551230001", 2) == 2
    await incoming.until(lambda: len(incoming.requests) == 1)
    assert incoming.requests[0].pdu == AlertNotification(PEER, NUMBER, (Tlv(Tag.MS_AVAILABILITY_STATUS, 2),))
    assert out.requests == []
    assert (simulator.stats.alerts, shown[-1].kind, shown[-1].detail) == (1, "alert", "unavailable")


async def test_an_alert_needs_somebody_who_receives(autojump_clock, nursery):
    simulator = simulated()
    await connect(nursery, simulator, "transmitter")
    with pytest.raises(ValueError, match="nobody is bound to get it"):
        simulator.alert("+12125550101", "+15551230001")


async def test_the_command_alert(autojump_clock, nursery):
    simulator = simulated()
    console = Console(simulator)
    expected = ["alert: PEER NUMBER and perhaps available, denied, unavailable expected"]
    assert console.execute("alert +12125550101") == expected
    assert console.execute("alert +12125550101 12345 asleep") == expected
    assert console.execute("alert +12125550101 12345") == ["nobody is bound to get it"]
    esme = await connect(nursery, simulator)
    assert console.execute("alert +12125550101 12345 denied") == ["#1 alerted"]
    await esme.until(lambda: len(esme.requests) == 1)
    pdu = esme.requests[0].pdu
    assert isinstance(pdu, AlertNotification)
    assert (pdu.source, pdu.esme_addr.addr) == (PEER, "12345")
    assert pdu.tlv(Tag.MS_AVAILABILITY_STATUS) == 1
    assert isinstance(pdu.esme_addr, Address)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"schedule_delivery_time": "000000000500000R", "validity_period": "231115000000000+"}, OK),
        ({"schedule_delivery_time": "231100000000000+"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": "231114000000000+"}, CommandStatus.ESME_RINVEXPIRY),
    ],
)
async def test_times_of_a_broadcast_that_are_none_are_refused(autojump_clock, nursery, times, expected):
    esme = await connect(nursery, simulated())
    status, response = await answered(esme, msgspec.structs.replace(broadcast(), **times))
    assert (status, bool(response.message_id)) == (expected, expected == OK)
