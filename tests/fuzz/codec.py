"""Targets `decode` and `framing`: octets to PDUs, and back."""

from __future__ import annotations

import random
import re
from typing import Final

from gateway.smpp.codec import FrameBuffer, RecoverablePduError, UnrecoverablePduError, decode, encode
from gateway.smpp.constants import RESPONSE_BIT, CommandId, CommandStatus
from gateway.smpp.pdu import Pdu
from gateway.smpp.tlv import tag_name

from .octets import frame, stream
from .target import Reader, Target

_COMMANDS: Final = frozenset(map(int, CommandId))
_first_word: Final = re.compile(r"\w+").match
_STATUSES: Final = frozenset(map(int, CommandStatus)) - {0}


def check_frame(octets: bytes) -> None:
    """One frame is read or refused with one of the two errors, and what was read can be written again."""
    try:
        sequence, status, pdu = decode(octets)
    except UnrecoverablePduError:
        assert len(octets) < 16 or int.from_bytes(octets[:4], "big") != len(octets), "a whole frame is unrecoverable"
        return
    except RecoverablePduError as error:
        _check_refusal(error, octets)
        return
    assert sequence == int.from_bytes(octets[12:16], "big")
    assert status == int.from_bytes(octets[8:12], "big")
    assert pdu.command_id == int.from_bytes(octets[4:8], "big")
    repr(pdu)
    check_written(pdu, sequence, status)


def _check_refusal(error: RecoverablePduError, octets: bytes) -> None:
    command = int.from_bytes(octets[4:8], "big")
    assert error.command_id == command, "refused as another command"
    assert error.sequence == int.from_bytes(octets[12:16], "big"), "refused under another sequence number"
    assert error.status in _STATUSES, f"refused with {error.status}"
    # A response that cannot be read would leave its request without an answer.
    assert not (command in _COMMANDS and command & RESPONSE_BIT), f"a response was refused: {error}"


def check_written(pdu: Pdu, sequence: int, status: int) -> bool:
    """A PDU is written so that it reads equal, or refused with a ValueError that names the field.

    False: it was refused.
    """
    try:
        again = encode(pdu, sequence, status)
    except ValueError as error:
        if not names_a_field(pdu, str(error)):
            raise AssertionError(f"no field is named: {error}") from error
        return False
    read_sequence, read_status, read = decode(again)
    assert (read_sequence, read_status) == (sequence, status)
    if read != pdu:
        # §4.1.2, §4.4.2: no body in an error response.
        assert status, f"{pdu!r} was written and reads as {read!r}"
        assert pdu.command_id & RESPONSE_BIT
        assert read == type(pdu)()
    return True


def names_a_field(pdu: Pdu, message: str) -> bool:
    """Whether an error's text begins with a field of the PDU or with one of its TLVs."""
    named = _first_word(message)
    if named is not None and named[0] in pdu.__struct_fields__:
        return True
    return any(message.startswith(tag_name(tlv.tag)) for tlv in getattr(pdu, "tlvs", ()))


def check_stream(octets: bytes) -> None:
    """The first two octets say how the rest is cut; the frames are the same as when they are cut by hand."""
    reader = Reader(octets)
    cap = (131_072, 64, 16, 4096)[reader.octet() & 3]
    step = reader.octet()
    data = reader.rest()
    frames, waiting, fault = _cut(data, cap)
    buffer = FrameBuffer(cap)
    got: list[bytes] = []
    refused = False
    at = 0
    size = 1
    while at < len(data):
        piece = data[at : at + size]
        at += size
        size = 1 + (size * 7 + step) % (1 + step)
        try:
            got += buffer.feed(piece)
        except UnrecoverablePduError as error:
            got += error.frames
            refused = True
            break
        assert buffer.waiting <= cap
    assert got == frames
    assert refused == fault, "a length was taken that is none" if fault else "a good length was refused"
    if fault:
        for piece in (b"", b"\0\0\0\x10", data):
            try:
                buffer.feed(piece)
            except UnrecoverablePduError as error:
                late = error.frames
            else:
                raise AssertionError("octets were taken after a length that is none")
            assert late == ()
    assert buffer.waiting == waiting


def _cut(data: bytes, cap: int) -> tuple[list[bytes], int, bool]:
    # Frames, octets left over, and whether a length was none (§3.2): the plainest way there is.
    frames = []
    while len(data) >= 4:
        length = int.from_bytes(data[:4], "big")
        if not 16 <= length <= cap:
            return frames, 0, True
        if length > len(data):
            break
        frames.append(data[:length])
        data = data[length:]
    return frames, len(data), False


def _stream(rng: random.Random) -> bytes:
    return bytes((int(rng.random() * 256), int(rng.random() * 256))) + stream(rng)


TARGETS: Final = (
    Target("decode", frame, check_frame, 40),
    Target("framing", _stream, check_stream, 8),
)
