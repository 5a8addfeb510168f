"""A bind's life at one carrier: connect, bind, hold, unbind, and every way in which the other end can spoil it."""

from __future__ import annotations

import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Wire, carrier, hold, segments

Clock = trio.testing.MockClock


async def test_it_binds_with_what_the_settings_say(autojump_clock: Clock) -> None:
    seen: list[p.Pdu] = []

    async def behave(wire: Wire) -> None:
        seen.append(await wire.accept())
        await wire.serve()

    async with carrier(
        behave=behave,
        system_id="user",
        password="secret",
        system_type="VMA",
        interface_version="3.3",
        addr_ton=5,
        addr_npi=9,
        address_range="^1555",
        local_address="192.0.2.7",
        port=2776,
    ) as held:
        await held.bound()
        wire = held.line.wires[0]
        assert wire.address == ("smsc.example", 2776)
        assert wire.local_address == "192.0.2.7"
        assert seen == [
            p.BindTransceiver(
                system_id="user",
                password="secret",
                system_type="VMA",
                interface_version=0x33,
                address_range=p.Address(5, 9, "^1555"),
            )
        ]
        assert held.carrier.state == "up"
        assert held.bind.host == "smsc.example:2776"


async def test_interface_version_is_34_unless_asked_otherwise(autojump_clock: Clock) -> None:
    versions: list[int] = []

    async def behave(wire: Wire) -> None:
        versions.append((await wire.accept()).interface_version)
        await wire.serve()

    for given in ({}, {"interface_version": "5.0"}):
        async with carrier(behave=behave, **given) as held:
            await held.bound()
    assert versions == [0x34, 0x50]


async def test_addresses_of_submits_have_the_ton_and_npi_that_the_settings_say(autojump_clock: Clock) -> None:
    for given, expected in (
        ({}, ((1, 1), (1, 1))),
        ({"source_ton": 5, "source_npi": 0, "dest_ton": 2, "dest_npi": 8}, ((5, 0), (2, 8))),
    ):
        async with carrier(**given) as held:
            await held.bound()
            held.carrier.push(segments(1))
            await held.notes.until(lambda notes=held.notes: notes.answers)
            submit = held.line.wires[0].received[1][3]
            assert isinstance(submit, p.SubmitSm)
            found = ((submit.source.ton, submit.source.npi), (submit.destination.ton, submit.destination.npi))
            assert found == expected


async def test_a_pair_is_one_transmitter_and_one_receiver(autojump_clock: Clock) -> None:
    async with carrier(bind="pair") as held:
        await held.bound(2)
        first = [wire.received[0][3] for wire in held.line.wires]
        assert sorted(type(pdu).__name__ for pdu in first) == ["BindReceiver", "BindTransmitter"]
        assert [b.name for b in held.carrier.binds] == ["acme/1t", "acme/1r"]
        held.carrier.push(segments(4))
        await held.notes.until(lambda: len(held.notes.answers) == 4)
        transmitter = next(w for w in held.line.wires if isinstance(w.received[0][3], p.BindTransmitter))
        assert transmitter.submits == 4, "the receiver was given a submit_sm"


async def test_a_receiver_alone_sends_nothing(autojump_clock: Clock) -> None:
    async with carrier(bind="receiver") as held:
        await held.bound()
        assert not held.carrier.can_send
        assert held.carrier.room() == 0
        claimed = segments(2)
        held.carrier.push(claimed)
        assert held.notes.given_back == claimed


async def test_several_binds_share_one_queue_and_its_load(autojump_clock: Clock) -> None:
    async with carrier(binds=3, window=10) as held:
        await held.bound(3)
        held.carrier.push(segments(90))
        await held.notes.until(lambda: len(held.notes.answers) == 90)
        assert sum(w.submits for w in held.line.wires) == 90
        assert min(w.submits for w in held.line.wires) >= 25


async def test_an_enquire_link_is_answered_before_and_after_other_work(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        for sequence in (7, 8):
            await wire.send(p.EnquireLink(), sequence)
            assert (await wire.expect(p.EnquireLinkResp))[0] == sequence
        await wire.close()

    async with carrier(behave=behave) as held:
        await held.over()
        assert held.line.wires[0].kinds() == ["BindTransceiver", "EnquireLinkResp", "EnquireLinkResp"]


async def test_silence_is_broken_by_an_enquire_link(autojump_clock: Clock) -> None:
    async with carrier(enquire_link=30) as held:
        await held.bound()
        start = trio.current_time()
        await trio.sleep(100)
        asked = held.line.wires[0].times(p.EnquireLink)
        assert [round(at - start, 6) for at in asked] == [30, 60, 90]
        assert held.bind.state == "bound"


async def dead(wire: Wire) -> None:
    await wire.accept()
    await wire.end()


async def test_a_dead_link_is_noticed_within_two_intervals(autojump_clock: Clock) -> None:
    for enquire_link, response_timeout in ((30, 10), (5, 10), (5, 600), (60, 60)):
        async with carrier(behave=dead, enquire_link=enquire_link, response_timeout=response_timeout) as held:
            await held.bound()
            start = trio.current_time()
            await held.notes.until(lambda b=held.bind: b.state != "bound")
            assert trio.current_time() - start <= 2 * enquire_link
            assert held.bind.last_error is not None
            assert "enquire link timeout" in held.bind.last_error
            # and it is bound again
            await held.attempts(2)


async def test_a_link_that_dies_just_after_it_spoke_is_noticed_too(autojump_clock: Clock) -> None:
    spoke: list[float] = []

    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.EnquireLink)
        await trio.sleep(9.9)
        await wire.send(p.EnquireLink(), 1)  # alive, but our question stays without an answer
        spoke.append(trio.current_time())
        await wire.end()

    async with carrier(behave=behave, enquire_link=10) as held:
        await held.bound()
        await held.notes.until(lambda: held.bind.state != "bound")
        assert 0 < trio.current_time() - spoke[0] <= 20


async def _bad_bind(held: Held, words: str) -> None:
    """Waits for the end of the first attempt and looks at its error; the next attempt is served well."""
    held.line.behave = hold
    await held.over()
    assert held.bind.last_error is not None
    assert words in held.bind.last_error
    await held.bound()
    assert held.bind.last_error is None


async def test_no_answer_to_the_bind_ends_in_bind_timeout(autojump_clock: Clock) -> None:
    for timeout in (3, 50):  # shorter and longer than the timeout of other requests

        async def silent(wire: Wire) -> None:
            await wire.end()

        async with carrier(behave=silent, bind_timeout=timeout, response_timeout=10) as held:
            await held.state("binding")
            start = trio.current_time()
            await held.over()
            assert abs(trio.current_time() - start - timeout) < 0.01
            await _bad_bind(held, f"no answer to the bind in {timeout} s")


async def test_a_connection_that_does_not_come_ends_in_connect_timeout(autojump_clock: Clock) -> None:
    async with carrier(connect_timeout=4) as held:
        connect = held.line.connect

        async def slow(host: str, port: int, local_address: str | None) -> trio.abc.Stream:
            stream = await connect(host, port, local_address)
            if len(held.line.attempts) == 1:
                await trio.sleep_forever()
            return stream

        held.bind._connector = slow
        await held.state("connecting")
        start = trio.current_time()
        await held.notes.until(lambda: held.bind.last_error)
        assert trio.current_time() - start == 4
        assert held.bind.last_error == "connecting took too long"
        await held.bound()


async def test_garbage_http_and_half_a_pdu_end_the_attempt_alone(autojump_clock: Clock) -> None:
    http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    cases = [
        (http, "protocol error"),
        (b"\x00\x00\x00\x01\x80\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x01", "protocol error"),
        (b"\xff" * 400, "protocol error"),
        (b"\x00\x00\x00\x20\x80\x00\x00\x09\x00\x00", "no answer to the bind"),
    ]
    for octets, words in cases:

        async def behave(wire: Wire, octets: bytes = octets) -> None:
            await wire.read()
            await wire.stream.send_all(octets)
            await wire.end()

        async with carrier(behave=behave) as held:
            await held.attempts(1)
            await _bad_bind(held, words)


async def test_a_close_in_the_middle_of_a_pdu_ends_the_attempt_alone(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.read()
        await wire.stream.send_all(b"\x00\x00\x00\x20\x80\x00\x00\x09\x00\x00")
        await wire.close()

    async with carrier(behave=behave) as held:
        await held.attempts(1)
        await _bad_bind(held, "the carrier closed the connection: with 10 octets of a PDU")


async def test_a_bad_pdu_in_a_session_is_answered_counted_and_survived(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.stream.send_all(bytes.fromhex("00000014 00000005 00000000 00000009 ffffffff"))  # no deliver_sm
        await wire.stream.send_all(bytes.fromhex("00000010 0000abcd 00000000 0000000a"))  # no such command
        await wire.serve()

    async with carrier(behave=behave) as held:
        await held.bound()
        await held.notes.until(lambda: held.notes.rejections == 2)
        wire = held.line.wires[0]
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        assert held.bind.state == "bound"
        assert wire.kinds() == ["BindTransceiver", "DeliverSmResp", "GenericNack", "SubmitSm"]
        assert [status for _, _, status, _ in wire.received[1:3]] == [
            CommandStatus.ESME_RINVCMDLEN,
            CommandStatus.ESME_RINVCMDID,
        ]


async def test_a_carrier_that_unbinds_gets_its_answer_and_is_bound_again(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.send(p.Unbind(), 77)
        assert (await wire.expect(p.UnbindResp))[0] == 77
        await wire.end()

    async with carrier(behave=behave) as held:
        await held.over()
        assert held.line.wires[0].kinds()[-1] == "UnbindResp"
        assert held.line.wires[0].ended_at == trio.current_time()
        held.line.behave = hold
        await held.bound()


async def test_nothing_is_given_to_a_bind_that_the_carrier_is_unbinding(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        for _ in range(2):
            await wire.expect(p.SubmitSm)
        await wire.send(p.Unbind(), 1)  # with two submits under way, which it answers
        await trio.sleep(0.5)
        await wire.send(p.SubmitSmResp("a"), 2)
        await trio.sleep(0.5)
        await wire.send(p.SubmitSmResp("b"), 3)
        await wire.end()

    async with carrier(behave=behave, window=2) as held:
        await held.bound()
        held.carrier.push(segments(4))
        await held.state("unbinding")
        assert not held.carrier.can_send
        assert held.carrier.room() == 0
        await held.over()
        assert len(held.notes.answers) == 2
        assert len(held.notes.given_back) == 2
        assert not held.notes.in_doubt
        assert held.bind.in_use == 0


async def test_bound_and_unbound_in_one_read_sends_nothing(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        from gateway.smpp.codec import encode

        await wire.read()
        await wire.stream.send_all(encode(p.BindTransceiverResp("c"), 1) + encode(p.Unbind(), 9))
        await wire.end()

    async with carrier(behave=behave) as held:
        claimed = segments(1)
        await held.attempts(1)
        held.carrier._ready[0].extend(claimed)  # claimed while the bind was coming up
        await held.over()
        assert held.notes.given_back == claimed
        assert held.line.wires[0].kinds() == ["BindTransceiver", "UnbindResp"]
