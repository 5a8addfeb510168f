"""Where the daemon's time goes: py-spy (PyPI), if it is installed, samples it from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import cpu_seconds, thread_seconds
from bench.stacks import Stack, read, weigh

MISSING: Final = "no profile: py-spy is not installed (pip install py-spy)"
RATE: Final = 250
"""Samples a second of each thread."""
_COUNTS = re.compile(r"Samples: (\d+) Errors: (\d+)")


class ProfileError(RuntimeError):
    """The daemon could not be sampled; says why."""


def find() -> str | None:
    """The py-spy beside this Python, or on the path; None when there is none."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


@dataclass(frozen=True)
class Profile:
    """Stacks with the CPU they stand for, the CPU seconds of the process meanwhile, and how it was come by.

    errors: samples that could not be read, for the process is not stopped for them.
    """

    stacks: list[Stack]
    cpu: float
    samples: int
    errors: int


class Profiler:
    """Samples a process from its making to stop(), its threads that run or wait for a core.

    The process is not stopped for it: threads that sleep would wake up each time, and be seen running. Raises
    FileNotFoundError when there is no py-spy, ProfileError when it cannot read the process.
    """

    def __init__(self, pid: int, output: Path, waits: frozenset[str] = frozenset()) -> None:
        command = find()
        if command is None:
            raise FileNotFoundError(MISSING)
        self._pid = pid
        self._output = output
        self._waits = waits
        self._process = subprocess.Popen(
            [command, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--threads",
             "--nonblocking", "--duration", "100000", "--output", str(output)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"RUST_BACKTRACE": "0"},
        )  # fmt: skip
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if "Sampling process" in line:
                break
        else:
            self._process.wait()
            raise ProfileError(" ".join(said.split()) or "py-spy ended, and said nothing")
        self._cpu, self._seconds = cpu_seconds(pid), thread_seconds(pid)

    def stop(self) -> Profile:
        """End the sampling. Raises ProfileError when nothing came of it."""
        cpu = cpu_seconds(self._pid) - self._cpu
        seconds = {thread: used - self._seconds.get(thread, 0.0) for thread, used in thread_seconds(self._pid).items()}
        said = self.end()
        if not self._output.exists():
            raise ProfileError(" ".join(said.split()) or "py-spy wrote nothing")
        samples = [
            sample
            for sample in read(self._output.read_text())
            if not sample[1] or f"{sample[1][-1].path}:{sample[1][-1].function}" not in self._waits
        ]
        counts = _COUNTS.search(said)
        return Profile(
            weigh(samples, self._pid, seconds),
            cpu,
            sum(count for _, _, count in samples),
            int(counts[2]) if counts else 0,
        )

    def end(self) -> str:
        """End it whatever it has; what py-spy said."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            said, _ = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = self._process.communicate()
        return said
