"""A traced daemon: which acknowledgements left the process, and whether what they acknowledge was synced before.

strace follows all threads and prints a call when it is entered. An acknowledgement counts as early when no sync of the
write-ahead log began after the first write of what it acknowledges and had returned before it was sent.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = "write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync"
_CALL = re.compile(r"(\d+) +(\w+)\(\d+<(.*?)>(?=[,)]| <unfinished)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def missing() -> str:
    """Why nothing can be traced here; "" when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed (.ci/run installs it)"
    attempt = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]
    tried = subprocess.run(attempt, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def command(output: Path) -> tuple[str, ...]:
    """The daemon's command under strace; the daemon is the direct child, strace its grandchild."""
    # With --seccomp-bpf the calls that are not asked for run at full speed.
    tracer = (
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-yy",
        "-xx",
        "-s",
        "262144",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(output),
    )
    return (*tracer, sys.executable, "-m", "gateway")


def wait_for_end(output: Path, pid: int, timeout: float = 20.0) -> None:
    """Waits until strace has written that the process ended. Raises TimeoutError."""
    end = time.monotonic() + timeout
    while True:
        with output.open("rb") as lines:
            lines.seek(max(0, output.stat().st_size - 1000))
            if re.search(rb"^%d +\+\+\+ exited" % pid, lines.read(), re.MULTILINE):
                return
        if time.monotonic() > end:
            raise TimeoutError(f"{output} is not complete")
        time.sleep(0.02)


@dataclass(slots=True)
class Call:
    """A system call: when it was entered and when it had returned, in lines of the trace; its descriptor and octets."""

    name: str
    target: str
    data: bytes
    entered: int
    returned: int


def calls(path: Path) -> list[Call]:
    """The calls of a trace that is complete."""
    return list(_read(path))


def _read(path: Path) -> Iterator[Call]:
    open_calls: dict[str, Call] = {}
    with path.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines):
            resumed = _RESUMED.match(line)
            if resumed is not None:
                call = open_calls.pop(resumed[1], None)
                if call is not None:
                    call.returned = number
                continue
            found = _CALL.match(line)
            if found is None:
                continue
            data = b"".join(bytes.fromhex(text.replace("\\x", "")) for text in _HEX.findall(line, found.end()))
            target = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), found[3])
            call = Call(found[2], target, data, number, number)
            if "<unfinished" in line[-20:]:
                call.returned = sys.maxsize
                open_calls[found[1]] = call
            yield call


class Log:
    """The write-ahead log as it was written: for a mark (a piece of a row) the lines of its first write and sync."""

    def __init__(self, traced: list[Call]) -> None:
        self._writes = [c for c in traced if c.name.startswith("pwrite") and c.target.endswith("-wal")]
        self.syncs = [c for c in traced if c.name in ("fsync", "fdatasync") and c.target.endswith("-wal")]

    def synced(self, pattern: re.Pattern[bytes]) -> dict[bytes, int]:
        """For each mark that matches: the line by which its first write was synced; sys.maxsize: never."""
        found: dict[bytes, int] = {}
        for write in self._writes:
            for mark in pattern.findall(write.data):
                if mark not in found:
                    found[mark] = next((s.returned for s in self.syncs if s.entered > write.entered), sys.maxsize)
        return found
