"""The conditions of a rule, made ready: each looks at a message, and says in words what it wants and what there was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from gateway.policy.decision import Facts, Last
from gateway.policy.keywords import First, Keywords, first_word
from gateway.policy.routing import country
from gateway.policy.schedule import Opening
from gateway.policy.words import WordList, fold
from gateway.settings.rules import CONDITIONS, Rule, given, pattern_of
from gateway.settings.schedules import Schedule

SEARCHED: Final = 5000
"""Characters of a text in which is searched: 32 segments. RE2 takes a time in proportion to them, times the pattern."""

_SHOWN: Final = 60


class Message:
    """An inbound message as conditions look at it; what takes work is worked out once, when it is first asked for."""

    __slots__ = ("_country", "_first", "_folded", "_octets", "facts", "text")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.text = facts.text[:SEARCHED] if facts.text is not None else ""
        self._folded: str | None = None
        self._octets: bytes | None = None
        self._first: First | bool | None = False
        self._country: str | bool | None = False

    @property
    def folded(self) -> str:
        if self._folded is None:
            self._folded = fold(self.text)
        return self._folded

    @property
    def octets(self) -> bytes:
        """The text for RE2: it reads UTF-8, and half a surrogate pair, which has none, shall harm nobody."""
        if self._octets is None:
            self._octets = self.text.encode(errors="replace")
        return self._octets

    @property
    def first(self) -> First | None:
        if isinstance(self._first, bool):
            self._first = first_word(self.text)
        return self._first

    @property
    def country(self) -> str | None:
        if isinstance(self._country, bool):
            self._country = country(self.facts.peer)
        return self._country


class World(NamedTuple):
    """What the conditions of all rules refer to: groups as the phones of their members, schedules, words."""

    phones: Mapping[str, frozenset[str]]
    openings: Mapping[str, Opening]
    urgent: WordList


class Condition(NamedTuple):
    """One condition of a rule. ``found`` says in words what there was of a message."""

    name: str
    wanted: str
    holds: Callable[[Message], bool]
    found: Callable[[Message], str]


def conditions(rule: Rule, world: World) -> tuple[Condition, ...]:
    """The conditions that a rule has, in the order in which they are looked at."""
    return tuple(_MADE[name](rule, world) for name in given(rule))


# --- who --------------------------------------------------------------------------------------------------------------


def _listed(name: str, values: tuple[str, ...], of: Callable[[Message], str | None]) -> Condition:
    known = frozenset(values)
    return Condition(name, _list(values), lambda m: of(m) in known, lambda m: of(m) or "none")


def _numbers(rule: Rule, world: World) -> Condition:
    return _listed("numbers", rule.numbers, lambda m: m.facts.number)


def _peers(rule: Rule, world: World) -> Condition:
    return _listed("peers", rule.peers, lambda m: m.facts.peer)


def _prefixes(rule: Rule, world: World) -> Condition:
    begins = rule.prefixes
    return Condition("prefixes", _list(begins), lambda m: m.facts.peer.startswith(begins), lambda m: m.facts.peer)


def _countries(rule: Rule, world: World) -> Condition:
    return _listed("countries", rule.countries, lambda m: m.country)


def _groups(rule: Rule, world: World) -> Condition:
    phones = frozenset().union(*(world.phones[name] for name in rule.groups))

    def found(m: Message) -> str:
        return _list(tuple(name for name, phones in world.phones.items() if m.facts.peer in phones)) or "none"

    return Condition("groups", _list(rule.groups), lambda m: m.facts.peer in phones, found)


def _peer_lists(rule: Rule, world: World) -> Condition:
    wanted = frozenset(rule.peer_lists)

    def found(m: Message) -> str:
        return _list(tuple(sorted(m.facts.lists))) or "none"

    return Condition("peer_lists", _list(rule.peer_lists), lambda m: not wanted.isdisjoint(m.facts.lists), found)


def _known(rule: Rule, world: World) -> Condition:
    wanted = rule.known
    word = {True: "known", False: "new"}
    return Condition("known", word[bool(wanted)], lambda m: m.facts.known is wanted, lambda m: word[m.facts.known])


def _opted_out(rule: Rule, world: World) -> Condition:
    wanted = rule.opted_out
    word = {True: "opted out", False: "not opted out"}

    def found(m: Message) -> str:
        return word[m.facts.opted_out]

    return Condition("opted_out", word[bool(wanted)], lambda m: m.facts.opted_out is wanted, found)


# --- when -------------------------------------------------------------------------------------------------------------


def _schedules(rule: Rule, world: World) -> Condition:
    return _within("schedules", _list(rule.schedules), [world.openings[name] for name in rule.schedules])


def _times(rule: Rule, world: World) -> Condition:
    assert rule.zone is not None
    own = Opening("times", Schedule(zone=rule.zone, times=rule.times))
    return _within("times", f"{'; '.join(rule.times)} {rule.zone}", [own])


def _within(name: str, wanted: str, openings: list[Opening]) -> Condition:
    def holds(m: Message) -> bool:
        at = m.facts.at_ms
        return any(opening.open(at) for opening in openings)

    return Condition(name, wanted, holds, lambda m: openings[0].why(m.facts.at_ms))


def _not_schedules(rule: Rule, world: World) -> Condition:
    openings = [world.openings[name] for name in rule.not_schedules]

    def holds(m: Message) -> bool:
        at = m.facts.at_ms
        return not any(opening.open(at) for opening in openings)

    def found(m: Message) -> str:
        within = next((opening for opening in openings if opening.open(m.facts.at_ms)), openings[0])
        return f"{within.name}: {within.why(m.facts.at_ms)}"

    return Condition("not_schedules", f"not {_list(rule.not_schedules)}", holds, found)


# --- what -------------------------------------------------------------------------------------------------------------


def _keywords(rule: Rule, world: World) -> Condition:
    keywords = Keywords(rule.keywords, rule.keyword_match)
    wanted = f"{'begins with ' if rule.keyword_match == 'prefix' else ''}{_list(rule.keywords)}"

    def found(m: Message) -> str:
        return f'"{_short(m.first.written)}"' if m.first is not None else "no word"

    return Condition("keywords", wanted, lambda m: keywords.find(m.first) is not None, found)


def _contains(rule: Rule, world: World) -> Condition:
    parts = tuple(fold(part) for part in rule.contains)
    return Condition("contains", _list(rule.contains), lambda m: any(part in m.folded for part in parts), _text)


def _matches(rule: Rule, world: World) -> Condition:
    assert rule.matches is not None
    pattern = pattern_of(rule.matches)
    return Condition("matches", rule.matches, lambda m: pattern.search(m.octets) is not None, _text)


def _length_min(rule: Rule, world: World) -> Condition:
    least = rule.length_min or 0
    return Condition("length_min", str(least), lambda m: _length(m) >= least, lambda m: str(_length(m)))


def _length_max(rule: Rule, world: World) -> Condition:
    most = rule.length_max or 0
    return Condition("length_max", str(most), lambda m: _length(m) <= most, lambda m: str(_length(m)))


def _scripts(rule: Rule, world: World) -> Condition:
    latin = "Latin" in rule.scripts  # the only one with letters of ASCII
    wanted = pattern_of("[" + "".join(f"\\p{{{script}}}" for script in rule.scripts) + "]+")

    def count(m: Message) -> tuple[int, int]:
        of_them = b"".join(wanted.findall(m.octets)).decode()
        return sum(map(str.isalpha, of_them)), sum(map(str.isalpha, m.text))

    def holds(m: Message) -> bool:
        if not latin and m.text.isascii():
            return False
        of_them, all_of_them = count(m)
        return of_them > 0 and of_them * 2 >= all_of_them

    return Condition("scripts", _list(rule.scripts), holds, lambda m: "{} of {} letters".format(*count(m)))


def _urgency(rule: Rule, world: World) -> Condition:
    wanted = rule.urgency
    find = world.urgent.find

    def found(m: Message) -> str:
        word = find(m.folded)
        return f'"{word}"' if word is not None else "no such word"

    said = "a word of urgency" if wanted else "no word of urgency"
    return Condition("urgency", said, lambda m: (find(m.folded) is not None) is wanted, found)


# --- what was before --------------------------------------------------------------------------------------------------


def _last_within(rule: Rule, world: World) -> Condition:
    most = (rule.last_within or 0) * 1000
    return Condition("last_within", _seconds(most), lambda m: 0 <= _age(m, -1) <= most, _last_age)


def _last_before(rule: Rule, world: World) -> Condition:
    least = (rule.last_before or 0) * 1000
    return Condition("last_before", _seconds(least), lambda m: _age(m, least + 1) > least, _last_age)


def _last_apps(rule: Rule, world: World) -> Condition:
    return _listed("last_apps", rule.last_apps, lambda m: _of_last(m, lambda last: last.app))


def _last_classes(rule: Rule, world: World) -> Condition:
    return _listed("last_classes", rule.last_classes, lambda m: _of_last(m, lambda last: last.klass))


def _last_meta(rule: Rule, world: World) -> Condition:
    wanted = rule.last_meta

    def holds(m: Message) -> bool:
        last = m.facts.last
        return last is not None and all(_as_text(last.meta.get(key)) == value for key, value in wanted.items())

    def found(m: Message) -> str:
        last = m.facts.last
        if last is None:
            return "no message"
        return ", ".join(f"{key} = {_short(_as_text(last.meta.get(key)) or 'none')}" for key in wanted)

    return Condition("last_meta", ", ".join(f"{key} = {value}" for key, value in wanted.items()), holds, found)


def _count_min(rule: Rule, world: World) -> Condition:
    least, span = rule.count_min or 0, rule.count_within or 0
    return Condition("count_min", f"{least} in {span} s", lambda m: _count(m, span) >= least, _counted(span))


def _count_max(rule: Rule, world: World) -> Condition:
    most, span = rule.count_max or 0, rule.count_within or 0
    return Condition("count_max", f"{most} in {span} s", lambda m: _count(m, span) <= most, _counted(span))


def answered(facts: Facts, within: float) -> frozenset[str]:
    """Of whom messages were forwarded to who writes, in so many seconds: whom it may be an answer to."""
    since = facts.at_ms - int(within * 1000)
    return frozenset(peer for peer, at in facts.forwarded if at >= since)


def _relay_within(rule: Rule, world: World) -> Condition:
    within = rule.relay_within or 0

    def found(m: Message) -> str:
        return f"those of {len(answered(m.facts, within))}"

    wanted = f"forwards of one person in {_seconds(within * 1000)}"
    return Condition("relay_within", wanted, lambda m: len(answered(m.facts, within)) == 1, found)


def _counted(span: int) -> Callable[[Message], str]:
    return lambda m: str(_count(m, span))


_MADE: Final[dict[str, Callable[[Rule, World], Condition]]] = {
    "numbers": _numbers,
    "peers": _peers,
    "prefixes": _prefixes,
    "countries": _countries,
    "groups": _groups,
    "peer_lists": _peer_lists,
    "known": _known,
    "opted_out": _opted_out,
    "schedules": _schedules,
    "not_schedules": _not_schedules,
    "times": _times,
    "keywords": _keywords,
    "contains": _contains,
    "matches": _matches,
    "length_min": _length_min,
    "length_max": _length_max,
    "scripts": _scripts,
    "urgency": _urgency,
    "last_within": _last_within,
    "last_before": _last_before,
    "last_apps": _last_apps,
    "last_classes": _last_classes,
    "last_meta": _last_meta,
    "count_min": _count_min,
    "count_max": _count_max,
    "relay_within": _relay_within,
}
assert tuple(_MADE) == CONDITIONS


# --- in words ---------------------------------------------------------------------------------------------------------


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(values)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _text(m: Message) -> str:
    return f'"{_short(m.text)}"' if m.facts.text is not None else "no text"


def _length(m: Message) -> int:
    return len(m.facts.text) if m.facts.text is not None else 0


def _count(m: Message, span: int) -> int:
    return m.facts.counts.get(span, 0) + 1


def _age(m: Message, absent: float) -> float:
    """The age of our last message in ms, never below 0: the clock may have been set back."""
    last = m.facts.last
    return max(m.facts.at_ms - last.at_ms, 0) if last is not None else absent


def _last_age(m: Message) -> str:
    return _seconds(_age(m, 0)) if m.facts.last is not None else "no message"


def _of_last(m: Message, of: Callable[[Last], str]) -> str | None:
    return of(m.facts.last) if m.facts.last is not None else None


def _seconds(ms: float) -> str:
    return str(timedelta(milliseconds=ms)).partition(".")[0]


def _as_text(value: Any) -> str | None:
    """A value of `meta` as a configuration would write it: texts as they are, true and false as TOML has them."""
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
