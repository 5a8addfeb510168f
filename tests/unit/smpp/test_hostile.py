"""Octets of any kind: nothing but the two PDU errors out of the codec, nothing at all out of a session."""

from __future__ import annotations

import random

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import PduError, RecoverablePduError, decode, encode
from gateway.smpp.constants import CommandStatus
from gateway.smpp.events import Closed, CloseReason, RequestReceived, ResponseReceived
from gateway.smpp.receipt import read_receipt
from gateway.smpp.session import Role, Session, SessionState

from .golden import OCTETS
from .talk import BINDS, TEXT, bound, sent, session

MUTATIONS = 200  # of each golden PDU


def mutated(octets: bytes, rng: random.Random) -> bytes:
    """The PDU with one to four things wrong: octets flipped, cut out, put in, lengths turned extreme."""
    it = bytearray(octets)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(it)) if it else 0
        match rng.randrange(7):
            case 0 if it:
                it[at] = rng.randrange(256)
            case 1 if it:
                it[at] ^= 1 << rng.randrange(8)
            case 2:
                del it[at : at + rng.randint(1, 20)]
            case 3:
                it[at:at] = rng.randbytes(rng.randint(1, 20))
            case 4 if it:
                it[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
            case 5 if it:
                it[at : at + 2] = rng.choice((b"\0\0", b"\xff\xff", b"\x04\x24", b"\0\x1e"))
            case _:
                it = it.replace(b"\0", b"", 1) if rng.random() < 0.5 else it + it[at:]
    return bytes(it)


def framed(octets: bytes) -> bytes:
    """With a command_length that is right, so that the body is read."""
    body = octets[4:].ljust(12, b"\0")
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize("name", OCTETS)
def test_mutated_pdus_are_read_or_refused(name: str) -> None:
    rng = random.Random(f"decode {name}")
    refused: list[tuple[bytes, RecoverablePduError]] = []
    for _ in range(MUTATIONS):
        octets = framed(mutated(OCTETS[name], rng))
        try:
            sequence, status, pdu = decode(octets)
        except RecoverablePduError as error:
            refused.append((octets, error))
        else:
            assert (sequence, status) == (
                int.from_bytes(octets[12:16], "big"),
                int.from_bytes(octets[8:12], "big"),
            )
            repr(pdu)
            if isinstance(pdu, p.DeliverSm | p.DataSm):
                read_receipt(pdu, text_only=True)
            try:
                again = encode(pdu, sequence, status)
            except ValueError:
                continue  # more lenient in than out
            if not (status and again[4] == 0x80):
                assert decode(again)[2] == pdu
    for octets, error in refused:
        assert error.sequence == int.from_bytes(octets[12:16], "big")
        assert 0 < error.status <= 0xFF
    assert 0 < len(refused) < MUTATIONS


@pytest.mark.parametrize("name", OCTETS)
def test_every_prefix_is_read_or_refused(name: str) -> None:
    for length in range(len(OCTETS[name])):
        with pytest.raises(PduError):
            decode(OCTETS[name][:length])
        try:
            decode(framed(OCTETS[name][:length]))
        except RecoverablePduError:
            pass


def served_normally(it: Session) -> None:
    """The peer is served a normal message after whatever it sent."""
    it.data_to_send()
    request = p.SubmitSm if it.role is Role.SMSC else p.DeliverSm
    text = request(TEXT.source, TEXT.destination, b"normal")
    events = it.receive_data(encode(text, 4242), 2.0)
    assert RequestReceived(4242, text) in events
    response = p.SubmitSmResp("id") if it.role is Role.SMSC else p.DeliverSmResp()
    it.send_response(4242, response)
    assert (4242, 0, response) in sent(it)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", OCTETS)
def test_a_session_lives_through_mutated_pdus(role: Role, name: str) -> None:
    """Bodies and headers are mutated, lengths are right: nothing but an unbind ends a session."""
    rng = random.Random(f"session {role} {name}")
    it = bound(role, window=10_000)
    for _ in range(MUTATIONS):
        if it.role is Role.ESME:
            it.send_request(TEXT, 1.0, "token")
        octets = framed(mutated(OCTETS[name], rng))
        events = it.receive_data(octets, 1.0)
        if it.state in (SessionState.UNBINDING, SessionState.CLOSED):
            # It was an unbind after all.
            assert int.from_bytes(octets[4:8], "big") == 6
            it = bound(role, window=10_000)
            continue
        for event in events:
            repr(event)
            assert not isinstance(event, Closed)
            if isinstance(event, ResponseReceived) and isinstance(event.pdu, p.GenericNack):
                assert event.status != CommandStatus.ESME_ROK
        sent(it)  # whatever was answered can be read
    served_normally(it)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", [*BINDS, SessionState.OPEN, SessionState.BINDING, SessionState.UNBINDING])
def test_nothing_escapes_a_session(role: Role, state: SessionState) -> None:
    """Mutated streams, lengths and all, in pieces of any size and with time passing."""
    rng = random.Random(f"stream {role} {state}")
    names = list(OCTETS)
    for _ in range(150):
        it = session(role, state)
        now = 0.0
        closed = 0
        for _ in range(8):
            octets = mutated(OCTETS[rng.choice(names)], rng)
            if rng.random() < 0.7:
                octets = framed(octets)
            cut = rng.randrange(len(octets) + 1)
            now += rng.choice((0.0, 0.0, 1.0, 12.0, 35.0))
            events = [
                *it.receive_data(octets[:cut], now),
                *it.on_deadline(now),
                *it.receive_data(octets[cut:], now),
            ]
            for event in events:
                closed += isinstance(event, Closed)
                if isinstance(event, RequestReceived) and isinstance(event.pdu, p.BindTransceiver):
                    it.accept_bind(event.sequence, "SMSC", now)
            assert it.next_deadline() >= -1 or it.state is SessionState.UNBINDING
            it.data_to_send()
        closed += len(it.receive_eof(now))
        assert closed == 1, "one Closed, exactly"
        assert it.data_to_send() == b""


@pytest.mark.parametrize("role", Role)
def test_random_octets_end_a_session_cleanly(role: Role) -> None:
    rng = random.Random(f"random {role}")
    for _ in range(300):
        it = bound(role)
        events = it.receive_data(rng.randbytes(rng.randint(4, 300)), 1.0)
        if it.state is SessionState.CLOSED:
            assert isinstance(events[-1], Closed)
            assert events[-1].reason is CloseReason.PROTOCOL_ERROR
