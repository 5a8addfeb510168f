"""The `smsgw` command as processes. What they print is read as it comes: a state is waited for, not slept."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SMSGW_")}


class Program:
    """One `smsgw COMMAND ...` that runs. Standard output goes line by line to `line`; the rest is in `errors`."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
            encoding="utf-8",
        )
        self.errors = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read_output),
            threading.Thread(target=self._read_errors),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def line(self, holding: str, seconds: float = 20) -> str:
        """The next line of output that has this in it. Raises AssertionError when it does not come."""
        deadline = time.monotonic() + seconds
        seen = []
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no {holding!r} in {seen} {self.errors}")
            if holding in line:
                return line
            seen.append(line)

    def say(self, line: str) -> None:
        """A line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Sends a signal and returns the exit code."""
        self.process.send_signal(number)
        return self.end(seconds)

    def end(self, seconds: float = 20) -> int:
        """Waits for its end and returns the exit code."""
        code = self.process.wait(seconds)
        for thread in self._threads:
            thread.join(seconds)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


def smsgw(*arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=ENVIRONMENT,
        text=True,
        timeout=seconds,
    )


NUMBER = "+12015550123"
_CONFIG = """
default_region = "US"
[store]
url = "sqlite:///{directory}/smsgw.db"
[socket]
path = "s.sock"
[metrics]
bind = ""
[[carriers]]
name = "acme"
host = "127.0.0.1"
port = {port}
system_id = "user"
password = "s3cr3t"
{settings}
[[numbers]]
number = "{number}"
carrier = "acme"
"""


class Running(NamedTuple):
    """A daemon that is bound to a simulated carrier, ``acme``, which listens at ``port``."""

    config: Path
    daemon: Program
    carrier: Program
    port: int


@contextmanager
def running(directory: Path, *options: str, settings: str = "", more: str = "") -> Iterator[Running]:
    """Both, until the context ends: the daemon then stops in order.

    ``options`` are those of the simulated carrier, ``settings`` the daemon's for it; ``more`` is added to the
    configuration, with the carrier's port for ``{port}``.
    """
    config = directory / "smsgw.toml"
    with Program("simulate", "--port", "0", "--receipt-delay", "0.05", *options) as carrier:
        port = int(carrier.line("listening on").rsplit(":", 1)[1])
        text = _CONFIG.format(directory=directory, port=port, number=NUMBER, settings=settings)
        config.write_text(text + more.format(port=port))
        with Program("run", "-c", str(config)) as daemon:
            carrier.line("bind")
            yield Running(config, daemon, carrier, port)
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.errors
