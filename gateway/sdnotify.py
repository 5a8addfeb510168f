"""What systemd is told about the daemon, over $NOTIFY_SOCKET (sd_notify(3)); without one, nothing happens.

systemd 252 has no Type=notify-reload, so a reload is announced by RELOADING=1 with MONOTONIC_USEC and ended
by READY=1, which both it and later versions understand.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """A datagram socket to systemd, or nothing. No call blocks or raises: news is not worth a stop."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        """Connects to what $NOTIFY_SOCKET names: a path, or an abstract socket as "@name"."""
        env = os.environ if env is None else env
        self._socket = _connect(env.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _watchdog_interval(env)
        """Seconds between two ``watchdog()`` at the latest, half of what systemd waits; None: no watchdog."""

    @property
    def connected(self) -> bool:
        """Whether anybody is told."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The daemon serves; also the end of a reload."""
        self._send("READY=1", status)

    def reloading(self) -> None:
        """A reload begins; ``ready()`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The daemon is on its way down."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def watchdog(self) -> None:
        """Still alive: restarts the watchdog's time."""
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """More time to start or to stop, from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def close(self) -> None:
        """Nobody is told from here on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str, status: str = "") -> None:
        if self._socket is None:
            return
        if status:
            line = " ".join(status.split())  # a line break would begin another assignment
            message = f"{message}\nSTATUS={line}" if message else f"STATUS={line}"
        with contextlib.suppress(OSError):  # systemd restarts, or its buffer is full: it is lost
            self._socket.send(message.encode(errors="replace"))


def _connect(address: str) -> socket.socket | None:
    if not address.startswith(("/", "@")):  # sd_notify(3) knows vsock too, which is for virtual machines
        return None
    if address.startswith("@"):
        address = "\0" + address[1:]
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def _watchdog_interval(env: Mapping[str, str]) -> float | None:
    """Half of $WATCHDOG_USEC, as sd_watchdog_enabled(3) advises, when it is meant for this process."""
    pid = env.get("WATCHDOG_PID")
    if pid is not None and pid != str(os.getpid()):
        return None
    text = env.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    return int(text) / 2_000_000
