"""Targets `session` and `split`: both ends of a connection, in every state, with any octets of the peer and anything
that its user may do in between.
"""

from __future__ import annotations

import random
from typing import Final

from gateway.smpp import pdu as p
from gateway.smpp.codec import FrameBuffer
from gateway.smpp.config import MAX_SEQUENCE
from gateway.smpp.events import RequestReceived
from gateway.smpp.session import Role, SessionConfig, SessionState

from .octets import frame, stream
from .target import Reader, Target, counted
from .watched import Watched

_ROLES: Final = tuple(Role)
_STATES: Final = tuple(SessionState)
_CONFIGS: Final = (
    SessionConfig(),
    SessionConfig(window=2, response_timeout=5, enquire_link=0, late_responses=0),
    SessionConfig(window=4, response_timeout=3, inactivity=20, late_responses=2, first_sequence=MAX_SEQUENCE - 2),
    SessionConfig(window=3, unbind_grace=0, partial_frame=4, max_pdu=256, session_init=0, bind_timeout=2),
)
_A: Final = p.Address(1, 1, "447700900123")
_REQUESTS: Final[tuple[p.Pdu, ...]] = (
    p.SubmitSm(_A, _A, b"hello"),
    p.DeliverSm(_A, _A, b"hello"),
    p.DataSm(_A, _A),
    p.SubmitSm(_A, p.Address(1, 1, "1" * 30), b"too long an address"),
    p.EnquireLink(),
    p.Unbind(),
    p.BindTransceiver("user", "pw"),
    p.BindReceiver("user", "pw"),
    p.Outbind("SMSC", "pw"),
    p.AlertNotification(_A, _A),
    p.SubmitMulti(_A, (_A, p.DistributionList("friends")), b"hello"),
    p.QuerySm("id", _A),
    p.CancelSm("id", _A),
    p.ReplaceSm("id", _A, b"hello"),
    p.BroadcastSm(_A),
    p.SubmitSmResp("id"),
)
_STATUSES: Final = (0, 0, 0x08, 0x58)
_COPIES: Final = 500
_COPIED_MOST: Final = 400
"""Octets of what is sent so often at once."""


def check_session(octets: bytes) -> None:
    """Role, state, config, then steps: of the peer, of the clock, and of who uses the session."""
    reader = Reader(octets)
    start = reader.octet()
    config = _CONFIGS[reader.octet() & 3]
    it = Watched(_ROLES[start & 1], _STATES[start >> 1 & 7], config)
    for _ in range(40):
        if not reader.more:
            break
        _step(reader, it)
    it.end()
    it.check_output()


def _step(reader: Reader, it: Watched) -> None:
    step = reader.octet() & 0x0F
    match step:
        case 6:
            it.feed(reader.counted(), size=1)
        case 7:
            octets = reader.counted()
            it.feed(octets * (_COPIES if len(octets) <= _COPIED_MOST else 1))
        case 8:
            it.pass_time(reader.octet() / 4)
        case 9:
            it.request(_REQUESTS[reader.octet() & 0x0F])
        case 10:
            it.respond(_STATUSES[reader.octet() & 3])
        case 11:
            it.accept_bind()
        case 12:
            it.refuse_bind(_STATUSES[reader.octet() & 3])
        case 13:
            it.answered(_STATUSES[reader.octet() & 3])
        case 14:
            it.respond(0, wrong=True)
        case 15:
            it.end()
        case _:
            it.feed(reader.counted())


def check_split(octets: bytes) -> None:
    """The same octets at once and in pieces: the same events and the same answers, and one for each request."""
    reader = Reader(octets)
    start = reader.octet()
    size = 1 + reader.octet() % 40
    data = reader.rest()
    size = max(size, len(data) // 500)
    whole, pieces = (Watched(_ROLES[start & 1], _STATES[start >> 1 & 7], SessionConfig(window=20)) for _ in range(2))
    for it in (whole, pieces):
        it.log = []
        for _ in range(3):
            it.request(_REQUESTS[start & 1])
    before = len(FrameBuffer().feed(bytes(whole.output))) - _requests(bytes(whole.output))
    whole.feed(data)
    pieces.feed(data, size)
    assert _told(whole) == _told(pieces)
    assert whole.output == pieces.output
    assert whole.session.state is pieces.session.state
    whole.check_output()
    # While it unbinds, the peer's own unbind may wait for an answer that is owed.
    state = whole.session.state
    if state is _STATES[start >> 1 & 7] and state not in (SessionState.UNBINDING, SessionState.CLOSED):
        asked = _requests(data)
        told = sum(isinstance(event, RequestReceived) for event in whole.log or ())
        answers = len(FrameBuffer().feed(bytes(whole.output))) - _requests(bytes(whole.output))
        assert told + answers - before == asked, f"{asked} requests, {told} were told and {answers - before} answered"


def _requests(data: bytes) -> int:
    return sum(not frame[4] & 0x80 for frame in FrameBuffer().feed(data))


def _told(it: Watched) -> list[str]:
    # Tokens are of each session its own.
    return [repr(event).partition(", token=")[0] for event in it.log or ()]


def _frame(rng: random.Random) -> bytes:
    # With a sequence number that one of ours may have.
    octets = frame(rng)
    if rng.random() < 0.6 and len(octets) >= 16:
        return octets[:12] + bytes((0, 0, 0, 1 + int(rng.random() * 6))) + octets[16:]
    return octets


def _script(rng: random.Random) -> bytes:
    random = rng.random
    parts = [rng.randbytes(2)]
    for _ in range(2 + int(random() * 12)):
        chance = random()
        if chance < 0.50:
            parts.append(b"\0" + counted(_frame(rng)))
        elif chance < 0.56:
            parts.append(b"\6" + counted(_frame(rng)[:200]))
        elif chance < 0.565:
            parts.append(b"\7" + counted(_frame(rng)))
        elif chance < 0.60:
            parts.append(b"\0" + counted(stream(rng)))
        else:
            parts.append(bytes((8 + int(random() * 7.05), int(random() * 256))))
    return b"".join(parts)


def _split(rng: random.Random) -> bytes:
    frames = [_frame(rng) for _ in range(1 + int(rng.random() * 6))]
    return rng.randbytes(2) + b"".join(frames)


TARGETS: Final = (
    Target("session", _script, check_session, 8),
    Target("split", _split, check_split, 4),
)
