"""Lives of the daemon that a kill ends: a start that is cut off, and the rest that the last of them comes to."""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from bench.daemon import DaemonError, DaemonProcess
from bench.load import Load
from bench.sinkprocess import SinkProcess

PATIENCE = 60.0
"""Seconds in which all has to come to rest where nobody looks at what is left."""

Say = Callable[[str], None]


class Outcome(Protocol):
    """What came of lives that were ended, to be printed."""

    @property
    def clean(self) -> bool: ...


def killed_early(daemon: DaemonProcess, seconds: float) -> list[float]:
    """Starts the daemon and kills it so long after; when that was. Raises DaemonError where it ended by itself."""
    at: list[float] = []

    def kill() -> None:
        while not daemon.running:
            time.sleep(0.001)
        time.sleep(seconds)
        at.append(time.monotonic())
        daemon.kill()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        daemon.start()
    except DaemonError:
        if not at:
            raise
    thread.join()
    return at


# --- what is left to do -----------------------------------------------------------------------------------------------


def store(directory: Path) -> closing[sqlite3.Connection]:
    """The daemon's database, to look at while it runs."""
    return closing(sqlite3.connect(f"file:{directory / 'smsgw.db'}?mode=ro", uri=True))


def segments(con: sqlite3.Connection, *states: int) -> int:
    """How many are in one of these states."""
    marks = ", ".join("?" * len(states))
    count: int = con.execute(f"SELECT count(*) FROM segment WHERE state IN ({marks})", states).fetchone()[0]
    return count


def unacknowledged(con: sqlite3.Connection) -> int:
    """Events that were not acknowledged."""
    count: int = con.execute(
        "SELECT coalesce(sum((SELECT coalesce(max(seq), 0) FROM event WHERE stream = stream.id)"
        " - coalesce((SELECT acked FROM cursor WHERE stream = stream.id), 0)), 0) FROM stream"
    ).fetchone()[0]
    return count


def come_to_rest(daemon: DaemonProcess, sink: SinkProcess, at_rest: Callable[[sqlite3.Connection], bool]) -> None:
    """Waits until the carrier has nothing more to send and the database is as said; fails when it takes too long."""
    end = time.monotonic() + PATIENCE
    while True:
        with store(daemon.directory) as con:
            if not sink.stats()["owed"] and at_rest(con):
                return
        assert time.monotonic() < end, daemon.log_end()
        time.sleep(0.1)


def settled(load: Load, owed: Callable[[], tuple[int, ...]], patience: float) -> str | None:
    """Goes on with the load until nothing is owed; None then. Else what is, once that stayed so for ``patience`` s."""
    before: tuple[int, ...] | None = None
    since = time.monotonic()
    while True:
        load.step(0.05)
        now = owed()
        if not any(now) and load.broken is None:
            return None
        if now != before:
            since, before = time.monotonic(), now
        elif load.broken is not None or time.monotonic() - since > patience:
            return f"{now}; {load.broken}"


# --- by hand ----------------------------------------------------------------------------------------------------------


def program(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    play: Callable[[argparse.Namespace, Path, Say], Outcome],
) -> int:
    """Has lives ended from the command line, by a seed that is printed; 0 when everything held."""
    parser.add_argument("--directory", type=Path, help="an empty directory that is kept; default: a temporary one")
    parser.add_argument("--quiet", action="store_true", help="only the outcome")
    chosen = parser.parse_args(arguments)
    if chosen.seed is None:
        chosen.seed = random.randrange(10**6)
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="smsgw-kills-") as temporary:
        directory = chosen.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        outcome = play(chosen, directory, (lambda _: None) if chosen.quiet else print)
    print(outcome)
    print("everything held" if outcome.clean else "NOT EVERYTHING HELD")
    return 0 if outcome.clean else 1
