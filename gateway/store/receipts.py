"""Receipts find their segment: folded ids in time buckets, other written forms of an id, and parking.

A carrier may write the id of its response in hexadecimal and that of its receipt in decimal, with or without leading
zeros, in either case; a receipt may also be here before its response is. The exact form comes first. Any other form
must also agree with the peer's address, and two candidates mean none.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from gateway.model import State
from gateway.store.ends import End, Facts, announce, end_segments
from gateway.store.hot import DELETE_PARKED, END, INSERT_PARKED, MATCH_PARKED, MATCH_RECEIPT, Row
from gateway.store.tx import Op, Tx

BUCKET_MS: Final = 6 * 3_600_000
RECENT_BUCKETS: Final = 12
"""Other forms of an id than the exact one count only for three days."""


def smsc_bucket(now_ms: int) -> int:
    """The bucket of six hours that an id recorded now is put into."""
    return now_ms // BUCKET_MS


def fold(raw: str) -> str:
    """The form under which an id is stored: no case, no leading zeros, no blanks around it."""
    return raw.strip().lower().lstrip("0") or "0"


_HEXADECIMAL: Final = frozenset("0123456789abcdef")


def other_forms(raw: str) -> tuple[str, ...]:
    """The folded forms that ``raw`` may have on the other side: decimal read as hexadecimal and back."""
    key = fold(raw)
    forms: list[str] = []
    if len(key) <= 40:
        if key.isascii() and key.isdigit():
            forms.append(f"{int(key):x}")
        if _HEXADECIMAL.issuperset(key):
            forms.append(str(int(key, 16)))
    return tuple(form for form in dict.fromkeys(forms) if form != key)


def same_peer(a: str, b: str) -> bool:
    """Whether two written addresses can be one phone: equal digits, or one is the national form of the other."""
    if a == b:
        return True
    da, db = "".join(filter(str.isdigit, a)).lstrip("0"), "".join(filter(str.isdigit, b)).lstrip("0")
    if not da or not db:
        return False
    return da == db or (min(len(da), len(db)) >= 7 and (da.endswith(db) or db.endswith(da)))


class ReceiptIn(msgspec.Struct):
    """A receipt as it came in. ``state`` is the `State` that it leads to, None for one that changes nothing."""

    carrier: str
    raw: str  # the id that it names
    peer: str  # the phone, as normalised from the PDU's source address
    state: int | None
    receipt_state: int | None  # message_state as in SMPP 3.4 §5.2.28
    reason: str | None
    error: str | None
    at: int  # ms


class _Match:
    __slots__ = ("done_at", "facts", "part", "raw", "sent_at", "state")

    def __init__(self, row: Row) -> None:
        self.raw: str = row[1]
        self.part: int = row[3]
        self.state: int = row[4]
        self.done_at: int | None = row[5]
        self.sent_at: int | None = row[6]
        self.facts = Facts(row[2], *row[7:])


def choose(receipt: ReceiptIn, exact: list[_Match], others: list[_Match]) -> _Match | None:
    """The one segment that a receipt is for, or None.

    ``exact`` have the same folded id, ``others`` another form of it. In order: the same written id and peer (the
    newest, when the carrier counts anew), the same folded id and peer, another form and peer, and last the same
    written id alone, since some carriers rewrite addresses; each of the later ones only when there is just one.
    """
    same = [m for m in exact if m.raw == receipt.raw]
    agreeing = [m for m in same if same_peer(m.facts.peer, receipt.peer)]
    if agreeing:
        return max(agreeing, key=lambda m: (m.facts.id, m.part))
    for group in (exact, others):
        agreeing = _distinct([m for m in group if same_peer(m.facts.peer, receipt.peer)])
        if len(agreeing) == 1:
            return agreeing[0]
        if agreeing:
            return None
    alone = _distinct(same)
    # What is at its end needs no receipt: this one is for a message with the same id whose response is not here yet.
    return alone[0] if len(alone) == 1 and alone[0].state < State.DELIVERED else None


def _distinct(matches: list[_Match]) -> list[_Match]:
    """One for each segment: what was sent twice may have been given one id in two forms, or at two times."""
    return list({(m.facts.id, m.part): m for m in matches}.values())


class ReceiptOp(Op):
    """The receipts of one burst. None is lost: what finds no segment is parked and tried at each new response."""

    __slots__ = ("context", "receipts")
    order: ClassVar[int] = 60
    name: ClassVar[str] = "receipt"

    def __init__(self, receipts: list[ReceiptIn], context: Any = None) -> None:
        super().__init__()
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


def match(tx: Tx, receipts: list[ReceiptIn]) -> tuple[list[tuple[ReceiptIn, _Match]], list[ReceiptIn]]:
    """Finds the segments; most receipts are for an id of the current or the previous bucket, in its exact form."""
    bucket = smsc_bucket(tx.now)
    found: dict[int, _Match] = {}
    left = list(range(len(receipts)))
    for b in (bucket, bucket - 1):
        candidates = _fetch(tx, [(i, b, receipts[i].carrier, fold(receipts[i].raw)) for i in left])
        for i, exact in candidates.items():
            sure = [m for m in exact if m.raw == receipts[i].raw and same_peer(m.facts.peer, receipts[i].peer)]
            if sure:
                found[i] = max(sure, key=lambda m: (m.facts.id, m.part))
        left = [i for i in left if i not in found]
        if not left:
            break
    for i in left:
        chosen = _search(tx, receipts[i], bucket)
        if chosen is not None:
            found[i] = chosen
            tx.count("receipt_matched_by_form" if chosen.raw != receipts[i].raw else "receipt_matched_late")
    return [(receipts[i], found[i]) for i in sorted(found)], [receipts[i] for i in left if i not in found]


def _fetch(tx: Tx, probes: list[Row]) -> dict[int, list[_Match]]:
    out: dict[int, list[_Match]] = {}
    for row in MATCH_RECEIPT.fetch(tx.con, probes):
        out.setdefault(row[0], []).append(_Match(row))
    return out


def _search(tx: Tx, receipt: ReceiptIn, bucket: int) -> _Match | None:
    """The slow way: every bucket for the exact form, the recent ones for the others."""
    oldest = smsc_bucket(tx.now - tx.tuning.receipt_age_ms)
    exact = _fetch(tx, [(0, b, receipt.carrier, fold(receipt.raw)) for b in range(bucket, oldest - 1, -1)])
    recent = range(bucket, max(oldest, bucket - RECENT_BUCKETS) - 1, -1)
    others = _fetch(tx, [(0, b, receipt.carrier, form) for form in other_forms(receipt.raw) for b in recent])
    return choose(receipt, exact.get(0, []), others.get(0, []))


def settle(tx: Tx, found: list[tuple[ReceiptIn, _Match]]) -> None:
    """Applies receipts to their segments; the first final one of a segment wins, contradictions are counted."""
    rows: list[Row] = []
    several: list[End] = []
    done: dict[tuple[int, int], int] = {}
    for receipt, m in found:
        if receipt.state is None:
            tx.count("receipt_no_change")
            _trace(tx, receipt, m, "no_change")
            continue
        facts = m.facts
        key = (facts.id, m.part)
        state = done.get(key, m.state)
        if not State.QUEUED <= state <= State.IN_DOUBT:
            outcome = "duplicate" if state == receipt.state else "contradiction"
            tx.count(f"receipt_{outcome}")
            _trace(tx, receipt, m, outcome)
            continue
        done[key] = receipt.state
        tx.count("receipt_matched")
        if m.sent_at is not None:
            # Less than nothing where the receipt was here before the response.
            tx.receipt_times.setdefault(receipt.carrier, []).append(max(0, receipt.at - m.sent_at) / 1000)
        if facts.parts == 1:
            rows.append(
                (
                    facts.id,
                    m.part,
                    receipt.state,
                    tx.now,
                    None,
                    receipt.reason,
                    receipt.error,
                    receipt.receipt_state,
                    int(State.QUEUED),
                    int(State.IN_DOUBT),
                )
            )
            if facts.receipt or state != State.SENT:
                announce(tx, facts, receipt.state, receipt.reason, receipt.error)
        else:
            several.append(
                End(
                    facts.id,
                    m.part,
                    receipt.state,
                    receipt.reason or "undelivered",
                    error=receipt.error,
                    receipt_state=receipt.receipt_state,
                    low=int(State.QUEUED),
                    high=int(State.IN_DOUBT),
                )
            )
    END.run(tx.con, rows)
    end_segments(tx, several)


def _trace(tx: Tx, receipt: ReceiptIn, m: _Match, outcome: str) -> None:
    detail = {
        "outcome": outcome,
        "receipt_state": receipt.receipt_state,
        "error": receipt.error,
        "id": receipt.raw,
        "came": receipt.at,
    }
    tx.trace(m.facts.id, m.part, "receipt", receipt.carrier, detail)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ReceiptIn)


def park(tx: Tx, receipts: list[ReceiptIn]) -> None:
    """Keeps receipts that match nothing yet; past the bound the oldest go, counted."""
    rows: list[Row] = []
    for r in receipts:
        if r.state is None:
            tx.count("receipt_no_change")
            continue
        rows.append((tx.ids.next(), r.carrier, fold(r.raw), _encoder.encode(r)))
    if not rows:
        return
    INSERT_PARKED.run(tx.con, rows)
    tx.count("receipt_parked", len(rows))
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
    # In the order in which they came: the first final one of a segment wins.
    receipts = {parked_id: _decoder.decode(payload) for parked_id, payload in sorted(waiting.items())}
    found, missing = match(tx, list(receipts.values()))
    left = {id(r) for r in missing}
    gone = [(parked_id,) for parked_id, r in receipts.items() if id(r) not in left]
    tx.parked -= DELETE_PARKED.run(tx.con, gone)
    tx.count("receipt_unparked", len(gone))
    settle(tx, found)
