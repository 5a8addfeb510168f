"""What the rules make of inbound messages, asked in the transaction that stores them.

So what was decided is as durable as the message: the events to the handlers that rules name, the forwards and the
automatic replies are written with it, and a kill neither loses nor repeats one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.log import logger
from gateway.model import id_floor
from gateway.policy.decision import UNDECIDED, Decision, Facts, Forward, Reply, Target, fill
from gateway.policy.optout import OptOuts
from gateway.settings.own import FORWARDS, MAILS, OWN_APP, REPLIES
from gateway.store.ends import rfc3339
from gateway.store.facts import MOST_COUNTED, RuleBook, facts_of
from gateway.store.guards import Change, Guards, not_now
from gateway.store.last import FORWARD, REPLY
from gateway.store.optedout import OPTED_OUT, opted_out
from gateway.store.streams import HANDLER

if TYPE_CHECKING:
    from gateway.store.arrivals import Message
    from gateway.store.tx import Tx

_log = logger(component="rules")

STREAMS: Final = {FORWARD: FORWARDS, REPLY: REPLIES}
"""The streams of what we send of our own accord, by the kind of their events."""
NOT_MONITORED: Final = "@not_monitored"
"""What replies for a number that is held, in the place of a rule's name; no rule can have this one."""
PARTIAL: Final = "(parts of it did not come)"
"""What follows the text of a message in a forward that is not the whole one."""

_WORDS: Final = {
    "own_number": "the sender or the target is one of our own numbers",
    "to_sender": "it would go back to the sender",
    "had": "an earlier rule sends it to the same phone",
    "rate": "too many in an hour from this number to this target",
    "interval": "the sender was answered a short while ago",
    "flood": "too many messages of this sender",
    "short_code": "the sender is a short code",
    "alphanumeric": "the sender has no number",
    "automatic": "nobody wrote it",
    OPTED_OUT: "who would get it opted out",
    "empty": "there is nothing in it",
}
_AUTOMATIC: Final = frozenset({"delivery_ack", "user_ack", "conversation_abort", "message_waiting"})
"""Flags of messages that phones and systems make by themselves."""


class Ruling:
    """The rules as the store applies them; replaced as a whole on reload.

    ``ours`` are our own numbers. ``reply_interval`` is the time between two automatic replies to a sender (ms),
    ``forwards_per_hour`` how many messages a number may forward to a target, ``reply_age`` how long a reply may wait
    to be sent (ms).
    """

    __slots__ = ("book", "forwards_per_hour", "ours", "reply_age", "reply_interval")

    def __init__(
        self, book: RuleBook, ours: Collection[str], *, reply_interval: int, reply_age: int, forwards_per_hour: int
    ) -> None:
        self.book = book
        self.ours = ours
        self.reply_interval = reply_interval
        self.reply_age = reply_age
        self.forwards_per_hour = forwards_per_hour


class OwnMessage(msgspec.Struct, omit_defaults=True):
    """Payload of a ``forward`` or ``reply`` event: a message of ours that follows from an inbound one.

    ``id`` is the inbound message's, ``to`` whom it goes to, ``name`` who that is; ``validity`` in seconds. ``passes``:
    who opted out gets it too.
    """

    at: str
    id: str
    rule: str
    number: str
    peer: str
    to: str
    text: str
    name: str | None = None
    validity: float | None = None
    passes: bool = False


class Ruled:
    """What became of one message. ``held_back`` says in words what was not done, ``sends`` what we send of it."""

    __slots__ = ("decision", "held_back", "replied", "sends")

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.held_back: list[str] = []
        self.replied = False
        self.sends: list[tuple[str, str, Target, str]] = []  # kind, rule, to whom, text

    @property
    def handlers(self) -> tuple[str, ...] | None:
        """Those that rules name; None: the number's own."""
        return self.decision.handlers

    def emit(self, tx: Tx, message: Message, mid: int, validity: float) -> None:
        """Writes what is to be sent, for who sends it."""
        for kind, rule, target, text in self.sends:
            stream = tx.streams.find(HANDLER, "", STREAMS[kind])
            assert stream is not None, "opened before rules are applied"
            event = OwnMessage(
                at=rfc3339(tx.now),
                id=tx.id_text.format(mid),
                rule=rule,
                number=message.number,
                peer=message.peer,
                to=target.phone,
                text=text,
                name=target.name,
                validity=validity if kind == REPLY else None,
            )
            tx.emit((stream.id,), kind, mid, _encoder.encode(event))

    def emit_mails(self, tx: Tx, event: msgspec.Struct, mid: int) -> None:
        """Writes the mail about a message, for who sends it: the event of the message, and whom it is for."""
        stream = tx.streams.find(HANDLER, "", MAILS)
        assert stream is not None, "opened before rules are applied"
        told = {**msgspec.to_builtins(event), "mail_to": self.decision.mail_to}
        tx.emit((stream.id,), "inbound", mid, _encoder.encode(told))


_encoder: Final = msgspec.json.Encoder()


def decide(tx: Tx, ruling: Ruling, messages: Sequence[Message], strangers: Collection[str]) -> Mapping[int, Ruled]:
    """By their place, the messages that rules were asked about and what they say.

    ``strangers`` are the peers who never wrote before this burst, nor were written to.
    """
    book = ruling.book
    places = [i for i, m in enumerate(messages) if book.concerns(m.number)]
    if not places:
        return {}
    asked = [messages[i] for i in places]
    found: dict[int, Ruled] = {}
    for i, facts in zip(places, facts_of(tx, book, asked, strangers), strict=True):
        found[i] = Ruled(_decided(tx, book, facts))
    _guard(tx, ruling, messages, found)
    return found


def unmonitored(tx: Tx, ruling: Ruling, messages: Sequence[Message], texts: Mapping[int, str]) -> Mapping[int, Ruled]:
    """The automatic replies to messages that nobody hears, by the place of the message, as ``texts`` are."""
    found: dict[int, Ruled] = {}
    for place, text in texts.items():
        found[place] = Ruled(Decision(actions=(Reply(NOT_MONITORED, text),), matched=(NOT_MONITORED,)))
    _guard(tx, ruling, messages, found)
    return found


def _decided(tx: Tx, book: RuleBook, facts: Facts) -> Decision:
    try:
        decision = book.decide(facts)
    except Exception:
        # A fault of a rule's evaluation shall not keep a message from being stored: it goes to the number's handlers.
        _log.exception("rules_failed", number=facts.number)
        tx.count("inbound_rules_failed")
        return UNDECIDED
    for name in decision.matched:
        tx.count(f"rule:{name}")
    return decision


def _guard(tx: Tx, ruling: Ruling, messages: Sequence[Message], found: Mapping[int, Ruled]) -> None:
    """Leaves of forwards and replies what may be sent, and notes what may not."""
    acting = {i: ruled for i, ruled in found.items() if any(isinstance(a, Forward | Reply) for a in ruled.decision[0])}
    if not acting:
        return
    change = tx.guards_change()
    answered = [
        (messages[i].number, messages[i].peer)
        for i, ruled in acting.items()
        if any(isinstance(a, Reply) for a in ruled.decision.actions)
    ]
    held = not_now(tx.con, answered, id_floor(tx.now - ruling.reply_interval)) if answered else {}
    told = [(messages[i].number, phone) for i, ruled in acting.items() for phone in _phones(ruled.decision)]
    out = opted_out(tx.con, tx.optouts, OWN_APP, [*answered, *told])
    held |= {pair: OPTED_OUT for pair in answered if pair in out}
    for i, ruled in acting.items():
        m = messages[i]
        for action in ruled.decision.actions:
            if isinstance(action, Forward):
                _forward(tx, ruling, change, ruled, m, action, {phone for number, phone in out if number == m.number})
            elif isinstance(action, Reply):
                cause = "automatic" if _is_automatic(m) else _unanswerable(action)
                cause = cause or change.answer(m.number, m.peer, ruling.ours, held)
                if cause is None:
                    ruled.replied = True
                    ruled.sends.append((REPLY, action.rule, Target(m.peer), action.text))
                else:
                    _held(tx, ruled, REPLY, action.rule, cause)


def _unanswerable(action: Reply) -> str | None:
    """Why an answer is none: all that it was made of had no value."""
    return None if action.text.strip() else "empty"


def _is_automatic(m: Message) -> bool:
    return m.extra is not None and not _AUTOMATIC.isdisjoint(m.extra.flags)


def _phones(decision: Decision) -> list[str]:
    return [target.phone for action in decision.actions if isinstance(action, Forward) for target in action.targets]


def _forward(
    tx: Tx, ruling: Ruling, change: Change, ruled: Ruled, m: Message, action: Forward, out: Collection[str]
) -> None:
    had = {target.phone for kind, _, target, _ in ruled.sends if kind == FORWARD}
    targets, causes = change.targets(action, m.number, m.peer, tx.now, ruling.ours, ruling.forwards_per_hour, had, out)
    text = m.text if m.text is not None else f"({len(m.data or b'')} octets that are no text)"
    for target in targets:
        values = {
            "peer": m.peer,
            "number": m.number,
            "text": text if m.complete else f"{text} {PARTIAL}",
            "name": target.name,
            "keyword": ruled.decision.keyword,
            "argument": ruled.decision.argument,
        }
        ruled.sends.append((FORWARD, action.rule, target, fill(action.note, values)))
    for cause in causes:
        _held(tx, ruled, FORWARD, action.rule, cause)


def _in_words(kind: str, rule: str, cause: str) -> str:
    return f"{rule}: {kind}: {_WORDS[cause]}"


def _held(tx: Tx, ruled: Ruled, kind: str, rule: str, cause: str) -> None:
    tx.count(f"held:{kind}:{cause}")
    said = _in_words(kind, rule, cause)
    if said not in ruled.held_back:
        ruled.held_back.append(said)


def held_back_now(
    con: sqlite3.Connection,
    book: RuleBook,
    facts: Facts,
    ours: Collection[str],
    reply_interval: int,
    optouts: OptOuts,
) -> list[str]:
    """What the guards would hold back of such a message, in words, apart from the rate: only the writer has that.

    ``reply_interval`` in ms.
    """
    change = Change(Guards())
    pair = (facts.number, facts.peer)
    said: dict[str, None] = {}
    had: set[str] = set()
    decision = book.decide(facts)
    stopped = opted_out(con, optouts, OWN_APP, [(facts.number, phone) for phone in _phones(decision)])
    if facts.opted_out:
        stopped.add(pair)
    else:
        stopped.discard(pair)
    out = {phone for _, phone in stopped}
    for action in decision.actions:
        if isinstance(action, Forward):
            targets, causes = change.targets(action, *pair, facts.at_ms, ours, MOST_COUNTED, had, out)
            had.update(target.phone for target in targets)
            said |= {_in_words(FORWARD, action.rule, cause): None for cause in causes}
        elif isinstance(action, Reply):
            held = not_now(con, [pair], id_floor(facts.at_ms - reply_interval))
            held |= dict.fromkeys(stopped, OPTED_OUT)
            if (cause := _unanswerable(action) or change.answer(*pair, ours, held)) is not None:
                said[_in_words(REPLY, action.rule, cause)] = None
    return list(said)
