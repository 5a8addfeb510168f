"""What systemd hears, on a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.sdnotify import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        if request.param == "path":
            address = str(tmp_path / "notify")
            server.bind(address)
        else:
            address = f"@smsgw-test-{os.getpid()}"
            server.bind("\0" + address[1:])
        yield server, {"NOTIFY_SOCKET": address}


def test_messages(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    server, env = systemd
    notifier = Notifier(env)
    assert notifier.connected
    notifier.status("2 of 3 binds\nREADY=1")
    assert server.recv(4096) == b"STATUS=2 of 3 binds READY=1"
    notifier.ready("serving")
    assert server.recv(4096) == b"READY=1\nSTATUS=serving"
    notifier.watchdog()
    assert server.recv(4096) == b"WATCHDOG=1"
    notifier.extend_timeout(1.5)
    assert server.recv(4096) == b"EXTEND_TIMEOUT_USEC=1500000"
    notifier.stopping()
    assert server.recv(4096) == b"STOPPING=1"
    notifier.close()
    notifier.ready()
    assert not notifier.connected


def test_a_reload_says_when(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    server, env = systemd
    before = time.monotonic_ns() // 1000
    with closing(Notifier(env)) as notifier:
        notifier.reloading()
    reloading, _, usec = server.recv(4096).decode().partition("\n")
    assert reloading == "RELOADING=1"
    assert usec.startswith("MONOTONIC_USEC=")
    assert before <= int(usec.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_full_buffer_neither_blocks_nor_raises(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    _, env = systemd
    with closing(Notifier(env)) as notifier:
        for _ in range(10_000):
            notifier.status("x" * 1000)


def test_the_other_end_may_go(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    server, env = systemd
    with closing(Notifier(env)) as notifier:
        server.close()
        notifier.ready()


@pytest.mark.parametrize(
    "env", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": "x"}]
)
def test_outside_systemd_nothing_happens(env: dict[str, str]) -> None:
    notifier = Notifier(env)
    assert not notifier.connected
    notifier.ready("x")
    notifier.close()


@pytest.mark.parametrize(
    ("env", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog(env: dict[str, str], interval: float | None) -> None:
    assert Notifier(env).watchdog_interval == interval
