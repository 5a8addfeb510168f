"""Sessions in the states that the tests need, and their octets read back as PDUs."""

from __future__ import annotations

from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.events import Bound, RequestReceived
from gateway.smpp.pdu import (
    Address,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Outbind,
    Pdu,
    SubmitSm,
    Unbind,
)
from gateway.smpp.session import Role, Session, SessionConfig, SessionState

A = Address(1, 1, "447700900123")
B = Address(0, 1, "40404")
TEXT = SubmitSm(A, B, b"hello")

BINDS = {
    SessionState.BOUND_TX: BindTransmitter,
    SessionState.BOUND_RX: BindReceiver,
    SessionState.BOUND_TRX: BindTransceiver,
}


def sent(session: Session) -> list[tuple[int, int, Pdu]]:
    """What the session wants to send, taken and read."""
    return [decode(frame) for frame in FrameBuffer().feed(session.data_to_send())]


def session(role: Role, state: SessionState, config: SessionConfig | None = None, now: float = 0.0) -> Session:
    """A session that has come into this state by talking to its peer, with nothing left to send."""
    it = Session(role, config or SessionConfig(), now)
    if state is SessionState.OPEN:
        return it
    if state is SessionState.OUTBOUND:
        if role is Role.SMSC:
            it.send_request(Outbind("SMSC", "pw"), now)
        else:
            it.receive_data(encode(Outbind("SMSC", "pw"), 900), now)
    elif state is SessionState.BINDING:
        if role is Role.ESME:
            it.send_request(BindTransceiver("user", "pw"), now)
        else:
            it.receive_data(encode(BindTransceiver("user", "pw"), 901), now)
    elif state in BINDS:
        _bind(it, BINDS[state]("user", "pw"), now)
    elif state is SessionState.UNBINDING:
        _bind(it, BindTransceiver("user", "pw"), now)
        it.send_request(Unbind(), now)
    else:
        it.receive_eof(now)
    it.data_to_send()
    assert it.state is state
    return it


def bound(role: Role = Role.ESME, *, now: float = 0.0, **config: float) -> Session:
    """A session bound as transceiver."""
    return session(role, SessionState.BOUND_TRX, SessionConfig(**config), now)  # type: ignore[arg-type]


def _bind(it: Session, bind: BindTransmitter | BindReceiver | BindTransceiver, now: float) -> None:
    other = Session(it.role.peer, SessionConfig(), now)
    esme, smsc = (it, other) if it.role is Role.ESME else (other, it)
    esme.send_request(bind, now)
    (request,) = smsc.receive_data(esme.data_to_send(), now)
    assert isinstance(request, RequestReceived)
    smsc.accept_bind(request.sequence, "SMSC", now)
    (answer,) = esme.receive_data(smsc.data_to_send(), now)
    assert isinstance(answer, Bound)
