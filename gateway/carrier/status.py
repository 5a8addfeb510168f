"""What a command_status in a response to a submit means for the segment (SMPP 3.4 §5.1.3)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from gateway.smpp.constants import CommandStatus, is_temporary


class Verdict(Enum):
    """What to do with the segment."""

    SENT = "sent"
    THROTTLED = "throttled"  # the carrier as a whole pauses; the segment is tried again
    RETRY = "retry"  # this segment is tried again later
    REFUSED = "refused"  # final


_REASONS: Final[dict[int, str]] = {
    CommandStatus.ESME_RINVDSTADR: "invalid_destination",
    CommandStatus.ESME_RINVDSTTON: "invalid_destination",
    CommandStatus.ESME_RINVDSTNPI: "invalid_destination",
    CommandStatus.ESME_RINVSRCADR: "sender_refused",
    CommandStatus.ESME_RINVSRCTON: "sender_refused",
    CommandStatus.ESME_RINVSRCNPI: "sender_refused",
}


def verdict(status: int) -> Verdict:
    """The verdict on a command_status; what is not known as temporary is final."""
    if status == 0:
        return Verdict.SENT
    if status == CommandStatus.ESME_RTHROTTLED:
        return Verdict.THROTTLED
    return Verdict.RETRY if is_temporary(status) else Verdict.REFUSED


def reason(status: int) -> str:
    """The normalised reason of a final refusal."""
    return _REASONS.get(status, "carrier_refused")


MANY_FULL: Final = 10
"""Peers refused for a full queue, with nothing taken between, that make it the carrier's queue and not theirs."""


class FullQueues:
    """Tells a carrier whose queue is full from a phone whose is: both answer ESME_RMSGQFUL."""

    def __init__(self) -> None:
        self._peers: set[str] = set()

    def full(self, status: int, peer: str) -> bool:
        """Counts a refusal; returns whether the carrier as a whole should be given a pause."""
        if status != CommandStatus.ESME_RMSGQFUL:
            return False
        self._peers.add(peer)
        if len(self._peers) < MANY_FULL:
            return False
        self._peers.clear()
        return True

    def taken(self) -> None:
        """A segment was accepted."""
        if self._peers:
            self._peers.clear()
