"""A message on its way out, and its segments as the carrier's queue and binds pass them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.smpp.pdu import Tlv
from gateway.sms.segment import SegmentBody

if TYPE_CHECKING:
    from gateway.policy.quiet import Rest

ONLY_PART: Final = (1,)
"""What waits of a message of one part, the same for all of them."""


class Outgoing(msgspec.Struct, eq=False, gc=False):
    """A message that is queued in memory, claimed or on the wire.

    ``waiting`` are the numbers of its parts that are queued, replaced and never changed in place; ``open`` is how many
    are claimed and without a recorded answer. Times are ms since 1970. ``until`` is when it may not go out any more:
    its validity ends, or the quiet hours begin that ``rest`` knows of (None: it has none).

    A struct, as thousands are made each second and kept: that takes a third of the time of a class, and three quarters
    of the memory. It is in no cycle, so the collector need not look at it.
    """

    id: int
    app: str
    number: str
    peer: str
    carrier: str
    lane: int
    rank: int
    parts: int
    receipt: int  # `gateway.model.Receipts`
    expires_at: int
    until: int
    validity: bool  # whether the app asked for one: it is then told to the carrier as well
    tlvs: tuple[Tlv, ...]
    bodies: tuple[SegmentBody, ...]
    waiting: Sequence[int]
    due_at: int = 0
    attempts: int = 0
    protocol_id: int = 0
    rest: Rest | None = None
    open: int = 0
    begun: bool = False  # whether one of its parts was written
    holds: bool = False  # whether others between its number and peer wait for it
    placed: bool = False  # whether its waiting parts are in a queue in memory
    settled: set[int] | None = None  # parts whose copy need not be sent: a late answer said they are taken
    refusal: tuple[int, int, str] | None = None  # part, status, reason: for another carrier to take

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"<Outgoing {self.id} from {self.number}, {self.parts} parts>"


Taken = tuple[Outgoing, Sequence[int]]
"""A message, and those of its parts that are to be claimed."""


class SegmentOut(msgspec.Struct, eq=False, gc=False):
    """One claimed segment: what the session gives back with the response, so nothing has to be looked up."""

    message: Outgoing
    part: int
    written_at: float = 0.0  # by Trio's clock
