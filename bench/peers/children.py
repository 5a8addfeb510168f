"""The processes of another gateway: started in a directory of theirs, measured by name, gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType

from bench.figures import cpu_seconds, memory_mib

_MARK = "SMSGW_BENCH_MARK"
_NUMBERS = count(1)
_FIRST_PORT = 20000


class PeerError(RuntimeError):
    """A gateway did not start, ended by itself, or refused what it was told; the text has the end of its log."""


class Children:
    """Context manager over processes that end with it. start() adds one under a name.

    Whatever a process starts itself is found by a mark in the environment that it inherits, also where it left
    its session, as Erlang's port mapper does: its time counts under the same name, and it is killed with the rest.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._mark = f"{os.getpid()}.{next(_NUMBERS)}"
        self._roots: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start a command in the directory; what it prints goes to NAME.out there."""
        # Also when this process is killed, they must not stay.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with open(self.directory / f"{name}.out", "ab") as out:
            self._roots[name] = subprocess.Popen(
                [*guard, *command],
                cwd=self.directory,
                env={**os.environ, **(env or {}), _MARK: f"{self._mark}:{name}"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def wait_port(self, name: str, port: int, timeout: float = 60.0) -> None:
        """Wait until 127.0.0.1:port takes connections. Raises PeerError when the process ends or time does."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.check(name)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise PeerError(f"{name} did not listen on port {port} within {timeout:.0f} s:\n{self.log_end(name)}")

    def check(self, name: str) -> None:
        """Raises PeerError when this process has ended."""
        status = self._roots[name].poll()
        if status is not None:
            raise PeerError(f"{name} ended with status {status}:\n{self.log_end(name)}")

    def log_end(self, name: str, lines: int = 15) -> str:
        """The last lines of what a process printed."""
        text = (self.directory / f"{name}.out").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def pids(self) -> dict[str, list[int]]:
        """Process ids by name, of all that carry the mark."""
        found: dict[str, list[int]] = defaultdict(list)
        # Redis writes its title over its environment: what was started here counts without a mark.
        roots = {process.pid: name for name, process in self._roots.items() if process.poll() is None}
        for pid, name in roots.items():
            found[name].append(pid)
        mark = f"\0{_MARK}={self._mark}:".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in roots:
                continue
            try:
                _, marked, rest = (b"\0" + (entry / "environ").read_bytes()).partition(mark)
            except OSError:
                # Gone meanwhile, or another user's.
                continue
            if marked:
                found[rest.partition(b"\0")[0].decode()].append(int(entry.name))
        return dict(found)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by name, user and system, all threads."""
        return {name: sum(map(_cpu, pids)) for name, pids in self.pids().items()}

    def resident(self) -> float:
        """Resident memory of all together, MiB."""
        return sum(_resident(pid) for pids in self.pids().values() for pid in pids)

    def stop(self, grace: float = 5.0) -> None:
        """SIGTERM to what was started, SIGKILL to whatever is left after `grace` s; returns when all are gone."""
        for process in self._roots.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        end = time.monotonic() + grace
        for process in self._roots.values():
            try:
                process.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        end = time.monotonic() + 10.0
        while left := self.pids():
            for pid in (pid for pids in left.values() for pid in pids):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > end:
                raise PeerError(f"processes that do not die: {left}")
            time.sleep(0.02)


def _cpu(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0


def _resident(pid: int) -> float:
    try:
        return memory_mib(pid)[0]
    except (OSError, KeyError):
        return 0.0


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now, all different.

    From below the kernel's own choice for outgoing connections, so that none of those takes one meanwhile.
    """
    found: list[int] = []
    for port in range(_FIRST_PORT + os.getpid() % 5000, 32768):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == number:
            return found
    raise PeerError(f"no {number} free ports between {_FIRST_PORT} and 32768")
