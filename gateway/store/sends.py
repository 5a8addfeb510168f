"""What happens to a segment on its way to a carrier: claimed, answered, given back, in doubt."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from gateway.model import Receipts, State, is_final
from gateway.store.ends import (
    End,
    Segments,
    announce,
    cause_of,
    end_left_over,
    end_segments,
    end_unwanted,
    enough,
    parts_of,
    read_facts,
    state_of,
)
from gateway.store.hot import (
    CLAIM,
    CLAIM_ALIKE,
    CLAIM_TOLD,
    DOUBT,
    INSERT_SMSC_ID,
    RETRY,
    SELECT_MESSAGE_FACTS,
    SELECT_SEGMENT,
    SENT,
    SENT_ALIKE,
    UNCLAIM,
    Row,
    run_alike,
)
from gateway.store.receipts import apply_parked, fold, smsc_bucket
from gateway.store.tx import Op, Tx

Key = tuple[int, int]
"""(message_id, part) of a segment."""


class ClaimOp(Op):
    """Claims queued segments for sending. ``claimed`` holds those that were still queued, and with ``carrier``."""

    __slots__ = ("carrier", "claimed", "context", "keys")
    order: ClassVar[int] = 50
    passes: ClassVar[bool] = True
    name: ClassVar[str] = "claim"

    def __init__(self, keys: list[Key], context: Any = None, carrier: str | None = None) -> None:
        super().__init__()
        self.keys = keys
        self.context = context
        self.carrier = carrier  # None: whichever it is with
        self.claimed: set[Key] | list[Key] = []

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.keys), 50 * len(self.keys)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        con = tx.con
        if tx.asks:
            end_unwanted(tx, [mid for op in ops for mid, _ in op.keys])
        con.execute("SAVEPOINT claim")
        if _claim(tx, ops) == sum([len(op.keys) for op in ops]):
            for op in ops:
                op.claimed = op.keys
        else:
            # Some were cancelled, expired, settled or claimed while they waited: see which are ours. A segment is
            # given to one who asks for it, never to two.
            con.execute("ROLLBACK TO claim")
            rows = [(mid, part, tx.epoch, op.carrier, tx.now) for op in ops for mid, part in op.keys]
            carriers = {(mid, part): carrier for mid, part, carrier in CLAIM_TOLD.fetch(con, rows)}
            for op in ops:
                # Two may ask for one that went from one carrier to another just now: it is for where it is.
                op.claimed = {k for k in op.keys if k in carriers and op.carrier in (None, carriers[k])}
                for key in op.claimed:
                    del carriers[key]
        con.execute("RELEASE claim")


def _claim(tx: Tx, ops: list[ClaimOp]) -> int:
    """Claims what is asked for, as far as it still waits, and returns of how many that was so."""
    alike: dict[Row, list[Row]] = {}
    epoch, now = tx.epoch, tx.now
    for op in ops:
        carrier = op.carrier
        for mid, part in op.keys:
            shared = (part, epoch, carrier, now)
            ids = alike.get(shared)
            if ids is None:
                ids = alike[shared] = []
            ids.append((mid,))
    return run_alike(tx.con, alike, CLAIM_ALIKE, CLAIM)


class UnclaimOp(Op):
    """Claims that were certainly not written go back to the queue; those of the messages in ``gone`` end instead."""

    __slots__ = ("context", "gone", "keys")
    order: ClassVar[int] = 31
    must: ClassVar[bool] = True
    name: ClassVar[str] = "unclaim"

    def __init__(self, keys: list[Key], context: Any = None) -> None:
        super().__init__()
        self.keys = keys
        self.context = context
        self.gone: set[int] = set()

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.keys), 50 * len(self.keys)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        UNCLAIM.run(tx.con, [key for op in ops for key in op.keys])
        gone = end_left_over(tx, [mid for op in ops for mid, _ in op.keys])
        for op in ops:
            op.gone = gone


class DoubtOp(Op):
    """Segments that were written, perhaps, and not answered. ``states`` tells what became of each.

    Before the responses of its burst, since among them may be the late one that settles it.
    """

    __slots__ = ("bind", "carrier", "cause", "context", "keys", "resend", "states", "written")
    order: ClassVar[int] = 18
    must: ClassVar[bool] = True
    name: ClassVar[str] = "doubt"

    def __init__(
        self,
        keys: list[Key],
        resend: bool,
        context: Any = None,
        *,
        carrier: str = "",
        bind: str | None = None,
        cause: str = "timeout",
        written: dict[Key, int] | None = None,
    ) -> None:
        super().__init__()
        self.keys = keys
        self.resend = resend
        self.context = context
        self.states: dict[Key, int] = {}
        self.carrier = carrier
        self.bind = bind
        self.cause = cause  # of the doubt: `timeout` or `lost` (the session)
        self.written = written or {}

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.keys), 50 * len(self.keys)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        changed = DOUBT.run(tx.con, [(mid, part, op.resend) for op in ops for mid, part in op.keys])
        tx.count("in_doubt", changed)
        end_left_over(tx, [mid for op in ops for mid, _ in op.keys])
        for op in ops:
            op.states = {(mid, part): state for mid, part, state, _ in SELECT_SEGMENT.fetch(tx.con, op.keys)}
            for mid, part in op.keys:
                detail = {
                    "cause": op.cause,
                    "resent": op.states.get((mid, part)) == State.QUEUED,
                    "bind": op.bind,
                    "written": op.written.get((mid, part)),
                }
                tx.trace(mid, part, "doubt", op.carrier, detail)


class Sent(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A positive response for a segment. ``late``: it came after the segment had been given up as in doubt.

    ``written`` is when its submit_sm was handed to the session, in ms.
    """

    message_id: int
    part: int
    raw: str
    at: int
    receipt: int
    late: bool = False
    written: int | None = None


class ResponseOp(Op):
    """The responses of one burst from one bind of a carrier: sent, refused for good, or refused for now.

    ``retries`` are rows (message_id, part, command_status, due_at in ms); ``written`` says of segments that were not
    accepted when their submit_sm was handed to the session, in ms. Messages in ``gone`` end and are not tried again.
    ``group``: how many of the carrier are stored at once where its window waits for them; 0: as many as there are.
    """

    __slots__ = ("bind", "carrier", "context", "gone", "refused", "retries", "sent", "written")
    order: ClassVar[int] = 20
    must: ClassVar[bool] = True
    name: ClassVar[str] = "response"

    def __init__(
        self,
        carrier: str,
        sent: list[Sent],
        refused: list[End],
        retries: list[Row],
        context: Any,
        *,
        bind: str | None = None,
        written: dict[Key, int] | None = None,
        group: int = 0,
    ) -> None:
        super().__init__()
        if group:
            self.line, self.group = carrier, 2 * group  # an answer is two rows, see `weight`
        self.carrier = carrier
        self.sent = sent
        self.refused = refused
        self.retries = retries
        self.context = context
        self.bind = bind
        self.written = written or {}
        self.gone: set[int] = set()

    @property
    def weight(self) -> tuple[int, int]:
        rows = 2 * len(self.sent) + len(self.refused) + len(self.retries)
        return rows, 100 * rows

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        alike: dict[Row, list[Row]] = {}
        ids: list[Row] = []
        unasked: list[Sent] = []
        bucket = smsc_bucket(tx.now)
        for op in ops:
            carrier, bind = op.carrier, op.bind
            for s in op.sent:
                shared = (s.at, None if s.receipt else s.at, bind)
                rows = alike.get(shared)
                if rows is None:
                    rows = alike[shared] = []
                rows.append((s.message_id, s.part, s.raw, s.written))
                if s.raw and s.receipt:
                    ids.append((bucket, carrier, fold(s.raw), s.message_id, s.part, s.raw))
                if s.receipt != Receipts.EACH:
                    unasked.append(s)
                if s.late:
                    tx.trace(s.message_id, s.part, "late", carrier, {"status": 0, "id": s.raw, "bind": bind})
            if op.retries or op.refused:
                _trace_refusals(tx, op)
        before = parts_of(tx, list(dict.fromkeys(s.message_id for s in unasked))) if unasked else {}
        run_alike(tx.con, alike, SENT_ALIKE, SENT)
        INSERT_SMSC_ID.run(tx.con, ids)
        if unasked:
            _announce(tx, unasked, before)
        retries = [row for op in ops for row in op.retries]
        RETRY.run(tx.con, retries)
        end_segments(tx, [end for op in ops for end in op.refused])
        if retries:
            gone = end_left_over(tx, [row[0] for row in retries])
            for op in ops:
                op.gone = gone
        if ids:
            apply_parked(tx, ids)


def _trace_refusals(tx: Tx, op: ResponseOp) -> None:
    attempt: dict[str, Any]
    for mid, part, status, due in op.retries:
        attempt = {"status": status, "due": due, "bind": op.bind, "written": op.written.get((mid, part))}
        tx.trace(mid, part, "retry", op.carrier, attempt)
    told: set[Key] = set()  # an end that may hold from one of several states is there several times
    for end in op.refused:
        key = end.message_id, end.part
        if key not in told:
            told.add(key)
            attempt = {"status": end.status, "bind": op.bind, "written": op.written.get(key)}
            tx.trace(end.message_id, end.part, "refused", op.carrier, attempt)


_OPEN: Final = (State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.IN_DOUBT)


def _announce(tx: Tx, sent: list[Sent], parts: dict[int, Segments]) -> None:
    """Where these segments wait for no receipt, a positive response may be the end of their message.

    It is the last one where none was asked for; where others are waited for, those were here before.
    """
    before = {mid: state_of(segments) for mid, segments in parts.items()}
    ended: set[int] = set()
    for s in sent:
        known = parts.get(s.message_id, {}).get(s.part)
        if known is None or known[0] not in _OPEN:
            continue
        known[0] = State.SENT
        known[1] = None if s.receipt else s.at
        ended.add(s.message_id)
    ended -= {mid for mid in ended if any(known[0] in _OPEN for known in parts[mid].values())}
    if not ended:
        return
    for facts in SELECT_MESSAGE_FACTS.gather(tx.con, [(mid,) for mid in sorted(ended)], read_facts):
        segments = parts[facts.id]
        if facts.receipts == Receipts.ANY:
            enough(tx, facts.id, segments)
        after = state_of(segments)
        if is_final(after, facts.receipt) and not is_final(before[facts.id], facts.receipt):
            cause = cause_of(segments)
            announce(tx, facts, after, cause[2], cause[3])
