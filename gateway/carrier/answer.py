"""What comes of what a bind was given to send."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.carrier.outgoing import SegmentOut
from gateway.smpp.pdu import Pdu


class Answer(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A response to a submit. ``late``: it came after the request had expired."""

    segment: SegmentOut
    status: int
    message_id: str
    late: bool


class Ask:
    """A request beside the submits, a query_sm say, and who is told of its outcome.

    ``done`` gets the response and its command_status; None and None when there will be no answer.
    """

    __slots__ = ("done",)

    def __init__(self, done: Callable[[Pdu | None, int | None], None]) -> None:
        self.done = done
