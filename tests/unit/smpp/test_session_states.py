"""Who may say what in which state: every command, every state, both roles, both directions."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import CommandId, CommandStatus
from gateway.smpp.events import PduRejected
from gateway.smpp.session import LocalProtocolError, Role, SessionState
from gateway.smpp.states import MAY_REQUEST, RESPONSE_TO

from .talk import A, B, sent, session

AREA = p.Tlv(0x0606, b"\x00Dublin")
REQUESTS: list[p.Pdu] = [
    p.BindTransmitter("user", "pw"),
    p.BindReceiver("user", "pw"),
    p.BindTransceiver("user", "pw"),
    p.Outbind("SMSC", "pw"),
    p.Unbind(),
    p.SubmitSm(A, B, b"x"),
    p.DeliverSm(A, B, b"x"),
    p.DataSm(A, B),
    p.EnquireLink(),
    p.AlertNotification(A, B),
    p.SubmitMulti(A, (B, p.DistributionList("friends")), b"x"),
    p.QuerySm("id", A),
    p.CancelSm("", A, B, "CMT"),
    p.ReplaceSm("id", A, b"y"),
    p.BroadcastSm(A, tlvs=(AREA,)),
    p.QueryBroadcastSm("id", A),
    p.CancelBroadcastSm("id", A),
]
NAMES = {type(pdu).__name__: pdu for pdu in REQUESTS}
BINDS = {"BindTransmitter", "BindReceiver", "BindTransceiver"}

SUBMISSION = {"SubmitSm", "SubmitMulti", "DataSm", "QuerySm", "CancelSm", "ReplaceSm"}
BROADCAST = {"BroadcastSm", "QueryBroadcastSm", "CancelBroadcastSm"}
DELIVERY = {"DeliverSm", "DataSm", "AlertNotification"}
LINK = {"EnquireLink", "Unbind"}
ALIVE = {"EnquireLink"}

# Written apart from the table in the code, after table 2-1 of 3.4 and of 5.0: state -> (ESME, SMSC).
TABLE: dict[SessionState, tuple[set[str], set[str]]] = {
    SessionState.OPEN: (BINDS | ALIVE, {"Outbind"} | ALIVE),
    SessionState.OUTBOUND: (BINDS | ALIVE, ALIVE),
    SessionState.BINDING: (ALIVE, ALIVE),
    SessionState.BOUND_TX: (SUBMISSION | BROADCAST | LINK, LINK),
    SessionState.BOUND_RX: (LINK, DELIVERY | LINK),
    SessionState.BOUND_TRX: (SUBMISSION | BROADCAST | LINK, DELIVERY | LINK),
    SessionState.UNBINDING: (ALIVE, ALIVE),
    SessionState.CLOSED: (set(), set()),
}


def test_every_request_of_the_specifications_is_tried() -> None:
    commands = {command.name for command in CommandId if not command & 0x8000_0000}
    assert {CommandId(pdu.command_id).name for pdu in REQUESTS} == commands


def test_the_table_is_the_specifications() -> None:
    assert {
        state: ({cls.__name__ for cls in ends[Role.ESME]}, {cls.__name__ for cls in ends[Role.SMSC]})
        for state, ends in MAY_REQUEST.items()
    } == TABLE
    assert set(SessionState) == set(MAY_REQUEST)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("role", Role)
def test_what_we_may_send(role: Role, state: SessionState, name: str) -> None:
    it = session(role, state)
    if name in TABLE[state][role is Role.SMSC]:
        sequence = it.send_request(NAMES[name], 0.0)
        assert sent(it) == [(sequence, 0, NAMES[name])]
    else:
        with pytest.raises(LocalProtocolError, match=f"{name} from the {role.value} when {state.value}"):
            it.send_request(NAMES[name], 0.0)
        assert it.pending_output == 0
        assert it.state is state


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("role", Role)
def test_what_the_peer_may_send(role: Role, state: SessionState, name: str) -> None:
    it = session(role, state)
    pdu = NAMES[name]
    events = it.receive_data(encode(pdu, 77), 0.0)
    rejected = [event for event in events if isinstance(event, PduRejected)]
    # What crosses our unbind on the wire was allowed when it was sent.
    allowed_in = SessionState.BOUND_TRX if state is SessionState.UNBINDING else state
    if state is SessionState.CLOSED:
        assert events == []
        assert it.pending_output == 0
    elif name in TABLE[allowed_in][role is Role.ESME]:
        assert rejected == []
        assert events or name == "EnquireLink"
    else:
        already = name in BINDS and (state.is_bound or (state is SessionState.BINDING and role is Role.SMSC))
        status = CommandStatus.ESME_RALYBND if already else CommandStatus.ESME_RINVBNDSTS
        assert [(event.sequence, event.status, event.command_id) for event in rejected] == [
            (77, status, pdu.command_id)
        ]
        assert events == rejected
        answer = RESPONSE_TO.get(type(pdu), p.GenericNack)()
        assert sent(it) == [(77, status, answer)]
        assert it.state is state


RESPONSES: list[p.Pdu] = [*(response() for response in RESPONSE_TO.values()), p.GenericNack()]


@pytest.mark.parametrize("response", RESPONSES, ids=[type(pdu).__name__ for pdu in RESPONSES])
@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("role", Role)
def test_a_response_to_nothing_changes_nothing(role: Role, state: SessionState, response: p.Pdu) -> None:
    it = session(role, state)
    assert it.receive_data(encode(response, 7777), 0.0) == []
    assert it.state is state
    assert it.pending_output == 0
    assert it.unmatched_responses == (state is not SessionState.CLOSED)


@pytest.mark.parametrize("state", [state for state in SessionState if state is not SessionState.CLOSED])
@pytest.mark.parametrize("role", Role)
def test_enquire_link_is_answered_in_every_state(role: Role, state: SessionState) -> None:
    it = session(role, state)
    assert it.receive_data(encode(p.EnquireLink(), 12), 0.0) == []
    assert sent(it) == [(12, 0, p.EnquireLinkResp())]


@pytest.mark.parametrize("octets", ["0000001000010000000000000000004d", "00000011000102000000000000000 04d00"])
def test_an_unknown_command_is_nacked_and_the_session_lives(octets: str) -> None:
    it = session(Role.SMSC, SessionState.BOUND_TRX)
    (event,) = it.receive_data(bytes.fromhex(octets.replace(" ", "")) + encode(p.EnquireLink(), 78), 0.0)
    assert isinstance(event, PduRejected)
    assert event.status == CommandStatus.ESME_RINVCMDID
    assert sent(it) == [(77, 3, p.GenericNack()), (78, 0, p.EnquireLinkResp())]


def test_an_unknown_response_is_told_and_not_answered() -> None:
    it = session(Role.SMSC, SessionState.BOUND_TRX)
    (event,) = it.receive_data(bytes.fromhex("0000001080000099000000000000004d"), 0.0)
    assert isinstance(event, PduRejected)
    assert it.pending_output == 0


@pytest.mark.parametrize(
    ("pdu", "response"),
    [
        (p.SubmitSm(A, B, b"text"), p.SubmitSmResp()),
        (p.DataSm(A, B, tlvs=(p.Tlv(0x0424, b"text"),)), p.DataSmResp()),
        (p.BindTransceiver("user", "pw"), p.BindTransceiverResp()),
    ],
)
def test_a_bad_field_is_answered_and_the_session_lives(pdu: p.Pdu, response: p.Pdu) -> None:
    it = session(Role.SMSC, SessionState.BOUND_TRX)
    whole = encode(pdu, 5)
    cut = whole[:-2]
    broken = len(cut).to_bytes(4, "big") + cut[4:]
    (event,) = it.receive_data(broken + encode(p.SubmitSm(A, B, b"next"), 6), 0.0)[:1]
    assert isinstance(event, PduRejected)
    assert event.status != 0
    assert sent(it) == [(5, event.status, response)]
    assert it.state is SessionState.BOUND_TRX
    assert it.unanswered == 1
    assert decode(encode(response, 5, event.status))[1] == event.status
