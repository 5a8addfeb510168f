"""A sink as a child process, for the runs and the tests: start it, command it, read its log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.sinklog import SinkLog

ROOT = Path(__file__).parent.parent


class SinkError(RuntimeError):
    """The sink refused a command, did not start, or did not reach a state in time."""


class SinkProcess:
    """Context manager: `with SinkProcess(log=path, latency_ms=50) as sink: ... sink.port ... sink.stats()`.

    Options are those of `python -m bench.sink`, with underscores. The sink ends with the context; its log, if
    there is one, is whole then. Raises SinkError when it does not start.
    """

    def __init__(self, log: str | Path | None = None, port: int = 0, **options: Any) -> None:
        self.log_path = Path(log) if log is not None else None
        arguments = ["--port", str(port), "--control", "-"]
        if log is not None:
            arguments += ["--log", str(log)]
        for name, value in options.items():
            arguments.append("--" + name.replace("_", "-"))
            if value is not True:
                arguments.append(str(value))
        self._process = _start(arguments)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if not first:
            raise SinkError(f"the sink ended with status {self._process.wait()}")
        started = json.loads(first)
        self.host: str = started["host"]
        self.port: int = started["port"]
        self.pid: int = started["pid"]

    def __enter__(self) -> SinkProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and return its reply. Raises SinkError when it is refused or the sink is gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{name} {json.dumps(arguments)}\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError as error:
            raise SinkError(f"the sink is gone: {error}") from error
        if not line:
            raise SinkError("the sink is gone")
        reply: dict[str, Any] = json.loads(line)
        if not reply.pop("ok"):
            raise SinkError(reply["error"])
        return reply

    def stats(self) -> dict[str, Any]:
        """Counts of the sink so far, see bench/README.md."""
        return self.command("stats")

    def wait_for(
        self, reached: Callable[[dict[str, Any]], bool], timeout: float = 10.0, every: float = 0.02
    ) -> dict[str, Any]:
        """Ask for stats until `reached` holds for them; returns them. Raises SinkError after `timeout` s."""
        end = time.monotonic() + timeout
        while True:
            stats = self.stats()
            if reached(stats):
                return stats
            if time.monotonic() > end:
                raise SinkError(f"not reached in {timeout} s: {stats}")
            time.sleep(every)

    def read_log(self) -> SinkLog:
        """The log up to now. Raises ValueError when the sink was started without one."""
        if self.log_path is None:
            raise ValueError("this sink keeps no log")
        if self._process.poll() is None:
            self.command("flush")
        return SinkLog.load(self.log_path)

    def stop(self) -> None:
        """End the sink, by closing its standard input; killed when it has not ended after 10 s."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.sink", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
