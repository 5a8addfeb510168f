"""Requests whose octets are there already, and answers given several at a time: as one by one."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.constants import CommandStatus
from gateway.smpp.session import LocalProtocolError, Role, Session, SessionState, WindowFull

from .talk import TEXT, A, B, bound, sent, session

MO = p.DeliverSm(B, A, b"hi")
BODY = encode(TEXT, 1)[16:]


def asked(count: int) -> Session:
    """A bound ESME with so many requests to answer, 1 and on."""
    esme = bound()
    esme.receive_data(b"".join(encode(MO, n) for n in range(1, count + 1)), 0.0)
    return esme


def test_what_is_written_already_goes_as_the_pdu_does() -> None:
    one, other = (bound(window=3, first_sequence=0x7FFFFFFD, late_responses=5, response_timeout=5.0) for _ in "ab")
    told = []
    for esme in (one, other):
        numbers = []

        def send(now: float, token: str, esme: Session = esme, numbers: list[int] = numbers) -> None:
            written = esme is other
            send = esme.send_written(p.SubmitSm, BODY, now, token) if written else esme.send_request(TEXT, now, token)
            numbers.append(send)

        send(0.0, "a")
        send(0.0, "b")
        send(1.0, "c")
        events = esme.on_deadline(5.0)
        esme._ledger._next = 0x7FFFFFFD  # once more round: the late ones and what waits keep their numbers
        send(5.0, "d")
        send(5.0, "e")
        waiting = esme.outstanding_requests()
        octets = esme.pending_output
        with pytest.raises(WindowFull):
            send(5.0, "f")
        assert esme.pending_output == octets
        assert len(esme.waiting_output()) == octets
        late = esme.receive_data(encode(p.SubmitSmResp("x"), 0x7FFFFFFE) + encode(p.SubmitSmResp("y"), 1), 6.0)
        told.append((numbers, events, waiting, esme.data_to_send(), late, esme.next_deadline()))
    assert told[0] == told[1]
    assert told[0][0] == [0x7FFFFFFE, 0x7FFFFFFF, 1, 0x7FFFFFFD, 2]


@pytest.mark.parametrize("state", [s for s in SessionState if s not in (SessionState.BOUND_TX, SessionState.BOUND_TRX)])
def test_it_is_sent_only_where_the_pdu_may_be(state: SessionState) -> None:
    it = session(Role.ESME, state)
    with pytest.raises(LocalProtocolError, match="SubmitSm from the esme"):
        it.send_written(p.SubmitSm, BODY, 0.0)
    assert (it.pending_output, it.outstanding) == (0, 0)


@pytest.mark.parametrize("status", [0, CommandStatus.ESME_RX_T_APPN])
def test_answers_together_are_those_one_by_one(status: int) -> None:
    answers: list[tuple[int, p.Pdu]] = [(2, p.DeliverSmResp()), (1, p.DeliverSmResp()), (3, p.DataSmResp())]
    together, alone = asked(4), asked(4)
    together.send_responses(answers, status)
    for sequence, pdu in answers:
        alone.send_response(sequence, pdu, status)
    assert together.pending_output == alone.pending_output == len(alone.waiting_output())
    assert together.data_to_send() == alone.waiting_output()
    assert [sequence for sequence, _, _ in sent(alone)] == [2, 1, 3]
    assert together.unanswered == alone.unanswered == 1


def test_no_answers_are_nothing() -> None:
    esme = asked(1)
    esme.send_responses([])
    assert (esme.unanswered, esme.data_to_send()) == (1, b"")


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ([(1, p.DeliverSmResp())] * 3, LocalProtocolError, "3 answers, and 2 requests"),
        ([(1, p.DeliverSmResp()), (2, p.EnquireLinkResp())], LocalProtocolError, "EnquireLinkResp"),
        ([(1, p.DeliverSmResp()), (2, p.DeliverSmResp("x" * 65))], ValueError, "message_id"),
        ([(1, p.DeliverSmResp()), (1 << 32, p.DeliverSmResp())], ValueError, "sequence_number"),
    ],
)
def test_all_of_them_or_none(answers: list[tuple[int, p.Pdu]], error: type[Exception], said: str) -> None:
    esme = asked(2)
    with pytest.raises(error, match=said):
        esme.send_responses(answers)
    assert (esme.unanswered, esme.pending_output) == (2, 0)


def test_after_the_end_they_have_nowhere_to_go() -> None:
    esme = asked(1)
    esme.receive_eof(1.0)
    esme.send_responses([(1, p.DeliverSmResp())])
    assert esme.data_to_send() == b""
