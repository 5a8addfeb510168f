"""One connection of the scripted carrier: frames in, pieces out, and when each answer had left."""

from __future__ import annotations

import socket
import struct
import time
from collections import deque

from bench import wire
from tests.system.hostile.receipts import Owed
from tests.system.hostile.records import Connected, Submitted

_READ = 1 << 16
_OCTETS_A_TURN = 200


class Connection:
    """`out` has what is to be written, each piece with the submit that it answers, if it does."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.record = Connected(number, time.monotonic())
        self.out: deque[tuple[bytes, Submitted | None, float]] = deque()
        self.unacknowledged: dict[int, Owed] = {}
        self.open = 0
        """Submits that have no answer."""
        self.watched = 0
        self.blocked = False
        self.timed = False
        self.ending = False
        self.finished = False
        self._tail = b""
        self._sequence = 0

    def sequence(self) -> int:
        """For the next request of ours."""
        self._sequence += 1
        return self._sequence

    def read(self) -> list[bytes] | None:
        """The frames that came; None at the end of the connection. Raises BadFrame for octets that are no SMPP."""
        try:
            data = self.sock.recv(_READ)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        data = self._tail + data
        frames, end = [], 0
        for at, end, *_ in wire.frames(data):
            frames.append(data[at:end])
        self._tail = data[end:]
        return frames

    def send(self, octets: bytes, answers: Submitted | None = None) -> None:
        """Has it written at the end of the turn."""
        self.out.append((octets, answers, time.monotonic()))

    def waited(self) -> float:
        """For how long the oldest piece is waiting."""
        return time.monotonic() - self.out[0][2] if self.out else 0.0

    def write(self, *, octets: bool) -> bool:
        """Writes what the kernel takes, all at once or octet by octet; whether the connection stands."""
        self.blocked = False
        if not self.out:
            return True
        data = b"".join(piece for piece, _, _ in self.out)
        sent = 0
        try:
            if octets:
                while sent < min(len(data), _OCTETS_A_TURN):
                    sent += self.sock.send(data[sent : sent + 1])
            else:
                sent = self.sock.send(data)
        except BlockingIOError:
            self.blocked = True
        except OSError:
            return False
        self.blocked = self.blocked or (not octets and sent < len(data))
        self._left(sent)
        return True

    def _left(self, sent: int) -> None:
        now = time.monotonic()
        while self.out and sent >= len(self.out[0][0]):
            piece, answers, _ = self.out.popleft()
            sent -= len(piece)
            if answers is not None:
                answers.answered = now
        if sent:
            piece, answers, since = self.out[0]
            self.out[0] = piece[sent:], answers, since

    def finish(self) -> None:
        """FIN: all that was written arrives, nothing more comes from here."""
        self.finished = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self, end: str) -> None:
        """Closes; by RST for ``reset``."""
        self.record.end = end
        self.record.closed = time.monotonic()
        if end == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
