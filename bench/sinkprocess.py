"""A sink as a child process, for the runs and the tests: start it, command it, read its log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.piped import Piped
from bench.sinklog import SinkLog


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
        self._piped = Piped("bench.sink", *arguments)
        first = self._piped.line()
        if not first:
            raise SinkError(f"the sink ended with status {self._piped.status()}")
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
        try:
            self._piped.say(f"{name} {json.dumps(arguments)}")
            line = self._piped.line()
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
        if self._piped.running:
            self.command("flush")
        return SinkLog.load(self.log_path)

    def stop(self) -> None:
        """End the sink, by closing its standard input; killed when it has not ended after 10 s."""
        self._piped.stop()
