"""What an ESME may ask of the simulated SMSC beside submit_sm: several destinations, state, cancelling, replacing."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair

from gateway.simulator import OnAir, Simulator, SimulatorConfig
from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.constants import CommandStatus, MessageState, Tag
from gateway.smpp.events import Closed
from gateway.smpp.pdu import (
    Address,
    BindTransceiver,
    CancelSm,
    CancelSmResp,
    DataSm,
    DeliverSm,
    DistributionList,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    Unsuccessful,
)
from gateway.smpp.receipt import read_receipt

from .esme import NUMBER, PEER, Esme, connect, message

OK = int(CommandStatus.ESME_ROK)
OTHERS = [Address(1, 1, f"1212555010{n}") for n in range(2, 5)]
MESSAGE_STATES = {"DELIVRD": MessageState.DELIVERED, "UNDELIV": MessageState.UNDELIVERABLE}


def simulated(**settings: object) -> Simulator:
    return Simulator(SimulatorConfig(**settings), rng=random.Random(7), wall=wall)  # type: ignore[arg-type]


def wall() -> float:
    """2023-11-14 22:13:20 UTC when Trio's clock is at 0."""
    return 1_700_000_000.0 + trio.current_time()


async def answered(esme: Esme, pdu: Pdu) -> tuple[int, Any]:
    """Status and PDU of the answer."""
    before = len(esme.responses)
    esme.send(pdu)
    response = (await esme.responds(before + 1))[before]
    return response.status, response.pdu


async def submitted(esme: Esme, **fields: Any) -> str:
    """The message_id of one submit."""
    status, response = await answered(esme, message(**fields))
    assert status == OK
    return str(response.message_id)


def multi(*destinations: Address | DistributionList, receipt: int = 1, text: bytes = b"Hello all") -> SubmitMulti:
    return SubmitMulti(NUMBER, destinations, text, registered_delivery=receipt)


# --- submit_multi ---


async def test_each_destination_of_a_submit_multi_gets_the_message(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, multi(PEER, *OTHERS))
    assert (status, type(response), response.unsuccessful) == (OK, SubmitMultiResp, ())
    receipts = await esme.delivers(4)
    assert [receipt.source for receipt in receipts] == [PEER, *OTHERS]
    assert {receipt.tlv(Tag.RECEIPTED_MESSAGE_ID) for receipt in receipts} == {response.message_id}
    assert [found.text for found in simulator.messages] == ["Hello all"] * 4
    assert (simulator.stats.submits, simulator.stats.accepted) == (4, 4)
    assert {submit.answered_at for submit in simulator.log} == {esme.times[1]}


async def test_a_submit_multi_names_the_destinations_that_were_refused(autojump_clock, nursery):
    simulator = simulated(throttle=3)
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, multi(PEER, Address(1, 1, ""), *OTHERS))
    assert status == OK
    assert response.message_id
    assert response.unsuccessful == (
        Unsuccessful(Address(1, 1, ""), CommandStatus.ESME_RINVDSTADR),
        Unsuccessful(OTHERS[1], CommandStatus.ESME_RTHROTTLED),
        Unsuccessful(OTHERS[2], CommandStatus.ESME_RTHROTTLED),
    )
    receipts = await esme.delivers(2)
    assert [receipt.source for receipt in receipts] == [PEER, OTHERS[0]]
    assert simulator.stats.statuses == {CommandStatus.ESME_RINVDSTADR: 1, CommandStatus.ESME_RTHROTTLED: 2}


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [((PEER, *OTHERS), 0x58), ((PEER, Address(1, 1, ""), *OTHERS[1:]), CommandStatus.ESME_RSUBMITFAIL)],
)
async def test_a_submit_multi_of_which_nothing_is_taken_fails(autojump_clock, nursery, destinations, expected):
    simulator = simulated(errors=1.0, error_statuses=(0x58,))
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, multi(*destinations))
    assert (status, response) == (expected, SubmitMultiResp())
    assert (simulator.stats.accepted, simulator.stats.refused) == (0, 4)


async def test_a_refused_destination_that_fits_no_answer_is_cut(autojump_clock, nursery):
    simulator = simulated(throttle=1)
    ours, theirs = memory_stream_pair()
    nursery.start_soon(simulator.serve_stream, theirs)
    submit = bytearray(encode(multi(PEER, OTHERS[0]), 2))
    at = submit.index(OTHERS[0].addr.encode())
    submit[at : at + len(OTHERS[0].addr)] = b"1" * 64
    submit[0:4] = len(submit).to_bytes(4, "big")
    await ours.send_all(encode(BindTransceiver("a", "b"), 1))
    frames = FrameBuffer()
    assert frames.feed(bytes(await ours.receive_some()))
    await ours.send_all(submit)
    responses: list[Any] = []
    while not responses:
        read = [decode(frame) for frame in frames.feed(bytes(await ours.receive_some()))]
        responses += [pdu for _, _, pdu in read if isinstance(pdu, SubmitMultiResp)]
    (response,) = responses
    assert response.unsuccessful == (Unsuccessful(Address(1, 1, "1" * 20), CommandStatus.ESME_RTHROTTLED),)


async def test_an_error_of_its_own_costs_one_connection(autojump_clock, nursery, monkeypatch, capsys):
    simulator = simulated()
    one, other = await connect(nursery, simulator), await connect(nursery, simulator)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(simulator, "_asked", fail)
    one.send(QuerySm("1", NUMBER))
    await one.until(lambda: isinstance(one.events[-1], Closed))
    await simulator.until(lambda: len(simulator.binds) == 1)
    assert "ZeroDivisionError: planted" in capsys.readouterr().err
    assert await submitted(other)


async def test_a_submit_multi_may_get_no_response(autojump_clock, nursery):
    simulator = simulated(no_response=1.0)
    esme = await connect(nursery, simulator)
    esme.send(multi(PEER, *OTHERS))
    await esme.delivers(4)
    assert esme.responses == []
    assert simulator.stats.unanswered == 4


async def test_the_response_to_a_submit_multi_waits_for_the_latency(autojump_clock, nursery):
    simulator = simulated(latency=0.5)
    esme = await connect(nursery, simulator)
    start = trio.current_time()
    await answered(esme, multi(PEER, *OTHERS))
    assert trio.current_time() - start == pytest.approx(0.5)


async def test_receipts_of_a_submit_multi_can_come_before_its_response(autojump_clock, nursery):
    simulator = simulated(receipts_before_response=True)
    esme = await connect(nursery, simulator)
    esme.send(multi(PEER, OTHERS[0]))
    await esme.responds(1)
    kinds = [type(event).__name__ for event in esme.events]
    assert kinds == ["Bound", "RequestReceived", "RequestReceived", "ResponseReceived"]


async def test_distribution_lists(autojump_clock, nursery):
    simulator = simulated(distribution_lists={"team": ("+12125550102", "+12125550103")})
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, multi(DistributionList("team"), PEER, DistributionList("nobody")))
    assert status == OK
    assert response.unsuccessful == (Unsuccessful(Address(addr="nobody"), CommandStatus.ESME_RINVDLNAME),)
    assert [found.destination for found in simulator.messages] == ["+12125550102", "+12125550103", "+12125550101"]
    assert await answered(esme, multi(DistributionList("nobody"))) == (
        CommandStatus.ESME_RINVDLNAME,
        SubmitMultiResp(),
    )


async def test_a_list_that_is_too_long_is_refused_whole(autojump_clock, nursery):
    simulator = simulated(distribution_lists={"all": tuple(f"+1212555{n:04}" for n in range(254))})
    esme = await connect(nursery, simulator)
    status, response = await answered(esme, multi(DistributionList("all")))
    assert (status, response.unsuccessful) == (OK, ())
    assert await answered(esme, multi(DistributionList("all"), PEER)) == (
        CommandStatus.ESME_RCNTSUBDL,
        SubmitMultiResp(),
    )
    assert len(simulator.messages) == 254


# --- query_sm ---


@pytest.mark.parametrize(("word", "error"), [("DELIVRD", 0), ("UNDELIV", 1)])
async def test_a_message_is_on_its_way_until_its_receipt(autojump_clock, nursery, word, error):
    simulator = simulated(receipt_delay=90.0, receipt_states={word: 1.0})
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme)
    assert await answered(esme, QuerySm(message_id, NUMBER)) == (
        OK,
        QuerySmResp(message_id, "", MessageState.ENROUTE, 0),
    )
    (receipt,) = await esme.delivers(1)
    status, response = await answered(esme, QuerySm(message_id, NUMBER))
    assert status == OK
    # 22:13:20 and 90 seconds
    assert response == QuerySmResp(message_id, "231114221450000+", MESSAGE_STATES[word], error)
    assert receipt.tlv(Tag.MESSAGE_STATE) == response.message_state
    assert simulator.stats.queried == 2


async def test_a_message_without_a_receipt_ends_too(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme, receipt=0)
    _, response = await answered(esme, QuerySm(message_id, NUMBER))
    assert (response.message_state, response.final_date) == (MessageState.DELIVERED, "231114221320000+")
    assert esme.delivered == []


@pytest.mark.parametrize("pdu", [QuerySm, CancelSm, ReplaceSm])
async def test_what_is_not_the_askers_is_not_known(autojump_clock, nursery, pdu):
    simulator = simulated(receipt_delay=10.0)
    esme = await connect(nursery, simulator)
    stranger = await connect(nursery, simulator, system_id="stranger")
    message_id = await submitted(esme)
    failed = {
        QuerySm: (CommandStatus.ESME_RQUERYFAIL, QuerySmResp()),
        CancelSm: (CommandStatus.ESME_RCANCELFAIL, CancelSmResp()),
        ReplaceSm: (CommandStatus.ESME_RREPLACEFAIL, ReplaceSmResp()),
    }[pdu]
    assert await answered(esme, pdu("no such id", NUMBER)) == failed
    assert await answered(esme, pdu(message_id, PEER)) == failed
    assert await answered(stranger, pdu(message_id, NUMBER)) == failed
    assert (simulator.stats.queried, simulator.stats.cancelled, simulator.stats.replaced) == (0, 0, 0)


async def test_a_submit_multi_is_delivered_once_all_are(autojump_clock, nursery):
    simulator = simulated(receipt_delay=(10.0, 20.0), receipt_states={"DELIVRD": 1, "UNDELIV": 1})
    esme = await connect(nursery, simulator)
    _, response = await answered(esme, multi(PEER, *OTHERS))
    await esme.delivers(1)
    _, asked = await answered(esme, QuerySm(response.message_id, NUMBER))
    assert (asked.message_state, asked.final_date) == (MessageState.ENROUTE, "")
    states = {receipt.tlv(Tag.MESSAGE_STATE) for receipt in await esme.delivers(4)}
    assert states == {MessageState.DELIVERED, MessageState.UNDELIVERABLE}
    _, asked = await answered(esme, QuerySm(response.message_id, NUMBER))
    assert asked.message_state == MessageState.UNDELIVERABLE
    assert asked.final_date


async def test_the_oldest_message_is_forgotten_beyond_the_limit(autojump_clock, nursery):
    simulator = simulated(log_size=2)
    esme = await connect(nursery, simulator)
    ids = [await submitted(esme, receipt=0) for _ in range(3)]
    answers = [(await answered(esme, QuerySm(message_id, NUMBER)))[0] for message_id in ids]
    assert answers == [CommandStatus.ESME_RQUERYFAIL, OK, OK]
    assert simulator.stats.forgotten == 1


# --- cancel_sm ---


@pytest.mark.parametrize(("receipt", "receipts"), [(1, 1), (2, 1), (3, 0), (0, 0)])
async def test_a_message_that_waits_is_cancelled(autojump_clock, nursery, receipt, receipts):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme, receipt=receipt)
    assert await answered(esme, CancelSm(message_id, NUMBER, PEER)) == (OK, CancelSmResp())
    _, asked = await answered(esme, QuerySm(message_id, NUMBER))
    assert (asked.message_state, asked.final_date) == (MessageState.DELETED, "231114221320000+")
    await trio.sleep(100)
    assert len(esme.delivered) == receipts
    for pdu in esme.delivered:
        read = read_receipt(pdu)
        assert read is not None
        assert (read.id, read.state) == (message_id, MessageState.DELETED)
    assert simulator.stats.cancelled == 1


async def test_a_message_that_has_ended_cannot_be_cancelled(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme)
    failed = (CommandStatus.ESME_RCANCELFAIL, CancelSmResp())
    assert await answered(esme, CancelSm(message_id, NUMBER, PEER)) == failed
    assert simulator.log[0].state is MessageState.DELIVERED


async def test_all_messages_of_a_pair_are_cancelled_together(autojump_clock, nursery):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    esme.send(
        message(),
        message(),
        message(destination=OTHERS[0]),
        SubmitSm(NUMBER, PEER, b"Hello", service_type="WAP"),
        DataSm(NUMBER, PEER, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Hello"),)),
        multi(PEER, OTHERS[1]),
    )
    await esme.responds(6)

    def cancelled() -> list[int]:
        return [place for place, one in enumerate(simulator.log) if one.state is MessageState.DELETED]

    assert await answered(esme, CancelSm("", NUMBER, PEER, "WAP")) == (OK, CancelSmResp())
    assert cancelled() == [3]
    assert await answered(esme, CancelSm("", NUMBER, PEER)) == (OK, CancelSmResp())
    assert cancelled() == [0, 1, 3, 4, 5]
    assert await answered(esme, CancelSm("", NUMBER, PEER)) == (CommandStatus.ESME_RCANCELFAIL, CancelSmResp())


async def test_a_message_can_be_cancelled_before_its_response(autojump_clock, nursery):
    simulator = simulated(latency=5.0)
    esme = await connect(nursery, simulator)
    esme.send(message(), CancelSm("", NUMBER, PEER))
    first, second = await esme.responds(2)
    assert (type(first.pdu), first.status) == (CancelSmResp, OK)
    assert (second.token, second.status) == (0, OK)
    (receipt,) = await esme.delivers(1)
    assert receipt.tlv(Tag.MESSAGE_STATE) == MessageState.DELETED


# --- replace_sm ---


async def test_a_message_that_waits_gets_another_text(autojump_clock, nursery):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme, octets=b"Hello")
    assert await answered(esme, ReplaceSm(message_id, NUMBER, b"Goodbye", registered_delivery=1)) == (
        OK,
        ReplaceSmResp(),
    )
    assert [found.text for found in simulator.messages] == ["Goodbye"]
    (receipt,) = await esme.delivers(1)
    read = read_receipt(receipt)
    assert read is not None
    assert (read.id, read.text) == (message_id, "Goodbye")
    failed = (CommandStatus.ESME_RREPLACEFAIL, ReplaceSmResp())
    assert await answered(esme, ReplaceSm(message_id, NUMBER, b"Too late")) == failed
    assert simulator.log[0].text == "Goodbye"


async def test_a_submit_may_replace_what_waits(autojump_clock, nursery):
    shown: list[OnAir] = []
    simulator = Simulator(SimulatorConfig(receipt_delay=60.0), on_air=shown.append)
    esme = await connect(nursery, simulator)
    first = SubmitSm(NUMBER, PEER, b"1 message waits", registered_delivery=1, service_type="VMN")
    again = SubmitSm(
        NUMBER, PEER, b"2 messages wait", registered_delivery=1, service_type="VMN", replace_if_present_flag=1
    )
    _, one = await answered(esme, first)
    _, two = await answered(esme, again)
    assert two.message_id == one.message_id
    assert [found.text for found in simulator.messages] == ["2 messages wait"]
    assert (shown[-1].kind, shown[-1].text, simulator.stats.replaced) == ("replace", "2 messages wait", 1)
    (receipt,) = await esme.delivers(1)
    read = read_receipt(receipt)
    assert read is not None
    assert (read.id, read.text) == (one.message_id, "2 messages wait")
    _, three = await answered(esme, again)  # nothing waits any more
    assert three.message_id != one.message_id
    assert len(simulator.messages) == 2


@pytest.mark.parametrize(
    "other",
    [
        SubmitSm(OTHERS[0], PEER, b"x", replace_if_present_flag=1),
        SubmitSm(NUMBER, OTHERS[0], b"x", replace_if_present_flag=1),
        SubmitSm(NUMBER, PEER, b"x", replace_if_present_flag=1, service_type="VMN"),
        SubmitSm(NUMBER, PEER, b"x"),
    ],
)
async def test_a_submit_replaces_only_its_like(autojump_clock, nursery, other):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    await submitted(esme)
    await answered(esme, other)
    assert [found.text for found in simulator.messages] == ["Hello", "x"]
    assert simulator.stats.replaced == 0


async def test_an_esme_of_33_gets_ids_of_8_octets(autojump_clock, nursery):
    simulator = simulated(id_form="padded", receipt_id_form="padded", receipt_form="text")
    ours, theirs = memory_stream_pair()
    nursery.start_soon(simulator.serve_stream, theirs)
    await ours.send_all(encode(BindTransceiver("a", "b", interface_version=0x33), 1))
    await ours.receive_some()
    await ours.send_all(encode(message(), 2))
    frames = FrameBuffer()
    got: list[bytes] = []
    while len(got) < 2:
        got += frames.feed(bytes(await ours.receive_some()))
    response, receipt = (decode(frame)[2] for frame in got)
    assert isinstance(response, SubmitSmResp)
    assert isinstance(receipt, DeliverSm)
    assert 0 < len(response.message_id) <= 8
    assert receipt.short_message.startswith(f"id:{response.message_id} ".encode())


async def test_the_replacement_says_whether_there_is_a_receipt(autojump_clock, nursery):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme, receipt=1)
    await answered(esme, ReplaceSm(message_id, NUMBER, b"Quietly", registered_delivery=0))
    await trio.sleep(100)
    assert esme.delivered == []
    assert simulator.log[0].state is MessageState.DELIVERED


async def test_the_times_of_a_replacement_count_where_it_has_any(autojump_clock, nursery):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    one = SubmitSm(NUMBER, PEER, b"x", schedule_delivery_time="000001000000000R", validity_period="000002000000000R")
    _, response = await answered(esme, one)
    await answered(esme, ReplaceSm(response.message_id, NUMBER, b"y", validity_period="000009000000000R"))
    pdu = simulator.log[0].pdu
    assert isinstance(pdu, SubmitSm)
    assert (pdu.short_message, pdu.schedule_delivery_time, pdu.validity_period) == (
        b"y",
        "000001000000000R",
        "000009000000000R",
    )


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ({"schedule_delivery_time": "000001000000000R", "validity_period": "000002000000000R"}, OK),
        ({"schedule_delivery_time": "231114221000000+"}, OK),  # three minutes ago: due
        ({"schedule_delivery_time": "tomorrow at nine"}, CommandStatus.ESME_RINVSCHED),
        ({"schedule_delivery_time": "231301000000000+"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": "231114231400004+"}, OK),  # half a minute from now, an hour ahead of UTC
        ({"validity_period": "231114231300004+"}, CommandStatus.ESME_RINVEXPIRY),
        ({"validity_period": "000000000000000R"}, CommandStatus.ESME_RINVEXPIRY),
        ({"validity_period": "00000000000100 R"}, CommandStatus.ESME_RINVEXPIRY),
    ],
)
async def test_times_that_are_none_are_refused(autojump_clock, nursery, times, status):
    esme = await connect(nursery, simulated(receipt_delay=60.0))
    id = await submitted(esme, receipt=1)
    told, response = await answered(esme, SubmitSm(NUMBER, PEER, b"x", **times))
    assert (told, bool(response.message_id)) == (status, status == OK)
    assert (await answered(esme, ReplaceSm(id, NUMBER, b"y", **times)))[0] == status
    several, _ = await answered(esme, SubmitMulti(NUMBER, (PEER,), b"x", **times))
    assert several == status


async def test_a_data_sm_and_a_payload_are_replaced(autojump_clock, nursery):
    simulator = simulated(receipt_delay=60.0)
    esme = await connect(nursery, simulator)
    _, one = await answered(esme, DataSm(NUMBER, PEER, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Hello"),)))
    _, two = await answered(esme, message(b"Hello"))
    await answered(esme, ReplaceSm(one.message_id, NUMBER, b"One"))
    await answered(esme, ReplaceSm(two.message_id, NUMBER, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Two" * 100),)))
    assert [found.text for found in simulator.messages] == ["One", "Two" * 100]


async def test_all_that_is_asked_is_shown(autojump_clock, nursery):
    shown: list[OnAir] = []
    simulator = Simulator(SimulatorConfig(receipt_delay=60.0), on_air=shown.append)
    esme = await connect(nursery, simulator)
    message_id = await submitted(esme)
    await answered(esme, QuerySm(message_id, NUMBER))
    await answered(esme, ReplaceSm(message_id, NUMBER, b"New"))
    await answered(esme, CancelSm(message_id, NUMBER, PEER))
    await answered(esme, CancelSm(message_id, NUMBER, PEER))
    assert [(event.kind, event.message_id, event.state, event.text, event.status) for event in shown[3:]] == [
        ("query", message_id, "ENROUTE", None, 0),
        ("replace", message_id, "", "New", 0),
        ("cancel", message_id, "", None, 0),
        ("cancel", message_id, "", None, CommandStatus.ESME_RCANCELFAIL),
    ]
