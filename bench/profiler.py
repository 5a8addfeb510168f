"""Where the daemon's time goes: py-spy (PyPI), if it is installed, samples it from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import cpu_seconds, thread_times
from bench.stacks import Frame, Samples, Stack, Used, at_work, read, weigh

MISSING: Final = "no profile: py-spy is not installed (pip install py-spy)"
RATE: Final = 250
"""Samples a second of each thread."""
_ERRORS = re.compile(r"Errors: (\d+)")


class ProfileError(RuntimeError):
    """The daemon could not be sampled; says why."""


def find() -> str | None:
    """The py-spy beside this Python, or on the path; None when there is none."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


@dataclass(frozen=True)
class Profile:
    """Stacks with the CPU they stand for, and the CPU seconds of the process meanwhile.

    kernel: seconds of those in the kernel, of the first thread and of the others. errors: samples that could not be
    read, for the process is not stopped for them.
    """

    stacks: list[Stack]
    cpu: float
    kernel: tuple[float, float]
    samples: int
    errors: int


class _Sampler:
    """A py-spy at work until end(). Raises ProfileError when it cannot read the process."""

    def __init__(self, command: str, pid: int, output: Path, *more: str) -> None:
        self.output = output
        self.process = subprocess.Popen(
            [command, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--threads",
             "--nonblocking", "--duration", "100000", "--output", str(output), *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"RUST_BACKTRACE": "0"},
        )  # fmt: skip
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if "Sampling process" in line:
                return
        self.process.communicate()
        raise ProfileError(" ".join(said.split()) or "py-spy ended, and said nothing")

    def end(self) -> str:
        """End it; what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            said, _ = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
        return said

    def samples(self, waits: frozenset[str]) -> tuple[Samples, int]:
        """What it saw, without who waits, and how many it could not read. Raises ProfileError for nothing written."""
        said = self.end()
        if not self.output.exists():
            raise ProfileError(" ".join(said.split()) or "py-spy wrote nothing")
        errors = _ERRORS.search(said)
        return at_work(read(self.output.read_text()), waits), int(errors[1]) if errors else 0


class Profiler:
    """Samples a process from its making to stop(): twice at once, see bench.stacks.weigh.

    The process is not stopped for it: threads that sleep would wake up each time, and be seen running. waits:
    functions (`file.py:name`) in which a thread sleeps or gives up its core. syncs: says of a stack whether it waits
    for the disk. Raises FileNotFoundError when there is no py-spy, ProfileError when it cannot read the process.
    """

    def __init__(
        self,
        pid: int,
        output: Path,
        waits: frozenset[str] = frozenset(),
        syncs: Callable[[tuple[Frame, ...]], bool] = lambda _: False,
    ) -> None:
        command = find()
        if command is None:
            raise FileNotFoundError(MISSING)
        self._pid = pid
        self._waits = waits
        self._syncs = syncs
        self._seen = _Sampler(command, pid, output.with_suffix(".seen"))
        try:
            self._held = _Sampler(command, pid, output.with_suffix(".held"), "--gil")
        except ProfileError:
            self._seen.end()
            raise
        self._cpu, self._times = cpu_seconds(pid), thread_times(pid)

    def stop(self) -> Profile:
        """End the sampling. Raises ProfileError when nothing came of it."""
        cpu = cpu_seconds(self._pid) - self._cpu
        used = {}
        for thread, (user, system) in thread_times(self._pid).items():
            before = self._times.get(thread, (0.0, 0.0))
            used[thread] = Used(user + system - sum(before), system - before[1])
        held, no_held = self._held.samples(self._waits)
        seen, no_seen = self._seen.samples(self._waits)
        count = sum(count for _, _, count in (*held, *seen))
        first = used[self._pid].system
        kernel = (first, sum(one.system for one in used.values()) - first)
        return Profile(weigh(held, seen, self._pid, used, self._syncs), cpu, kernel, count, no_held + no_seen)

    def end(self) -> None:
        """End the sampling whatever it has."""
        self._seen.end()
        self._held.end()
