"""Times in what an ESME asks (SMPP 3.4 §5.2.15, §5.2.16): refused when they are none (5.0 §2.8.2), else kept."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.smpp.constants import CommandStatus
from gateway.smpp.pdu import BroadcastSm, ReplaceSm, SubmitSm
from gateway.smpp.times import read_time


def time_fault(pdu: SubmitSm | ReplaceSm | BroadcastSm, now: float) -> int:
    """The command_status that a schedule_delivery_time or validity_period is refused with; 0: both are good.

    `now` is in seconds since 1970. A validity that is over already leaves nothing to deliver; a delivery scheduled for
    a time that is past is due.
    """
    scheduled, validity = pdu.schedule_delivery_time, pdu.validity_period
    if not scheduled and not validity:
        return 0
    clock = datetime.fromtimestamp(now, UTC)
    try:
        read_time(scheduled, clock)
    except ValueError:
        return int(CommandStatus.ESME_RINVSCHED)
    try:
        ends = read_time(validity, clock)
    except ValueError:
        return int(CommandStatus.ESME_RINVEXPIRY)
    return int(CommandStatus.ESME_RINVEXPIRY) if ends is not None and ends <= clock else 0


def seconds_until(text: str, now: float) -> float | None:
    """From `now` to a time that is good, None when it is empty. `now` is in seconds since 1970."""
    when = read_time(text, datetime.fromtimestamp(now, UTC))
    return None if when is None else when.timestamp() - now
