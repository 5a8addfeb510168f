"""STOP, START and HELP among inbound messages, heeded in the transaction that stores these.

Who writes STOP is answered once, and by what passes the block; a second STOP changes nothing and is not answered. HELP
is answered once in a span, also to who opted out. START is answered where it lifted something. Nobody is answered who
is no phone number or one of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from gateway.model import id_floor
from gateway.policy.consent import Word
from gateway.policy.optout import Terms
from gateway.policy.optwords import Reading
from gateway.settings.own import REPLIES
from gateway.sms.address import kind_of
from gateway.store.ends import rfc3339
from gateway.store.guards import FLOOD, select_answered
from gateway.store.last import REPLY
from gateway.store.optins import step
from gateway.store.optouts import Cause, Changes
from gateway.store.ruled import OwnMessage
from gateway.store.streams import HANDLER

if TYPE_CHECKING:
    from gateway.store.arrivals import Message
    from gateway.store.tx import Tx

Heeded = Literal["optout", "optin", "help", "suspected", "asked", "agreed"]
"""What an inbound message was taken for, as handlers are told."""
ANSWERS: Final = "@optout"
"""What answers, in the place of a rule's name; no rule can have this one."""

OCTETS: Final = 32
"""Octets of a message without a text that are looked at for a keyword."""

HELPED: Final = '"optout":"help","answered":true'
"""How the row of an inbound message says that its HELP was answered; no text within JSON can read so."""

SELECT_HELPED: Final = select_answered(HELPED)

_encoder: Final = msgspec.json.Encoder()


class Heed:
    """What became of one message: what it was taken for, whether it needs a person, and what it is answered.

    ``answered``: it gets an answer where there is one to give; ``passes``: also who opted out gets that.
    """

    __slots__ = ("answer", "answered", "attention", "passes", "taken_for")

    def __init__(
        self, taken_for: Heeded, *, answered: bool = False, passes: bool = False, attention: bool = False
    ) -> None:
        self.taken_for: Heeded = taken_for
        self.answered = answered
        self.answer: str | None = None
        self.passes = passes
        self.attention = attention

    def emit(self, tx: Tx, m: Message) -> None:
        """Writes the answer, for who sends it."""
        stream = tx.streams.find(HANDLER, "", REPLIES)
        if stream is None or self.answer is None:
            return
        event = OwnMessage(
            at=rfc3339(tx.now),
            id=tx.id_text.format(m.id),
            rule=ANSWERS,
            number=m.number,
            peer=m.peer,
            to=m.peer,
            text=self.answer,
            validity=tx.optouts.reply_age,
            passes=self.passes,
        )
        tx.emit((stream.id,), REPLY, m.id, _encoder.encode(event))


def heed(tx: Tx, messages: Sequence[Message]) -> dict[int, Heed]:
    """Does what messages ask for, in their order, before anything else is made of them; by their ids."""
    read, consents = tx.optouts.read, tx.consents
    found: list[tuple[Message, Reading | None, Word | None]] = []
    for m in messages:
        text = m.text if m.text is not None else _read_as(m.data)
        if text and m.peer:
            reading = read(m.number, text)
            # STOP and HELP are nothing else.
            other = consents.opt_ins and (reading is None or reading.meaning in ("start", "near"))
            word = consents.read(m.number, text) if other else None
            if reading is not None or word is not None:
                found.append((m, reading, word))
    if not found:
        return {}
    changes = Changes(tx, {m.peer: None for m, _, _ in found})
    helped = _helped(tx, [m for m, reading, _ in found if reading is not None and reading.meaning == "help"])
    heeded: dict[int, Heed] = {}
    for m, reading, word in found:
        terms = tx.optouts.terms(m.number)
        if word is not None:
            taken = step(tx, changes, terms, m, word, answerable=_answerable(tx, m))
            if taken is not None:
                heeded[m.id] = opted = Heed(taken.taken_for, passes=taken.passes)
                opted.answer = taken.answer if _answerable(tx, m) else None
                continue
        one = _heed(changes, terms, m, reading) if reading is not None else None
        if one is None or reading is None:
            continue
        heeded[m.id] = one
        if one.taken_for == "help":
            one.passes = not terms.lifts.isdisjoint(changes.held(m.peer))
            if (m.number, m.peer) in helped:
                one.answered = False
            helped.add((m.number, m.peer))
        if one.answered and _answerable(tx, m):
            one.answer = terms.answer(reading)
    changes.write()
    return heeded


def _heed(changes: Changes, terms: Terms, m: Message, reading: Reading) -> Heed | None:
    meaning = reading.meaning
    cause = Cause("keyword", number=m.number, message_id=m.id, keyword=reading.keyword, text=m.text)
    if meaning == "help":
        return Heed("help", answered=True)
    if meaning == "start":
        if not changes.back(m.peer, terms.lifts, cause):
            return None  # a word as others are
        # What an operator entered stays, and who is still held back gets no welcome.
        return Heed("optin", answered=terms.lifts.isdisjoint(changes.held(m.peer)))
    if meaning == "near" or not m.complete:  # what the other parts say is not known
        cause = cause._replace(how="near")
        if terms.near == "attention" or not m.complete:
            changes.suspect(m.peer, cause)
            return Heed("suspected", attention=True)
    # A second STOP is no news.
    new = bool(changes.out(m.peer, terms.stops, cause))
    return Heed("optout", answered=new, passes=True)


def _read_as(data: bytes | None) -> str | None:
    """What octets read as: there are carriers that mark short texts as 8-bit data."""
    return data.decode() if data is not None and len(data) <= OCTETS and data.isascii() else None


def _answerable(tx: Tx, m: Message) -> bool:
    """Whether who wrote is a phone, and not one of ours, and who it was written to still sends."""
    if kind_of(m.peer) != "international" or m.peer in tx.optouts.numbers:
        return False
    return tx.streams.numbers.hears(m.number, tx.now)


def _helped(tx: Tx, asking: Sequence[Message]) -> set[tuple[str, str]]:
    """Of the pairs (number, peer) of these messages those that were answered a short while ago, or flood us."""
    pairs = list(dict.fromkeys([(m.number, m.peer) for m in asking]))
    rows = [
        (i, number, peer, id_floor(tx.now - tx.optouts.terms(number).help_interval_ms))
        for i, (number, peer) in enumerate(pairs)
    ]
    return {pairs[i] for i, found in SELECT_HELPED.fetch(tx.con, rows) if found >= FLOOD}
