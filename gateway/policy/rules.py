"""What becomes of inbound messages by the rules of a configuration. Pure: facts in, a decision out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from gateway.policy.conditions import Message, World, answered, conditions
from gateway.policy.decision import (
    NOTHING,
    UNDECIDED,
    Action,
    Decision,
    Facts,
    Forward,
    Mail,
    Needs,
    Recipient,
    Reply,
    Target,
    ToHandlers,
    Tried,
    fill,
)
from gateway.policy.keywords import Hit, Keywords
from gateway.policy.schedule import Opening, openings
from gateway.policy.words import WordList, urgent_words
from gateway.settings.groups import Group, Member
from gateway.settings.rules import Rule
from gateway.settings.schedules import Schedule

LONGEST_ARGUMENT: Final = 160
"""Characters of a keyword's argument that a reply repeats."""
RELAYED: Final = "{text}"
"""What goes to whom an answer is for: whose phone it came from is not said."""


class Ruled(Protocol):
    """The sections that rules are made of; numbers and phones are normalised."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def schedules(self) -> dict[str, Schedule]: ...
    @property
    def groups(self) -> dict[str, Group]: ...
    @property
    def urgency_words(self) -> tuple[str, ...]: ...


_Who = TypeVar("_Who", Target, Recipient)


class _Person(NamedTuple, Generic[_Who]):
    """Whom a rule forwards or mails to, and when they are there (None: always)."""

    target: _Who
    opening: Opening | None


class RuleBook:
    """The rules of a configuration, ready to decide."""

    def __init__(self, settings: Ruled) -> None:
        ready = openings(settings.schedules)
        phones = {
            name: frozenset(member.phone for member in group.members if member.phone is not None)
            for name, group in settings.groups.items()
        }
        world = World(phones, ready, WordList((*urgent_words(), *settings.urgency_words)))
        phoned = _persons(settings.groups, ready, _phone)
        mailed = _persons(settings.groups, ready, _email)
        self.rules = tuple(_Ready(rule, world, phoned, mailed) for rule in settings.rules)
        self._anywhere = _Rules([rule for rule in self.rules if not rule.rule.numbers])
        self._by_number = {
            number: _Rules([one for one in self.rules if not one.rule.numbers or number in one.rule.numbers])
            for number in {number for rule in settings.rules for number in rule.numbers}
        }

    def concerns(self, number: str) -> bool:
        """Whether there is any rule that a message to a number could match."""
        return bool(self._by_number.get(number, self._anywhere).all)

    def needs(self, number: str) -> Needs:
        """Which facts of the database messages to a number are decided by."""
        return self._by_number.get(number, self._anywhere).needs

    def decide(self, facts: Facts) -> Decision:
        """What becomes of a message: by the first rule that matches, and those behind it where that says so."""
        rules = self._by_number.get(facts.number, self._anywhere)
        if not rules.all:
            return UNDECIDED
        message = Message(facts)
        matched: list[_Ready] = []
        for rule in rules.of(message):
            if rule.matches(message):
                matched.append(rule)
                if rule.last:
                    break
        return _decision(matched, message) if matched else UNDECIDED

    def explain(self, facts: Facts) -> list[Tried]:
        """How each rule was looked at, up to the one that was the last."""
        message = Message(facts)
        tried: list[Tried] = []
        for rule in self.rules:
            tried.append(rule.tried(message))
            if tried[-1].failed is None and rule.last:
                break
        return tried


class _Rules:
    """The rules for a number in their order. Those that ask for a first word are looked up by it, however many."""

    __slots__ = ("_by_word", "_others", "all", "needs")

    def __init__(self, rules: list[_Ready]) -> None:
        self.all = tuple(rules)
        self.needs = _needs(rules)
        self._others = tuple(one for one in rules if one.words is None)
        self._by_word = {
            word: tuple(one for one in rules if one.words is None or word in one.words)
            for word in frozenset().union(*(one.words for one in rules if one.words is not None))
        }

    def of(self, message: Message) -> tuple[_Ready, ...]:
        """Those that the first word of a message leaves."""
        if not self._by_word:
            return self.all
        first = message.first
        return self._by_word.get(first.folded, self._others) if first is not None else self._others


class _Ready:
    """A rule, ready to be asked."""

    __slots__ = ("_conditions", "_holds", "_keywords", "_mailed", "_phoned", "acts", "last", "rule", "words")

    def __init__(
        self,
        rule: Rule,
        world: World,
        phoned: Mapping[str, tuple[_Person[Target], ...]],
        mailed: Mapping[str, tuple[_Person[Recipient], ...]],
    ) -> None:
        self.rule = rule
        self.last = rule.then == "stop"
        self._conditions = conditions(rule, world)
        self._keywords = Keywords(rule.keywords, rule.keyword_match) if rule.keywords else None
        self.words = self._keywords.exact if self._keywords is not None else None
        # Which number it is was looked up before.
        self._holds = tuple(one.holds for one in self._conditions if one.name != "numbers")
        forwarded = (one for name in rule.forward for one in phoned.get(name) or (_Person(Target(name), None),))
        self._phoned = tuple({one.target.phone: one for one in forwarded}.values())
        mails = (one for name in rule.email for one in mailed.get(name) or (_Person(Recipient(name), None),))
        self._mailed = tuple({one.target.email: one for one in mails}.values())
        self.acts = bool(
            rule.relay_within or self._phoned or self._mailed or rule.handlers is not None or rule.reply is not None
        )

    def matches(self, message: Message) -> bool:
        for holds in self._holds:  # noqa: SIM110 - a generator costs as much as most conditions
            if not holds(message):
                return False
        return True

    def tried(self, message: Message) -> Tried:
        for one in self._conditions:
            if not one.holds(message):
                return Tried(self.rule.name, one.name, one.wanted, one.found(message))
        return Tried(self.rule.name, None)

    def hit(self, message: Message) -> Hit | None:
        """The keyword that it matched by."""
        return self._keywords.find(message.first) if self._keywords is not None else None

    def actions(self, message: Message, hit: Hit | None) -> Iterator[Action]:
        rule, facts = self.rule, message.facts
        if rule.handlers is not None:
            yield ToHandlers(rule.handlers)
        if rule.relay_within is not None:
            (person,) = answered(facts, rule.relay_within)
            yield Forward(rule.name, (Target(person),), "all", RELAYED)
        if self._phoned:
            yield Forward(rule.name, _there(self._phoned, facts.at_ms), rule.forward_mode, rule.forward_text)
        if self._mailed:
            yield Mail(rule.name, _there(self._mailed, facts.at_ms))
        if rule.reply is not None:
            values = {
                "peer": facts.peer,
                "number": facts.number,
                "keyword": hit.keyword if hit is not None else None,
                "argument": hit.argument[:LONGEST_ARGUMENT] if hit is not None else None,
            }
            yield Reply(rule.name, fill(rule.reply, values))


def _there(persons: tuple[_Person[_Who], ...], at_ms: int) -> tuple[_Who, ...]:
    """Those who are there, or all where nobody is."""
    there = tuple(one.target for one in persons if one.opening is None or one.opening.open(at_ms))
    return there or tuple(one.target for one in persons)


def _decision(matched: list[_Ready], message: Message) -> Decision:
    actions: list[Action] = []
    handlers: dict[str, None] | None = None
    tags: dict[str, None] = {}
    mail_to: dict[str, None] = {}
    hit: Hit | None = None
    urgent = False
    for one in matched:
        if one.rule.tags:
            tags |= dict.fromkeys(one.rule.tags)
        urgent = urgent or one.rule.urgent
        own = one.hit(message)
        hit = hit or own
        if not one.acts:
            continue
        for action in one.actions(message, own or hit):
            actions.append(action)
            if isinstance(action, ToHandlers):
                handlers = (handlers or {}) | dict.fromkeys(action.names)
            elif isinstance(action, Mail):
                mail_to |= dict.fromkeys([one.email for one in action.to])
    return Decision(
        actions=tuple(actions),
        matched=tuple([one.rule.name for one in matched]),
        tags=tuple(tags),
        urgent=urgent,
        handlers=tuple(handlers) if handlers is not None else None,
        keyword=hit.keyword if hit is not None else None,
        argument=hit.argument if hit is not None else None,
        mail_to=tuple(mail_to),
    )


def _persons(
    groups: Mapping[str, Group], ready: Mapping[str, Opening], reached: Callable[[Member], _Who | None]
) -> dict[str, tuple[_Person[_Who], ...]]:
    """Who can be reached by the names that a rule may have: groups, and their members each by themselves."""
    found: dict[str, tuple[_Person[_Who], ...]] = {}
    for name, group in groups.items():
        members: dict[str, _Person[_Who]] = {}
        for one in group.members:
            target = reached(one)
            if target is not None:
                members[one.name] = _Person(target, ready[one.schedule] if one.schedule is not None else None)
        found[name] = tuple(members.values())
        for member, person in members.items():
            found.setdefault(member, (person,))
    return found


def _phone(member: Member) -> Target | None:
    return Target(member.phone, member.name) if member.phone is not None else None


def _email(member: Member) -> Recipient | None:
    return Recipient(member.email, member.name) if member.email is not None else None


def _needs(rules: list[_Ready]) -> Needs:
    all_of_them = [one.rule for one in rules]
    if not all_of_them:
        return NOTHING
    return Needs(
        known=any(rule.known is not None for rule in all_of_them),
        last=any(
            rule.last_within or rule.last_before or rule.last_apps or rule.last_classes or rule.last_meta
            for rule in all_of_them
        ),
        spans=tuple(sorted({rule.count_within for rule in all_of_them if rule.count_within is not None})),
        lists=any(rule.peer_lists for rule in all_of_them),
        forwarded=any(rule.relay_within is not None for rule in all_of_them),
        opted_out=any(rule.opted_out is not None for rule in all_of_them),
    )
