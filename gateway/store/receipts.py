"""Receipts come to their segment: matched, applied, or parked until what they are for is known."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from gateway.model import State, id_floor
from gateway.store.ends import End, Told, announce_all, end_segments, write_ends
from gateway.store.forms import fold, other_forms
from gateway.store.hot import DELETE_PARKED, INSERT_PARKED, MATCH_PARKED, Row
from gateway.store.matching import Found, Match, ReceiptIn, match, smsc_bucket
from gateway.store.tx import Op, Tx
from gateway.store.undelivered import elsewhere

__all__ = ["KeepFormsOp", "ReceiptIn", "ReceiptOp", "RetryParkedOp", "apply_parked", "fold", "settle", "smsc_bucket"]


class ReceiptOp(Op):
    """The receipts of one read. None is lost: what finds no segment is parked and tried at each new response."""

    __slots__ = ("context", "receipts")
    order: ClassVar[int] = 60
    name: ClassVar[str] = "receipt"

    def __init__(self, receipts: list[ReceiptIn], context: Any = None) -> None:
        super().__init__()
        self.line = receipts[0].carrier if receipts else None
        self.receipts = receipts
        self.context = context

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.receipts), 400 * len(self.receipts)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        receipts = [r for op in ops for r in op.receipts]
        found, missing = match(tx, receipts)
        settle(tx, found)
        if missing:
            park(tx, missing)


def settle(tx: Tx, found: Found) -> None:
    """Applies receipts to their segments; the first final one of a segment wins, contradictions are counted."""
    if tx.planner is not None and tx.planner.receipts:
        found = elsewhere(tx, found)
    rows: list[Row] = []
    told: list[Told] = []
    several: list[End] = []
    done: dict[tuple[int, int], int] = {}
    times = tx.receipt_times
    for receipt, m in found:
        if m.stale:
            # Its segment went to another carrier since: what the one before still says of it settles nothing.
            tx.count("receipt_stale")
            _trace(tx, receipt, m, "stale")
            continue
        if receipt.state is None:
            tx.count("receipt_no_change")
            _trace(tx, receipt, m, "no_change")
            continue
        key = (m.id, m.part)
        state = done.get(key, m.state)
        # Sent and done: others of the message had their receipt, and it is at its end.
        settled = state == _SENT and m.done_at is not None and m.receipts
        if not _QUEUED <= state <= _IN_DOUBT or (settled and receipt.state != State.DELIVERED):
            outcome = "duplicate" if state == receipt.state else "contradiction"
            tx.count(f"receipt_{outcome}")
            _trace(tx, receipt, m, outcome)
            continue
        done[key] = receipt.state
        if m.sent_at is not None:
            # Less than nothing where the receipt was here before the response.
            after = receipt.at - m.sent_at
            times.setdefault(receipt.carrier, []).append(after / 1000 if after > 0 else 0.0)
        if m.parts == 1:
            rows.append(
                (
                    m.id,
                    m.part,
                    receipt.state,
                    tx.now,
                    None,
                    receipt.reason,
                    receipt.error,
                    receipt.receipt_state,
                    _QUEUED,
                    _IN_DOUBT,
                    receipt.done,
                )
            )
            if m.receipts or state != _SENT:
                told.append((m, receipt.state, receipt.reason, receipt.error))
        else:
            several.append(
                End(
                    m.id,
                    m.part,
                    receipt.state,
                    receipt.reason or "undelivered",
                    error=receipt.error,
                    receipt_state=receipt.receipt_state,
                    low=_QUEUED,
                    high=_IN_DOUBT,
                    told=receipt.done,
                )
            )
    if done:
        tx.count("receipt_matched", len(done))
    write_ends(tx, rows)
    announce_all(tx, told)
    end_segments(tx, several, [m for _, m in found] if several else ())


# As integers: a look-up of an enumeration costs a tenth of what a receipt does here.
_QUEUED: Final = int(State.QUEUED)
_SENT: Final = int(State.SENT)
_IN_DOUBT: Final = int(State.IN_DOUBT)


def _trace(tx: Tx, receipt: ReceiptIn, m: Match, outcome: str) -> None:
    detail = {
        "outcome": outcome,
        "receipt_state": receipt.receipt_state,
        "error": receipt.error,
        "id": receipt.raw,
        "came": receipt.at,
    }
    tx.trace(m.id, m.part, "receipt", receipt.carrier, detail)


LAST_ID: Final = (1 << 63) - 1
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ReceiptIn)


def park(tx: Tx, receipts: list[ReceiptIn]) -> None:
    """Keeps receipts that match nothing yet; past the bound the oldest go, counted."""
    rows: list[Row] = []
    undecided = 0
    for r in receipts:
        if r.state is None:
            tx.count("receipt_no_change")
            continue
        rows.append((tx.ids.next(), r.carrier, fold(r.raw), _encoder.encode(r)))
        undecided += r.undecided
    if not rows:
        return
    INSERT_PARKED.run(tx.con, rows)
    tx.count("receipt_parked", len(rows))
    if undecided:
        tx.count("receipt_undecided", undecided)
    tx.parked += len(rows)
    over = tx.parked - tx.tuning.parked_max
    if over > 0:
        gone = tx.con.execute(
            "DELETE FROM parked_receipt WHERE id IN (SELECT id FROM parked_receipt ORDER BY id LIMIT ?)",
            (over,),
        ).rowcount
        tx.parked -= gone
        tx.count("receipt_parked_evicted", gone)


def apply_parked(tx: Tx, ids: list[Row]) -> None:
    """Tries the parked receipts against ids (rows of ``smsc_id``) that were just recorded in this transaction."""
    if not tx.parked:
        return
    probes: list[Row] = []
    for i, (_, carrier, key, *_rest) in enumerate(ids):
        probes.append((i, carrier, key))
        probes += [(i, carrier, form) for form in other_forms(key)]
    waiting: dict[int, bytes] = {}
    for _, parked_id, payload in MATCH_PARKED.fetch(tx.con, probes):
        waiting[parked_id] = payload
    if not waiting:
        return
    _try_again(tx, [(parked_id, payload) for parked_id, payload in sorted(waiting.items())])


def _try_again(tx: Tx, parked: list[tuple[int, bytes]]) -> None:
    """Matches parked receipts anew, in the order in which they came: the first final one of a segment wins."""
    receipts = {parked_id: _decoder.decode(payload) for parked_id, payload in parked}
    before = {id(r): r.undecided for r in receipts.values()}
    found, missing = match(tx, list(receipts.values()), fresh=False)
    left = {id(r) for r in missing}
    gone: list[Row] = []
    for parked_id, r in receipts.items():
        if id(r) not in left:
            gone.append((parked_id,))
        elif r.undecided and not before[id(r)]:
            # It is looked at once more when it has waited long enough.
            tx.count("receipt_undecided")
            tx.con.execute("UPDATE parked_receipt SET receipt = ? WHERE id = ?", (_encoder.encode(r), parked_id))
    tx.parked -= DELETE_PARKED.run(tx.con, gone)
    tx.count("receipt_unparked", len(gone))
    settle(tx, found)


class RetryParkedOp(Op):
    """Tries undecided parked receipts again: of ``carriers``, or of all (None) those that came before ``before`` (ms).

    It looks at those with an id over ``above``, a page at a time; ``last`` is the id to go on from, None at the end.
    """

    __slots__ = ("above", "before", "carriers", "last")
    order: ClassVar[int] = 62
    name: ClassVar[str] = "retry_parked"
    PAGE: ClassVar[int] = 200

    def __init__(self, above: int, *, carriers: frozenset[str] | None = None, before: int | None = None) -> None:
        super().__init__()
        self.above = above
        self.carriers = carriers
        self.before = before
        self.last: int | None = None

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * self.PAGE, 400 * self.PAGE

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            high = id_floor(op.before) if op.before is not None else LAST_ID
            rows = tx.con.execute(
                "SELECT id, carrier, receipt FROM parked_receipt WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
                (op.above, high, cls.PAGE),
            ).fetchall()
            op.last = rows[-1][0] if len(rows) == cls.PAGE else None
            again = [(i, r) for i, carrier, r in rows if op.carriers is None or carrier in op.carriers]
            again = [(i, r) for i, r in again if b'"undecided":true' in r]
            if again:
                _try_again(tx, again)


class KeepFormsOp(Op):
    """Stores what was learnt of the forms of ids, which is not worth a row for each receipt."""

    __slots__ = ()
    order: ClassVar[int] = 91
    name: ClassVar[str] = "keep_forms"

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 200

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        tx.forms.write_all(tx.con)
