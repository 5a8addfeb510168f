"""The daemon as a process, as its tests look at it: its log as records, its carriers' states, and systemd's end."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.daemon import DaemonProcess
from gateway.client import Client

PATIENCE = 20.0
SUBMIT = {"to": "+14155550123", "from": "+15551230001", "text": "hello"}


class Systemd:
    """The end of a notification socket that systemd holds."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.messages: list[str] = []

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a service."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SMSGW_", "NOTIFY_"))}
        return clean | {"NOTIFY_SOCKET": str(self.path)} | more

    def until(self, text: str, seconds: float = PATIENCE) -> tuple[str, float]:
        """Reads messages until one holds this line; that one, and the monotonic time at which it was read."""
        end = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"no {text} in {self.messages}") from None
            self.messages.append(message)
            if text in message.splitlines():
                return message, time.monotonic()

    def close(self) -> None:
        self._socket.close()


def log(daemon: DaemonProcess) -> str:
    """All that it wrote to standard output and error."""
    return (daemon.directory / "daemon.log").read_text()


def events(daemon: DaemonProcess, name: str) -> list[dict[str, Any]]:
    """What was logged under an event's name."""
    records = (json.loads(line) for line in log(daemon).splitlines() if line.startswith("{"))
    return [record for record in records if record["event"] == name]


def until(condition: Callable[[], object], daemon: DaemonProcess, seconds: float = PATIENCE) -> None:
    """Looks until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, daemon.log_end()
        assert daemon.running, daemon.log_end()
        time.sleep(0.01)


def call(daemon: DaemonProcess, method: str, /, **params: Any) -> Any:
    """One request on a connection of its own. Raises RpcError."""
    with Client(daemon.socket) as client:
        return client.call(method, **params)


def carrier(daemon: DaemonProcess, name: str = "sink") -> dict[str, Any] | None:
    """A carrier as the status shows it."""
    found: list[dict[str, Any]] = call(daemon, "status")["carriers"]
    return next((c for c in found if c["name"] == name), None)


def bound(daemon: DaemonProcess, name: str = "sink") -> dict[str, Any]:
    """Waits until all binds of a carrier are up; its first bind."""
    until(lambda: (carrier(daemon, name) or {}).get("state") == "up", daemon)
    found = carrier(daemon, name)
    assert found is not None
    first: dict[str, Any] = found["binds"][0]
    return first
