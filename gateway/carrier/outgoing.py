"""A message on its way out, and its segments as the carrier's queue and binds pass them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.smpp.pdu import Tlv
from gateway.sms.segment import SegmentBody

if TYPE_CHECKING:
    from gateway.carrier.bind import Bind
    from gateway.policy.quiet import Rest


class Outgoing:
    """A message that is queued in memory, claimed or on the wire.

    ``waiting`` are the numbers of its parts that are queued, ``open`` how many are claimed and without a recorded
    answer. Times are ms since 1970. ``until`` is when it may not go out any more: its validity ends, or the quiet hours
    begin that ``rest`` knows of (None: it has none).
    """

    __slots__ = (
        "app",
        "attempts",
        "begun",
        "bodies",
        "carrier",
        "due_at",
        "expires_at",
        "holds",
        "id",
        "lane",
        "number",
        "open",
        "parts",
        "peer",
        "placed",
        "protocol_id",
        "rank",
        "receipt",
        "refusal",
        "rest",
        "settled",
        "tlvs",
        "until",
        "validity",
        "waiting",
    )

    def __init__(
        self,
        id: int,
        app: str,
        number: str,
        peer: str,
        carrier: str,
        lane: int,
        rank: int,
        parts: int,
        receipt: int,
        expires_at: int,
        validity: bool,
        tlvs: tuple[Tlv, ...],
        bodies: tuple[SegmentBody, ...],
        waiting: list[int],
        due_at: int = 0,
        attempts: int = 0,
        protocol_id: int = 0,
        until: int = 0,
        rest: Rest | None = None,
    ) -> None:
        self.id = id
        self.app = app
        self.number = number
        self.peer = peer
        self.carrier = carrier
        self.lane = lane
        self.rank = rank
        self.parts = parts
        self.receipt = receipt  # `gateway.model.Receipts`
        self.expires_at = expires_at
        self.validity = validity  # whether the app asked for one: it is then told to the carrier as well
        self.tlvs = tlvs
        self.bodies = bodies
        self.waiting = waiting
        self.open = 0
        self.begun = False  # whether one of its parts was written
        self.holds = False  # whether others between its number and peer wait for it
        self.placed = False  # whether its waiting parts are in a queue in memory
        self.settled: set[int] | None = None  # parts whose copy need not be sent: a late answer said they are taken
        self.refusal: tuple[int, int, str] | None = None  # part, status, reason: for another carrier to take
        self.due_at = due_at
        self.attempts = attempts
        self.protocol_id = protocol_id
        self.until = until or expires_at
        self.rest = rest


class SegmentOut:
    """One claimed segment: what the session gives back with the response, so nothing has to be looked up."""

    __slots__ = ("bind", "message", "part", "written_at")

    def __init__(self, message: Outgoing, part: int) -> None:
        self.message = message
        self.part = part
        self.bind: Bind | None = None
        self.written_at = 0.0
