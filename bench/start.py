"""How long a start takes: from the fork until systemd would be told READY=1, and to the first submit_sm.

    python -m bench.start [--messages 1000000] [--rounds 7] [--directory D] [--json]

`empty`: each round has no database yet. `known`: once more on the one that was made. `queued`: a database with a
million messages that wait to be sent, after kill -9; a carrier is there, and so slow that hardly any of them goes.
Wall and CPU (all threads) to READY, the queued ones also to the first submit_sm; then what the imports take of it, by
package, from `-X importtime`. What is compiled is kept, as where the package is installed. Ends with 1 when the median
is over 1 s (empty, known) or 5 s (queued).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench import trace
from bench.daemon import ROOT, DaemonError, DaemonProcess, config
from bench.figures import cpu_seconds, machine
from bench.load import Load, LoadOptions
from bench.sinkprocess import SinkError, SinkProcess

AIMS: Final = {"empty": 1.0, "known": 1.0, "queued": 5.0}
"""Seconds of wall clock to READY, the median of all rounds."""
PACKAGES: Final = 12
"""As many are named."""


@dataclass
class Starts:
    """Seconds of each round. ``first_submit``: from the fork to the first submit_sm, where there is a carrier."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first_submit: list[float] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return statistics.median(self.wall) < AIMS[self.name]


class Ready:
    """Context manager: the socket that a service manager would listen on (sd_notify(3))."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Ready:
        self._socket.bind(str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self.path.unlink()

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of a daemon that is to tell."""
        return {**_environment(), "NOTIFY_SOCKET": str(self.path)}

    def wait(self, timeout: float) -> float:
        """When READY=1 came, by CLOCK_MONOTONIC. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            if b"READY=1" in self._socket.recv(4096).split(b"\n"):
                return time.monotonic()
        raise TimeoutError(f"not ready within {timeout} s")


def _environment() -> dict[str, str]:
    """Ours, but that what is compiled is kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _start(daemon: DaemonProcess, ready: Ready, found: Starts) -> float:
    """One start; returns when it began."""
    began = time.monotonic()
    daemon.start()
    found.wall.append(ready.wait(60.0) - began)
    found.cpu.append(cpu_seconds(daemon.pid))
    return began


def empty(directory: Path, rounds: int) -> list[Starts]:
    """Starts without a database, and then with the one that was made; one round before that is not counted."""
    found: list[Starts] = []
    for number in range(rounds + 1):
        if number < 2:
            found = [Starts("empty"), Starts("known")]
        place = directory / f"empty{number}"
        place.mkdir()
        with Ready(place) as ready:
            daemon = DaemonProcess(place, config(place, 1), env=ready.env)
            for one in found:
                _start(daemon, ready, one)
                daemon.kill()
    return found


def queued(directory: Path, messages: int, rounds: int) -> Starts:
    """Starts with so many messages waiting. Raises DaemonError when they were not accepted."""
    place = directory / "queued"
    place.mkdir()
    with SinkProcess() as away:
        port = away.port
    # A window of one and an answer in a second: what is queued stays so.
    text = config(place, port, window=1, sections={"limits": {"queued": 2 * messages}})
    found = Starts("queued")
    with Ready(place) as ready:
        daemon = DaemonProcess(place, text, env=ready.env, timeout=60.0)
        with daemon:
            with Load(LoadOptions(str(daemon.socket), trace.load("otp"), messages, subscribe=None)) as load:
                load.submit_all()
                if load.accepted < messages:
                    raise DaemonError(f"{load.accepted} of {messages} accepted: {set(load.refused.values())}")
            daemon.kill()
            ready.wait(1.0)  # of this first start
        with SinkProcess(port=port, latency_ms=1000) as sink:
            for _ in range(rounds):
                before = sink.stats()["submits"]
                began = _start(daemon, ready, found)
                sink.wait_for(lambda stats, before=before: stats["submits"] > before, timeout=60.0, every=0.005)
                found.first_submit.append(time.monotonic() - began)
                daemon.kill()
    return found


def imports() -> list[tuple[str, float]]:
    """Milliseconds that importing what `smsgw run` needs takes, by package, the dearest first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import gateway.cli.app, gateway.process"],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return by_package(done.stderr.splitlines())


def by_package(lines: Iterable[str]) -> list[tuple[str, float]]:
    """Sums the own times of what -X importtime printed, in ms by package, the dearest first."""
    spent: Counter[str] = Counter()
    for line in lines:
        own, _, module = line.removeprefix("import time:").partition("|")
        name = module.partition("|")[2].strip()
        if own.strip().isdigit():
            package = name.partition(".")[0]
            spent[package if package in _OURS or not _standard(package) else "the standard library"] += int(own)
    return [(name, microseconds / 1000) for name, microseconds in spent.most_common()]


_OURS: Final = frozenset({"gateway"})


def _standard(package: str) -> bool:
    return package in sys.stdlib_module_names or package == "site"


def _table(found: Sequence[Starts]) -> None:
    print(f"\n{'':8} {'wall s':>24} {'cpu s':>16} {'to the first submit_sm':>24}   aim")
    print(f"{'':8} {'least':>8}{'median':>8}{'most':>8} {'least':>8}{'median':>8} {'median':>16}{'most':>8}")
    for one in found:
        first = f"{statistics.median(one.first_submit):16.2f}{max(one.first_submit):8.2f}" if one.first_submit else ""
        print(
            f"{one.name:8} {min(one.wall):8.2f}{statistics.median(one.wall):8.2f}{max(one.wall):8.2f}"
            f" {min(one.cpu):8.2f}{statistics.median(one.cpu):8.2f} {first:24}   {AIMS[one.name]:.0f} s"
            f"{'' if one.passed else ': FAILED'}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when a median is over its aim."""
    parser = argparse.ArgumentParser("bench.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000, help="queued; 0: without that run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="starts of each kind (%(default)s)")
    parser.add_argument("--directory", type=Path, help="for the stores; default: a temporary one")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="smsgw-start-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        about = machine(directory)
        try:
            found = empty(directory, chosen.rounds)
            if chosen.messages:
                found.append(queued(directory, chosen.messages, chosen.rounds))
            spent = imports()
        except (DaemonError, SinkError, OSError, subprocess.CalledProcessError) as error:
            print(f"bench.start: {type(error).__name__}: {error}", file=sys.stderr)
            return 1
    passed = all(one.passed for one in found)
    if chosen.json:
        shown = {one.name: asdict(one) | {"passed": one.passed} for one in found}
        print(json.dumps({"machine": about} | shown | {"imports_ms": dict(spent), "passed": passed}, indent=1))
        return int(not passed)
    print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
    _table(found)
    total = sum(milliseconds for _, milliseconds in spent)
    print(f"\nimports, ms of {total:.0f} (dearer than without -X importtime)")
    for name, milliseconds in spent[:PACKAGES]:
        print(f"  {name:28} {milliseconds:7.1f}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
