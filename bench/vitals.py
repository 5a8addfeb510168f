"""What a process is like while it runs: memory, CPU and open files, sampled in a thread; and its metrics page."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.request import urlopen

from bench.figures import cpu_seconds, memory_mib

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


class Sample(NamedTuple):
    """At one moment, in seconds since the watch began; memory in MiB, CPU in seconds since the process began."""

    at: float
    phase: str
    resident: float
    highest: float
    cpu: float
    files: int
    more: Mapping[str, float]


class Watch:
    """Context manager: a sample of the process every `every` seconds, and one where a phase begins or ends.

    pid: asked each time, since the process may be another by then; where it is gone there is no sample. also: what else
    is read each time, as `Sample.more`; nothing where it raises OSError.
    """

    def __init__(
        self,
        pid: Callable[[], int],
        every: float = 1.0,
        phase: str = "",
        also: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.samples: list[Sample] = []
        self.phase = phase
        self._pid = pid
        self._every = every
        self._also = also
        self.began = 0.0
        """By CLOCK_MONOTONIC."""
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self.sample()

    @property
    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def enter(self, phase: str) -> None:
        """A phase ends and another begins."""
        self.sample()
        self.phase = phase
        self.sample()

    def sample(self) -> None:
        """One more, now."""
        with self._lock:
            try:
                pid = self._pid()
                resident, highest = memory_mib(pid)
                cpu, files = cpu_seconds(pid), len(os.listdir(f"/proc/{pid}/fd"))
            except (OSError, KeyError):  # it is gone, or going: a process that ends has no memory any more
                return
            try:
                more = self._also()
            except OSError:
                more = {}
            self.samples.append(Sample(self.now, self.phase, resident, highest, cpu, files, more))

    def _run(self) -> None:
        while not self._end.wait(self._every):
            self.sample()


def read_metrics(port: int, timeout: float = 5.0) -> dict[str, float]:
    """The metrics page at 127.0.0.1:port, by name with labels as they stand there. Raises OSError."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=timeout) as answer:
        return parse_metrics(answer.read().decode())


def parse_metrics(text: str) -> dict[str, float]:
    """Samples of the text format, by name with labels as they stand there."""
    return {name: float(value) for name, value in _SAMPLE.findall(text)}
