"""Every request that takes a slot of the window: answered, nacked, expired, late, outstanding at the end, malformed."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.constants import CommandStatus
from gateway.smpp.events import (
    Closed,
    CloseReason,
    PduRejected,
    RequestExpired,
    RequestReceived,
    ResponseReceived,
    UnbindReceived,
)
from gateway.smpp.session import LocalProtocolError, Role, Session, SessionConfig, SessionState, WindowFull
from gateway.smpp.states import RESPONSE_TO, WINDOWED, WINDOWED_RESPONSES

from .talk import A, B, bound, sent, session

REQUESTS: dict[str, tuple[Role, p.Pdu, p.Pdu]] = {
    # who sends it, the request, and what the other end says to it when all is well
    "submit_sm": (Role.ESME, p.SubmitSm(A, B, b"x"), p.SubmitSmResp("id")),
    "submit_multi": (
        Role.ESME,
        p.SubmitMulti(A, (B, p.DistributionList("friends")), b"x"),
        p.SubmitMultiResp("id", (p.Unsuccessful(B, CommandStatus.ESME_RINVDSTADR),)),
    ),
    "deliver_sm": (Role.SMSC, p.DeliverSm(B, A, b"x"), p.DeliverSmResp()),
    "data_sm": (Role.ESME, p.DataSm(A, B), p.DataSmResp("id")),
    "data_sm_in": (Role.SMSC, p.DataSm(B, A), p.DataSmResp()),
    "query_sm": (Role.ESME, p.QuerySm("id", A), p.QuerySmResp("id", "260301093000000+", 2, 0)),
    "cancel_sm": (Role.ESME, p.CancelSm("id", A), p.CancelSmResp()),
    "replace_sm": (Role.ESME, p.ReplaceSm("id", A, b"y"), p.ReplaceSmResp()),
    "broadcast_sm": (Role.ESME, p.BroadcastSm(A, tlvs=(p.Tlv(0x0606, b"\0Dublin"),)), p.BroadcastSmResp("id")),
    "query_broadcast_sm": (Role.ESME, p.QueryBroadcastSm("id", A), p.QueryBroadcastSmResp("id")),
    "cancel_broadcast_sm": (Role.ESME, p.CancelBroadcastSm("id", A), p.CancelBroadcastSmResp()),
}
EACH = pytest.mark.parametrize("name", REQUESTS)


def two_ends(name: str, **config: float) -> tuple[Session, Session, p.Pdu, p.Pdu]:
    """The end that sends this request, the other, the request and its response."""
    role, request, response = REQUESTS[name]
    return bound(role, **config), bound(role.peer, **config), request, response


def test_each_of_them_is_tried() -> None:
    assert {type(request) for _, request, _ in REQUESTS.values()} == WINDOWED
    assert {type(response) for _, _, response in REQUESTS.values()} == WINDOWED_RESPONSES
    for _, request, response in REQUESTS.values():
        assert RESPONSE_TO[type(request)] is type(response)


# --- answers ---


@EACH
def test_a_request_is_answered(name: str) -> None:
    one, other, request, response = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    assert (one.outstanding, one.outstanding_tokens()) == (1, ["token"])
    assert other.receive_data(one.data_to_send(), 0.0) == [RequestReceived(sequence, request)]
    assert other.unanswered == 1
    other.send_response(sequence, response)
    assert other.unanswered == 0
    assert one.receive_data(other.data_to_send(), 0.0) == [ResponseReceived(sequence, 0, response, "token")]
    assert (one.outstanding, one.unmatched_responses) == (0, 0)


@EACH
def test_a_request_is_refused(name: str) -> None:
    one, other, request, response = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    other.receive_data(one.data_to_send(), 0.0)
    other.send_response(sequence, type(response)(), CommandStatus.ESME_RSYSERR)
    (event,) = one.receive_data(other.data_to_send(), 0.0)
    assert isinstance(event, ResponseReceived)
    assert (event.status, event.token, type(event.pdu)) == (CommandStatus.ESME_RSYSERR, "token", type(response))
    assert (one.outstanding, other.unanswered) == (0, 0)


@EACH
@pytest.mark.parametrize(("status", "told"), [(CommandStatus.ESME_RINVCMDID, 3), (CommandStatus.ESME_ROK, 0xFF)])
def test_a_peer_that_does_not_know_the_command_nacks(name: str, status: int, told: int) -> None:
    one, _, request, _ = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    assert one.receive_data(encode(p.GenericNack(), sequence, status), 0.0) == [
        ResponseReceived(sequence, told, p.GenericNack(), "token")
    ]
    assert one.outstanding == 0


@EACH
def test_no_other_response_answers_it(name: str) -> None:
    one, _, request, response = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    for other in WINDOWED_RESPONSES - {type(response)}:
        (event,) = one.receive_data(encode(other(), sequence), 0.0)
        assert isinstance(event, PduRejected)
    assert one.outstanding == 1
    assert one.receive_data(encode(response, sequence), 0.0) == [ResponseReceived(sequence, 0, response, "token")]


@EACH
def test_an_answer_without_a_body_is_an_answer(name: str) -> None:
    """§4.4.2 has a body only when the status is ESME_ROK; some leave it out always, and some always send it."""
    one, _, request, response = two_ends(name)
    for status in (CommandStatus.ESME_ROK, CommandStatus.ESME_RSYSERR):
        sequence = one.send_request(request, 0.0, "token")
        header = b"".join(number.to_bytes(4, "big") for number in (16, response.command_id, status, sequence))
        (event,) = one.receive_data(header, 0.0)
        assert isinstance(event, ResponseReceived)
        assert (event.status, type(event.pdu)) == (status, type(response))
    assert one.outstanding == 0


@pytest.mark.parametrize("name", [name for name in REQUESTS if not name.startswith("data_sm")])  # goes both ways
def test_only_its_own_end_sends_it(name: str) -> None:
    role, request, _ = REQUESTS[name]
    other = bound(role.peer)
    with pytest.raises(LocalProtocolError):
        other.send_request(request, 0.0)
    one = bound(role)
    (event,) = one.receive_data(encode(request, 7), 0.0)
    assert isinstance(event, PduRejected)
    # Refused by the session itself: nothing is left to answer, and nothing leaks.
    assert sent(one) == [(7, CommandStatus.ESME_RINVBNDSTS, RESPONSE_TO[type(request)]())]
    assert one.unanswered == 0
    with pytest.raises(LocalProtocolError, match="every request"):
        one.send_response(7, RESPONSE_TO[type(request)]())


# --- window ---


def test_all_kinds_share_the_window() -> None:
    requests = [request for role, request, _ in REQUESTS.values() if role is Role.ESME]
    esme, smsc = bound(Role.ESME, window=len(requests)), bound(Role.SMSC)
    sequences = [esme.send_request(request, 0.0, index) for index, request in enumerate(requests)]
    assert sequences == list(range(2, 2 + len(requests)))
    assert (esme.outstanding, esme.window_free) == (len(requests), 0)
    for request in requests:
        with pytest.raises(WindowFull):
            esme.send_request(request, 0.0)
    esme.send_request(p.EnquireLink(), 0.0)

    got = smsc.receive_data(esme.data_to_send(), 0.0)
    assert [event.pdu for event in got if isinstance(event, RequestReceived)] == requests
    assert smsc.unanswered == len(requests)
    # Answered the last first: each frees one slot and finds its own token.
    for left, (sequence, request) in reversed(list(enumerate(zip(sequences, requests, strict=True)))):
        smsc.send_response(sequence, RESPONSE_TO[type(request)]())
        (event,) = (e for e in esme.receive_data(smsc.data_to_send(), 0.0) if isinstance(e, ResponseReceived))
        assert (event.sequence, event.token) == (sequence, left)
        assert (esme.outstanding, smsc.unanswered) == (left, left)
    assert esme.window_free == len(requests)


def test_a_query_in_a_full_window_waits_for_a_slot_like_a_submit() -> None:
    esme = bound(window=1)
    sequence = esme.send_request(p.SubmitSm(A, B, b"x"), 0.0)
    octets = esme.pending_output
    with pytest.raises(WindowFull):
        esme.send_request(p.QuerySm("id", A), 0.0)
    assert esme.pending_output == octets
    esme.receive_data(encode(p.SubmitSmResp("id"), sequence), 0.0)
    assert esme.send_request(p.QuerySm("id", A), 0.0) == sequence + 1


# --- time ---


@EACH
def test_it_expires_and_its_late_answer_is_told_as_such(name: str) -> None:
    one, _, request, response = two_ends(name, response_timeout=5.0, enquire_link=0.0)
    sequence = one.send_request(request, 1.0, "token")
    assert one.next_deadline() == 6.0
    assert one.on_deadline(5.9) == []
    assert one.on_deadline(6.0) == [RequestExpired(sequence, "token")]
    assert (one.outstanding, one.outstanding_tokens()) == (0, [])
    wrong = p.DeliverSmResp() if not isinstance(response, p.DeliverSmResp) else p.SubmitSmResp()
    assert one.receive_data(encode(wrong, sequence), 7.0) == []
    assert one.unmatched_responses == 1
    assert one.receive_data(encode(response, sequence), 7.0) == [
        ResponseReceived(sequence, 0, response, "token", late=True)
    ]
    # Told once: a second one is a response to nothing.
    assert one.receive_data(encode(response, sequence), 7.0) == []
    assert one.unmatched_responses == 2


@EACH
def test_a_late_nack_is_told_too(name: str) -> None:
    one, _, request, _ = two_ends(name, response_timeout=5.0)
    sequence = one.send_request(request, 0.0, "token")
    one.on_deadline(5.0)
    assert one.receive_data(encode(p.GenericNack(), sequence, 3), 6.0) == [
        ResponseReceived(sequence, 3, p.GenericNack(), "token", late=True)
    ]


def test_kinds_expire_in_the_order_that_they_were_sent() -> None:
    esme = bound(response_timeout=5.0, enquire_link=0.0)
    requests = [request for role, request, _ in REQUESTS.values() if role is Role.ESME]
    for at, request in enumerate(requests):
        esme.send_request(request, float(at), at)
    for at in range(len(requests)):
        assert esme.next_deadline() == at + 5.0
        (event,) = esme.on_deadline(at + 5.0)
        assert isinstance(event, RequestExpired)
        assert event.token == at


# --- unbind, and the end ---


@EACH
def test_our_unbind_with_one_outstanding(name: str) -> None:
    one, other, request, response = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    unbind = one.send_request(p.Unbind(), 0.0)
    with pytest.raises(LocalProtocolError):
        one.send_request(request, 0.0)
    # The peer owes an answer and gives it before its unbind_resp.
    assert other.receive_data(one.data_to_send(), 0.0) == [RequestReceived(sequence, request), UnbindReceived()]
    other.send_response(sequence, response)
    assert other.on_deadline(0.1) == [Closed(CloseReason.UNBOUND, "by the peer")]
    assert one.receive_data(other.data_to_send(), 0.2) == [
        ResponseReceived(sequence, 0, response, "token"),
        Closed(CloseReason.UNBOUND),
    ]
    assert one.outstanding_tokens() == []
    assert unbind == sequence + 1


@EACH
def test_an_unbind_waits_so_long_for_its_answer_and_then_it_is_in_doubt(name: str) -> None:
    one, _, request, _ = two_ends(name, unbind_grace=2.0)
    one.send_request(request, 0.0, "token")
    one.data_to_send()
    assert one.receive_data(encode(p.Unbind(), 5), 1.0) == [UnbindReceived()]
    assert one.on_deadline(2.9) == []
    assert one.on_deadline(3.0) == [Closed(CloseReason.UNBOUND, "by the peer")]
    assert sent(one) == [(5, 0, p.UnbindResp())]
    assert one.outstanding_tokens() == ["token"]


@EACH
def test_the_end_of_the_connection_leaves_it_in_doubt(name: str) -> None:
    one, other, request, response = two_ends(name)
    sequence = one.send_request(request, 0.0, "token")
    other.receive_data(one.data_to_send(), 0.0)
    assert one.receive_eof(0.0) == [Closed(CloseReason.EOF)]
    assert one.outstanding_tokens() == ["token"]
    other.receive_eof(0.0)
    other.send_response(sequence, response)  # has nowhere to go
    assert other.data_to_send() == b""


# --- malformed ---


def truncations(name: str) -> list[bytes]:
    """The request cut after each octet of its body, with a length that says so."""
    whole = encode(REQUESTS[name][1], 5)
    return [end.to_bytes(4, "big") + whole[4:end] for end in range(16, len(whole))]


@EACH
def test_whatever_is_missing_it_is_answered_by_its_own_response_and_the_session_lives(name: str) -> None:
    _, other, request, response = two_ends(name)
    refused = 0
    for octets in truncations(name):
        before = other.unanswered
        events = other.receive_data(octets + encode(p.EnquireLink(), 6), 0.0)
        if isinstance(events[0], RequestReceived):
            assert other.unanswered == before + 1  # what was cut off may be left out
            assert sent(other) == [(6, 0, p.EnquireLinkResp())]
            continue
        (event,) = events
        assert isinstance(event, PduRejected)
        assert event.status != 0
        assert other.unanswered == before
        (answer, alive) = sent(other)
        assert (answer[0], answer[1], type(answer[2])) == (5, event.status, type(response))
        assert alive == (6, 0, p.EnquireLinkResp())
        refused += 1
    assert refused > len(truncations(name)) // 2
    assert other.state is SessionState.BOUND_TRX
    assert other.receive_data(encode(request, 8), 0.0) == [RequestReceived(8, request)]


@EACH
def test_an_error_answer_has_no_body(name: str) -> None:
    _, other, _, response = two_ends(name)
    other.receive_data(truncations(name)[0], 0.0)
    (frame,) = FrameBuffer().feed(other.data_to_send())
    _, status, pdu = decode(frame)
    assert status != 0
    assert type(pdu) is type(response)
    if not isinstance(response, p.DeliverSmResp | p.DataSmResp):
        assert len(frame) == 16


def test_unanswered_counts_only_what_can_be_answered() -> None:
    smsc = bound(Role.SMSC)
    octets = b"".join(
        [
            encode(p.QuerySm("id", A), 1),
            truncations("cancel_sm")[3],
            encode(p.DeliverSm(B, A, b"not from an ESME"), 6),
            encode(p.CancelSm("id", A), 7),
            encode(p.BroadcastSm(A), 8),
        ]
    )
    events = smsc.receive_data(octets, 0.0)
    assert [type(event).__name__ for event in events].count("PduRejected") == 2
    assert smsc.unanswered == 3
    smsc.data_to_send()
    for sequence, response in ((1, p.QuerySmResp("id")), (7, p.CancelSmResp()), (8, p.BroadcastSmResp("id"))):
        smsc.send_response(sequence, response)
    assert smsc.unanswered == 0
    assert smsc.receive_data(encode(p.Unbind(), 9), 0.0)[-1] == Closed(CloseReason.UNBOUND, "by the peer")


@EACH
def test_a_receiver_is_refused_what_a_transmitter_may(name: str) -> None:
    role, request, response = REQUESTS[name]
    wrong = SessionState.BOUND_RX if role is Role.ESME else SessionState.BOUND_TX
    one = session(role, wrong, SessionConfig())
    with pytest.raises(LocalProtocolError):
        one.send_request(request, 0.0)
    other = session(role.peer, wrong, SessionConfig())
    (event,) = other.receive_data(encode(request, 5), 0.0)
    assert isinstance(event, PduRejected)
    ((sequence, status, answer),) = sent(other)
    assert (sequence, status, type(answer)) == (5, CommandStatus.ESME_RINVBNDSTS, type(response))
