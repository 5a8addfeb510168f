"""The simulated SMSC keeps receipts and inbound messages until they are acknowledged, on whichever bind
there is.
"""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import memory_stream_pair

from gateway.simulator import OnAir, Simulator, SimulatorConfig
from gateway.smpp.codec import encode
from gateway.smpp.constants import CommandStatus, Tag
from gateway.smpp.pdu import Address, BindTransceiver, DeliverSm
from gateway.sms.reassembly import assemble, read_part

from .esme import NUMBER, PEER, connect, message

TRY_LATER = int(CommandStatus.ESME_RX_T_APPN)
NEVER = int(CommandStatus.ESME_RX_P_APPN)


def simulated(**settings: object) -> Simulator:
    return Simulator(SimulatorConfig(**settings), rng=random.Random(7))  # type: ignore[arg-type]


def text_of(pdus: list[DeliverSm]) -> str | None:
    parts = [
        read_part(pdu.short_message, pdu.esm_class, pdu.data_coding, [(t.tag, t.value) for t in pdu.tlvs])
        for pdu in pdus
    ]
    return assemble({part.seq: part for part in parts}, parts[0].total).text


@pytest.mark.parametrize(("scheme", "parts"), [("udh8", 3), ("udh16", 3), ("sar", 3), ("payload", 1)])
async def test_an_inbound_message_in_parts(autojump_clock, nursery, scheme, parts):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    text = "Буду вовремя 👍🏽 " * 8
    assert simulator.inbound("+12125550101", "+15551230001", text, scheme=scheme) == parts
    pdus = await esme.delivers(parts)
    assert text_of(pdus) == text
    assert {(pdu.source, pdu.destination) for pdu in pdus} == {(PEER, NUMBER)}
    await simulator.until(lambda: simulator.stats.inbound_acknowledged == parts)


async def test_addresses_as_people_write_them(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    simulator.inbound("Bank", "12345", "Hi")
    (pdu,) = await esme.delivers(1)
    assert (pdu.source, pdu.destination) == (Address(5, 0, "Bank"), Address(3, 0, "12345"))
    with pytest.raises(ValueError, match="source"):
        simulator.inbound("+" + "1" * 30, "12345", "Hi")
    assert simulator.stats.inbound == 1


async def test_binary_inbound(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    simulator.inbound("+12125550101", "12345", bytes(range(200)))
    pdus = await esme.delivers(2)
    assert {pdu.data_coding for pdu in pdus} == {4}
    assert b"".join(pdu.short_message[6:] for pdu in pdus) == bytes(range(200))


async def test_what_comes_while_nobody_listens_waits_for_a_receiver(autojump_clock, nursery):
    simulator = simulated()
    simulator.inbound("+12125550101", "+15551230001", "first")
    out = await connect(nursery, simulator, "transmitter")
    out.send(message())
    await out.responds(1)
    assert simulator.waiting == 2
    incoming = await connect(nursery, simulator, "receiver")
    inbound, receipt = await incoming.delivers(2)
    assert (inbound.short_message, receipt.esm_class) == (b"first", 0x04)
    await simulator.until(lambda: simulator.waiting == 0)


async def test_what_was_not_acknowledged_comes_again_on_the_next_bind(autojump_clock, nursery):
    shown: list[OnAir] = []
    simulator = Simulator(on_air=shown.append)
    first = await connect(nursery, simulator, answer=lambda _: None)
    first.send(message())
    simulator.inbound("+12125550101", "+15551230001", "hello")
    await first.delivers(2)
    first.link.close()
    await simulator.until(lambda: not simulator.connections)
    assert simulator.waiting == 2
    second = await connect(nursery, simulator)
    assert await second.delivers(2) == first.delivered
    await simulator.until(lambda: simulator.waiting == 0)
    assert [event.attempt for event in shown if event.kind == "receipt"] == [1, 2]


async def test_what_a_dying_bind_held_goes_to_the_other(autojump_clock, nursery):
    simulator = simulated(window=5)
    dying = await connect(nursery, simulator, answer=lambda _: None)
    dying.send(*[message() for _ in range(20)])
    await dying.responds(20)
    assert len(dying.delivered) == 5
    other = await connect(nursery, simulator)
    dying.link.close()
    receipts = await other.delivers(20)
    assert [receipt.tlv(Tag.RECEIPTED_MESSAGE_ID) for receipt in receipts] == dying.ids


async def test_a_temporary_error_brings_it_again_after_a_while(autojump_clock, nursery):
    simulator = simulated(retry_delay=2.0)
    answers = iter([TRY_LATER, TRY_LATER, 0])
    esme = await connect(nursery, simulator, answer=lambda _: next(answers))
    start = trio.current_time()
    simulator.inbound("+12125550101", "+15551230001", "hello")
    await simulator.until(lambda: simulator.waiting == 0)
    assert len(esme.delivered) == 3
    assert trio.current_time() - start == pytest.approx(4.0)
    assert simulator.stats.deliveries_deferred == 2


async def test_a_permanent_error_ends_it(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator, answer=lambda _: NEVER)
    simulator.inbound("+12125550101", "+15551230001", "hello")
    await simulator.until(lambda: simulator.waiting == 0)
    await trio.sleep(100)
    assert len(esme.delivered) == 1
    assert simulator.stats.deliveries_refused == 1


async def test_without_an_answer_it_comes_again_until_a_late_one(autojump_clock, nursery):
    simulator = simulated(response_timeout=5.0, retry_delay=1.0, enquire_link=0.0)
    esme = await connect(nursery, simulator, answer=lambda _: None)
    start = trio.current_time()
    simulator.inbound("+12125550101", "+15551230001", "hello")
    await esme.delivers(2)
    assert trio.current_time() - start == pytest.approx(6.0)
    esme.reply(esme.requests[0], 0)
    await simulator.until(lambda: simulator.waiting == 0)
    await trio.sleep(100)
    assert len(esme.delivered) == 2
    assert simulator.stats.inbound_acknowledged == 1


async def test_the_window_is_kept(autojump_clock, nursery):
    simulator = simulated(window=3)
    esme = await connect(nursery, simulator, answer=lambda _: None)
    for number in range(10):
        simulator.inbound("+12125550101", "+15551230001", f"text {number}")
    for answered in range(7):
        await esme.delivers(3 + answered)
        esme.reply(esme.requests[answered], 0)
    pdus = await esme.delivers(10)
    assert [pdu.short_message for pdu in pdus] == [b"text %d" % number for number in range(10)]


async def test_no_more_wait_than_allowed(autojump_clock, nursery):
    simulator = simulated(max_waiting=5)
    assert sum(simulator.inbound("+12125550101", "12345", "hello") for _ in range(8)) == 5
    assert (simulator.waiting, simulator.stats.dropped) == (5, 3)
    esme = await connect(nursery, simulator)
    await esme.delivers(5)


async def test_inbound_for_one_account(autojump_clock, nursery):
    simulator = simulated()
    simulator.inbound("+12125550101", "12345", "for b", system_id="b")
    a = await connect(nursery, simulator, system_id="a")
    b = await connect(nursery, simulator, system_id="b")
    await b.delivers(1)
    assert a.delivered == []


async def test_a_receipt_to_an_address_that_cannot_be_written_is_given_up(autojump_clock, nursery):
    simulator = simulated()
    esme = await connect(nursery, simulator)
    ours, theirs = memory_stream_pair()
    nursery.start_soon(simulator.serve_stream, theirs)
    submit = bytearray(encode(message(), 2))
    at = submit.index(NUMBER.addr.encode())
    submit[at : at + len(NUMBER.addr)] = b"1" * 40
    submit[0:4] = len(submit).to_bytes(4, "big")
    await ours.send_all(encode(BindTransceiver("a", "b"), 1))
    await simulator.until(lambda: len(simulator.binds) == 2)
    await ours.send_all(submit)
    await simulator.until(lambda: simulator.stats.submits == 1 and simulator.waiting == 0)
    assert (simulator.stats.accepted, simulator.stats.deliveries_refused) == (1, 1)
    esme.send(message())
    await esme.delivers(1)


async def test_made_up_messages_at_a_rate(autojump_clock, nursery):
    simulator = simulated(mo_rate=10.0, mo_texts=("ping",), mo_peers=("+12125550101",), mo_numbers=("12345",))
    esme = await connect(nursery, simulator)
    await trio.sleep(10.05)
    assert 100 <= len(esme.delivered) <= 101
    simulator.configure(mo_rate=0.0)
    before = len(esme.delivered)
    await trio.sleep(10)
    assert len(esme.delivered) == before
    simulator.configure(mo_rate=100.0)
    simulator.configure(mo_rate=50.0)
    await trio.sleep(10)
    assert 498 <= len(esme.delivered) - before <= 502


async def test_made_up_messages_answer_whom_was_written_to(autojump_clock, nursery):
    simulator = simulated(mo_rate=1.0)
    esme = await connect(nursery, simulator)
    await trio.sleep(5)
    assert simulator.stats.inbound == 0
    esme.send(message(receipt=0))
    await esme.until(lambda: bool(esme.delivered))
    assert (esme.delivered[0].source, esme.delivered[0].destination) == (PEER, NUMBER)


async def test_parts_in_random_order_are_all_there(autojump_clock, nursery):
    simulator = simulated(out_of_order=True)
    esme = await connect(nursery, simulator)
    simulator.inbound("+12125550101", "12345", "x" * 1000)
    pdus = await esme.delivers(7)
    order = [pdu.short_message[5] for pdu in pdus]
    assert order != sorted(order)
    assert text_of(pdus) == "x" * 1000
