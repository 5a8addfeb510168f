"""Which segment a receipt is for: the id in the carrier's form, the peer's address, how recent; never a guess.

Where the form of a carrier's ids is set or learnt (`gateway.store.forms`), a receipt is looked for in that form alone.
What only another form explains waits for a minute, since the response that it belongs to may still be on its way;
then it counts, unless the form is set. Where the form is not known, exactly one segment over all forms has to agree
with the peer's address, and the phone must have nothing unanswered that the receipt may be ahead of. In either case two
candidates mean none.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.model import State, id_floor
from gateway.store.ends import Facts
from gateway.store.forms import Form, fold, key_in, keys_of
from gateway.store.hot import MATCH_RECEIPT, Row
from gateway.store.tx import Tx

BUCKET_MS: Final = 6 * 3_600_000
RECENT_BUCKETS: Final = 12
"""Forms of an id other than the leading one count only for three days."""
UNDECIDED_MS: Final = 60_000
"""Age at which a receipt is no longer thought to be ahead of its response."""
PEER_MESSAGES: Final = 200
"""Messages to a peer that are looked at for one that is not answered yet, from the newest."""


def smsc_bucket(now_ms: int) -> int:
    """The bucket of six hours that an id recorded now is put into."""
    return now_ms // BUCKET_MS


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
    done: int | None = None  # when the carrier says that it came to its end, ms
    undecided: bool = False  # it waits though there are segments that it may be for
    against: bool = False  # it was counted as evidence against what was learnt


class Match(Facts, array_like=True, gc=False):
    """A segment that an id leads to, and what is to be known of its message."""

    asked: int  # which of the ids asked for leads to it
    raw: str
    part: int
    state: int
    done_at: int | None
    sent_at: int | None
    stale: int  # whether it is with another carrier by now

    @property
    def key(self) -> tuple[int, int]:
        """The segment."""
        return self.id, self.part


_read_matches = msgspec.json.Decoder(list[Match]).decode

Found = list[tuple[ReceiptIn, Match]]


def match(tx: Tx, receipts: list[ReceiptIn], *, fresh: bool = True) -> tuple[Found, list[ReceiptIn]]:
    """Finds the segments; most receipts are for an id of the current or the previous bucket, in the leading form.

    ``fresh``: they come for the first time. One that contradicts what is learnt is evidence then, where nothing else
    can be meant, or when it has waited long enough.
    """
    bucket = smsc_bucket(tx.now)
    leads: dict[str, Form | None] = {}
    found: dict[int, Match] = {}
    keys: dict[int, str] = {}
    slow: list[int] = []
    for i, r in enumerate(receipts):
        if r.carrier in leads:
            lead = leads[r.carrier]
        else:
            lead = leads[r.carrier] = tx.forms.lead(r.carrier)
        # While no form is known the quick way is for ids that cannot be another's in another form.
        if lead == "same" or (lead is None and len(keys_of(r.raw)) == 1):
            keys[i] = fold(r.raw)
        elif lead is not None and (key := key_in(lead, r.raw)) is not None:
            keys[i] = key
        else:
            slow.append(i)
    left = list(keys)
    by_form = late = 0
    for b in (bucket, bucket - 1):
        if not left:
            break
        candidates = _fetch(tx, [(i, b, receipts[i].carrier, keys[i]) for i in left])
        for i, matches in candidates.items():
            r = receipts[i]
            m: Match | None = matches[0]
            assert m is not None
            if len(matches) > 1 or m.raw != r.raw or not (m.peer == r.peer or same_peer(m.peer, r.peer)):
                m = _sure([m for m in matches if same_peer(m.peer, r.peer)], r.raw, leads[r.carrier] is None)
            if m is None or (m.state > State.IN_DOUBT and _ahead(tx, r, m)):
                continue
            found[i] = m
            by_form += m.raw != r.raw
        left = [i for i in left if i not in found]
    for carrier, lead in leads.items():
        if lead is not None and found:
            count = len(found) if len(leads) == 1 else sum([receipts[i].carrier == carrier for i in found])
            if count:
                tx.forms.matched(carrier, lead, count)
    slow = sorted(slow + left)
    if slow:
        decided = _decide_all(tx, receipts, slow, _search(tx, receipts, slow, bucket, leads), fresh=fresh)
        for i, m in decided.items():
            by_form += m.raw != receipts[i].raw
            late += m.raw == receipts[i].raw
        found |= decided
        tx.forms.write_turned(tx.con)
    if by_form:
        tx.count("receipt_matched_by_form", by_form)
    if late:
        tx.count("receipt_matched_late", late)
    return [(receipts[i], found[i]) for i in sorted(found)], [receipts[i] for i in slow if i not in found]


def _fetch(tx: Tx, probes: list[Row]) -> dict[int, list[Match]]:
    out: dict[int, list[Match]] = {}
    for m in MATCH_RECEIPT.gather(tx.con, probes, _read_matches):
        if m.asked in out:
            out[m.asked].append(m)
        else:
            out[m.asked] = [m]
    return out


def _search(
    tx: Tx, receipts: list[ReceiptIn], wanted: list[int], bucket: int, leads: dict[str, Form | None]
) -> dict[int, list[Match]]:
    """The slow way: every bucket for the leading form (the same, while none is), the recent ones for the others."""
    oldest = smsc_bucket(tx.now - tx.tuning.receipt_age_ms)
    recent = max(oldest, bucket - RECENT_BUCKETS)
    probes: list[Row] = []
    for i in wanted:
        r = receipts[i]
        first = leads[r.carrier] or "same"
        for key, forms in keys_of(r.raw).items():
            down_to = oldest if first in forms else recent
            probes += [(i, b, r.carrier, key) for b in range(bucket, down_to - 1, -1)]
    return _fetch(tx, probes)


def _decide_all(
    tx: Tx, receipts: list[ReceiptIn], wanted: list[int], candidates: dict[int, list[Match]], *, fresh: bool
) -> dict[int, Match]:
    """Decides on receipts one by one; once more on those left where a form was learnt or given up on the way."""
    found: dict[int, Match] = {}
    left = [i for i in wanted if i in candidates]
    for turn in range(2):
        turns = tx.forms.turns
        for i in left:
            m = _decide(tx, receipts[i], candidates[i], fresh=fresh and not turn)
            if m is not None:
                found[i] = m
        if not turn:
            _look(tx, receipts, candidates)
        left = [i for i in left if i not in found]
        if tx.forms.turns == turns:
            break
    return found


def _look(tx: Tx, receipts: list[ReceiptIn], candidates: dict[int, list[Match]]) -> None:
    """Has the ids of carriers whose form is not known looked at, each once."""
    ids: dict[str, tuple[set[str], set[str]]] = {}
    for i, matches in candidates.items():
        r = receipts[i]
        if tx.forms.lead(r.carrier) is None:
            of_receipts, of_responses = ids.setdefault(r.carrier, (set(), set()))
            of_receipts.add(fold(r.raw))
            of_responses.update([fold(m.raw) for m in matches])
    for carrier, (of_receipts, of_responses) in ids.items():
        tx.forms.looked(carrier, of_receipts, of_responses)


def _decide(tx: Tx, r: ReceiptIn, matches: list[Match], *, fresh: bool) -> Match | None:
    """The one segment that a receipt is for, or None; then ``undecided`` says whether there are any that it may be."""
    forms = keys_of(r.raw)
    agreeing = [m for m in matches if same_peer(m.peer, r.peer)]
    lead = tx.forms.lead(r.carrier)
    if lead is not None and agreeing and not any(lead in forms[fold(m.raw)] for m in agreeing):
        if not r.against and len(_distinct(agreeing)) == 1 and (fresh or tx.now - r.at >= UNDECIDED_MS):
            r.against = not _unanswered(tx, r, agreeing[0].peer, agreeing[0].id)
            if r.against:
                tx.forms.contradicted(r.carrier)
        if lead == tx.forms.lead(r.carrier):
            chosen = _in_another_form(tx, r, agreeing)
            r.undecided = chosen is None
            return chosen
        lead = None  # given up just now
    if lead is not None:
        chosen = _sure([m for m in agreeing if lead in forms[fold(m.raw)]], r.raw, False)
    else:
        chosen = _only(agreeing, r.raw)
    if chosen is None and not agreeing:
        chosen = _by_id_alone(tx, r, matches, lead)
    elif (
        chosen is not None
        and (chosen.state > State.IN_DOUBT or (lead is None and len(forms) > 1))
        and _ahead(tx, r, chosen)
    ):
        chosen = None
    elif chosen is not None:
        explained = forms[fold(chosen.raw)]
        if lead is not None:
            tx.forms.matched(r.carrier, lead)
        elif len(explained) == 1:
            tx.forms.matched(r.carrier, explained[0])
    r.undecided = chosen is None and bool(matches)
    if r.undecided and lead is None:
        tx.forms.soon.add(r.carrier)
    return chosen


def _sure(agreeing: list[Match], raw: str, exact: bool) -> Match | None:
    """Of those with the id that is meant and the peer: the newest, when the carrier gave the same id again.

    ``exact``: it has to be written as in the receipt. Several that are written differently are none.
    """
    same = [m for m in agreeing if m.raw == raw]
    if not same and not exact and (len({m.raw for m in agreeing}) == 1 or len(_distinct(agreeing)) == 1):
        same = agreeing
    if len(same) > 1:
        same = [m for m in same if not m.stale] or same
        return max(same, key=lambda m: m.key)
    return same[0] if same else None


def _only(agreeing: list[Match], raw: str) -> Match | None:
    """While no form is known: the only segment over all forms; the newest, when all have the very same id."""
    if len(_distinct(agreeing)) == 1 or len({m.raw for m in agreeing}) == 1:
        return _sure(agreeing, raw, False)
    same = [m for m in agreeing if m.raw == raw]
    if same and all(fold(m.raw) == fold(raw) for m in agreeing):
        return _sure(same, raw, True)  # beside others with more or fewer zeros
    return None


def _in_another_form(tx: Tx, r: ReceiptIn, agreeing: list[Match]) -> Match | None:
    """What only a form other than the leading one explains, where that form is learnt and time has told."""
    others = _distinct(agreeing)
    if len(others) != 1 or tx.forms.fixed(r.carrier) or tx.now - r.at < UNDECIDED_MS:
        return None
    return None if _unanswered(tx, r, others[0].peer, others[0].id) else others[0]


def _by_id_alone(tx: Tx, r: ReceiptIn, matches: list[Match], lead: Form | None) -> Match | None:
    """Some carriers rewrite the address: then the id alone has to do, for one segment that still waits.

    Not where the receipt's own phone has something unanswered: then the id was used again, and it is for that.
    """
    if lead is None or lead == "same":
        alone = [m for m in matches if m.raw == r.raw]
        if lead is None and len(_distinct(matches)) != len(_distinct(alone)):
            return None
    else:
        alone = [m for m in matches if fold(m.raw) == key_in(lead, r.raw)]
    alone = _distinct(alone)
    # What is at its end needs no receipt: this one is for a message with the same id whose response is not here yet.
    if len(alone) != 1 or alone[0].stale or alone[0].state > State.IN_DOUBT:
        return None
    return None if _unanswered(tx, r, r.peer, alone[0].id) else alone[0]


def _ahead(tx: Tx, r: ReceiptIn, m: Match) -> bool:
    """Whether a receipt may be for another segment than the one found, whose response is still to come."""
    if r.state is None or tx.now - r.at >= UNDECIDED_MS:
        return False
    return _unanswered(tx, r, m.peer, m.id)


_UNANSWERED: Final = (
    "SELECT 1 FROM (SELECT id FROM message WHERE peer = ? AND id < ? ORDER BY id DESC LIMIT ?) m"
    " CROSS JOIN segment s ON s.message_id = m.id WHERE m.id != ? AND s.carrier = ?"
    f" AND (s.state IN ({int(State.SUBMITTING)}, {int(State.IN_DOUBT)})"
    f" OR (s.state = {int(State.QUEUED)} AND s.in_doubt > 0)) LIMIT 1"
)


def _unanswered(tx: Tx, r: ReceiptIn, peer: str, but: int) -> bool:
    """Whether a phone has a segment on its way or in doubt, of a message older than the receipt, other than ``but``."""
    asked = (peer, id_floor(r.at + 1), PEER_MESSAGES, but, r.carrier)
    return tx.con.execute(_UNANSWERED, asked).fetchone() is not None


def _distinct(matches: list[Match]) -> list[Match]:
    """One for each segment: what was sent twice may have been given one id in two forms, or at two times."""
    return list({m.key: m for m in matches}.values())
