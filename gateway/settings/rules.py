"""``[[rules]]``: what becomes of inbound messages. Conditions, all of which must hold, and actions."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Zone
from gateway.settings.routes import Country, MessageClass, Prefix
from gateway.settings.schedules import Times
from gateway.settings.types import Form, Name, Seconds, Written, fail

LONGEST_PATTERN: Final = 1000
LONGEST_LIST_NAME: Final = 64
PATTERN_MEMORY: Final = 1 << 20
"""Octets that an automaton of RE2 may take; more is refused when the configuration is read."""

FORWARD_TEXT: Final = "{peer} to {number}: {text}"
REPLY_PLACEHOLDERS: Final = ("peer", "number", "keyword", "argument")
FORWARD_PLACEHOLDERS: Final = (*REPLY_PLACEHOLDERS, "text", "name")

Mailed = Annotated[str, StringConstraints(min_length=1, max_length=254)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def pattern_of(text: str) -> Any:
    """A regular expression of RE2, which reads a text once, whatever the expression. Raises ValueError."""
    import re2  # only where a configuration has some

    options = re2.Options()
    options.max_mem = PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(said) from None


def _pattern(value: str) -> str:
    try:
        pattern_of(value)
    except ValueError as error:
        raise fail("pattern", f"a regular expression as RE2 has them ({error})") from None
    return value


def _script(value: str) -> str:
    try:
        if re.fullmatch(r"[A-Z][a-z]+(_[A-Za-z][a-z]+)*", value) is None or value == "Any":
            raise ValueError
        pattern_of(f"\\p{{{value}}}")
    except ValueError:
        raise fail("script", 'a script of Unicode such as "Latin", "Cyrillic" or "Arabic"') from None
    return value


def _keyword(value: str) -> str:
    if not value.strip() or len(value.split()) > 1 or not any(unicodedata.category(char)[0] in "LN" for char in value):
        raise fail("keyword", 'one word, such as "JOIN"')
    return value


def _lettered(value: str) -> str:
    if not any(unicodedata.category(char)[0] in "LN" for char in value):
        raise fail("word", "a word, with letters or digits")
    return value


def _tag(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise fail("tag", "a word that can be printed, without spaces around it")
    return value


def _listed(value: str) -> str:
    if ";" in value:  # it stands between the lists of a peer in CSV, and so is in no name
        raise fail("peer_list", "the name of a list of peers, which has no semicolon")
    return _tag(value)


def _braced(text: str, known: tuple[str, ...]) -> str:
    for word in re.findall(r"\{([^{}\s]*)\}", text):
        if word not in known:
            names = ", ".join(f"{{{name}}}" for name in known)
            raise fail("placeholder", f"text in which only {names} stand for something, not {{{word}}}")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise fail("said", "text that is not blank")
    return text


def _reply(value: str) -> str:
    return _braced(value, REPLY_PLACEHOLDERS)


def _forward(value: str) -> str:
    return _braced(value, FORWARD_PLACEHOLDERS)


MessageText = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_said)]
UrgencyWord = Annotated[str, StringConstraints(min_length=2, max_length=64), AfterValidator(_lettered), Form("word")]
Keyword = Annotated[str, StringConstraints(max_length=40), AfterValidator(_keyword), Form("word")]
Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_PATTERN),
    AfterValidator(_pattern),
    Form("regular expression (RE2)"),
]
Script = Annotated[str, AfterValidator(_script), Form("script")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_tag), Form("word")]


PeerList = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_LIST_NAME), AfterValidator(_listed), Form("list of peers")
]


class Rule(Section):
    """Inbound messages for which all conditions given hold, and what is done with them.

    Rules are looked at in their order. The first that matches is the last, but for those with `then = "continue"`. What
    no rule matches, and what matches without a rule that names `handlers`, goes to the handlers of its number.
    Subscriptions always get it.
    """

    name: Name = Field(description="Name of the rule in commands, events and histories; unique.")
    # --- conditions, in the order in which they are looked at: what costs nothing first
    numbers: tuple[Written, ...] = Field((), description="To one of these `[[numbers]]`; empty: to any.")
    peers: tuple[Written, ...] = Field((), description="From one of these phones, short codes or senders.")
    prefixes: tuple[Prefix, ...] = Field((), description="From numbers that begin so, as `+44`.")
    countries: tuple[Country, ...] = Field(
        (),
        description="From one of these countries. A number that no plan knows counts as one of the main country "
        "of its calling code.",
    )
    groups: tuple[Name, ...] = Field((), description="From a phone of one of these `[groups]`.")
    peer_lists: tuple[PeerList, ...] = Field(
        (),
        description="From somebody on one of these lists of peers (`smsgw peers set --join`, or an import), by any of "
        "their phones.",
    )
    known: bool | None = Field(
        None, description="true: from a peer that wrote or was written to before; false: from a new one."
    )
    opted_out: bool | None = Field(
        None,
        description="true: from somebody who wants no messages from the number any more, by this very message or an "
        "earlier one; false: from anybody else.",
    )
    schedules: tuple[Name, ...] = Field((), description="Within one of these `[schedules]`.")
    not_schedules: tuple[Name, ...] = Field((), description="Outside of all of these `[schedules]`.")
    times: tuple[Times, ...] = Field(
        (), description='Within these days and times, as "mon-fri 09:00-17:00", on the clock of `zone`.'
    )
    zone: Zone | None = Field(None, description="Zone of `times`, such as Europe/London.")
    keywords: tuple[Keyword, ...] = Field(
        (),
        description="The first word of the text is one of these, whatever the case, the form of its characters and "
        "the punctuation around it.",
    )
    keyword_match: Literal["exact", "prefix"] = Field(
        "exact", description="Whether the first word has to be the keyword, or to begin with it."
    )
    contains: tuple[ShortText, ...] = Field(
        (), description="One of these is somewhere in the text, whatever the case and the form of its characters."
    )
    matches: Pattern | None = Field(
        None, description="Is found in the text, as it came; `(?i)` at its beginning: whatever the case."
    )
    length_min: int | None = Field(None, ge=0, le=100_000, description="Characters of the text, at least.")
    length_max: int | None = Field(None, ge=0, le=100_000, description="Characters of the text, at most.")
    scripts: tuple[Script, ...] = Field((), description="At least half of the letters are of these scripts.")
    urgency: bool | None = Field(
        None,
        description="true: a word of urgency is in the text, of the package's list or of `urgency_words`; false: none.",
    )
    last_within: Seconds | None = Field(
        None,
        ge=1,
        le=31_536_000,
        description="Our last message from the number to the peer is at most so old.",
    )
    last_before: Seconds | None = Field(
        None, ge=1, le=31_536_000, description="It is older than this, or there is none."
    )
    last_apps: tuple[Name, ...] = Field((), description="It was submitted by one of these apps.")
    last_classes: tuple[MessageClass, ...] = Field((), description="It is of one of these message classes.")
    last_meta: Annotated[dict[str, str], Form("table of texts")] = Field(
        {}, description="Its `meta` has these members with these values."
    )
    count_min: int | None = Field(
        None, ge=2, le=10_000, description="At least so many messages of the peer to the number within `count_within`."
    )
    count_max: int | None = Field(None, ge=1, le=10_000, description="At most so many; this one is counted too.")
    count_within: Annotated[int, Field(ge=1, le=2_592_000)] | None = Field(
        None, description="Seconds before the message in which they are counted."
    )
    relay_within: Seconds | None = Field(
        None,
        ge=60,
        le=604_800,
        description="The sender was forwarded messages of just one person from this number in so many seconds; and it "
        "is sent on to that person, as an answer: the text alone, from this number.",
    )
    # --- actions
    handlers: tuple[Name, ...] | None = Field(
        None, description="Handlers that get it instead of those of the number; empty: none."
    )
    forward: tuple[Written, ...] = Field(
        (),
        description="Whom it is sent on to: names of `[groups]`, of their members, or phones.",
    )
    forward_mode: Literal["all", "first", "turn"] = Field(
        "all",
        description="To all of them, to the first or to one in turn; in any case of those whose schedule has them "
        "there, and where it has nobody of all.",
    )
    forward_text: Annotated[MessageText, AfterValidator(_forward)] = Field(
        FORWARD_TEXT,
        description="Text of what is sent on: `{peer}`, `{number}`, `{text}`, `{name}` (of whom it goes to), "
        "`{keyword}` and `{argument}` stand for what they say.",
    )
    email: tuple[Mailed, ...] = Field(
        (),
        description="Whom it is mailed to by the server of `[smtp]`: names of `[groups]`, of their members, or "
        "addresses; of those whose schedule has them there, and where it has nobody of all.",
    )
    reply: Annotated[MessageText, AfterValidator(_reply)] | None = Field(
        None,
        description="Text of an answer to the peer, with `{peer}`, `{number}`, `{keyword}` and `{argument}`.",
    )
    tags: tuple[Tag, ...] = Field((), description="Words that go with it to handlers and subscriptions.")
    urgent: bool = Field(False, description="Marks it as urgent.")
    then: Literal["stop", "continue"] = Field(
        "stop", description="What follows on a match: no other rule, or the rules behind it."
    )

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if bool(self.times) != (self.zone is not None):
            raise fail("rule", "times and zone together")
        if (self.count_within is not None) != (self.count_min is not None or self.count_max is not None):
            raise fail("rule", "count_within together with count_min or count_max")
        for low, high in (("length_min", "length_max"), ("count_min", "count_max")):
            if (least := getattr(self, low)) is not None and (most := getattr(self, high)) is not None and least > most:
                raise fail("rule", f"{low} not above {high}")
        if self.last_before is not None:
            if self.last_apps or self.last_classes or self.last_meta:
                raise fail("rule", "last_before without last_apps, last_classes and last_meta: it may be that no is")
            if self.last_within is not None and self.last_within <= self.last_before:
                raise fail("rule", "last_within above last_before")
        acts = (
            self.forward
            or self.email
            or self.relay_within
            or self.reply is not None
            or self.tags
            or self.urgent
            or self.handlers is not None
        )
        if not acts and self.then == "continue":
            raise fail("rule", 'an action (handlers, forward, email, reply, tags or urgent), or then = "stop"')
        return self


CONDITIONS: Final = (
    *(
        "numbers",
        "peers",
        "prefixes",
        "countries",
        "groups",
        "peer_lists",
        "known",
        "opted_out",
        "schedules",
        "not_schedules",
        "times",
    ),
    *("keywords", "contains", "matches", "length_min", "length_max", "scripts", "urgency"),
    *("last_within", "last_before", "last_apps", "last_classes", "last_meta", "count_min", "count_max", "relay_within"),
)
"""The conditions of a rule, in the order in which they are looked at."""


def given(rule: Rule) -> tuple[str, ...]:
    """The conditions that a rule has, in that order."""
    return tuple([name for name in CONDITIONS if getattr(rule, name) not in (None, (), {})])
