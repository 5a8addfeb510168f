"""What a command_status in a response means for the segment, or for the bind (SMPP 3.4 §5.1.3)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from gateway.smpp.status import CommandStatus, StatusClass, status_class


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


_VERDICTS: Final[dict[StatusClass, Verdict]] = {
    StatusClass.OK: Verdict.SENT,
    StatusClass.TEMPORARY: Verdict.RETRY,
    StatusClass.WINDOW: Verdict.THROTTLED,
    StatusClass.PERMANENT: Verdict.REFUSED,
    StatusClass.CREDENTIALS: Verdict.REFUSED,
}


def verdict(status: int) -> Verdict:
    """The verdict on a command_status; what is not known as temporary is final."""
    if status == 0:
        return Verdict.SENT
    if status == CommandStatus.ESME_RMSGQFUL:
        # Mostly one recipient's queue, and that pauses nobody else; `FullQueues` sees when it is the carrier's.
        return Verdict.RETRY
    return _VERDICTS[status_class(status)]


def refuses_account(status: int) -> bool:
    """Whether a bind answered with this command_status is for a person to mend, and not to be tried again soon."""
    return status_class(status) is StatusClass.CREDENTIALS


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
