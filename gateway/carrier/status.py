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
