"""Opt-ins: the keyword by which a person asks for one, the question, and YES; and those that an app asks for.

The question to who opted out and sends the keyword passes the block, as HELP does, since they asked for it. YES to it
lifts the block as START does. A block that somebody entered in the person's place stays: then nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import msgspec

from gateway.policy.consent import Word
from gateway.policy.optout import Terms
from gateway.settings.consent import OptIn
from gateway.settings.own import OWN_APP
from gateway.store.consented import ASKS
from gateway.store.consents import ConsentChanges, Source
from gateway.store.optedout import opted_out
from gateway.store.optouts import Cause, Changes
from gateway.store.tx import Op

if TYPE_CHECKING:
    from gateway.store.arrivals import Message
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

META: Final = "opt_in"
"""Member of the `meta` of a message that asks: by which opt-in."""


class Step(NamedTuple):
    """What a message was in an opt-in, and what it is answered; ``passes``: also who opted out gets that."""

    taken_for: Literal["asked", "agreed"]
    answer: str | None
    passes: bool = False


def step(tx: Tx, changes: Changes, terms: Terms, m: Message, word: Word, *, answerable: bool) -> Step | None:
    """Does what a keyword or a YES asks for. None: it is neither just now.

    ``answerable``: who wrote is a phone, and the number sends.
    """
    if not m.complete:
        return None
    out = not terms.lifts.isdisjoint(changes.held(m.peer))
    if word.yes and (agreed := _yes(tx, changes, terms, m, word)) is not None:
        return agreed
    if word.join is None or not answerable or changes.entered(m.peer, terms.lifts):
        return None
    return _join(tx, changes.consents, terms, m, word.join, out)


def _yes(tx: Tx, changes: Changes, terms: Terms, m: Message, word: Word) -> Step | None:
    consents, opt_ins = changes.consents, tx.consents.opt_ins
    for asked in consents.pending(m.peer, m.number):
        opt_in = opt_ins.get(asked.opt_in)
        if opt_in is None or (agreed := tx.consents.agreed(word.key, opt_in)) is None:
            continue
        changes.back(m.peer, terms.lifts, Cause("keyword", None, m.number, m.id, agreed.keyword, m.text))
        consents.answered(asked, opt_in, Source("keyword", message_id=m.id, text=m.text))
        still_out = not terms.lifts.isdisjoint(changes.held(m.peer))  # as somebody entered it meanwhile
        return Step("agreed", None if still_out else agreed.answer)
    return None


def _join(tx: Tx, consents: ConsentChanges, terms: Terms, m: Message, opt_in: OptIn, out: bool) -> Step | None:
    classes = consents.classes_of(opt_in)
    if not out and consents.agreed(m.peer, classes, tx.consents.scope_of(opt_in, m.number)):
        return None
    before = [one for one in consents.pending(m.peer, m.number) if one.opt_in == opt_in.name]
    if before and tx.now - before[0].at < terms.help_interval_ms:
        return Step("asked", None)  # a short while ago
    consents.ask(m.peer, m.number, opt_in, Source("keyword", message_id=m.id, text=m.text))
    return Step("asked", opt_in.ask, passes=out)


def asked(tx: Tx, messages: Iterable[NewMessage]) -> None:
    """Records who is asked by these messages of apps, with which they are stored: no kill, nor a STOP, is between."""
    asking = [(m, opt_in) for m in messages if m.door == ASKS and (opt_in := _of(tx, m)) is not None]
    if not asking:
        return
    changes = ConsentChanges(tx, [m.peer for m, _ in asking])
    for m, opt_in in asking:
        changes.ask(m.peer, m.number, opt_in, Source("api", m.app, message_id=m.id))
    changes.write()


def _of(tx: Tx, m: NewMessage) -> OptIn | None:
    """The opt-in by which a message asks; None: a reload took it away."""
    name: str = msgspec.json.decode(m.meta or "{}").get(META)
    return tx.consents.opt_ins.get(name)


class AskConsentOp(Op):
    """An app wants a phone asked from a number. ``outcome`` says whether it may be, ``until`` (ms) when a YES counts.

    ``pending``: it was asked before, and may still answer; ``agreed``: it agreed to all of this before.
    """

    __slots__ = ("from_number", "opt_in", "outcome", "peer", "until")
    order: ClassVar[int] = 69
    name: ClassVar[str] = "ask_consent"

    def __init__(self, peer: str, number: str, opt_in: str) -> None:
        super().__init__()
        self.peer = peer
        self.from_number = number
        self.opt_in = opt_in
        self.outcome: Literal["free", "pending", "agreed", "opted_out", "not_found"] = "free"
        self.until: int | None = None

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 500

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        changes = ConsentChanges(tx, [op.peer for op in ops])
        out = opted_out(tx.con, tx.optouts, OWN_APP, [(op.from_number, op.peer) for op in ops])
        for op in ops:
            opt_in = tx.consents.opt_ins.get(op.opt_in)
            op.outcome, op.until = "free", None
            if opt_in is None:  # a reload took it away
                op.outcome = "not_found"
            elif (op.from_number, op.peer) in out:
                op.outcome = "opted_out"
            elif changes.agreed(op.peer, changes.classes_of(opt_in), tx.consents.scope_of(opt_in, op.from_number)):
                op.outcome = "agreed"
            elif before := [one for one in changes.pending(op.peer, op.from_number) if one.opt_in == op.opt_in]:
                op.outcome, op.until = "pending", before[0].until
