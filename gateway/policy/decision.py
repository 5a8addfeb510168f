"""What the rules for inbound messages look at and what they decide, as data: facts in, a decision out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

ForwardMode = Literal["all", "first", "turn"]
"""To all of the targets, to the first one alone, or to one after the other in turn."""

PLACEHOLDERS: Final = ("peer", "number", "text", "name", "keyword", "argument")
"""What the text of a forward or a reply may have in braces."""

_PLACEHOLDER: Final = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


class Last(NamedTuple):
    """Our last message to a peer from a number: who sent it, of what class, with what ``meta``, and when (Unix ms)."""

    app: str
    klass: str
    meta: Mapping[str, Any]
    at_ms: int


class Facts(NamedTuple):
    """What is known of an inbound message when it is decided.

    ``number`` and ``peer`` are in the form that messages carry, ``text`` is None where the message has none (binary),
    and ``at_ms`` is when it came (Unix ms). What is in the database is asked for only where `RuleBook.needs` says so:
    ``known``, whether the peer wrote or was written to before; ``last``, our last message to the peer from the number;
    ``counts``, how many messages of the peer to the number came before this one, by the span that was asked for (s);
    ``lists``, the lists of peers that whose phone it is is on; ``forwarded``, of whom messages were forwarded to the
    peer from the number, and when (Unix ms); ``opted_out``, whether the peer wants nothing from the number any more.
    """

    number: str
    peer: str
    text: str | None
    at_ms: int
    complete: bool = True
    known: bool = False
    last: Last | None = None
    counts: Mapping[int, int] = {}
    lists: frozenset[str] = frozenset()
    forwarded: tuple[tuple[str, int], ...] = ()
    opted_out: bool = False


class Needs(NamedTuple):
    """Which facts have to be asked of the database. ``spans`` are those of ``Facts.counts`` in seconds."""

    known: bool = False
    last: bool = False
    spans: tuple[int, ...] = ()
    lists: bool = False
    forwarded: bool = False
    opted_out: bool = False


NOTHING: Final = Needs()


class Target(NamedTuple):
    """Whom a message is forwarded to: a phone, and the name of the person that the groups give it."""

    phone: str
    name: str | None = None


class ToHandlers(NamedTuple):
    """Goes to these handlers."""

    names: tuple[str, ...]


class Forward(NamedTuple):
    """Is sent on to people, as a message of ours. ``note`` is its text, with `PLACEHOLDERS` to be filled."""

    rule: str
    targets: tuple[Target, ...]
    mode: ForwardMode
    note: str


class Recipient(NamedTuple):
    """Whom a message is mailed to: an address, and the name of the person that the groups give it."""

    email: str
    name: str | None = None


class Mail(NamedTuple):
    """Is mailed to people."""

    rule: str
    to: tuple[Recipient, ...]


class Reply(NamedTuple):
    """Is answered with this text, filled already."""

    rule: str
    text: str


Action = ToHandlers | Forward | Mail | Reply


class Decision(NamedTuple):
    """What is to become of a message.

    ``handlers`` are those that rules name, each once, instead of the number's own; None: the number's own. They are in
    ``actions`` too, beside forwards and replies in the order of the rules. ``keyword`` is the one of the first matching
    rule that asks for keywords, as that writes it, and ``argument`` what follows it in the text. ``mail_to`` are the
    addresses of all mails, each once.
    """

    actions: tuple[Action, ...] = ()
    matched: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    urgent: bool = False
    handlers: tuple[str, ...] | None = None
    keyword: str | None = None
    argument: str | None = None
    mail_to: tuple[str, ...] = ()


UNDECIDED: Final = Decision()
"""No rule matches: the number's own handlers get the message."""


class Tried(NamedTuple):
    """How one rule was looked at.

    ``failed`` is the first of its conditions that does not hold, None where all do; ``wanted`` is what that asks for
    and ``found`` what there was, in words.
    """

    rule: str
    failed: str | None
    wanted: str | None = None
    found: str | None = None


def fill(template: str, values: Mapping[str, str | None]) -> str:
    """A text with what its `PLACEHOLDERS` stand for; what has no value is left out.

    Other braces stay, and what is filled in is not looked at again: it is the text of a stranger.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1]) or "", template)
