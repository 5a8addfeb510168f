"""What the scripted carrier writes down: its side of the truth. Times are seconds of CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

TEMPORARY = frozenset({0x04, 0x08, 0x14, 0x58, 0x64})
"""Statuses that say: try again."""


@dataclass
class Submitted:
    """A submit_sm as it came. ``answered``: when the kernel had the whole answer, None: never.

    ``smsc_id``: the id as the response has it. ``taken``: the carrier delivers it and sends a receipt, answered or not.
    """

    connection: int
    at: float
    number: str
    peer: str
    label: str
    part: int
    total: int
    status: int | None = None
    answered: float | None = None
    smsc_id: str = ""
    receipt_id: str = ""
    taken: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """Which segment it is: the number of its message and its part."""
        return self.label, self.part


@dataclass
class Connected:
    """A connection. ``account``: the number at the end of the system_id that it bound with, 0 without one.

    ``most``: submits unanswered at one time. ``end``: `fin` or `reset` of ours, or `peer`.
    """

    number: int
    opened: float
    account: int = 0
    kind: str = ""
    bound: float | None = None
    closed: float | None = None
    end: str = ""
    most: int = 0


@dataclass
class Told:
    """A receipt that was sent and answered; ``acknowledged`` with this status."""

    smsc_id: str
    state: str
    error: int
    acknowledged: int
    orphan: bool = False


@dataclass
class Report:
    """All of one case."""

    submits: list[Submitted] = field(default_factory=list)
    connections: list[Connected] = field(default_factory=list)
    receipts: list[Told] = field(default_factory=list)
    malformed: int = 0
    queries: int = 0
    at_once: int = 0
    """PDUs in one write, at most."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        return cls(
            [Submitted(**one) for one in values.pop("submits")],
            [Connected(**one) for one in values.pop("connections")],
            [Told(**one) for one in values.pop("receipts")],
            **values,
        )
