"""What became of one delivery, whatever the kind of handler."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What became of a delivery: ``error`` is None when it was taken; ``status``: the receiver's own code, if any.

    ``down``: it looks as if the receiver as a whole is down, not at odds with this event. ``retry_after``: seconds
    that it asks to be left alone. ``final``: no other try would go better, the event is set aside at once.
    ``refused``: it is there, and says that the request is wrong; ``gone``: that it wants no events any more.
    """

    status: int | None
    error: str | None
    down: bool = False
    retry_after: float = 0.0
    final: bool = False
    refused: bool = False
    gone: bool = False
