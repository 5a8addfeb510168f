"""What the peer speaks (SMPP 5.0 §2.11), and what 5.0 adds to every response: congestion_state (§2.9, §4.8.4.18)."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.constants import Tag
from gateway.smpp.events import Bound, RequestExpired, RequestReceived, ResponseReceived
from gateway.smpp.session import Role, Session, SessionConfig, SessionState
from gateway.smpp.states import WINDOWED_RESPONSES

from .talk import TEXT, A, B, bound, sent, session

VENDOR = p.Tlv(0x1400, b"x")
RECEIPTED = p.Tlv(int(Tag.RECEIPTED_MESSAGE_ID), "id")
PAYLOAD = p.Tlv(int(Tag.MESSAGE_PAYLOAD), b"a long text")


def smsc_with(version: int, **config: int) -> Session:
    """An SMSC with an ESME of this version bound to it."""
    smsc = Session(Role.SMSC, SessionConfig(**config), 0.0)
    smsc.receive_data(encode(p.BindTransceiver("user", "pw", "", version), 4), 0.0)
    smsc.accept_bind(4, "SMSC", 0.0)
    return smsc


# --- who speaks what ---


@pytest.mark.parametrize("ours", [0x34, 0x50])
@pytest.mark.parametrize("theirs", [0x34, 0x50])
def test_an_smsc_says_its_own_version_whatever_the_esmes(ours: int, theirs: int) -> None:
    smsc = smsc_with(theirs, interface_version=ours)
    assert sent(smsc) == [(4, 0, p.BindTransceiverResp("SMSC", (p.Tlv(0x0210, ours),)))]
    assert smsc.peer_version == theirs


@pytest.mark.parametrize("theirs", [0x00, 0x33])
def test_an_smsc_says_no_version_to_an_esme_before_34(theirs: int) -> None:
    smsc = smsc_with(theirs, interface_version=0x50)
    assert sent(smsc) == [(4, 0, p.BindTransceiverResp("SMSC"))]
    assert smsc.peer_version == theirs


@pytest.mark.parametrize(
    ("tlvs", "version"),
    [
        ((p.Tlv(0x0210, 0x34),), 0x34),
        ((VENDOR, p.Tlv(0x0210, 0x50)), 0x50),
        ((p.Tlv(0x0210, 0x33),), 0x33),
        ((), None),
        ((p.Tlv(0x0210, b"\0\x34"),), None),
    ],
)
def test_an_esme_knows_the_version_of_the_smsc(tlvs: tuple[p.Tlv, ...], version: int | None) -> None:
    esme = session(Role.ESME, SessionState.BINDING)
    assert esme.peer_version is None
    events = esme.receive_data(encode(p.BindTransceiverResp("SMSC", tlvs), 1), 0.0)
    assert events == [Bound(SessionState.BOUND_TRX, "SMSC", version)]
    assert esme.peer_version == version


def test_nothing_is_known_of_a_peer_whose_bind_was_refused() -> None:
    smsc = session(Role.SMSC, SessionState.BINDING)
    smsc.refuse_bind(901, 0x0E)
    assert smsc.peer_version is None
    smsc.receive_data(encode(p.BindTransceiver("user", "pw", "", 0x50), 902), 0.0)
    assert smsc.peer_version is None
    smsc.accept_bind(902, "SMSC", 0.0)
    assert smsc.peer_version == 0x50


@pytest.mark.parametrize("version", [0, 0x33, 0x35, 0x51])
def test_a_version_that_no_smsc_can_say(version: int) -> None:
    with pytest.raises(ValueError, match="interface_version: 0x34 or 0x50"):
        SessionConfig(interface_version=version)


# --- an ESME before 3.4 gets no TLVs (5.0 §2.11.2) ---


@pytest.mark.parametrize("version", [0x00, 0x33])
def test_requests_to_an_old_esme_go_without_tlvs(version: int) -> None:
    smsc = smsc_with(version)
    smsc.data_to_send()
    receipt = p.DeliverSm(A, B, b"id:1 stat:DELIVRD", 4, tlvs=(RECEIPTED, VENDOR))
    sequence = smsc.send_request(receipt, 0.0, "token")
    assert sent(smsc) == [(sequence, 0, p.DeliverSm(A, B, b"id:1 stat:DELIVRD", 4))]
    alert = smsc.send_request(p.AlertNotification(A, B, (VENDOR,)), 0.0)
    assert sent(smsc) == [(alert, 0, p.AlertNotification(A, B))]


def test_responses_to_an_old_esme_go_without_tlvs() -> None:
    smsc = smsc_with(0x33)
    smsc.receive_data(encode(TEXT, 5) + encode(p.EnquireLink(), 6), 0.0)
    smsc.send_response(5, p.SubmitSmResp("id", (VENDOR,)))
    assert sent(smsc)[1:] == [(6, 0, p.EnquireLinkResp()), (5, 0, p.SubmitSmResp("id"))]


def test_text_is_not_left_out_without_a_word() -> None:
    smsc = smsc_with(0x33)
    smsc.data_to_send()
    with pytest.raises(ValueError, match=r"message_payload: the peer is of a version before 3\.4"):
        smsc.send_request(p.DeliverSm(A, B, tlvs=(VENDOR, PAYLOAD)), 0.0)
    assert (smsc.outstanding, smsc.pending_output) == (0, 0)
    assert smsc.send_request(p.DeliverSm(A, B, b"short"), 0.0) == 1


@pytest.mark.parametrize("version", [0x34, 0x35, 0x50])
def test_an_esme_of_34_or_later_gets_them(version: int) -> None:
    smsc = smsc_with(version)
    smsc.data_to_send()
    message = p.DeliverSm(A, B, tlvs=(RECEIPTED, PAYLOAD))
    sequence = smsc.send_request(message, 0.0)
    assert sent(smsc) == [(sequence, 0, message)]


@pytest.mark.parametrize("version", [None, 0x33, 0x34])
def test_an_esme_sends_what_it_is_told_to(version: int | None) -> None:
    """Many an SMSC of 3.4 leaves its version out: that it takes no TLVs, as §2.11.2 has it, would be wrong."""
    esme = session(Role.ESME, SessionState.BINDING)
    tlvs = () if version is None else (p.Tlv(0x0210, version),)
    esme.receive_data(encode(p.BindTransceiverResp("SMSC", tlvs), 1), 0.0)
    message = p.SubmitSm(A, B, b"x", tlvs=(VENDOR,))
    sequence = esme.send_request(message, 0.0)
    assert sent(esme) == [(sequence, 0, message)]


# --- what 5.0 adds is taken from a peer of 3.4 as well: it is known, so there is nothing to refuse (§2.11.1) ---


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
@pytest.mark.parametrize("pdu", [p.BroadcastSm(A), p.QueryBroadcastSm("id", A), p.CancelBroadcastSm("id", A)])
def test_broadcast_is_taken_from_an_esme_of_any_version(pdu: p.Pdu, version: int) -> None:
    smsc = smsc_with(version)
    assert smsc.receive_data(encode(pdu, 9), 0.0) == [RequestReceived(9, pdu)]


def test_tlvs_that_belong_elsewhere_or_are_not_known_are_no_reason_to_refuse() -> None:
    smsc = smsc_with(0x34)
    tlvs = (p.Tlv(int(Tag.CONGESTION_STATE), 5), p.Tlv(int(Tag.BROADCAST_REP_NUM), 3), VENDOR, p.Tlv(0x0FFF, b"?"))
    message = p.SubmitSm(A, B, b"x", tlvs=tlvs)
    assert smsc.receive_data(encode(message, 9), 0.0) == [RequestReceived(9, message)]


# --- congestion_state ---


def busy(state: int | bytes) -> tuple[p.Tlv, ...]:
    return (VENDOR, p.Tlv(int(Tag.CONGESTION_STATE), state))


@pytest.mark.parametrize("state", [0, 29, 30, 80, 90, 99, 100])
def test_a_response_says_how_busy_the_peer_is(state: int) -> None:
    esme = bound()
    assert esme.congestion_state is None
    sequence = esme.send_request(TEXT, 0.0)
    (event,) = esme.receive_data(encode(p.SubmitSmResp("id", busy(state)), sequence), 0.0)
    assert isinstance(event, ResponseReceived)
    assert event.congestion_state == state
    assert esme.congestion_state == state


@pytest.mark.parametrize("tlvs", [(), (VENDOR,), busy(101), busy(255), busy(b""), busy(b"\0\x50")])
def test_what_is_reserved_or_no_number_says_nothing(tlvs: tuple[p.Tlv, ...]) -> None:
    esme = bound()
    first = esme.send_request(TEXT, 0.0)
    second = esme.send_request(TEXT, 0.0)
    esme.receive_data(encode(p.SubmitSmResp("id", busy(85)), first), 0.0)
    (event,) = esme.receive_data(encode(p.SubmitSmResp("id", tlvs), second), 0.0)
    assert isinstance(event, ResponseReceived)
    assert event.congestion_state is None
    assert esme.congestion_state == 85  # the last that was said


def test_the_last_of_a_burst_is_remembered_and_each_has_its_own() -> None:
    esme = bound()
    sequences = [esme.send_request(TEXT, 0.0) for _ in range(3)]
    octets = b"".join(
        encode(p.SubmitSmResp("id", busy(state)), sequence)
        for sequence, state in zip(sequences, (95, 40, 70), strict=True)
    )
    events = esme.receive_data(octets + encode(p.DeliverSm(B, A, b"x"), 9), 0.0)
    assert [event.congestion_state for event in events if isinstance(event, ResponseReceived)] == [95, 40, 70]
    assert esme.congestion_state == 70


def test_every_response_can_say_it() -> None:
    for response in WINDOWED_RESPONSES:
        assert ResponseReceived(1, 0, response(tlvs=busy(50))).congestion_state == 50  # type: ignore[call-arg]


def test_the_answer_to_an_enquire_link_says_it() -> None:
    esme = bound()
    sequence = esme.send_request(p.EnquireLink(), 0.0)
    assert esme.receive_data(encode(p.EnquireLinkResp(busy(60)), sequence), 0.0) == []
    assert esme.congestion_state == 60


def test_a_refusal_and_a_late_answer_say_it() -> None:
    esme = bound(response_timeout=5.0)
    first = esme.send_request(p.QuerySm("id", A), 0.0)
    (event,) = esme.receive_data(encode(p.QuerySmResp(tlvs=busy(100)), first, 0x67), 0.0)
    assert isinstance(event, ResponseReceived)
    assert (event.status, event.congestion_state, esme.congestion_state) == (0x67, 100, 100)

    second = esme.send_request(TEXT, 0.0)
    assert esme.on_deadline(5.0) == [RequestExpired(second)]
    (event,) = esme.receive_data(encode(p.SubmitSmResp("id", busy(99)), second), 6.0)
    assert isinstance(event, ResponseReceived)
    assert (event.late, event.congestion_state) == (True, 99)


def test_a_nack_says_nothing() -> None:
    esme = bound()
    sequence = esme.send_request(TEXT, 0.0)
    (event,) = esme.receive_data(encode(p.GenericNack(), sequence, 3), 0.0)
    assert isinstance(event, ResponseReceived)
    assert event.congestion_state is None
    assert esme.congestion_state is None
