"""The words of the gateway as data: states, their allowed transitions, classes, reasons and ids.

Pure: no clock, no I/O. Everything that the store writes as a number and the doors say as a word is mapped here,
in one place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Final

from gateway.smpp.constants import MessageState


class State(IntEnum):
    """The state of a segment, and of a message as it follows from its segments (the number is what is stored)."""

    SCHEDULED = 0
    QUEUED = 1
    SUBMITTING = 2
    SENT = 3
    IN_DOUBT = 4
    DELIVERED = 5
    UNDELIVERED = 6
    EXPIRED = 7
    FAILED = 8
    REJECTED = 9
    CANCELLED = 10

    @property
    def word(self) -> str:
        """The state as users read it, for instance ``in_doubt``."""
        return STATE_WORDS[self]


STATE_WORDS: Final = tuple(state.name.lower() for state in State)

FINAL: Final = frozenset(
    {State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.FAILED, State.REJECTED, State.CANCELLED}
)
"""States that never change again. ``sent`` joins them when no receipt was asked for (see `is_final`)."""

UNSENT: Final = frozenset({State.SCHEDULED, State.QUEUED})
"""States in which certainly nothing of the current attempt is on the wire."""

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.SCHEDULED: frozenset(
        {
            State.QUEUED,
            State.CANCELLED,
            State.EXPIRED,
            State.REJECTED,
            State.FAILED,
            # A copy that quiet hours put off, as below.
            State.SENT,
            State.IN_DOUBT,
        }
    ),
    State.QUEUED: frozenset(
        {
            State.SCHEDULED,  # put off by quiet hours
            State.SUBMITTING,
            State.CANCELLED,
            State.EXPIRED,
            State.REJECTED,
            State.FAILED,  # a sibling segment was refused for good, or an operator said so
            # A segment that went back to the queue in doubt may still be settled by its first attempt.
            State.SENT,
            State.DELIVERED,
            State.UNDELIVERED,
            # Its copy was not sent within the validity: what became of the first is still not known.
            State.IN_DOUBT,
        }
    ),
    State.SUBMITTING: frozenset(
        {
            State.SENT,
            State.FAILED,
            State.QUEUED,
            State.IN_DOUBT,
            State.EXPIRED,
            # The receipt can overtake the record of the response.
            State.DELIVERED,
            State.UNDELIVERED,
        }
    ),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED, State.EXPIRED}),
    State.IN_DOUBT: frozenset(
        {State.SENT, State.QUEUED, State.FAILED, State.DELIVERED, State.UNDELIVERED, State.EXPIRED}
    ),
    **{state: frozenset() for state in FINAL},
}
"""What may follow what, for a segment. A final state has no successor."""

BAD_ENDS: Final = FINAL - {State.DELIVERED}

RECEIPT_STATES: Final[dict[MessageState, State | None]] = {
    MessageState.DELIVERED: State.DELIVERED,
    MessageState.EXPIRED: State.EXPIRED,
    MessageState.DELETED: State.UNDELIVERED,
    MessageState.UNDELIVERABLE: State.UNDELIVERED,
    MessageState.REJECTED: State.UNDELIVERED,
    MessageState.SCHEDULED: None,
    MessageState.ENROUTE: None,
    MessageState.ACCEPTED: None,
    MessageState.UNKNOWN: None,
    MessageState.SKIPPED: State.UNDELIVERED,
}
"""What a receipt's message_state (SMPP 3.4 §5.2.28, 5.0 §4.7.15) does to a segment; None: no change."""

# While a message waits, the least advanced of its segments speaks for it; doubt is shown before all.
_WAITING_ORDER: Final = (State.IN_DOUBT, State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.SENT)


def is_final(state: int, receipt_asked: bool) -> bool:
    """Whether a segment or message in ``state`` is at its end; ``sent`` is when no receipt was asked for."""
    return state >= 5 or (state == 3 and not receipt_asked)


class Receipts(IntEnum):
    """Which segments of a message a receipt is asked for, and how many of them are enough (the number is stored).

    Which of its segments are told of is a carrier's way; a message keeps that of the carrier at the time.
    """

    NONE = 0
    EACH = 1
    FIRST = 2
    LAST = 3
    ANY = 4


def receipt_asked(receipts: int, part: int, parts: int) -> bool:
    """Whether a receipt is asked for a segment; ``part`` counts from 1."""
    if receipts < Receipts.FIRST:
        return receipts == Receipts.EACH
    return receipts == Receipts.ANY or part == (1 if receipts == Receipts.FIRST else parts)


def receipt_awaited(receipts: int, part: int, parts: int) -> int:
    """What a segment that is sent waits for: NONE, EACH (one of its own) or ANY (one of the message)."""
    return receipts if receipts == Receipts.ANY else int(receipt_asked(receipts, part, parts))


def message_state(segments: Iterable[tuple[int, int | None]]) -> State:
    """The state of a message from its segments' ``(state, done_at)``, in part order.

    The first bad end wins and stays (monotone); all delivered is delivered; else the least advanced waits. A segment
    that is sent and done waits for no receipt: the others decide.
    """
    bad: tuple[int, State] | None = None
    states: set[int] = set()
    settled = False
    for state, done_at in segments:
        if state == State.SENT and done_at is not None:
            settled = True
            continue
        states.add(state)
        if state >= 5 and state != State.DELIVERED:
            at = done_at if done_at is not None else 0
            if bad is None or at < bad[0]:
                bad = (at, State(state))
    if bad is not None:
        return bad[1]
    if states == {State.DELIVERED}:
        return State.DELIVERED
    for waiting in _WAITING_ORDER:
        if waiting in states:
            return waiting
    if settled:
        return State.SENT
    raise ValueError("a message has at least one segment")


CLASSES: Final = ("transactional", "direct", "marketing")
"""Message classes; the stored number is the index."""

LANES: Final = (0, 0, 1)
"""Lane by class: transactional and direct before marketing."""

REASONS: Final[dict[str, str]] = {
    # refused at the door
    "invalid_params": "a parameter is missing, unknown or of the wrong type; `field` names it",
    "invalid_to": "`to` is not a possible phone number or short code",
    "invalid_from": "`from` is not a number or sender that can be used",
    "no_sender": "no `from` was given, and none of the app's numbers fits; `detail` says what is missing",
    "not_allowed": "the app has no right to this",
    "number_held": "the number that it is from was given up, and is only held for a time",
    "number_released": "the number that it is from is not ours any more",
    "number_cannot_send": "the number that it is from sends no texts",
    "not_verified": "the number that it is from may not send this class until it is verified",
    "opted_out": "the person wants no messages from this number, or this app, any more",
    "no_consent": "the person did not agree to messages of this class, or agrees no more",
    "sender_not_allowed": "it is from a name, and carriers of that country do not take names as senders",
    "sender_one_way": "it is from a name, which nobody can answer, and the message is a `direct` one",
    "country_not_allowed": "the app does not send to this country",
    "premium_rate": "`to` is a premium-rate number",
    "fixed_line": "`to` is a fixed line, which cannot be texted",
    "no_route": "no carrier for this number",
    "unencodable": "a character cannot be sent in the encoding asked for; `detail` names it",
    "too_long": "the text needs more segments, or has more characters, than allowed",
    "public_shortener": "the text has a link of a public shortener, which carriers block; `detail` names it",
    "empty": "there is nothing to send",
    "ref_conflict": "the same `ref` was used for another message",
    "not_found": "no such message, or not one of yours",
    "too_late": "the message is already on its way or at its end",
    "validity_over": "in doubt past its validity: it is not sent again; a late answer or receipt settles it, or `fail`",
    "not_authenticated": "the first request has to be `auth`",
    "auth_failed": "unknown app or wrong token",
    "invalid_config": "the new configuration is not valid; the old one goes on",
    "replaced": "another connection took over this subscription",
    "too_many": "too many of this at the same time; `detail` says how many there may be",
    "backup_failed": "the database cannot be copied to that file; `detail` says why",
    # try later
    "queue_full": "the stored queue of this carrier and app is at its bound",
    "quiet_hours": "messages of this class are not sent to this phone at this hour; `detail` says until when",
    "prefix_cap": "the app has had its segments of an hour to numbers that begin so (`[[caps]]`)",
    "quota_exceeded": "the app or the number has sent its segments of that time; `detail` says which (`quota`)",
    "duplicate_text": "the app sent the same text to the same phone a short while ago (`same_text_within`)",
    "balance_exhausted": "the app pays in advance, and its balance of segments does not cover the message",
    "store_unavailable": "the database cannot be written just now",
    "disk_full": "free disk space is below the configured floor",
    "stopping": "the daemon is stopping",
    # ends of a message
    "delivered": "the carrier says that the phone has it",
    "carrier_refused": "the carrier refused a segment for good; its command_status is given",
    "invalid_destination": "the carrier says that the destination is invalid",
    "sender_refused": "the carrier refused the sender address",
    "undelivered": "the carrier gave up on the message; its error code is given",
    "rejected_by_carrier": "the carrier's receipt says rejected",
    "deleted": "the carrier's receipt says deleted",
    "absent": "the phone is switched off, out of coverage or busy, as the carrier says",
    "barred": "the subscriber or the phone is barred from receiving",
    "handset_full": "the phone has no room for another message",
    "landline": "the destination is a landline",
    "network_failure": "the network of the destination failed",
    "no_credit": "the account at the carrier, or the subscriber, has no credit left",
    "no_sms_capability": "the destination cannot receive texts",
    "not_registered": "the sender, the campaign or the text is not registered as the country or the carrier wants it",
    "opted_out_at_carrier": "the person told the carrier to stop messages from this sender",
    "spam": "the carrier took the message for spam",
    "unknown_subscriber": "nobody has this number",
    "expired_unsent": "not sent within its validity",
    "expired_at_carrier": "the carrier could not deliver it within its validity",
    "cancelled": "cancelled by the app",
    "resolved": "an operator settled it by hand",
    "unsendable": "the stored message cannot be put on the air any more; set aside",
    # flags of messages that wait
    "no_receipt": "sent, and no receipt came within the configured time; still open to a late one",
    "in_doubt": "written to the carrier, and no answer came; waits for a late one or an operator",
}
"""Every reason that a reply, an event or a message can carry (docs/socket.md is checked against this)."""


class Clock:
    """The wall clock in milliseconds since 1970, injectable for tests."""

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._now = now_ms

    def now_ms(self) -> int:
        """Now, in ms since the epoch."""
        if self._now is not None:
            return self._now()
        return time.time_ns() // 1_000_000


_COUNTER_BITS: Final = 15
_NODE_BITS: Final = 6
_MS_SHIFT: Final = _COUNTER_BITS + _NODE_BITS


def id_floor(ms: int) -> int:
    """The lowest id of the millisecond ``ms``: stored ids are compared with it to select by time."""
    return ms << _MS_SHIFT


def id_ms(stored: int) -> int:
    """The creation time of a stored id, in ms since 1970."""
    return stored >> _MS_SHIFT


class IdSource:
    """Rising 63-bit ids: milliseconds (42) | node (6) | counter (15).

    They rise even when the clock steps back, and across restarts when ``after`` is the highest id stored:
    keys that lead with time cost a sixteenth of the pages that random ones do.
    """

    def __init__(self, clock: Clock, node: int = 0, after: int = 0) -> None:
        if not 0 <= node < 1 << _NODE_BITS:
            raise ValueError(f"node must be 0 to {(1 << _NODE_BITS) - 1}, not {node}")
        self._clock = clock
        self.node = node
        self._node = node << _COUNTER_BITS
        self._ms = after >> _MS_SHIFT
        # The rest of the highest stored millisecond is left alone.
        self._counter = (1 << _COUNTER_BITS) - 1 if after else -1
        self._lock = threading.Lock()

    def next(self) -> int:
        """One new id, larger than every one before."""
        with self._lock:  # inbound ids are given in the writer's thread, message ids in Trio's
            now = self._clock.now_ms()
            if now > self._ms:
                self._ms = now
                self._counter = 0
            else:
                self._counter += 1
                if self._counter >= 1 << _COUNTER_BITS:
                    self._ms += 1
                    self._counter = 0
            return self._ms << _MS_SHIFT | self._node | self._counter

    def some(self, count: int) -> Sequence[int]:
        """Several new ids that rise, each larger than every one before; at most 32768."""
        if count > 1 << _COUNTER_BITS:
            raise ValueError(f"{count} ids are more than the {1 << _COUNTER_BITS} of a millisecond")
        with self._lock:
            now = self._clock.now_ms()
            if now > self._ms:
                self._ms, first = now, 0
            elif self._counter + count < 1 << _COUNTER_BITS:
                first = self._counter + 1
            else:
                self._ms, first = self._ms + 1, 0
            self._counter = first + count - 1
            base = self._ms << _MS_SHIFT | self._node | first
        return range(base, base + count)


class IdText:
    """Stored ids as UUIDv7 text and back (RFC 9562 §5.7).

    The 65 bits that the stored id does not fill hold version, variant and 53 bits drawn once for each database, so
    two installations never give the same UUID and a foreign one is recognised without a look-up.
    """

    def __init__(self, install: int) -> None:
        if not 0 <= install < 1 << 53:
            raise ValueError("install has 53 bits")
        # What follows the upper bits of the counter: its lowest three, the node and the database's own.
        ends = [0x8000 | (low & 7) << 11 | (low >> 3) << 5 | install >> 48 for low in range(1 << _NODE_BITS + 3)]
        self._tail = f"-{install & (1 << 48) - 1:012x}"
        self._ends = [f"-{end:04x}{self._tail}" for end in ends]
        # Of the last id what comes before that: ids are told in runs, and eight in a row share it. Replaced as a whole,
        # since two threads ask.
        self._last = (-1, "")

    def format(self, stored: int) -> str:
        """The UUIDv7 of a stored id."""
        high = stored >> 3
        last = self._last
        if last[0] != high:
            ms = stored >> _MS_SHIFT
            last = self._last = (high, f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{high & 0xFFF:03x}")
        return last[1] + self._ends[stored >> _COUNTER_BITS - 3 & 0x1F8 | stored & 7]

    def parse(self, text: str) -> int | None:
        """The stored id of a UUIDv7 that `format` made, else None."""
        if len(text) != 36 or text[23:].lower() != self._tail:
            return None
        try:
            ms = int(text[0:8] + text[9:13], 16)
            high, low = int(text[14:18], 16), int(text[19:23], 16)
        except ValueError:
            return None
        stored = ms << _MS_SHIFT | (low >> 5 & 0x3F) << _COUNTER_BITS | (high & 0xFFF) << 3 | low >> 11 & 7
        return stored if 0 <= stored < 1 << 63 and self.format(stored) == text.lower() else None
