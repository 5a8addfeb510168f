"""What the simulated SMSC makes of submits: answers, refusals, ids, receipts."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import trio

from gateway.simulator import OnAir, Simulator, SimulatorConfig
from gateway.smpp.constants import CommandStatus, MessageState, Tag
from gateway.smpp.pdu import Address, DataSm, Tlv
from gateway.smpp.receipt import read_receipt
from gateway.sms.segment import render

from .esme import NUMBER, PEER, Esme, connect, message

OK = int(CommandStatus.ESME_ROK)
THROTTLED = int(CommandStatus.ESME_RTHROTTLED)


def simulated(**settings: object) -> Simulator:
    return Simulator(SimulatorConfig(**settings), rng=random.Random(7), wall=lambda: 1_700_000_000.0)  # type: ignore[arg-type]


async def test_a_submit_is_answered_and_receipted_in_one_write(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    esme.send(message())
    (receipt,) = await esme.delivers(1)
    assert esme.statuses == [OK]
    read = read_receipt(receipt)
    assert read is not None
    assert (read.id, read.state, read.source) == (esme.ids[0], MessageState.DELIVERED, "both")
    assert (receipt.source, receipt.destination, receipt.esm_class) == (PEER, NUMBER, 0x04)
    assert (read.submit_date, read.text) == ("2311142213", "Hello")
    assert trio.current_time() == esme.times[0]
    (submit,) = simulator.log
    assert (submit.bind, submit.source, submit.destination) == (1, "+15551230001", "+12125550101")
    assert (submit.text, submit.message_id, submit.answered_at) == ("Hello", esme.ids[0], submit.t)
    await simulator.until(lambda: simulator.waiting == 0)


async def test_nobody_gets_a_receipt_that_was_not_asked_for(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    esme.send(message(receipt=0))
    await esme.responds(1)
    assert simulator.stats.receipts == 0


@pytest.mark.parametrize(
    ("asked", "state", "sent"),
    [(2, "DELIVRD", 0), (2, "UNDELIV", 1), (3, "DELIVRD", 1), (3, "UNDELIV", 0), (1, "UNDELIV", 1)],
)
async def test_receipts_on_failure_or_success_only(autojump_clock, nursery, asked, state, sent):
    simulator = simulated(receipt_states={state: 1.0})
    esme = await connect(nursery, simulator)
    esme.send(message(receipt=asked))
    await esme.responds(1)
    assert simulator.stats.receipts == sent


async def test_latency_and_receipt_delay(autojump_clock, nursery):
    simulator = simulated(latency=0.2, receipt_delay=3.0)
    esme = await connect(nursery, simulator)
    start = trio.current_time()
    esme.send(message(), message())
    await esme.responds(2)
    assert trio.current_time() - start == pytest.approx(0.2)
    await esme.delivers(2)
    assert trio.current_time() - start == pytest.approx(3.2)


async def test_latency_out_of_a_range(autojump_clock, nursery):
    simulator = simulated(latency=(0.1, 0.5))
    esme = await connect(nursery, simulator)
    start = trio.current_time()
    esme.send(*[message(receipt=0)] * 100)
    await esme.responds(100)
    took = [time - start for time in esme.times[1:]]
    assert 0.099 <= min(took) < 0.15
    assert 0.45 < max(took) <= 0.501
    assert [event.token for event in esme.responses] != sorted(event.token for event in esme.responses)


async def test_a_share_is_refused_with_the_statuses_given(autojump_clock, nursery):
    simulator = simulated(errors=0.3, error_statuses=(0x14, 0x45))
    esme = await connect(nursery, simulator)
    esme.send(*[message() for _ in range(1000)])
    await esme.responds(1000)
    counts = Counter(esme.statuses)
    assert set(counts) == {OK, 0x14, 0x45}
    assert 250 < counts[0x14] + counts[0x45] < 350
    assert simulator.stats.statuses == {0x14: counts[0x14], 0x45: counts[0x45]}
    assert simulator.stats.messages == simulator.stats.accepted == counts[OK]
    assert all(not event.pdu.message_id for event in esme.responses if event.status)  # type: ignore[attr-defined]
    await esme.delivers(counts[OK])


@pytest.mark.parametrize("taken", [True, False])
async def test_no_response_at_all(autojump_clock, nursery, taken):
    simulator = simulated(no_response=1.0, no_response_taken=taken)
    esme = await connect(nursery, simulator)
    esme.send(message())
    if taken:
        await esme.delivers(1)
    with trio.move_on_after(100):
        await esme.responds(1)
    assert esme.responses == []
    assert (simulator.stats.unanswered, simulator.stats.messages) == (1, int(taken))
    assert simulator.log[0].answered_at is None


async def test_more_than_the_rate_is_throttled(autojump_clock, nursery):
    simulator = simulated(throttle=10, latency=0.0)
    esme = await connect(nursery, simulator)
    esme.send(*[message(receipt=0)] * 15)
    await esme.responds(15)
    assert esme.statuses == [OK] * 10 + [THROTTLED] * 5
    await trio.sleep(0.99)
    esme.send(message(receipt=0))
    await esme.responds(16)
    await trio.sleep(0.02)
    esme.send(*[message(receipt=0)] * 11)
    await esme.responds(27)
    assert esme.statuses[15:] == [THROTTLED] + [OK] * 10 + [THROTTLED]
    assert simulator.stats.throttled == 7


async def test_a_submit_to_nobody_is_refused(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    esme.send(message(destination=Address()))
    await esme.responds(1)
    assert esme.statuses == [CommandStatus.ESME_RINVDSTADR]


@pytest.mark.parametrize(
    ("form", "base", "looks"),
    [("decimal", 10, "^[1-9][0-9]{7,8}$"), ("hex", 16, "^[1-9a-f][0-9a-f]{5,7}$"),
     ("hex_upper", 16, "^[1-9A-F][0-9A-F]{5,7}$"), ("padded", 10, "^000[0-9]{9}$")],
)  # fmt: skip
async def test_forms_of_the_id(autojump_clock, nursery, form, base, looks):
    simulator = simulated(id_form=form, receipt_id_form="decimal", receipt_form="tlv")
    esme = await connect(nursery, simulator)
    esme.send(*[message() for _ in range(50)])
    receipts = await esme.delivers(50)
    assert len(set(esme.ids)) == 50
    for message_id, receipt in zip(esme.ids, receipts, strict=True):
        assert receipt.tlv(Tag.RECEIPTED_MESSAGE_ID) == str(int(message_id, base))
        assert pytest.importorskip("re").match(looks, message_id)


@pytest.mark.parametrize(("form", "source"), [("both", "both"), ("tlv", "tlv"), ("text", "text")])
async def test_forms_of_the_receipt(autojump_clock, nursery, form, source):
    simulator = simulated(receipt_form=form, receipt_states={"EXPIRED": 1})
    esme = await connect(nursery, simulator)
    esme.send(message())
    (receipt,) = await esme.delivers(1)
    read = read_receipt(receipt)
    assert read is not None
    assert (read.source, read.state, read.id) == (source, MessageState.EXPIRED, esme.ids[0])
    assert read.error is not None
    assert int(read.error) == 27
    assert bool(receipt.short_message) == (form != "tlv")
    assert bool(receipt.tlvs) == (form != "text")


async def test_states_by_their_weights(autojump_clock, nursery):
    simulator = simulated(receipt_states={"DELIVRD": 3, "UNDELIV": 1})
    esme = await connect(nursery, simulator)
    esme.send(*[message() for _ in range(400)])
    receipts = await esme.delivers(400)
    counts = Counter(receipt.tlv(Tag.MESSAGE_STATE) for receipt in receipts)
    assert set(counts) == {MessageState.DELIVERED, MessageState.UNDELIVERABLE}
    assert 260 < counts[MessageState.DELIVERED] < 340


async def test_a_share_of_receipts_and_of_duplicates(autojump_clock, nursery):
    simulator = simulated(receipts=0.5, duplicate_receipts=0.5)
    esme = await connect(nursery, simulator)
    esme.send(*[message() for _ in range(400)])
    await esme.responds(400)
    await simulator.until(lambda: simulator.waiting == 0)
    copies = Counter(receipt.tlv(Tag.RECEIPTED_MESSAGE_ID) for receipt in esme.delivered)
    assert set(copies.values()) == {1, 2}
    assert 160 < len(copies) < 240
    assert 60 < sum(count == 2 for count in copies.values()) < 140


async def test_a_receipt_before_the_response_on_the_same_bind(autojump_clock, nursery):
    simulator = simulated(receipts_before_response=True, latency=0.1)
    esme = await connect(nursery, simulator, answer=lambda _: None)
    esme.send(message())
    await esme.responds(1)
    kinds = [type(event).__name__ for event in esme.events]
    assert kinds == ["Bound", "RequestReceived", "ResponseReceived"]
    assert esme.times[1] == esme.times[2]


async def test_a_receipt_before_the_response_on_another_bind(autojump_clock, nursery):
    simulator = simulated(receipts_before_response=True)
    out = await connect(nursery, simulator, "transmitter")
    incoming = await connect(nursery, simulator, "receiver", answer=lambda _: None)
    out.send(message(), message())
    await incoming.delivers(2)
    assert out.responses == []
    incoming.reply(incoming.requests[0], 0)
    await out.responds(1)
    assert trio.current_time() == incoming.times[-1]
    await out.responds(2)  # nobody answers the second one
    assert trio.current_time() - incoming.times[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("where", "expected"), [("same", (10, 0)), ("other", (0, 10))])
async def test_the_bind_of_receipts(autojump_clock, nursery, where, expected):
    simulator = simulated(receipt_on=where)
    binds = [await connect(nursery, simulator) for _ in range(2)]
    binds[0].send(*[message() for _ in range(10)])
    await simulator.until(lambda: simulator.stats.receipts_acknowledged == 10)
    assert tuple(len(esme.delivered) for esme in binds) == expected


async def test_receipts_on_any_bind_but_of_the_same_account(autojump_clock, nursery):
    simulator = simulated(receipt_on="any")
    binds = [await connect(nursery, simulator) for _ in range(2)]
    stranger = await connect(nursery, simulator, system_id="stranger")
    binds[0].send(*[message() for _ in range(40)])
    await simulator.until(lambda: simulator.stats.receipts_acknowledged == 40)
    assert min(len(esme.delivered) for esme in binds) > 10
    assert stranger.delivered == []


async def test_out_of_order(autojump_clock, nursery):
    simulator = simulated(out_of_order=True, receipt_delay=1.0)
    esme = await connect(nursery, simulator)
    esme.send(*[message() for _ in range(50)])
    await esme.delivers(50)
    order = [event.token for event in esme.responses]
    assert order != sorted(order)
    assert sorted(order) == list(range(50))
    receipts = [receipt.tlv(Tag.RECEIPTED_MESSAGE_ID) for receipt in esme.delivered]
    assert receipts != esme.ids
    assert sorted(map(str, receipts)) == sorted(esme.ids)


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar", "payload"])
async def test_messages_are_put_together_and_shown(autojump_clock, nursery, scheme):
    text = "Привет 👋 " * 30
    shown: list[OnAir] = []
    simulator = Simulator(on_air=shown.append)
    esme = await connect(nursery, simulator)
    bodies = render(text, encoding="ucs2", scheme=scheme, ref=300)
    pdus = [
        message(b.short_message, esm_class=b.esm_class, data_coding=b.data_coding, tlvs=b.tlvs)
        for b in reversed(bodies)
    ]
    esme.send(*pdus)
    await esme.responds(len(bodies))
    (whole,) = simulator.messages
    assert (whole.text, whole.parts, whole.encoding) == (text, len(bodies), "ucs2")
    kinds = Counter(event.kind for event in shown)
    assert (kinds["bind"], kinds["segment"], kinds["message"]) == (1, len(bodies), 1)
    segments = [event for event in shown if event.kind == "segment"]
    assert "".join(event.text or "" for event in reversed(segments)) == text
    assert [(event.part, event.total) for event in segments] == [
        (part, len(bodies)) for part in range(len(bodies), 0, -1)
    ]


async def test_two_people_with_the_same_reference_are_kept_apart(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    one, two = ["a" * 200, "b" * 200]
    pdus = []
    for text, destination in ((one, PEER), (two, Address(1, 1, "4915201234567"))):
        for body in render(text, encoding="gsm7", scheme="udh8", ref=5):
            pdus.append(message(body.short_message, esm_class=body.esm_class, destination=destination))
    esme.send(pdus[0], pdus[2], pdus[3], pdus[1])
    await esme.responds(4)
    assert {(found.destination, found.text) for found in simulator.messages} == {
        ("+12125550101", one),
        ("+4915201234567", two),
    }


async def test_data_sm(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    esme.send(DataSm(NUMBER, PEER, 0, 1, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Hello" * 60),)))
    await esme.delivers(1)
    assert type(esme.responses[0].pdu).__name__ == "DataSmResp"
    assert simulator.messages[0].text == "Hello" * 60


async def test_a_data_sm_without_text_is_refused(autojump_clock, nursery):
    """5.0 §4.7.6: message_payload is missing, ESME_RMISSINGTLV. An empty one is there."""
    simulator = simulated()
    esme = await connect(nursery, simulator)
    esme.send(DataSm(NUMBER, PEER, 0, 1), DataSm(NUMBER, PEER, 0, 1, tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b""),)))
    await esme.delivers(1)
    assert esme.statuses == [0xC3, 0]
    assert [message.text for message in simulator.messages] == [""]


async def test_the_same_seed_gives_the_same_answers(autojump_clock, nursery):
    async def run() -> tuple[list[int], list[str], list[bytes]]:
        simulator = simulated(errors=0.2, no_response=0.1, receipt_states={"DELIVRD": 1, "UNDELIV": 1}, latency=(0, 1))
        esme: Esme = await connect(nursery, simulator)
        esme.send(*[message() for _ in range(50)])
        with trio.move_on_after(10):
            await trio.sleep_forever()
        return esme.statuses, esme.ids, [pdu.short_message for pdu in esme.delivered]

    first = await run()
    assert first == await run()
    assert len(first[0]) < 50
