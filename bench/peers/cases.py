"""What is compared: the cases, what the command line chose, and what a gateway has to be able to do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bench.load import LoadOptions


@dataclass(frozen=True)
class Case:
    """One comparison. delayed: the sink has TCP acknowledge late, not at once.

    window: of a bind, in place of the one that was chosen.
    """

    about: str
    receipts: bool = True
    latency_ms: float = 0.0
    delayed: bool = False
    inbound: bool = False
    window: int | None = None


CASES: Final = {
    "receipts": Case("out with receipts; the sink answers at once and TCP acknowledges at once"),
    "receipts-delayed": Case("as `receipts`, TCP acknowledges late", delayed=True),
    "plain": Case("out without receipts", receipts=False),
    "plain-delayed": Case("as `plain`, TCP acknowledges late", receipts=False, delayed=True),
    "far": Case("as `receipts`, the sink answers after 50 ms; window 100", latency_ms=50.0, window=100),
    "far-delayed": Case("as `far`, TCP acknowledges late", latency_ms=50.0, window=100, delayed=True),
    "inbound": Case("deliver_sm acknowledged; nobody takes the messages", inbound=True),
}


@dataclass(frozen=True)
class Setup:
    """What the command line chose. window and binds hold for every gateway as far as it has them."""

    window: int = 200
    binds: int = 1
    synchronous: str = "full"
    outstanding: int = 2000
    connections: int = 64
    receipt_delay_ms: float = 0.0
    kannel_store: str = "file"
    kannel_by: str = "box"
    jasmin: Path = Path()
    jasmin_by: str = "smpp"


class Feeding(Protocol):
    """`bench.load.Load`, or a feed with its words."""

    options: LoadOptions
    ids: list[str]
    refused: dict[int, str]
    ended: dict[str, str]
    contradicted: list[str]
    last_end: float

    @property
    def accepted(self) -> int: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: Any) -> None: ...

    def submit_all(self, stall: float = 30.0) -> None: ...

    def wait_ended(self, stall: float = 30.0) -> None: ...

    def span(self) -> tuple[float, float]: ...


class Running(Protocol):
    """A gateway that runs and is bound to the sink, or about to be."""

    def feed(self, options: LoadOptions) -> Feeding:
        """What hands messages over to it in the fastest way that it has."""
        ...

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by the names of its processes."""
        ...

    def resident(self) -> float:
        """Memory of all its processes together, MiB."""
        ...


class Gateway(Protocol):
    """One of those compared."""

    name: str
    feeds: str
    """How messages get in, in a few words."""
    stores: str
    """What it keeps on disk, and whether it waits for the disk."""

    def missing(self) -> list[str]:
        """What it needs and is not here, each with the command that installs it; empty: it can run."""
        ...

    def started(self, directory: Path, port: int, case: Case) -> AbstractContextManager[Running]:
        """It, with an empty store in the directory, and the sink at 127.0.0.1:port as its carrier."""
        ...
