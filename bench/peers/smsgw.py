"""smsgw itself, measured by what measures the others: the same trace over its socket, ends told to a subscription."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.daemon import DaemonProcess, config
from bench.load import Load, LoadOptions
from bench.peers.cases import Case, Setup


class Smsgw:
    """`python -m gateway run` of this tree."""

    name = "smsgw"
    feeds = "its socket, one connection; ends told to a subscription"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.stores = (
            "SQLite, every message and receipt committed before it is answered, synced to disk"
            if setup.synchronous == "full"
            else "SQLite, every message and receipt committed before it is answered, not synced (synchronous = normal)"
        )

    def missing(self) -> list[str]:
        return []

    @contextmanager
    def started(self, directory: Path, port: int, case: Case) -> Iterator[_Running]:
        text = config(
            directory,
            port,
            binds=self._setup.binds,
            window=case.window or self._setup.window,
            sections={"store": {"synchronous": self._setup.synchronous}},
        )
        with DaemonProcess(directory, text) as daemon:
            yield _Running(daemon, self._setup.outstanding)


class _Running:
    def __init__(self, daemon: DaemonProcess, outstanding: int) -> None:
        self._daemon = daemon
        self._outstanding = outstanding

    def feed(self, options: LoadOptions) -> Load:
        return Load(replace(options, socket=str(self._daemon.socket), outstanding=self._outstanding))

    def cpu(self) -> dict[str, float]:
        return {"daemon": self._daemon.usage().cpu}

    def resident(self) -> float:
        return self._daemon.usage().resident
