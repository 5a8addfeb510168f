"""Lines to a stream, without ever waiting for who reads it."""

from __future__ import annotations

import os
import select
import stat
import threading
from typing import TextIO

_PIECE = select.PIPE_BUF  # a pipe that polls writable takes this much without blocking (pipe(7))
_LONGEST_LINE = 65_536


class Output:
    """Writes whole lines. One that a full pipe or a stuck journal cannot take is lost and counted.

    A terminal or a file is written to as it is; so is a stream without a descriptor, such as one in a test.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._rest = b""
        self.lost = 0
        """Lines that were not written."""
        self._fd: int | None
        try:
            self._fd = stream.fileno()
            mode = os.fstat(self._fd).st_mode
        except (OSError, ValueError, AttributeError):
            self._fd = None
            return
        self._poll: select.poll | None = None
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLOUT)

    def write(self, line: str) -> None:
        """Write one line, or count it as lost. Never raises."""
        if self._fd is None:
            try:
                self._stream.write(line + "\n")
            except (OSError, ValueError):
                self.lost += 1
            return
        octets = line.encode("utf-8", "backslashreplace")[:_LONGEST_LINE] + b"\n"
        with self._lock:
            if self._rest and not self._flush():
                self.lost += 1
                return
            self._rest = octets
            self._flush()

    debug = info = warning = error = critical = exception = write

    def _flush(self) -> bool:
        """Write what is waiting; whether nothing is left. A line that has begun is finished later."""
        assert self._fd is not None
        while self._rest:
            if self._poll is not None and not self._poll.poll(0):
                return False
            try:
                written = os.write(self._fd, self._rest if self._poll is None else self._rest[:_PIECE])
            except BlockingIOError:
                return False
            except OSError:  # nobody reads any more, or the disk is full
                self._rest = b""
                self.lost += 1
                return True
            self._rest = self._rest[written:]
        return True
