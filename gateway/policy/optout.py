"""How far an opt-out reaches, and what a number makes of a STOP. Pure: tables made once of the settings.

A *scope* says from where nothing is sent any more: ``number:NUMBER``, ``set:NAME``, ``app:NAME`` or ``all``. What is
stored is the phone and the scope; a message is refused where one of the scopes that it would go out in is stored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.policy.optwords import Reading, Vocabulary, key_of, package
from gateway.settings import Settings
from gateway.settings.errors import nearest
from gateway.settings.optout import DEFAULT_SET, Confirmation, Language, Near, NumberSet, OptOut, Reach
from gateway.settings.own import OWN_APP

ALL: Final = "all"
REMEMBERED: Final = 10_000
"""Pairs of an app and a number whose scopes are remembered; there are not many more than that in a configuration."""

LOCAL: Final = "local"
"""The app of everybody where none is configured: what it enters is for all."""

SHOWN: Final = 3
"""Numbers, or apps, that a sentence names."""

_SCOPE: Final = re.compile(r"(?:all|(number|set|app):(.+))")


class Terms(NamedTuple):
    """What a number makes of a STOP.

    ``stops`` are the scopes that it is for, ``lifts`` those that a START lifts again: all by which a message from this
    number could be held back. ``texts`` are the answers that the configuration gives, by what they answer; those of
    the package are in the language of the keyword.
    """

    stops: tuple[str, ...]
    lifts: frozenset[str]
    near: Near
    confirmation: Confirmation
    vocabulary: Vocabulary
    texts: dict[str, str | None]
    help_interval_ms: int

    def answer(self, reading: Reading) -> str | None:
        """What a STOP, START or HELP is answered; None: nothing, or the carrier does."""
        if self.confirmation == "carrier":
            return None
        meaning = "stop" if reading.meaning == "near" else reading.meaning
        text = self.texts[meaning]
        if text is None:
            text = _packaged(meaning, reading.language)
        return text or None


def _packaged(meaning: str, language: Language) -> str:
    words = package()[language]
    return {"stop": words.stop_reply, "start": words.start_reply, "help": words.help_reply}[meaning]


class OptOuts:
    """The opt-out rules of a configuration. ``once``: the scope of its set by each number that there ever was.

    Who answers a number that was taken out of the configuration means the set that it was in.
    """

    def __init__(self, settings: Settings, once: Mapping[str, str] = MappingProxyType({})) -> None:
        self._once = once
        self._numbers = settings.numbers_by_value
        self.numbers = frozenset(self._numbers)
        self._sets = {number: one for one in settings.number_sets for number in one.numbers}
        self._set_names = (DEFAULT_SET, *(one.name for one in settings.number_sets))
        self._apps: dict[str, frozenset[str] | None] = {
            app.name: frozenset(app.numbers) if app.numbers is not None else None for app in settings.apps
        } or {LOCAL: None}
        self._optout = settings.optout
        self.reply_age = settings.limits.reply_age
        """How long an answer may wait to be sent, in seconds."""
        self._vocabularies: dict[str | None, Vocabulary] = {}
        self._usual = self._terms(None)
        self._known = {number: self._terms(number) for number in self._numbers}
        self._scopes: dict[tuple[str, str], frozenset[str]] = {}

    # --- what comes in ------------------------------------------------------------------------------------------------

    def terms(self, number: str) -> Terms:
        """What a number makes of a STOP; one that is in no configuration is of the default set and of its last."""
        known = self._known.get(number)
        if known is not None:
            return known
        usual = self._usual
        own = f"number:{number}"
        once = self._once.get(number, self.set_of(number))
        stops = (own,) if self._optout.scope in ("number", "app") else usual.stops
        if self._optout.scope == "set" and once not in stops:
            stops = (*stops, once)
        return usual._replace(stops=stops, lifts=usual.lifts | {own, once})

    def read(self, number: str, text: str) -> Reading | None:
        """What a text to a number means; None: nothing of the kind."""
        return self._known.get(number, self._usual).vocabulary.read(text)

    def _terms(self, number: str | None) -> Terms:
        optout = self._optout
        own = self._numbers[number] if number is not None else None
        of_set = self._sets.get(number) if number is not None else None
        apps = tuple(f"app:{name}" for name in self._sending(number))
        the_set = f"set:{of_set.name if of_set is not None else DEFAULT_SET}"
        the_number = (f"number:{number}",) if number is not None else ()
        reach: Reach = (own.stop_scope if own is not None else None) or optout.scope
        stops = {"number": the_number, "set": (the_set,), "app": (*the_number, *apps), "all": (ALL,)}[reach]
        return Terms(
            stops=stops,
            lifts=frozenset({ALL, the_set, *the_number, *apps}),
            near=(own.stop_near if own is not None else None) or optout.near,
            confirmation=(own.stop_confirmation if own is not None else None) or optout.confirmation,
            vocabulary=self.vocabulary(of_set),
            texts={
                "stop": _own(of_set, optout, "stop_reply"),
                "start": _own(of_set, optout, "start_reply"),
                "help": _own(of_set, optout, "help_reply"),
            },
            help_interval_ms=int(optout.help_interval * 1000),
        )

    def vocabulary(self, of_set: NumberSet | None) -> Vocabulary:
        """The words of a set of numbers; None: of numbers that are in none."""
        name = of_set.name if of_set is not None else None
        made = self._vocabularies.get(name)
        if made is None:
            optout = self._optout
            languages: tuple[Language, ...] = (of_set and of_set.languages) or optout.languages
            words = [
                (getattr(of_set, key) if of_set is not None else None) or getattr(optout, key)
                for key in ("stop_words", "start_words", "help_words")
            ]
            made = Vocabulary(languages, stop=words[0], start=words[1], help=words[2])
            self._vocabularies[name] = made
        return made

    # --- what goes out ------------------------------------------------------------------------------------------------

    def scopes(self, app: str, number: str) -> frozenset[str]:
        """The scopes that a message of an app from a number goes out in."""
        key = (app, number)
        found = self._scopes.get(key)
        if found is None:
            the_set = self.set_of(number)
            # What follows from an inbound message is nobody's own: it is of all who may send from this number.
            apps = [app] if app != OWN_APP else [app, *self._sending(number)]
            found = frozenset({ALL, the_set, f"number:{number}", *(f"app:{name}" for name in apps)})
            if len(self._scopes) < REMEMBERED:
                self._scopes[key] = found
        return found

    @property
    def apps(self) -> tuple[str, ...]:
        """The apps of the configuration."""
        return tuple(self._apps)

    def scopes_of(self, app: str) -> frozenset[str]:
        """The scopes that messages of an app go out in, from whichever of its numbers.

        Of one that is in no configuration, as operators and the gateway itself are: from all numbers.
        """
        own = f"app:{app}"
        numbers = self.numbers_in(own if app in self._apps else ALL)
        return frozenset({ALL, own}).union(*(self.scopes(app, number) for number in numbers))

    def reaches_as(self, other: OptOuts) -> bool:
        """Whether every message goes out in the same scopes as by other rules."""
        sets = [{number: one.name for number, one in rules._sets.items()} for rules in (self, other)]
        return sets[0] == sets[1] and self._apps == other._apps

    def left_behind(self, new: OptOuts) -> list[str]:
        """What to know of numbers that are in another set by new rules, and of apps that are gone: sentences."""
        moved: dict[str, list[str]] = {}
        for number in self._numbers:
            if number in new._numbers and self.set_of(number) != new.set_of(number):
                moved.setdefault(self.set_of(number), []).append(number)
        return [
            f"number_sets: {_some(numbers)} left {scope}:"
            " its opt-outs go along, what people agreed to for that set does not"
            for scope, numbers in moved.items()
        ] + [
            f'apps "{name}" is gone: what people opted out of for app:{name} alone holds for no other app'
            for name in self._apps
            if name not in new._apps and name != LOCAL
        ]

    def sets(self) -> dict[str, str]:
        """The scope of its set by number."""
        return {number: self.set_of(number) for number in self._numbers}

    def set_of(self, number: str) -> str:
        """The scope of the set that a number is in."""
        of_set = self._sets.get(number)
        return f"set:{of_set.name if of_set is not None else DEFAULT_SET}"

    def _sending(self, number: str | None) -> list[str]:
        """The apps that may send from a number; from one that is not known: from all numbers."""
        return [name for name, numbers in self._apps.items() if numbers is None or number in numbers]

    # --- scopes by name -----------------------------------------------------------------------------------------------

    def numbers_in(self, scope: str) -> tuple[str, ...]:
        """The configured numbers that a scope is about."""
        kind, _, name = scope.partition(":")
        if kind == "number":
            return (name,)
        if kind == "set":
            return tuple(n for n in self._numbers if (s := self._sets.get(n)) is not None and s.name == name) or (
                tuple(n for n in self._numbers if n not in self._sets) if name == DEFAULT_SET else ()
            )
        if kind == "app":
            numbers = self._apps.get(name, frozenset())
            return tuple(n for n in self._numbers if numbers is None or n in numbers)
        return tuple(self._numbers)

    def problem(self, scope: str) -> str | None:
        """What is wrong with a scope that somebody names; None where nothing is."""
        match = _SCOPE.fullmatch(scope)
        if match is None:
            return "a scope is all, number:NUMBER, set:NAME or app:NAME"
        kind, name = match[1], match[2]
        if kind == "set" and name not in self._set_names:
            return f"there is no set of numbers {name!r}; there is {', '.join(self._set_names)}"
        if kind == "app" and name not in self._apps:
            near = nearest(name, self._apps)
            there = f"did you mean {near}?" if near else f"there is {_some(self._apps)}"
            return f"there is no app {name!r}; {there}"
        return None


def _some(names: Collection[str]) -> str:
    """The first of these, and whether there are more."""
    return ", ".join(list(names)[:SHOWN]) + (" and more" if len(names) > SHOWN else "")


def _own(of_set: NumberSet | None, optout: OptOut, key: str) -> str | None:
    found: str | None = getattr(of_set, key) if of_set is not None else None
    if found is None:
        found = getattr(optout, key)
    return found


def optout_warnings(settings: Settings) -> list[str]:
    """What of an operator's own words for STOP, START and HELP will not work as it is meant, a sentence each."""
    found: list[str] = []
    rules, known = OptOuts(settings), package()
    for of_set in (None, *settings.number_sets):
        where = "optout" if of_set is None else f'number_sets "{of_set.name}"'
        vocabulary = rules.vocabulary(of_set)
        languages = (of_set and of_set.languages) or settings.optout.languages
        others = {
            key_of(word): meaning
            for one in languages
            for meaning in ("start", "help")
            for word in getattr(known[one], meaning)
        }
        for meaning in ("stop", "start", "help"):
            words: tuple[str, ...] = getattr(settings.optout if of_set is None else of_set, f"{meaning}_words") or ()
            for word in words:
                reading = vocabulary.read(word)
                if reading is not None and reading.meaning != meaning:
                    other = reading.meaning
                    found.append(
                        f'{where}: {meaning}_words "{word}" is without effect: it is one of the words for {other}'
                    )
                elif meaning == "stop" and (lost := others.get(key_of(word))) is not None:
                    found.append(f'{where}: stop_words "{word}" stops messages, and is no word for {lost} any more')
    return found
