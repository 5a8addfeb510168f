"""Ends of segments, what they make of their message, and the one event that tells of a message's end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import msgspec
from msgspec import UNSET, UnsetType

from gateway.model import STATE_WORDS, UNSENT, Receipts, State, is_final, message_state
from gateway.policy.consent import NO_CONSENT
from gateway.store.hot import (
    ALIKE,
    END,
    END_ALIKE,
    HOLD,
    SELECT_MESSAGE_FACTS,
    SELECT_PARTS,
    SETTLE,
    Row,
    run_alike,
)
from gateway.store.optedout import OPTED_OUT, covered, unwanted
from gateway.store.tx import Op, Tx


class ReceiptEvent(msgspec.Struct):
    """Payload of a ``receipt`` event: the end of a message, whatever its cause. One for each message.

    The members of `gateway.store.about.About` are there where the settings say something.
    """

    at: str
    id: str
    ref: str | None
    state: str
    reason: str | None
    error_code: str | None
    from_: str = msgspec.field(name="from")
    to: str
    segments: int
    meta: msgspec.Raw
    number_meta: dict[str, str] | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    group: str | UnsetType = UNSET


_NULL = msgspec.Raw(b"null")
_encoder = msgspec.json.Encoder()
_second = (-1, "")


def rfc3339(ms: int) -> str:
    """A stored time as RFC 3339 in UTC with milliseconds."""
    global _second
    seconds = ms // 1000
    known = _second
    if known[0] != seconds:
        known = _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))
    return f"{known[1]}.{ms - seconds * 1000:03d}Z"


class Facts(msgspec.Struct, array_like=True, gc=False):
    """What the end event of a message needs to know of it."""

    id: int
    app: str
    number: str
    peer: str
    ref: str | None
    parts: int
    receipts: int  # `gateway.model.Receipts`
    meta: str | None  # JSON

    def __repr__(self) -> str:  # logs and tracebacks must not show what an app wrote
        return f"<{type(self).__name__} {self.id}>"

    @property
    def receipt(self) -> bool:
        """Whether any receipt is awaited."""
        return bool(self.receipts)


read_facts = msgspec.json.Decoder(list[Facts]).decode
"""Reads what `SELECT_MESSAGE_FACTS` gathers."""


Told = tuple[Facts, int, str | None, str | None]
"""The end of a message: state, reason and the carrier's own code."""


def announce(tx: Tx, facts: Facts, state: int, reason: str | None, error: str | None) -> None:
    """Emits the end of a message to those who asked for it."""
    announce_all(tx, [(facts, state, reason, error)])


def announce_all(tx: Tx, told: list[Told]) -> None:
    """Emits the ends of messages, each to those who asked for it."""
    at, text, about = rfc3339(tx.now), tx.id_text.format, tx.streams.numbers.about
    counts: dict[int, int] = {}
    for facts, state, reason, error in told:
        counts[state] = counts.get(state, 0) + 1
        streams = tx.streams.for_receipt(facts.app, facts.number)
        if not streams:
            continue
        meta = msgspec.Raw(facts.meta.encode()) if facts.meta is not None else _NULL
        event = ReceiptEvent(
            at,
            text(facts.id),
            facts.ref,
            STATE_WORDS[state],
            reason,
            error,
            facts.number,
            facts.peer,
            facts.parts,
            meta,
        )
        if about and (known := about.get(facts.number)) is not None:
            event.number_meta = known.number_meta
            event.owner = known.owner
            event.group = known.group
        tx.emit(streams, "receipt", facts.id, _encoder.encode(event))
    for state, count in counts.items():
        tx.count("ended:" + STATE_WORDS[state], count)


class End:
    """One segment's end as a flow asks for it; it holds if the segment's state is from ``low`` to ``high``.

    ``whole``: it holds for all segments of the message or for none.
    """

    __slots__ = (
        "error",
        "high",
        "low",
        "message_id",
        "part",
        "reason",
        "receipt_state",
        "state",
        "status",
        "told",
        "whole",
    )

    def __init__(
        self,
        message_id: int,
        part: int,
        state: int,
        reason: str,
        *,
        status: int | None = None,
        error: str | None = None,
        receipt_state: int | None = None,
        low: int = 0,
        high: int = 4,
        whole: bool = False,
        told: int | None = None,
    ) -> None:
        self.message_id = message_id
        self.part = part  # 0: every segment of the message that is in such a state
        self.state = state
        self.reason = reason
        self.status = status
        self.error = error
        self.receipt_state = receipt_state
        self.low = low
        self.high = high
        self.whole = whole
        self.told = told  # when it came to its end by the carrier's clock, in ms


def write_ends(tx: Tx, rows: list[Row]) -> None:
    """Writes ends, rows of `END`: most of a burst of receipts say the same of many messages, down to the second."""
    if len(rows) < ALIKE:
        END.run(tx.con, rows)
        return
    alike: dict[Row, list[Row]] = {}
    for row in rows:
        alike.setdefault(row[1:], []).append(row[:1])
    run_alike(tx.con, alike, END_ALIKE, END)


def end_segments(tx: Tx, ends: list[End], known_facts: Iterable[Facts] = ()) -> set[int]:
    """Ends segments and announces the messages that thereby come to theirs; returns the ids of messages changed.

    When a message comes to a bad end, its segments that are still unsent end with it: half a text helps nobody.
    A copy that is still unsent when the validity ends, its peer opts out, or quiet hours refuse it, is held in doubt:
    its first attempt may have been taken. What is known of messages need not be looked up.
    """
    if not ends:
        return set()
    ids = list(dict.fromkeys(e.message_id for e in ends))
    facts = {one.id: one for one in known_facts}
    asked = [(i,) for i in ids if i not in facts]
    facts |= {one.id: one for one in SELECT_MESSAGE_FACTS.gather(tx.con, asked, read_facts)}
    parts = parts_of(tx, ids)
    before = {mid: state_of(segments) for mid, segments in parts.items()}
    rows: list[Row] = []
    held: list[Row] = []
    changed: set[int] = set()
    for e in ends:
        segments = parts.get(e.message_id, {})
        if e.whole and not all(e.low <= known[0] <= e.high for known in segments.values()):
            tx.count("ends_ignored")
            continue
        for part in segments if e.part == 0 else (e.part,):
            known = segments.get(part)
            if known is None or not e.low <= known[0] <= e.high:
                tx.count("ends_ignored")
                continue
            if known[4] and (doubt := _HELD.get(e.reason)) is not None:
                known[0] = State.IN_DOUBT
                held.append((e.message_id, part))
                tx.trace(e.message_id, part, "doubt", known[5], {"cause": doubt, "resent": False})
                continue
            if tx.charges and _unused(e, known):
                tx.unused.append((e.message_id, part))
            at = tx.now if e.state == State.DELIVERED else _after_other_ends(tx.now, segments)
            known[:4] = [e.state, at, e.reason, e.error]
            rows.append(
                (
                    e.message_id,
                    part,
                    e.state,
                    at,
                    e.status,
                    e.reason,
                    e.error,
                    e.receipt_state,
                    e.low,
                    e.high,
                    e.told,
                )
            )
            changed.add(e.message_id)
    for mid in changed:
        rows += _end_unsent(tx, mid, parts[mid])
    write_ends(tx, rows)
    HOLD.run(tx.con, held)
    for mid in ids:
        fact = facts.get(mid)
        if fact is None or mid not in changed:
            continue
        if fact.receipts == Receipts.ANY:
            enough(tx, mid, parts[mid])
        after = state_of(parts[mid])
        if is_final(after, fact.receipt) and not is_final(before[mid], fact.receipt):
            cause = cause_of(parts[mid])
            announce(tx, fact, after, cause[2], cause[3])
    return changed


_HELD = {"expired_unsent": "expired", OPTED_OUT: OPTED_OUT, NO_CONSENT: NO_CONSENT, "quiet_hours": "quiet_hours"}
"""Reasons by which a copy is held, and does not end; and what its doubt is put down to."""


_WITHOUT: Final = (State.FAILED, State.REJECTED, State.EXPIRED, State.CANCELLED)
_BEFORE: Final = (State.SCHEDULED, State.QUEUED, State.SUBMITTING)


def _unused(e: End, known: list[Any]) -> bool:
    """Whether a segment ends so that certainly no carrier has it: nothing of it is in doubt, and no receipt says it.

    What is held in doubt ends so where its one attempt was refused after all.
    """
    if e.state not in _WITHOUT or e.receipt_state is not None:
        return False
    if known[0] in _BEFORE:
        return not known[4]
    return known[0] == State.IN_DOUBT and known[4] == 1 and e.status is not None


def end_left_over(tx: Tx, ids: list[int]) -> set[int]:
    """Segments that came back to the queue end where their message is at a bad end already, or may not be sent.

    Returns the ids of the messages that nothing more is sent of for that.
    """
    rows: list[Row] = []
    gone: set[int] = set()
    for mid, segments in parts_of(tx, list(dict.fromkeys(ids))).items():
        if ended := _end_unsent(tx, mid, segments):
            rows += ended
            gone.add(mid)
    write_ends(tx, rows)
    if stopped := covered(tx, ids):
        low, high = int(State.SCHEDULED), int(State.QUEUED)
        end_segments(tx, [End(mid, 0, State.REJECTED, stopped[mid], low=low, high=high) for mid in sorted(stopped)])
        gone.update(stopped)
    return gone


def end_unwanted(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Of queued messages those whose peer opted out of them end, by their ids.

    For while the queues are looked through by other rules (`Tx.asks`): else nothing of the kind is queued.
    """
    stopped = unwanted(tx, ids)
    low, high = int(State.SCHEDULED), int(State.QUEUED)
    end_segments(tx, [End(mid, 0, State.REJECTED, OPTED_OUT, low=low, high=high) for mid in sorted(stopped)])
    return stopped


Segments = dict[int, list[Any]]
"""By part: state, done_at, reason, error, in_doubt, carrier."""


def enough(tx: Tx, mid: int, segments: Segments) -> None:
    """Where one receipt is enough: once a segment is delivered and the others are sent, those wait for none."""
    states = {known[0] for known in segments.values()}
    if states != {State.DELIVERED, State.SENT}:
        return
    rows: list[Row] = []
    for part, known in segments.items():
        if known[0] == State.SENT and known[1] is None:
            known[1] = tx.now
            rows.append((mid, part, tx.now))
    SETTLE.run(tx.con, rows)


def parts_of(tx: Tx, ids: list[int]) -> dict[int, Segments]:
    """The segments of messages as they are stored, by message."""
    parts: dict[int, Segments] = {}
    for mid, part, known in SELECT_PARTS.gather(tx.con, [(i,) for i in ids], _read_parts):
        parts.setdefault(mid, {})[part] = known
    return parts


_read_parts = msgspec.json.Decoder(list[tuple[int, int, list[Any]]]).decode


def _end_unsent(tx: Tx, mid: int, segments: Segments) -> list[Row]:
    """What ends the unsent segments of a message, if it is at a bad end."""
    if len(segments) == 1 or (after := state_of(segments)) <= State.DELIVERED:
        return []
    reason = cause_of(segments)[2]
    rows: list[Row] = []
    for part, known in segments.items():
        if known[0] in UNSENT:
            if tx.charges and not known[4]:
                tx.unused.append((mid, part))
            known[:4] = [int(after), _after_other_ends(tx.now, segments), reason, None]
            rows.append((mid, part, int(after), known[1], None, reason, None, None, 0, 1, None))
    return rows


def _after_other_ends(now: int, segments: Segments) -> int:
    """The time of one more bad end: after the others, so that the first stays the first whatever the clock does."""
    others: list[int] = [s[1] + 1 for s in segments.values() if s[0] > State.DELIVERED and s[1] is not None]
    return max([now, *others])


def state_of(segments: Segments) -> State:
    """The state of the message that these are the segments of."""
    return message_state((s[0], s[1]) for _, s in sorted(segments.items()))


def cause_of(segments: Segments) -> list[Any]:
    """The segment whose end decided: the first bad one, else the last that was delivered, else the last."""
    bad = [s for s in segments.values() if s[0] > State.DELIVERED]
    if bad:
        return min(bad, key=lambda s: s[1] or 0)
    return segments[max([part for part, s in segments.items() if s[0] == State.DELIVERED] or segments)]


class EndOp(Op):
    """Ends asked for by validity, an app's cancel or an operator; ``changed`` says which messages it changed."""

    __slots__ = ("changed", "ends")
    order: ClassVar[int] = 40
    name: ClassVar[str] = "end"

    def __init__(self, ends: list[End]) -> None:
        super().__init__()
        self.ends = ends
        self.changed: set[int] = set()

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.ends), 100 * len(self.ends)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.changed = end_segments(tx, op.ends)


class ClaimedEndOp(EndOp):
    """Ends of what is claimed: memory has let go of it, so nobody would ask again before the next start."""

    __slots__ = ()
    must: ClassVar[bool] = True
    name: ClassVar[str] = "claimed_end"
