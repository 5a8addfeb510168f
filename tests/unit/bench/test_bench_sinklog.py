"""The sink's parsing of PDUs made by hand, and the reader of its log."""

import pytest

from bench import keys, sinklog, wire
from bench.behaviour import Behaviour, receipt_body
from bench.figures import Percentiles, cpu_seconds, machine, memory_mib, thread_seconds
from bench.sinklog import CLOSE, IN, OPEN, OUT, SinkLog, SinkLogWriter

# A submit_sm: +15551230001 to +4477, part 1 of 2 with reference 0x2A, "hello" in GSM, receipt asked for.
SUBMIT = bytes.fromhex(
    "0000003b 00000004 00000000 00000007"
    "00 0101 313535353132333030303100 0101 3434373700"
    "40 00 00 00 00 01 00 00 00 0b 0500032a0201 68656c6c6f"
)


def submit(sequence, text, destination="+447700900123", concat=None, coding=0):
    octets = text.encode("utf-16-be") if coding == 8 else text.encode()
    head = b"" if concat is None else bytes((5, 0, 3, *concat))
    body = wire.short_message_body(
        wire.address("+15551230001"), wire.address(destination), head + octets,
        esm_class=wire.UDHI if concat else 0, data_coding=coding, registered_delivery=1,
    )  # fmt: skip
    return wire.pdu(wire.SUBMIT_SM, sequence, body)


def answer(sequence, smsc_id="", status=0):
    return wire.pdu(wire.SUBMIT_SM_RESP, sequence, smsc_id.encode() + b"\0" if smsc_id else b"", status)


def test_a_submit_by_hand_is_read():
    fields = wire.parse_short_message(SUBMIT)
    assert fields.source == "15551230001"
    assert fields.destination == "4477"
    assert (fields.esm_class, fields.registered_delivery, fields.data_coding) == (0x40, 1, 0)
    assert fields.content() == ((0x2A, 2, 1), b"hello")
    assert fields.tlvs == {}


def test_sixteen_bit_sar_and_payload_are_read():
    wide = wire.short_message_body(b"\1\1a\0", b"\1\1b\0", b"\x06\x08\x04\x01\x02\x03\x01x", esm_class=0x40)
    assert wire.parse_short_message(wire.pdu(4, 1, wide)).content() == ((0x0102, 3, 1), b"x")
    sar = wire.tlv(0x020C, b"\x01\x02") + wire.tlv(0x020E, b"\x02") + wire.tlv(0x020F, b"\x02")
    body = wire.short_message_body(b"\1\1a\0", b"\1\1b\0", b"", tlvs=sar + wire.tlv(0x0424, b"long"))
    assert wire.parse_short_message(wire.pdu(4, 1, body)).content() == ((0x0102, 2, 2), b"long")
    other = wire.short_message_body(b"\1\1a\0", b"\1\1b\0", b"\x02\x70\x00x", esm_class=0x40)
    assert wire.parse_short_message(wire.pdu(4, 1, other)).content() == ((0, 1, 1), b"x")


@pytest.mark.parametrize("length", range(16, len(SUBMIT)))
def test_a_pdu_that_ends_too_early_is_told(length):
    with pytest.raises(wire.BadFrame):
        wire.parse_short_message(SUBMIT[:length])


def test_frames_leave_the_rest_and_refuse_bad_lengths():
    data = SUBMIT + answer(7) + SUBMIT[:20]
    assert [(start, end, command) for start, end, command, *_ in wire.frames(data)] == [
        (0, len(SUBMIT), wire.SUBMIT_SM), (len(SUBMIT), len(SUBMIT) + 16, wire.SUBMIT_SM_RESP),
    ]  # fmt: skip
    for length in (15, 131073, 1213486160):
        with pytest.raises(wire.BadFrame, match=str(length)):
            list(wire.frames(length.to_bytes(4, "big") + bytes(12)))


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("+447700900123", b"\1\1" + b"447700900123\0"),
        ("12345", b"\3\0" + b"12345\0"),
        ("Acme", b"\5\0Acme\0"),
    ],
)
def test_addresses_carry_ton_and_npi(value, octets):
    assert wire.address(value) == octets


@pytest.mark.parametrize(("form", "text", "tlvs"), [("both", True, True), ("text", True, False), ("tlv", False, True)])
def test_a_receipt_has_the_asked_for_form(form, text, tlvs):
    registered = SUBMIT.index(b"\0", SUBMIT.index(b"4477\0") + 5 + 3) + 2
    behaviour = Behaviour(receipt_form=form)
    body = receipt_body(SUBMIT, 17, 31, 38, registered, b"0123", behaviour)
    fields = wire.parse_short_message(wire.pdu(wire.DELIVER_SM, 1, body))
    assert (fields.source, fields.destination, fields.esm_class) == ("4477", "15551230001", 0x04)
    assert fields.short_message.startswith(b"id:0123 sub:001 dlvrd:001 submit date:") is text
    assert (fields.tlvs.get(wire.RECEIPTED_MESSAGE_ID) == b"0123\0") is tlvs
    assert (fields.tlvs.get(wire.MESSAGE_STATE) == b"\2") is tlvs


def test_faults_that_cannot_be_are_refused():
    for faults in ("0x58:0.7,silent:0.4", "sometimes:0.1", "0x58"):
        with pytest.raises(ValueError, match=r"more than 1|invalid literal|could not convert"):
            Behaviour(faults=faults)
    behaviour = Behaviour(faults="silent:0.25,0x58:0.25", seed=3)
    drawn = [behaviour.outcome() for _ in range(4000)]
    assert {value: round(drawn.count(value) / 1000) for value in set(drawn)} == {-1: 1, 0x58: 1, 0: 2}


def write(path, *blocks):
    log = SinkLogWriter(path)
    log.add(OPEN, 1, b"{}")
    for kind, data in blocks:
        log.add(kind, 1, data)
    log.close()
    return SinkLog.load(path)


def test_a_log_tells_what_was_submitted_and_when_it_was_answered(tmp_path):
    bind = wire.pdu(wire.BIND_TRANSCEIVER, 1, wire.bind_body("acme"))
    first, second, third = submit(2, "one #T000001"), submit(3, "two #T000002"), submit(4, "three #T000003")
    stream = bind + first + second + third
    # The octets come in pieces that do not heed PDUs, and so does what is written.
    answers = answer(2, "id-1") + answer(3, status=wire.RTHROTTLED)
    log = write(
        tmp_path / "log", (IN, stream[:70]), (IN, stream[70:]), (OUT, answers[:5]), (OUT, answers[5:]),
        (CLOSE, b"closed by the peer"),
    )  # fmt: skip
    assert [item.text for item in log.submits] == ["one #T000001", "two #T000002", "three #T000003"]
    assert [item.status for item in log.submits] == [0, wire.RTHROTTLED, None]
    assert log.submits[0].smsc_message_id == "id-1"
    assert log.submits[0].answered >= log.submits[0].t
    assert log.unanswered() == [log.submits[2]]
    assert {item.account for item in log.submits} == {"acme"}
    assert (log.connections[1].account, log.connections[1].reason) == ("acme", "closed by the peer")
    assert {"wall", "monotonic"} <= log.meta.keys()


def test_segments_are_gathered_by_key_and_copies_are_seen(tmp_path):
    parts = [
        submit(1, "first #T000001 ", concat=(9, 2, 1)), submit(2, "second", concat=(9, 2, 2)),
        submit(3, "other #T000002", destination="+447700900999"),
        submit(4, "second", concat=(9, 2, 2)),
    ]  # fmt: skip
    log = write(tmp_path / "log", (IN, b"".join(parts)), (OUT, b"".join(answer(n, str(n)) for n in range(1, 5))))
    messages = log.messages()
    assert sorted(messages) == ["#T000001", "#T000002"]
    message = messages["#T000001"]
    assert (message.text, message.total, message.complete) == ("first #T000001 second", 2, True)
    assert [copy.sequence for copy in message.copies] == [4]
    assert messages["#T000002"].copies == []


@pytest.mark.parametrize(("status", "copies"), [(wire.RTHROTTLED, 0), (wire.RSUBMITFAIL, 1), (0, 1)])
def test_a_repeat_that_the_sink_asked_for_is_no_copy(tmp_path, status, copies):
    data = submit(1, "x #T000001") + submit(2, "x #T000001")
    log = write(tmp_path / "log", (IN, data), (OUT, answer(1, "a" if not status else "", status) + answer(2, "b")))
    assert len(log.messages()["#T000001"].copies) == copies
    assert log.messages()["#T000001"].complete


def test_a_message_without_key_is_not_taken_for_another(tmp_path):
    log = write(tmp_path / "log", (IN, submit(1, "no key") + submit(2, "no key", concat=(1, 2, 2))))
    assert len(log.messages()) == 2
    assert not any(key.startswith("#") for key in log.messages())


def test_deliveries_are_joined_with_their_acknowledgements(tmp_path):
    text = keys.key(keys.MO, 5) + " привет"
    receipt = wire.short_message_body(b"\1\1" + b"4477\0", b"\1\1" + b"1555\0", b"id:77 sub:001", esm_class=4)
    mo = wire.short_message_body(b"\1\1" + b"4477\0", b"\1\1" + b"1555\0", text.encode("utf-16-be"), data_coding=8)
    out = b"".join(wire.pdu(wire.DELIVER_SM, n, body) for n, body in enumerate((receipt, mo, mo), start=1))
    acks = wire.pdu(wire.DELIVER_SM_RESP, 1, b"\0") + wire.pdu(wire.DELIVER_SM_RESP, 2, b"\0", wire.RX_T_APPN)
    log = write(tmp_path / "log", (OUT, out), (IN, acks))
    assert [item.kind for item in log.deliveries] == ["receipt", "mo", "mo"]
    assert [item.status for item in log.deliveries] == [0, wire.RX_T_APPN, None]
    assert list(log.receipts()) == ["77"]
    assert [item.text for item in log.inbound()[keys.key(keys.MO, 5)]] == [text, text]


def test_half_a_block_at_the_end_is_left_out(tmp_path):
    path = tmp_path / "log"
    write(path, (IN, submit(1, "x")))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert SinkLog.load(path).submits == []
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a sink log"):
        SinkLog.load(path)


def test_a_log_is_continued_by_the_next_process(tmp_path):
    write(tmp_path / "log", (IN, submit(1, "x")))
    assert len(list(sinklog.blocks((tmp_path / "log").read_bytes()))) == 3
    log = write(tmp_path / "log", (IN, submit(1, "y")))
    assert [(item.connection, item.text) for item in log.submits] == [(1, "x"), (2, "y")]


def test_percentiles_are_times_that_were_measured():
    assert Percentiles.of(n / 1000 for n in range(1, 101)) == Percentiles(100, 50.0, 95.0, 99.0, 100.0)
    assert Percentiles.of([0.002]) == Percentiles(1, 2.0, 2.0, 2.0, 2.0)
    assert Percentiles.of([]).count == 0


def test_the_process_and_the_machine_are_measured(tmp_path):
    import os

    assert cpu_seconds(os.getpid()) > 0
    assert thread_seconds(os.getpid())[os.getpid()] > 0
    resident, highest = memory_mib(os.getpid())
    assert 1 < resident <= highest
    assert all(machine(tmp_path).values())
