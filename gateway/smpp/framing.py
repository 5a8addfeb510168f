"""Cuts a stream of octets into PDUs by their command_length (SMPP 3.4 §3.2)."""

from __future__ import annotations

import struct
from typing import Final

from gateway.smpp.errors import UnrecoverablePduError

HEADER_LENGTH: Final = 16
"""Octets of the shortest PDU: command_length, command_id, command_status, sequence_number."""

MAX_PDU: Final = 131_072
"""Octets of the longest PDU taken by default: twice what message_payload can hold."""

_read_length: Final = struct.Struct(">I").unpack_from


class FrameBuffer:
    """Octets in, in pieces of any size; complete PDUs out.

    Holds at most one PDU that is not complete, and never more of it than has come.
    """

    __slots__ = ("_error", "_length", "_max_length", "_partial")

    def __init__(self, max_length: int = MAX_PDU) -> None:
        self._max_length = max_length
        self._partial = bytearray()
        self._length = 0  # of the PDU in _partial; 0 while fewer than 4 octets of it are there
        self._error: str | None = None

    @property
    def waiting(self) -> int:
        """Octets held of a PDU that is not complete."""
        return len(self._partial)

    @property
    def partial(self) -> bytes:
        """The octets held of a PDU that is not complete."""
        return bytes(self._partial)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read and return the PDUs that are complete with it.

        Raises UnrecoverablePduError as soon as the four octets of a command_length are there that is under
        16 or over the cap; the error carries the frames that were complete before. Every later call raises
        it again.
        """
        if self._error is not None:
            raise UnrecoverablePduError(self._error)
        if type(data) is not bytes:
            data = bytes(data)
        frames: list[bytes] = []
        position = 0
        partial = self._partial
        if partial:
            position = self._complete(data, frames)
            if position < 0:
                return frames
        end = len(data)
        most = self._max_length
        while end - position >= 4:
            (length,) = _read_length(data, position)
            if length < HEADER_LENGTH or length > most:
                self._refuse(length, frames)
            following = position + length
            if following > end:
                self._length = length
                break
            frames.append(data[position:following])
            position = following
        if position < end:
            partial += data[position:]
        return frames

    def _complete(self, data: bytes, frames: list[bytes]) -> int:
        # Goes on with the PDU in _partial; returns how many octets of data it took, -1 when it is still not
        # whole.
        partial = self._partial
        position = 0
        if not self._length:
            position = 4 - len(partial)
            partial += data[:position]
            if len(partial) < 4:
                return -1
            (length,) = _read_length(partial)
            if length < HEADER_LENGTH or length > self._max_length:
                self._refuse(length, frames)
            self._length = length
        following = position + self._length - len(partial)
        partial += data[position:following]
        if len(partial) < self._length:
            return -1
        frames.append(bytes(partial))
        partial.clear()
        self._length = 0
        return following

    def _refuse(self, length: int, frames: list[bytes]) -> None:
        self._partial.clear()
        octets = length.to_bytes(4, "big")
        if octets[:2] == b"\x16\x03":
            hint = ", which is how TLS begins"
        elif octets.isascii() and octets.decode("ascii").isprintable():
            hint = f", which is the text {octets.decode('ascii')!r}"
        else:
            hint = ""
        self._error = f"command_length {length}{hint}: not from {HEADER_LENGTH} to {self._max_length}"
        raise UnrecoverablePduError(self._error, tuple(frames))
