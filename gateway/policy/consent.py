"""For which messages consent is to be on record, and how people give it by text. Pure: tables made once of settings.

Consent is of a phone, for a class of messages, in a scope (`gateway.policy.optout`). It covers a message of that class
which goes out in that scope.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import Final, NamedTuple, get_args

import msgspec

from gateway.policy.content import Content
from gateway.policy.optout import ALL, OptOuts
from gateway.policy.optwords import key_of
from gateway.settings import Settings
from gateway.settings.consent import OptIn
from gateway.settings.optout import Language
from gateway.settings.routes import MessageClass

NO_CONSENT: Final = "no_consent"
"""The reason with which a message is refused, or ends."""
LONGEST: Final = 64
"""Characters of a text, without the blanks around it, beyond which it is neither a keyword nor a YES."""


class Words(msgspec.Struct, frozen=True):
    """One language of consent.toml."""

    yes: tuple[str, ...]
    welcome: str


class Word(NamedTuple):
    """What a text says about opt-ins: the one whose keyword it is, if any, and whether it may be a YES to one.

    ``key`` is what keywords are compared by.
    """

    key: str
    join: OptIn | None
    yes: bool


class Agreed(NamedTuple):
    """A YES: by which word of the list, and what it is answered (None: nothing)."""

    keyword: str
    answer: str | None


@cache
def package() -> dict[Language, Words]:
    """The package's words, by language."""
    text = (resources.files("gateway.policy") / "consent.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[Language, Words])


def wording(text: str, version: str | None) -> bytes:
    """The key of a wording that people agree to: the same for the same text and version."""
    return hashlib.blake2b(f"{version or ''}\0{text}".encode(), digest_size=16).digest()


class Consents:
    """The rules about consent of a configuration. ``optouts`` are those of the same one.

    ``asked`` are the classes, by number, for which consent is looked for, ``required`` those that are not sent without
    it; ``opt_ins`` by their names.
    """

    def __init__(self, settings: Settings, optouts: OptOuts) -> None:
        self.optouts = optouts
        modes = [getattr(settings.consent, word) for word in get_args(MessageClass)]
        self.required = frozenset(i for i, mode in enumerate(modes) if mode == "required")
        self.asked = frozenset(i for i, mode in enumerate(modes) if mode != "off")
        self.opt_ins = {one.name: one for one in settings.opt_ins}
        self._own = {one.name: {key_of(word): word for word in one.yes_words} for one in settings.opt_ins}
        self._package: dict[str, tuple[str, Language]] = {}
        self._joins: dict[str, dict[str, OptIn]] = {}  # by number; "": of numbers that are in no configuration
        self._first: Language = settings.optout.languages[0]
        if not self.opt_ins:
            return
        for language in settings.optout.languages:
            for word in package()[language].yes:
                self._package.setdefault(key_of(word), (word, language))
        self._yes = frozenset(self._package).union(*self._own.values())
        for one in settings.opt_ins:
            for number in one.numbers or ("", *settings.numbers_by_value):
                words = self._joins.setdefault(number, {})
                for word in one.keywords:
                    words.setdefault(key_of(word), one)

    # --- what comes in ------------------------------------------------------------------------------------------------

    def read(self, number: str, text: str) -> Word | None:
        """What a text to a number says about opt-ins, of which there are some; None: nothing."""
        text = text.strip()
        if len(text) > LONGEST:
            return None
        key = key_of(text)
        joins = self._joins.get(number) or self._joins.get("")
        join = joins.get(key) if joins is not None else None
        yes = key in self._yes
        return Word(key, join, yes) if join is not None or yes else None

    def agreed(self, key: str, opt_in: OptIn) -> Agreed | None:
        """Whether these words are a YES to this opt-in."""
        word = self._own[opt_in.name].get(key)
        language = self._first
        if word is None:
            if key not in self._package:
                return None
            word, language = self._package[key]
        text = package()[language].welcome if opt_in.welcome is None else opt_in.welcome
        return Agreed(word, text or None)

    def scope_of(self, opt_in: OptIn, number: str) -> str:
        """Where consent by an opt-in holds that was asked for from a number."""
        if opt_in.app is not None:
            return f"app:{opt_in.app}"
        return {"number": f"number:{number}", "set": self.optouts.set_of(number), "all": ALL}[opt_in.scope]

    # --- what a STOP ends ---------------------------------------------------------------------------------------------

    def within(self, scope: str, others: Collection[str]) -> bool:
        """Whether all that goes out in a scope goes out in one of the others."""
        if ALL in others or scope in others:
            return True
        kind, _, name = scope.partition(":")
        return kind == "number" and self.optouts.set_of(name) in others


def consent_warnings(settings: Settings) -> list[str]:
    """What of the opt-ins of a configuration will not work as it is meant, a sentence each."""
    found = []
    optouts = OptOuts(settings)
    one_way = Content(settings).one_way
    taken: dict[tuple[str, str], str] = {}  # by number and keyword, the opt-in that asks
    known = [word for language in settings.optout.languages for word in package()[language].yes]
    yes = frozenset(map(key_of, [*known, *(word for one in settings.opt_ins for word in one.yes_words)]))
    for one in settings.opt_ins:
        where = f'opt_ins "{one.name}"'
        numbers = one.numbers or tuple(settings.numbers_by_value)
        for word in one.keywords:
            meanings = {r.meaning for number in numbers if (r := optouts.read(number, word)) is not None}
            said = f'{where}: keyword "{word}"'
            if other := next((one for one in ("stop", "help") if one in meanings), None):
                found.append(f"{said} asks for nothing: it is one of the words for {other}")
            elif "start" in meanings:
                found.append(f"{said} is one of the words for start: who opted out is asked, and back only by a YES")
            if key_of(word) in yes:
                found.append(f"{said} is a YES too: who says that late, or to something else, is asked")
            holders = [taken.setdefault((number, key_of(word)), one.name) for number in numbers]
            if (holder := next((name for name in holders if name != one.name), None)) is not None:
                found.append(f'{where}: keyword "{word}" is one of opt_ins "{holder}" too, which asks where both could')
        for word in one.yes_words:
            meanings = {r.meaning for number in numbers if (r := optouts.read(number, word)) is not None}
            if other := next((one for one in ("stop", "help") if one in meanings), None):
                found.append(f'{where}: yes_words "{word}" is no YES: it is one of the words for {other}')
        mute = [number for number in one.numbers if number in one_way]
        found += [f'{where}: nobody can reply YES to "{number}"' for number in mute]
    return found
