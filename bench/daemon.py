"""The real daemon as a child process: its config, its start, what it uses, its end by SIGTERM or kill -9."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.figures import cpu_seconds, memory_mib, thread_seconds
from bench.trace import NUMBERS

ROOT = Path(__file__).parent.parent


class DaemonError(RuntimeError):
    """The daemon did not start, ended by itself, or did not stop."""


def config(
    directory: Path,
    port: int,
    *,
    binds: int = 1,
    window: int = 200,
    carrier: Mapping[str, Any] | None = None,
    numbers: Sequence[str] = NUMBERS,
    number: Mapping[str, Any] | None = None,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """TOML for a daemon with one carrier at 127.0.0.1:port and the numbers of the traces, store in directory.

    carrier: further keys of it, or others in place of these. number: further keys of each of the numbers.
    sections: further tables and their keys.
    """
    tables: dict[str, dict[str, Any]] = {
        "store": {"url": f"sqlite:///{directory.resolve() / 'smsgw.db'}"},
        "socket": {"path": str(socket_path(directory))},
        "metrics": {"bind": ""},
    }
    for name, keys in (sections or {}).items():
        tables.setdefault(name, {}).update(keys)
    account: dict[str, Any] = {
        "name": "sink", "host": "127.0.0.1", "port": port, "system_id": "bench", "password": "bench",
        "binds": binds, "window": window, **(carrier or {}),
    }  # fmt: skip
    text = ['default_region = "US"']
    for name, keys in tables.items():
        text += ["", f"[{name}]", *_lines(keys)]
    text += ["", "[[carriers]]", *_lines(account)]
    for value in numbers:
        text += ["", "[[numbers]]", *_lines({"number": value, "carrier": "sink", **(number or {})})]
    return "\n".join(text) + "\n"


def _lines(keys: Mapping[str, Any]) -> list[str]:
    # A JSON string, number, boolean or flat array is TOML as well.
    return [f"{name} = {json.dumps(value)}" for name, value in keys.items()]


def socket_path(directory: Path) -> Path:
    return directory.resolve() / "s"


@dataclass(frozen=True)
class Usage:
    """CPU seconds of a process so far, of its first thread alone, and its memory in MiB."""

    cpu: float
    first_thread: float
    resident: float
    highest: float


class DaemonProcess:
    """Context manager over `python -m gateway run -c FILE`; ready means that its socket takes connections.

    directory holds config, store, socket and `daemon.log`. It may hold them from an earlier process: start()
    again after kill() is how a crash is played. metrics: host:port of its page, as its config has it. Raises
    DaemonError when it is not up within `timeout` s.
    """

    def __init__(
        self,
        directory: Path,
        text: str,
        *,
        timeout: float = 20.0,
        command: Sequence[str] = (sys.executable, "-m", "gateway"),
        env: Mapping[str, str] | None = None,
        metrics: str = "",
    ) -> None:
        self.directory = directory
        self.metrics = metrics
        self.socket = socket_path(directory)
        self._timeout = timeout
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        (directory / "smsgw.toml").write_text(text)

    def __enter__(self) -> DaemonProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            if kind is None:
                self.stop()
            else:
                self.kill()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Raises DaemonError when none was started."""
        if self._process is None:
            raise DaemonError("the daemon was not started")
        return self._process.pid

    def start(self) -> float:
        """Start it and wait until it takes connections; returns the seconds that took."""
        began = time.monotonic()
        with open(self.directory / "daemon.log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "run", "-c", str(self.directory / "smsgw.toml")],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - began < self._timeout:
            if self._process.poll() is not None:
                raise DaemonError(f"the daemon ended with status {self._process.returncode}:\n{self.log_end()}")
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.socket))
                except OSError:
                    time.sleep(0.01)
                else:
                    return time.monotonic() - began
        self.kill()
        raise DaemonError(f"the daemon did not listen within {self._timeout} s:\n{self.log_end()}")

    def stop(self, timeout: float = 20.0) -> float:
        """SIGTERM; returns the seconds to its end. Raises DaemonError when it does not end, or not with 0."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonError(f"the daemon did not stop within {timeout} s:\n{self.log_end()}") from None
        if status != 0:
            raise DaemonError(f"the daemon ended with status {status}:\n{self.log_end()}")
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def usage(self) -> Usage:
        """What it has used so far. Raises OSError when it is gone."""
        return Usage(cpu_seconds(self.pid), thread_seconds(self.pid).get(self.pid, 0.0), *memory_mib(self.pid))

    def log_end(self, lines: int = 20) -> str:
        """The last lines of what it logged."""
        text = (self.directory / "daemon.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])
