"""Time in a session: everything that is due, when it is due, and that nothing happens before."""

from __future__ import annotations

import math

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.events import (
    BindRefused,
    Closed,
    CloseReason,
    RequestExpired,
    ResponseReceived,
    UnbindReceived,
)
from gateway.smpp.session import Role, Session, SessionConfig, SessionState

from .talk import TEXT, A, B, bound, sent, session

MO = p.DeliverSm(B, A, b"reply")
BEFORE = 0.001


def due(it: Session, at: float) -> list[object]:
    """The events at the next deadline, which must be `at`, with nothing a moment before."""
    assert it.next_deadline() == pytest.approx(at)
    state, pending = it.state, it.pending_output
    assert it.on_deadline(at - BEFORE) == []
    assert (it.state, it.pending_output) == (state, pending)
    return list(it.on_deadline(at))


# --- requests ---


def test_each_request_expires_by_itself() -> None:
    esme = bound(response_timeout=10.0, enquire_link=0.0)
    first = esme.send_request(TEXT, 0.0, "one")
    second = esme.send_request(TEXT, 3.0, "two")
    third = esme.send_request(TEXT, 3.0, "three")
    assert due(esme, 10.0) == [RequestExpired(first, "one")]
    assert esme.outstanding_tokens() == ["two", "three"]
    assert due(esme, 13.0) == [RequestExpired(second, "two"), RequestExpired(third, "three")]
    assert esme.window_free == 50
    assert esme.next_deadline() == math.inf


def test_the_deadline_is_that_of_the_oldest_that_waits() -> None:
    esme = bound(response_timeout=10.0, enquire_link=0.0)
    first = esme.send_request(TEXT, 0.0)
    esme.send_request(TEXT, 3.0)
    esme.receive_data(encode(p.SubmitSmResp("x"), first), 4.0)
    assert esme.next_deadline() == 13.0


def test_a_late_response_has_its_token_once() -> None:
    esme = bound(response_timeout=10.0)
    sequence = esme.send_request(TEXT, 0.0, "one")
    esme.on_deadline(10.0)
    late = encode(p.SubmitSmResp("x"), sequence)
    assert esme.receive_data(encode(p.DeliverSmResp(), sequence), 11.0) == []  # another command's
    assert esme.receive_data(late + late, 11.0) == [
        ResponseReceived(sequence, 0, p.SubmitSmResp("x"), "one", late=True)
    ]
    assert esme.unmatched_responses == 2


def test_a_late_nack_is_a_late_refusal() -> None:
    esme = bound(response_timeout=10.0)
    sequence = esme.send_request(TEXT, 0.0, "one")
    esme.on_deadline(10.0)
    assert esme.receive_data(encode(p.GenericNack(), sequence), 11.0) == [
        ResponseReceived(sequence, 0xFF, p.GenericNack(), "one", late=True)
    ]


@pytest.mark.parametrize(("remembered", "found"), [(0, []), (1, [3]), (2, [2, 3]), (9, [0, 1, 2, 3])])
def test_so_many_expired_requests_are_remembered(remembered: int, found: list[int]) -> None:
    esme = bound(response_timeout=10.0, late_responses=remembered)
    sequences = [esme.send_request(TEXT, 0.0, token) for token in range(4)]
    esme.on_deadline(10.0)
    octets = b"".join(encode(p.SubmitSmResp("x"), sequence) for sequence in sequences)
    events = esme.receive_data(octets, 11.0)
    assert [event.token for event in events if isinstance(event, ResponseReceived)] == found
    assert esme.unmatched_responses == 4 - len(found)


# --- bind ---


@pytest.mark.parametrize("role", Role)
def test_a_connection_without_a_bind_ends(role: Role) -> None:
    it = Session(role, SessionConfig(session_init=30.0), 100.0)
    (closed,) = due(it, 130.0)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.SESSION_INIT


def test_refused_binds_do_not_prolong_it() -> None:
    smsc = Session(Role.SMSC, SessionConfig(session_init=30.0), 0.0)
    for now in (10.0, 20.0, 29.0):
        smsc.receive_data(encode(p.BindTransceiver("user", "guess"), int(now)), now)
        smsc.refuse_bind(int(now), 0x0E)
    (closed,) = due(smsc, 30.0)
    assert isinstance(closed, Closed)


def test_to_ask_whether_the_link_lives_does_not_prolong_it() -> None:
    """5.0 §2.4 has enquire_link in every state; it is answered, and buys no time."""
    smsc = Session(Role.SMSC, SessionConfig(session_init=30.0), 0.0)
    for now in (10.0, 20.0, 29.0):
        assert smsc.receive_data(encode(p.EnquireLink(), int(now)), now) == []
        assert sent(smsc) == [(int(now), 0, p.EnquireLinkResp())]
    (closed,) = due(smsc, 30.0)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.SESSION_INIT


def test_a_bound_session_has_no_such_end() -> None:
    it = bound(Role.SMSC, session_init=30.0, enquire_link=0.0)
    assert it.next_deadline() == math.inf
    assert Session(Role.SMSC, SessionConfig(session_init=0.0), 0.0).next_deadline() == math.inf


def test_a_bind_without_an_answer() -> None:
    esme = session(Role.ESME, SessionState.BINDING, SessionConfig(response_timeout=10.0))
    assert due(esme, 10.0) == [Closed(CloseReason.BIND_TIMEOUT, "no answer in 10 s")]


def test_a_bind_that_is_answered_just_in_time() -> None:
    esme = session(Role.ESME, SessionState.BINDING, SessionConfig(response_timeout=10.0))
    assert esme.receive_data(encode(p.BindTransceiverResp(), 1, 5), 9.9) == [BindRefused(5)]
    assert esme.on_deadline(10.0) == []


def test_an_unbind_without_an_answer() -> None:
    esme = bound(response_timeout=10.0)
    esme.send_request(p.Unbind(), 5.0)
    assert due(esme, 15.0) == [Closed(CloseReason.UNBIND_TIMEOUT, "no answer in 10 s")]


# --- enquire_link ---


@pytest.mark.parametrize("state", [SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX])
@pytest.mark.parametrize("role", Role)
def test_a_silent_peer_is_asked_and_lives_by_its_answer(role: Role, state: SessionState) -> None:
    it = session(role, state, SessionConfig(enquire_link=30.0, response_timeout=10.0))
    assert due(it, 30.0) == []
    ((sequence, _, asked),) = sent(it)
    assert asked == p.EnquireLink()
    assert it.next_deadline() == 40.0
    assert it.receive_data(encode(p.EnquireLinkResp(), sequence), 31.0) == []
    assert it.next_deadline() == 61.0
    assert it.window_free == 50


def test_a_dead_peer_is_noticed() -> None:
    it = bound(enquire_link=30.0, response_timeout=10.0)
    it.send_request(TEXT, 25.0, "one")
    assert due(it, 30.0) == []
    # The link is dead before the submit_sm expires; that one is in doubt, with its token.
    assert due(it, 35.0) == [RequestExpired(2, "one")]
    assert due(it, 40.0) == [Closed(CloseReason.ENQUIRE_LINK_TIMEOUT, "no answer in 10 s")]


def test_what_waits_when_the_link_is_dead_is_in_doubt() -> None:
    it = bound(enquire_link=30.0, response_timeout=10.0)
    it.on_deadline(30.0)
    it.send_request(TEXT, 35.0, "one")
    assert due(it, 40.0) == [Closed(CloseReason.ENQUIRE_LINK_TIMEOUT, "no answer in 10 s")]
    assert it.outstanding_tokens() == ["one"]


def test_a_peer_that_sends_is_alive_whatever_it_does_with_enquire_link() -> None:
    it = bound(enquire_link=30.0, response_timeout=10.0)
    it.on_deadline(30.0)
    it.receive_data(encode(MO, 1), 35.0)
    assert due(it, 40.0) == []
    assert it.next_deadline() == 65.0
    it.on_deadline(65.0)
    (closed,) = due(it, 75.0)
    assert isinstance(closed, Closed)


def test_whatever_comes_puts_enquire_link_off() -> None:
    it = bound(enquire_link=30.0)
    it.receive_data(encode(MO, 1), 20.0)
    assert it.next_deadline() == 50.0
    it.receive_data(b"\0\0", 29.0)
    assert it.next_deadline() == 59.0


def test_a_nacked_enquire_link_shows_that_the_peer_lives() -> None:
    it = bound(enquire_link=30.0, response_timeout=10.0)
    it.on_deadline(30.0)
    ((sequence, _, _),) = sent(it)
    assert it.receive_data(encode(p.GenericNack(), sequence, 3), 31.0) == []
    assert it.next_deadline() == 61.0


def test_no_enquire_link_before_bind_and_none_when_it_is_off() -> None:
    it = session(Role.ESME, SessionState.BINDING, SessionConfig(enquire_link=1.0, response_timeout=10.0))
    assert it.on_deadline(9.0) == []
    assert it.pending_output == 0
    assert bound(enquire_link=0.0).next_deadline() == math.inf


# --- inactivity ---


def test_an_idle_session_ends_with_an_unbind() -> None:
    it = bound(Role.SMSC, inactivity=60.0, enquire_link=0.0)
    it.receive_data(encode(TEXT, 1), 10.0)
    it.send_response(1, p.SubmitSmResp("x"))
    it.data_to_send()
    (closed,) = due(it, 70.0)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.INACTIVITY
    assert [pdu for _, _, pdu in sent(it)] == [p.Unbind()]


def test_answers_to_enquire_link_are_no_activity() -> None:
    it = bound(Role.SMSC, inactivity=60.0, enquire_link=50.0)
    it.on_deadline(50.0)
    ((sequence, _, _),) = sent(it)
    it.receive_data(encode(p.EnquireLinkResp(), sequence), 51.0)
    assert it.next_deadline() == 60.0
    it.receive_data(encode(p.EnquireLink(), 7), 55.0)  # but asking is
    assert it.next_deadline() == 105.0


# --- half a PDU ---


@pytest.mark.parametrize("state", [SessionState.OPEN, SessionState.BOUND_TRX, SessionState.UNBINDING])
def test_half_a_pdu_does_not_hold_a_session(state: SessionState) -> None:
    config = SessionConfig(partial_frame=5.0, session_init=90.0, enquire_link=90.0, response_timeout=90.0)
    it = session(Role.ESME, state, config)
    it.receive_data(encode(MO, 1)[:7], 10.0)
    it.receive_data(encode(MO, 1)[7:9], 14.0)  # from where it began, not from its last octet
    assert due(it, 15.0) == [Closed(CloseReason.PARTIAL_FRAME, "9 octets of a PDU and no more in 5 s")]


def test_a_pdu_that_is_completed_in_time() -> None:
    it = bound(partial_frame=5.0, enquire_link=0.0)
    octets = encode(MO, 1)
    it.receive_data(octets[:7], 10.0)
    assert it.next_deadline() == 15.0
    it.receive_data(octets[7:] + octets[:3], 14.0)  # whole, and the next begins
    assert it.next_deadline() == 19.0
    it.receive_data(octets[3:], 18.0)
    assert it.next_deadline() == math.inf


def test_half_a_pdu_for_ever_when_it_is_off() -> None:
    it = bound(partial_frame=0.0, enquire_link=0.0)
    it.receive_data(b"\0", 10.0)
    assert it.next_deadline() == math.inf


# --- together ---


def test_what_is_due_together_comes_in_order_with_closed_last() -> None:
    it = bound(response_timeout=10.0, enquire_link=30.0, partial_frame=5.0)
    first = it.send_request(TEXT, 1.0, "one")
    it.receive_data(b"\0", 2.0)
    events = it.on_deadline(100.0)
    assert events[0] == RequestExpired(first, "one")
    assert isinstance(events[-1], Closed)
    assert [type(event) for event in events] == [RequestExpired, Closed]


def test_a_request_that_expires_lets_the_peers_unbind_go() -> None:
    it = bound(response_timeout=10.0, unbind_grace=60.0)
    it.send_request(TEXT, 0.0, "one")
    assert it.receive_data(encode(p.Unbind(), 4), 5.0) == [UnbindReceived()]
    assert due(it, 10.0) == [RequestExpired(2, "one"), Closed(CloseReason.UNBOUND, "by the peer")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 0),
        ("response_timeout", 0.0),
        ("enquire_link", -1.0),
        ("inactivity", -1.0),
        ("session_init", -1.0),
        ("partial_frame", -1.0),
        ("unbind_grace", -1.0),
        ("max_pdu", 15),
        ("late_responses", -1),
        ("first_sequence", 0),
        ("first_sequence", 0x80000000),
    ],
)
def test_limits_that_make_no_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        SessionConfig(**{name: value})  # type: ignore[arg-type]


# --- reading that is stopped at our own will ---


def test_silence_while_nothing_is_read_says_nothing_of_the_peer() -> None:
    esme = bound(response_timeout=10.0, enquire_link=30.0)
    esme.deaf(True, 5.0)
    assert esme.next_deadline() == math.inf
    assert esme.on_deadline(1000.0) == []
    assert esme.state is SessionState.BOUND_TRX
    esme.deaf(False, 1000.0)
    assert due(esme, 1030.0) == []
    assert esme.enquiring


def test_an_enquire_link_whose_answer_we_do_not_read_ends_nothing() -> None:
    esme = bound(response_timeout=10.0, enquire_link=30.0)
    assert due(esme, 30.0) == []
    assert esme.enquiring
    esme.deaf(True, 35.0)
    assert esme.on_deadline(40.0) == []
    assert not esme.enquiring
    assert esme.state is SessionState.BOUND_TRX
    esme.deaf(False, 50.0)
    assert due(esme, 80.0) == []
    assert [type(e) for e in due(esme, 90.0)] == [Closed], "from then on it counts again"


def test_half_a_pdu_that_we_do_not_go_on_reading_is_not_the_peers_fault() -> None:
    esme = bound(enquire_link=0.0, partial_frame=5.0)
    assert esme.receive_data(encode(MO, 9)[:10], 1.0) == []
    esme.deaf(True, 2.0)
    assert esme.on_deadline(100.0) == []
    esme.deaf(False, 100.0)
    [closed] = due(esme, 105.0)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.PARTIAL_FRAME


def test_requests_expire_also_while_nothing_is_read() -> None:
    esme = bound(response_timeout=10.0, enquire_link=0.0)
    esme.send_request(TEXT, 0.0, "token")
    esme.deaf(True, 1.0)
    [expired] = due(esme, 10.0)
    assert isinstance(expired, RequestExpired)
