"""A session from bind to unbind: what both ends see, requests and their responses."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.constants import CommandStatus
from gateway.smpp.events import (
    BindRefused,
    Bound,
    Closed,
    CloseReason,
    PduRejected,
    RequestReceived,
    ResponseReceived,
    UnbindReceived,
)
from gateway.smpp.session import (
    LocalProtocolError,
    Role,
    Session,
    SessionConfig,
    SessionState,
    WindowFull,
)

from .talk import BINDS, TEXT, A, B, bound, sent, session

MO = p.DeliverSm(B, A, b"reply")
ROK = CommandStatus.ESME_ROK

# --- bind ---


@pytest.mark.parametrize("state", BINDS)
def test_a_bind_is_accepted(state: SessionState) -> None:
    esme = Session(Role.ESME, SessionConfig(), 0.0)
    smsc = Session(Role.SMSC, SessionConfig(), 0.0)
    bind = BINDS[state]("user", "pw", "type", 0x34, p.Address(1, 1, "44.*"))
    esme.send_request(bind, 0.0)
    assert esme.state is SessionState.BINDING
    assert smsc.receive_data(esme.data_to_send(), 0.0) == [RequestReceived(1, bind)]
    assert smsc.state is SessionState.BINDING
    smsc.accept_bind(1, "SMSC", 0.0)
    assert smsc.state is state
    assert esme.receive_data(smsc.data_to_send(), 0.0) == [Bound(state, "SMSC", 0x34)]
    assert esme.state is state


def test_a_bind_is_refused_and_may_be_tried_again() -> None:
    esme = session(Role.ESME, SessionState.BINDING)
    refused = encode(p.BindTransceiverResp(), 1, CommandStatus.ESME_RINVPASWD)
    assert esme.receive_data(refused, 0.0) == [BindRefused(CommandStatus.ESME_RINVPASWD)]
    assert esme.state is SessionState.OPEN
    assert esme.send_request(p.BindTransceiver("user", "other"), 0.0) == 2

    smsc = session(Role.SMSC, SessionState.BINDING)
    smsc.refuse_bind(901, CommandStatus.ESME_RINVPASWD)
    assert sent(smsc) == [(901, 0x0E, p.BindTransceiverResp())]
    assert smsc.state is SessionState.OPEN
    (event,) = smsc.receive_data(encode(p.BindTransceiver("user", "other"), 902), 0.0)
    assert isinstance(event, RequestReceived)


@pytest.mark.parametrize(("status", "told"), [(0x0D, 0x0D), (0, 0xFF)])
def test_a_nacked_bind_is_refused_whatever_the_nack_says(status: int, told: int) -> None:
    esme = session(Role.ESME, SessionState.BINDING)
    assert esme.receive_data(encode(p.GenericNack(), 1, status), 0.0) == [BindRefused(told)]
    assert esme.state is SessionState.OPEN


def test_the_response_of_another_bind_does_not_bind() -> None:
    esme = session(Role.ESME, SessionState.BINDING)
    (event,) = esme.receive_data(encode(p.BindReceiverResp("SMSC"), 1), 0.0)
    assert isinstance(event, PduRejected)
    assert esme.state is SessionState.BINDING
    assert esme.receive_data(encode(p.BindTransceiverResp("SMSC"), 1), 0.0) == [
        Bound(SessionState.BOUND_TRX, "SMSC", None)
    ]


@pytest.mark.parametrize("value", [b"", b"\0\x34"])
def test_a_version_that_is_no_version_does_not_hurt(value: bytes) -> None:
    esme = session(Role.ESME, SessionState.BINDING)
    octets = encode(p.BindTransceiverResp("SMSC", (p.Tlv(0x0210, value),)), 1)
    assert esme.receive_data(octets, 0.0) == [Bound(SessionState.BOUND_TRX, "SMSC", None)]


@pytest.mark.parametrize(
    ("version", "given", "tlvs"),
    [
        (0x34, (), (p.Tlv(0x0210, 0x34),)),
        (0x50, (p.Tlv(0x1400, b"x"),), (p.Tlv(0x0210, 0x34), p.Tlv(0x1400, b"x"))),
        (0x50, (p.Tlv(0x0210, 0x50),), (p.Tlv(0x0210, 0x50),)),
        (0x33, (p.Tlv(0x0210, 0x34),), ()),
        (0x00, (), ()),
    ],
)
def test_an_old_peer_gets_no_tlvs(version: int, given: tuple[p.Tlv, ...], tlvs: tuple[p.Tlv, ...]) -> None:
    smsc = Session(Role.SMSC, SessionConfig(), 0.0)
    smsc.receive_data(encode(p.BindReceiver("user", "pw", "", version), 4), 0.0)
    smsc.accept_bind(4, "SMSC", 0.0, given)
    assert sent(smsc) == [(4, 0, p.BindReceiverResp("SMSC", tlvs))]


def test_only_a_bind_that_waits_is_answered() -> None:
    smsc = session(Role.SMSC, SessionState.BINDING)
    with pytest.raises(LocalProtocolError):
        smsc.accept_bind(902, "SMSC", 0.0)
    with pytest.raises(ValueError, match="ESME_ROK"):
        smsc.refuse_bind(901, ROK)
    with pytest.raises(ValueError, match="system_id"):
        smsc.accept_bind(901, "x" * 16, 0.0)
    assert smsc.state is SessionState.BINDING
    smsc.accept_bind(901, "SMSC", 0.0)
    with pytest.raises(LocalProtocolError):
        smsc.accept_bind(901, "SMSC", 0.0)
    with pytest.raises(LocalProtocolError):
        smsc.refuse_bind(901, 5)


def test_outbind_then_bind() -> None:
    smsc = Session(Role.SMSC, SessionConfig(), 0.0)
    esme = Session(Role.ESME, SessionConfig(), 0.0)
    smsc.send_request(p.Outbind("SMSC", "pw"), 0.0)
    assert esme.receive_data(smsc.data_to_send(), 0.0) == [RequestReceived(1, p.Outbind("SMSC", "pw"))]
    esme.send_request(p.BindReceiver("user", "pw"), 0.0)
    smsc.receive_data(esme.data_to_send(), 0.0)
    smsc.accept_bind(1, "SMSC", 0.0)
    esme.receive_data(smsc.data_to_send(), 0.0)
    assert (esme.state, smsc.state) == (SessionState.BOUND_RX, SessionState.BOUND_RX)


# --- requests and responses ---


def test_a_response_finds_its_token_in_any_order() -> None:
    esme = bound()
    first = esme.send_request(TEXT, 0.0, "one")
    second = esme.send_request(TEXT, 0.0, "two")
    assert esme.outstanding == 2
    assert esme.outstanding_tokens() == ["one", "two"]
    octets = encode(p.SubmitSmResp("b"), second) + encode(p.SubmitSmResp(), first, 0x58)
    assert esme.receive_data(octets, 0.0) == [
        ResponseReceived(second, 0, p.SubmitSmResp("b"), "two"),
        ResponseReceived(first, 0x58, p.SubmitSmResp(), "one"),
    ]
    assert esme.outstanding == 0


def test_a_second_response_is_counted_and_ignored() -> None:
    esme = bound()
    sequence = esme.send_request(TEXT, 0.0, "one")
    octets = encode(p.SubmitSmResp("b"), sequence)
    assert len(esme.receive_data(octets + octets, 0.0)) == 1
    assert esme.unmatched_responses == 1


@pytest.mark.parametrize(("status", "told"), [(3, 3), (0, 0xFF)])
def test_a_nack_is_the_response_and_never_success(status: int, told: int) -> None:
    esme = bound()
    sequence = esme.send_request(TEXT, 0.0, "one")
    assert esme.receive_data(encode(p.GenericNack(), sequence, status), 0.0) == [
        ResponseReceived(sequence, told, p.GenericNack(), "one")
    ]
    assert esme.outstanding == 0


@pytest.mark.parametrize("wrong", [p.DeliverSmResp(), p.DataSmResp("x"), p.EnquireLinkResp()])
def test_a_response_of_another_command_leaves_the_request_waiting(wrong: p.Pdu) -> None:
    esme = bound()
    sequence = esme.send_request(TEXT, 0.0, "one")
    (event,) = esme.receive_data(encode(wrong, sequence), 0.0)
    assert isinstance(event, PduRejected)
    assert event.status == CommandStatus.ESME_RINVCMDID
    assert event.sequence == sequence
    assert sent(esme) == [(sequence, 0, TEXT)]  # a response is not answered
    assert esme.receive_data(encode(p.SubmitSmResp("b"), sequence), 0.0) == [
        ResponseReceived(sequence, 0, p.SubmitSmResp("b"), "one")
    ]


def test_a_message_response_to_our_enquire_link_is_not_taken() -> None:
    esme = bound()
    sequence = esme.send_request(p.EnquireLink(), 0.0)
    (event,) = esme.receive_data(encode(p.SubmitSmResp("b"), sequence), 0.0)
    assert isinstance(event, PduRejected)
    assert esme.unmatched_responses == 0


def test_data_sm_goes_both_ways_and_is_answered() -> None:
    esme, smsc = bound(Role.ESME), bound(Role.SMSC)
    for one, other in ((esme, smsc), (smsc, esme)):
        sequence = one.send_request(p.DataSm(A, B), 0.0, "t")
        assert other.receive_data(one.data_to_send(), 0.0) == [RequestReceived(sequence, p.DataSm(A, B))]
        other.send_response(sequence, p.DataSmResp("id"))
        assert one.receive_data(other.data_to_send(), 0.0) == [ResponseReceived(sequence, 0, p.DataSmResp("id"), "t")]


def test_alert_notification_has_no_answer() -> None:
    smsc = bound(Role.SMSC)
    esme = bound()
    sequence = smsc.send_request(p.AlertNotification(A, B), 0.0)
    assert smsc.outstanding == 0
    assert esme.receive_data(smsc.data_to_send(), 0.0) == [RequestReceived(sequence, p.AlertNotification(A, B))]
    assert esme.unanswered == 0


def test_requests_of_the_peer_are_counted_until_they_are_answered() -> None:
    esme = bound()
    # A peer may use one number twice: both are requests, both are answered.
    octets = encode(MO, 9) + encode(MO, 9)
    assert esme.receive_data(octets, 0.0) == [RequestReceived(9, MO), RequestReceived(9, MO)]
    assert esme.unanswered == 2
    esme.send_response(9, p.DeliverSmResp())
    esme.send_response(9, p.DeliverSmResp(), CommandStatus.ESME_RX_T_APPN)
    assert sent(esme) == [(9, 0, p.DeliverSmResp()), (9, 0x64, p.DeliverSmResp())]
    assert esme.unanswered == 0
    with pytest.raises(LocalProtocolError, match="every request"):
        esme.send_response(9, p.DeliverSmResp())


@pytest.mark.parametrize(
    "pdu", [p.BindTransceiverResp("x"), p.EnquireLinkResp(), p.UnbindResp(), p.GenericNack(), p.EnquireLink()]
)
def test_other_responses_are_not_the_users(pdu: p.Pdu) -> None:
    esme = bound()
    esme.receive_data(encode(MO, 9), 0.0)
    with pytest.raises(LocalProtocolError):
        esme.send_response(9, pdu)


@pytest.mark.parametrize("sequence", [0, 0x80000000, 0xFFFFFFFF])
def test_a_number_that_the_peer_should_not_use_is_given_back(sequence: int) -> None:
    esme = bound()
    assert esme.receive_data(encode(MO, sequence), 0.0) == [RequestReceived(sequence, MO)]
    esme.send_response(sequence, p.DeliverSmResp())
    assert sent(esme) == [(sequence, 0, p.DeliverSmResp())]


def test_what_cannot_be_written_changes_nothing() -> None:
    esme = bound()
    with pytest.raises(ValueError, match="short_message"):
        esme.send_request(p.SubmitSm(A, B, b"x" * 255), 0.0)
    assert (esme.outstanding, esme.pending_output) == (0, 0)
    assert esme.send_request(TEXT, 0.0) == 2  # 1 was the bind
    esme.receive_data(encode(MO, 9), 0.0)
    with pytest.raises(ValueError, match="message_id"):
        esme.send_response(9, p.DeliverSmResp("x" * 65))
    assert esme.unanswered == 1


def test_output_is_taken_once_and_in_order() -> None:
    esme = bound()
    assert esme.data_to_send() == b""
    esme.send_request(TEXT, 0.0)
    esme.receive_data(encode(p.EnquireLink(), 5), 0.0)
    expected = encode(TEXT, 2) + encode(p.EnquireLinkResp(), 5)
    assert esme.pending_output == len(expected)
    assert esme.data_to_send() == expected
    assert (esme.data_to_send(), esme.pending_output) == (b"", 0)


# --- window and sequence numbers ---


def test_the_window_holds_so_many_and_no_more() -> None:
    esme = bound(window=3)
    sequences = [esme.send_request(TEXT, 0.0, index) for index in range(3)]
    assert (esme.outstanding, esme.window_free) == (3, 0)
    octets = esme.pending_output
    with pytest.raises(WindowFull):
        esme.send_request(TEXT, 0.0)
    assert esme.pending_output == octets
    esme.send_request(p.EnquireLink(), 0.0)  # takes no slot
    esme.receive_data(encode(p.SubmitSmResp("x"), sequences[1]), 0.0)
    assert (esme.outstanding, esme.window_free) == (2, 1)
    esme.send_request(TEXT, 0.0)


def test_one_allocator_for_all_requests() -> None:
    # python-smpplib#187: enquire_link and submit_sm with the same number.
    esme = bound()
    sequences = [esme.send_request(pdu, 0.0) for pdu in (TEXT, p.EnquireLink(), p.DataSm(A, B), TEXT, p.Unbind())]
    assert sequences == [2, 3, 4, 5, 6]


def test_the_numbers_wrap_to_one_past_what_is_in_use() -> None:
    esme = bound(window=3, first_sequence=0x7FFFFFFD, late_responses=5, response_timeout=5.0)
    # The bind took ...FD.
    assert [esme.send_request(TEXT, 0.0, "a"), esme.send_request(TEXT, 0.0, "b")] == [0x7FFFFFFE, 0x7FFFFFFF]
    assert esme.send_request(TEXT, 1.0, "c") == 1
    assert len(esme.on_deadline(5.0)) == 2  # a and b expire and are remembered, c waits
    assert esme.send_request(p.EnquireLink(), 5.0) == 2
    esme._ledger._next = 0x7FFFFFFD
    # ...FE and ...FF may still be answered late, 1 waits, 2 is the enquire_link.
    assert [esme.send_request(TEXT, 5.0) for _ in range(2)] == [0x7FFFFFFD, 3]


# --- unbind and other ends ---


def test_our_unbind() -> None:
    esme, smsc = bound(Role.ESME), bound(Role.SMSC)
    esme.send_request(p.Unbind(), 0.0)
    assert esme.state is SessionState.UNBINDING
    assert smsc.receive_data(esme.data_to_send(), 0.0) == [
        UnbindReceived(),
        Closed(CloseReason.UNBOUND, "by the peer"),
    ]
    assert esme.receive_data(smsc.data_to_send(), 0.0) == [Closed(CloseReason.UNBOUND)]
    assert (esme.state, smsc.state) == (SessionState.CLOSED, SessionState.CLOSED)


def test_while_we_unbind_what_is_under_way_still_comes() -> None:
    esme = bound()
    sequence = esme.send_request(TEXT, 0.0, "one")
    unbind = esme.send_request(p.Unbind(), 0.0)
    with pytest.raises(LocalProtocolError):
        esme.send_request(TEXT, 0.0)
    esme.data_to_send()
    octets = encode(p.SubmitSmResp("b"), sequence) + encode(MO, 4) + encode(p.EnquireLink(), 5)
    assert esme.receive_data(octets, 0.0) == [
        ResponseReceived(sequence, 0, p.SubmitSmResp("b"), "one"),
        RequestReceived(4, MO),
    ]
    esme.send_response(4, p.DeliverSmResp())
    assert sent(esme) == [(5, 0, p.EnquireLinkResp()), (4, 0, p.DeliverSmResp())]
    assert esme.receive_data(encode(p.UnbindResp(), unbind), 0.0) == [Closed(CloseReason.UNBOUND)]


def test_unbinds_that_cross() -> None:
    esme, smsc = bound(Role.ESME), bound(Role.SMSC)
    esme.send_request(p.Unbind(), 0.0)
    smsc.send_request(p.Unbind(), 0.0)
    from_esme, from_smsc = esme.data_to_send(), smsc.data_to_send()
    closed = [UnbindReceived(), Closed(CloseReason.UNBOUND, "by the peer")]
    assert esme.receive_data(from_smsc, 0.0) == closed
    assert smsc.receive_data(from_esme, 0.0) == closed


def test_the_peers_unbind_waits_for_the_answers_that_are_owed() -> None:
    esme = bound(unbind_grace=2.0)
    sequence = esme.send_request(TEXT, 0.0, "one")
    esme.data_to_send()
    octets = encode(MO, 4) + encode(p.Unbind(), 5)
    assert esme.receive_data(octets, 1.0) == [RequestReceived(4, MO), UnbindReceived()]
    assert esme.state is SessionState.UNBINDING
    assert esme.next_deadline() == 3.0
    with pytest.raises(LocalProtocolError):
        esme.send_request(TEXT, 1.0)
    assert esme.receive_data(encode(p.SubmitSmResp("b"), sequence), 1.5) == [
        ResponseReceived(sequence, 0, p.SubmitSmResp("b"), "one")
    ]
    esme.send_response(4, p.DeliverSmResp())
    assert esme.next_deadline() <= 1.5
    assert esme.on_deadline(1.5) == [Closed(CloseReason.UNBOUND, "by the peer")]
    assert sent(esme) == [(4, 0, p.DeliverSmResp()), (5, 0, p.UnbindResp())]


def test_the_peers_unbind_waits_so_long_and_no_longer() -> None:
    esme = bound(unbind_grace=2.0)
    esme.send_request(TEXT, 0.0, "one")
    esme.data_to_send()
    assert esme.receive_data(encode(p.Unbind(), 5), 1.0) == [UnbindReceived()]
    assert esme.on_deadline(2.9) == []
    assert esme.on_deadline(3.0) == [Closed(CloseReason.UNBOUND, "by the peer")]
    assert sent(esme) == [(5, 0, p.UnbindResp())]
    assert esme.outstanding_tokens() == ["one"]


def test_without_grace_the_peers_unbind_is_answered_at_once() -> None:
    esme = bound(unbind_grace=0.0)
    esme.send_request(TEXT, 0.0, "one")
    assert esme.receive_data(encode(p.Unbind(), 5), 1.0)[-1] == Closed(CloseReason.UNBOUND, "by the peer")


def test_the_end_of_the_connection() -> None:
    esme = bound()
    esme.send_request(TEXT, 0.0, "one")
    esme.receive_data(b"\0\0\0", 0.0)
    assert esme.receive_eof(0.0) == [Closed(CloseReason.EOF, "with 3 octets of a PDU")]
    assert esme.outstanding_tokens() == ["one"]


def test_a_closed_session_is_silent() -> None:
    esme = bound()
    esme.receive_data(encode(MO, 4), 0.0)
    assert esme.receive_eof(0.0) == [Closed(CloseReason.EOF)]
    assert esme.receive_eof(0.0) == []
    assert esme.receive_data(encode(MO, 5) + b"HTTP", 0.0) == []
    assert esme.on_deadline(1e9) == []
    assert esme.next_deadline() == float("inf")
    esme.send_response(4, p.DeliverSmResp())  # the answer has nowhere to go
    assert esme.data_to_send() == b""
    with pytest.raises(LocalProtocolError):
        esme.send_request(TEXT, 0.0)
    smsc = session(Role.SMSC, SessionState.BINDING)
    smsc.receive_eof(0.0)
    smsc.accept_bind(901, "SMSC", 0.0)
    smsc.refuse_bind(901, 5)
    assert smsc.data_to_send() == b""


def test_nothing_is_read_after_the_end() -> None:
    smsc = bound(Role.SMSC)
    events = smsc.receive_data(encode(p.Unbind(), 4) + encode(TEXT, 5), 0.0)
    assert events[-1] == Closed(CloseReason.UNBOUND, "by the peer")
    assert sent(smsc) == [(4, 0, p.UnbindResp())]


def test_a_bad_length_ends_the_session_after_what_came_before() -> None:
    smsc = bound(Role.SMSC)
    events = smsc.receive_data(encode(TEXT, 4) + b"HTTP", 0.0)
    assert events[0] == RequestReceived(4, TEXT)
    (closed,) = events[1:]
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.PROTOCOL_ERROR
    assert "HTTP" in closed.detail
    assert sent(smsc) == [(0, CommandStatus.ESME_RINVCMDLEN, p.GenericNack())]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 1000])
def test_pieces_of_any_size_make_the_same_events(size: int) -> None:
    octets = b"".join(encode(MO, sequence) + encode(p.EnquireLink(), 500 + sequence) for sequence in range(20))
    esme = bound()
    events = [event for at in range(0, len(octets), size) for event in esme.receive_data(octets[at : at + size], 0.0)]
    assert events == [RequestReceived(sequence, MO) for sequence in range(20)]
    assert len(sent(esme)) == 20
