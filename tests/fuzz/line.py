"""The hostile end of SMPP connections to real processes, and the honest one beside it, over plain sockets."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.smpp import pdu as p
from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.constants import CommandId

from .octets import built, frame, framed

SERVED_IN: Final = 1.0
"""Seconds in which an honest PDU has to be answered, whatever came before it."""
PATIENCE: Final = 20.0
LIES: Final = (
    bytes(4) + b"\0\0\0\x15",
    b"\0\0\0\x0f" + bytes(11),
    (131_073).to_bytes(4, "big") + b"\0\0\0\x05" + bytes(8),
    b"\x7f\xff\xff\xff\0\0\0\x05",
    b"\xff\xff\xff\xff",
    b"GET / HTTP/1.1\r\nHost: smsc\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
)
"""What begins with a command_length that is none."""
_UNBIND: Final = int(CommandId.UNBIND).to_bytes(4, "big")


class Gone(Exception):
    """The other end closed the connection."""


class Line:
    """One connection, its octets cut into PDUs. `slowest` is the longest that an honest PDU waited, in seconds."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameBuffer(1 << 20)
        self._read: list[bytes] = []
        self._sequence = 0x7000_0000
        self.slowest = 0.0
        self.probes = 0
        self.answers = 0
        """Responses to what was not honest, and those of them with status 0."""
        self.taken = 0

    def send(self, octets: bytes) -> None:
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.sendall(octets)
        except OSError as error:
            raise Gone(str(error)) from error

    def frames(self, seconds: float) -> Iterator[bytes]:
        """The frames that come, until the time is over. Raises Gone at the end of the connection."""
        end = time.monotonic() + seconds
        while True:
            while self._read:
                yield self._read.pop(0)
            left = end - time.monotonic()
            if left <= 0:
                return
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return
            except OSError as error:
                raise Gone(str(error)) from error
            if not data:
                raise Gone("closed by the other end")
            self._read += self._frames.feed(data)

    def ask(self, pdu: p.Pdu, seconds: float = PATIENCE) -> tuple[int, Any]:
        """Sends a request; status and PDU of its answer. Raises TimeoutError when none comes."""
        self._sequence += 1
        wanted = (pdu.command_id | 0x8000_0000).to_bytes(4, "big"), self._sequence.to_bytes(4, "big")
        self.send(encode(pdu, self._sequence))
        for answer in self.frames(seconds):
            if (answer[4:8], answer[12:16]) == wanted:
                _, status, read = decode(answer)
                return status, read
            self._serve(answer)
        raise TimeoutError(f"no answer to an honest {type(pdu).__name__} in {seconds:g} s")

    def probe(self, pdu: p.Pdu) -> None:
        """An honest request is answered ESME_ROK, in time."""
        began = time.monotonic()
        status, answer = self.ask(pdu)
        taken = time.monotonic() - began
        self.slowest = max(self.slowest, taken)
        self.probes += 1
        assert status == 0, f"an honest {type(pdu).__name__} was answered 0x{status:08X} {answer!r}"
        assert taken < SERVED_IN, f"an honest {type(pdu).__name__} waited {taken:.2f} s"

    def until_closed(self, seconds: float) -> float:
        """Waits for the other end to close; the seconds that it took."""
        began = time.monotonic()
        try:
            for _ in self.frames(seconds):
                pass
        except Gone:
            return time.monotonic() - began
        raise AssertionError(f"the connection is open after {seconds:g} s")

    def _serve(self, request: bytes) -> None:
        if request[4] & 0x80:
            self.answers += 1
            self.taken += request[8:12] == b"\0\0\0\0"
        if request[4:8] == b"\0\0\0\x15":
            self.send(encode(p.EnquireLinkResp(), int.from_bytes(request[12:16], "big")))

    def close(self) -> None:
        self._socket.close()


class Listener:
    """An SMSC that real processes bind to, one connection after the other."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def accept(self) -> Line:
        """The next connection, bound."""
        self._socket.settimeout(PATIENCE)
        connection, _ = self._socket.accept()
        line = Line(connection)
        for bind in line.frames(PATIENCE):
            sequence, _, pdu = decode(bind)
            assert isinstance(pdu, p.BindTransceiver), pdu
            line.send(encode(p.BindTransceiverResp("SMSC"), sequence))
            return line
        raise AssertionError("no bind came")

    def close(self) -> None:
        self._socket.close()


def connect(port: int, system_id: str) -> Line:
    """A connection to an SMSC, bound as transceiver."""
    line = Line(socket.create_connection(("127.0.0.1", port), PATIENCE))
    status, _ = line.ask(p.BindTransceiver(system_id, "pw"))
    assert status == 0, f"the bind was refused: 0x{status:08X}"
    return line


def mutants(rng: random.Random, commands: tuple[int, ...]) -> Iterator[bytes]:
    """Frames whose length is right, half of them of these commands, of anything but unbind: none may end a session."""
    while True:
        octets = framed(frame(rng)) if rng.random() < 0.5 else built(rng, commands)
        if octets[4:8] != _UNBIND and len(octets) <= 131_072:
            yield octets


def batches(rng: random.Random, commands: tuple[int, ...], count: int, size: int) -> Iterator[bytes]:
    """So many mutants in all, so many at once."""
    source = mutants(rng, commands)
    for first in range(0, count, size):
        yield b"".join([next(source) for _ in range(min(size, count - first))])


def half_a_frame() -> bytes:
    """The beginning of the longest PDU that is taken."""
    return (131_072).to_bytes(4, "big") + b"\0\0\0\5\0\0\0\0\0\0\0\7" + b"\0" * 16


class Growth:
    """Memory of a process over time, by a function that reads it, in MiB."""

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self.first = read()
        self.highest = self.first

    def look(self) -> float:
        """Reads again; by how much it has grown since the first time."""
        now = self._read()
        self.highest = max(self.highest, now)
        return now - self.first
