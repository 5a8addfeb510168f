"""Negative receipts of messages that another carrier may still bring: the message goes there, in the same transaction.

It goes once every segment that a receipt is awaited of has ended so, and none is delivered, in doubt or under way.
Until then a negative receipt is held: its segment stays `sent`, with a reason, and nobody is told of an end. What is
not decided in time ends as its receipts say. Nothing of it is in memory alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from gateway.model import RECEIPT_STATES, Receipts, State
from gateway.smpp.constants import MessageState
from gateway.store.ends import End, end_segments
from gateway.store.hot import Row, Values
from gateway.store.matching import Found, ReceiptIn
from gateway.store.optedout import covered
from gateway.store.reroute import Candidate, Part, Plan, candidates, move
from gateway.store.tx import Op, Tx

DECIDE_WITHIN_MS: Final = 600_000
"""How long receipts of the other segments are waited for: carriers send them close together, or never."""
PAGE: Final = 500

HOLD_RECEIPT: Final = Values(
    "WITH v(mid, part, reason, error, receipt_state, due) AS (VALUES {values}) UPDATE segment SET reason = v.reason,"
    " error = v.error, receipt_state = v.receipt_state, due_at = v.due FROM v"
    " WHERE message_id = v.mid AND segment.part = v.part AND segment.state = 3",
    6,
)


def elsewhere(tx: Tx, found: Found) -> Found:
    """Takes out of the receipts of a burst those whose message goes elsewhere, or may; returns the others."""
    ids = [
        m.id
        for receipt, m in found
        if receipt.state is not None
        and not m.stale
        and State.QUEUED <= m.state <= State.IN_DOUBT
        and (receipt.state > State.DELIVERED or m.parts > 1)
    ]
    if not ids:
        return found
    told: dict[int, dict[int, ReceiptIn]] = {}
    for receipt, m in found:
        if not m.stale and receipt.state is not None:
            told.setdefault(m.id, {}).setdefault(m.part, receipt)
    taken: dict[int, set[int]] = {}  # by message: the parts whose receipt is taken
    for c in candidates(tx, ids):
        news = told[c.id]
        if _decide(tx, c, news):
            taken[c.id] = set(news)
    left: Found = []
    for receipt, m in found:
        if m.id not in taken or m.stale or receipt.state is None:
            left.append((receipt, m))
            continue
        first = m.part in taken[m.id]
        taken[m.id].discard(m.part)
        tx.count("receipt_matched" if first else "receipt_duplicate")
        detail = {
            "outcome": "held" if first else "duplicate",
            "receipt_state": receipt.receipt_state,
            "error": receipt.error,
            "id": receipt.raw,
            "came": receipt.at,
        }
        tx.trace(m.id, m.part, "receipt", receipt.carrier, detail)
        if first and m.sent_at is not None:
            tx.receipt_times.setdefault(receipt.carrier, []).append(max(0, receipt.at - m.sent_at) / 1000)
    return left


def _decide(tx: Tx, c: Candidate, news: dict[int, ReceiptIn]) -> bool:
    """Whether the receipts are taken: the message went, or they are held. Else what was held ends here."""
    held = [s for s in c.segments if _held(s)]
    for s in held:
        news.pop(s.part, None)  # the first final receipt of a segment is the one that counts
    if not held and not any(receipt.state is not None and receipt.state > State.DELIVERED for receipt in news.values()):
        return False
    verdicts = {_verdict(c, s, news.get(s.part)) for s in c.segments}
    plan: Plan | None = None
    if "other" not in verdicts and tx.planner is not None and not covered(tx, [c.id]):
        plan = tx.planner.plan(c, "receipt", tx.now)
    if plan is None:
        _end_held(tx, c, held)
        return False
    if "open" in verdicts:
        due = tx.now + DECIDE_WITHIN_MS
        rows: list[Row] = [
            (c.id, part, r.reason or "undelivered", r.error, r.receipt_state, due) for part, r in news.items()
        ]
        HOLD_RECEIPT.run(tx.con, rows)
        return True
    tx.moved += move(tx, [(c, plan)], "receipt")
    return True


def _held(s: Part) -> bool:
    return s.state == State.SENT and s.reason is not None and s.done_at is None


def _verdict(c: Candidate, s: Part, receipt: ReceiptIn | None) -> str:
    """`bad`, `open` (its receipt is awaited) or `none` (there will be none); `other`: it must not go elsewhere."""
    if s.state != State.SENT or s.in_doubt:
        return "other"  # what became of an attempt before the copy is not known: it may still arrive
    if receipt is not None:
        return "bad" if receipt.state is not None and receipt.state > State.DELIVERED else "other"
    if _held(s):
        return "bad"
    return "none" if s.done_at is not None or c.receipt == Receipts.ANY else "open"


def _end_held(tx: Tx, c: Candidate, held: list[Part]) -> None:
    ends = []
    for s in held:
        told = RECEIPT_STATES.get(MessageState(s.receipt_state)) if s.receipt_state in _STATES else None
        state = told if told is not None and told > State.DELIVERED else State.UNDELIVERED
        sent = int(State.SENT)
        ends.append(
            End(
                c.id, s.part, state, s.reason or "undelivered", error=s.error, receipt_state=s.receipt_state, low=sent,
                high=sent,
            )
        )  # fmt: skip
    end_segments(tx, ends)


_STATES: Final = frozenset(int(state) for state in MessageState)


class DecideOp(Op):
    """Ends the messages whose receipts were held for too long."""

    __slots__ = ("found",)
    order: ClassVar[int] = 61
    name: ClassVar[str] = "decide"

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    @property
    def weight(self) -> tuple[int, int]:
        return PAGE, 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            # As the index has it: see `segment_held`.
            rows = tx.con.execute(
                "SELECT DISTINCT message_id FROM segment WHERE state = 3 AND reason IS NOT NULL AND due_at <= ?"
                " LIMIT ?",
                (tx.now, PAGE),
            ).fetchall()
            op.found = len(rows)
            for c in candidates(tx, [mid for (mid,) in rows]):
                _end_held(tx, c, [s for s in c.segments if _held(s)])
