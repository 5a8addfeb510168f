"""Where the daemon's time goes: py-spy (PyPI), if it is installed, samples it from outside."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

MISSING = "no profile: py-spy is not installed (pip install py-spy)"


def find() -> str | None:
    """The py-spy beside this Python, or on the path; None when there is none."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.is_file() else shutil.which("py-spy")


class Profiler:
    """Samples a process 250 times a second from start() to stop(), threads with the GIL or in a system call.

    Raises FileNotFoundError when there is no py-spy.
    """

    def __init__(self, pid: int, output: Path) -> None:
        command = find()
        if command is None:
            raise FileNotFoundError(MISSING)
        self._output = output
        self._process = subprocess.Popen(
            [command, "record", "--pid", str(pid), "--rate", "250", "--format", "raw", "--threads",
             "--duration", "100000", "--output", str(output)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def stop(self, lines: int = 25) -> str:
        """End the sampling; the busiest functions, by their own time and with what they called."""
        self._process.send_signal(signal.SIGINT)
        _, errors = self._process.communicate(timeout=30)
        if not self._output.exists():
            return f"no profile: {errors.strip()}"
        return report(self._output.read_text(), lines)


def report(folded: str, lines: int = 25) -> str:
    """Two tables from folded stacks (`thread;outer;...;inner count`): own share, and share with callees."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for line in folded.splitlines():
        stack, _, samples = line.rpartition(" ")
        count = int(samples)
        frames = [_short(frame) for frame in stack.split(";")]
        own[frames[-1]] += count
        for frame in set(frames):
            whole[frame] += count
        total += count
    if not total:
        return "no profile: no sample was taken"
    out = [f"{total} samples"]
    for title, table in (("own time", own), ("with what they call", whole)):
        out += ["", f"  {title}:"]
        out += [f"  {100 * count / total:5.1f} %  {name}" for name, count in table.most_common(lines)]
    return "\n".join(out)


def _short(frame: str) -> str:
    """`function (file.py:line)` without the line, and with the file as seen from its package."""
    name, _, where = frame.partition(" (")
    path = where.rstrip(")").rpartition(":")[0] or where.rstrip(")")
    for root in ("site-packages/", "lib/python3"):
        if root in path:
            path = path.rpartition(root)[2]
    return f"{name} ({path})" if path else name
