"""Rules, schedules and numbers that contradict each other: `check` warns of what never holds or is never done.

What is looked at is in the form of load(), a sentence each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.settings.groups import Group
from gateway.settings.numbers import Number
from gateway.settings.rules import Rule, given
from gateway.settings.schedules import Schedule
from gateway.sms.address import kind_of


def senseless(
    rules: tuple[Rule, ...],
    groups: Mapping[str, Group],
    schedules: Mapping[str, Schedule],
    numbers: tuple[Number, ...],
) -> Iterator[str]:
    """What contradicts itself, or another section."""
    ours = {number.number: number for number in numbers}
    for rule in rules:
        where = f'rules "{rule.name}"'
        yield from (f"{where}: {said}" for said in _never(rule, ours))
        yield from (f"{where}: {said}" for said in _in_vain(rule, groups, ours))
    for name, schedule in schedules.items():
        if not (schedule.times or any(one.times for one in schedule.exceptions)) and not (
            schedule.holidays and schedule.holiday_times
        ):
            yield f'schedules "{name}": it has no times at all'
    yield from _nowhere(rules, numbers)


def _never(rule: Rule, ours: Mapping[str, Number]) -> Iterator[str]:
    """Conditions that nothing meets."""
    if rule.schedules and set(rule.schedules) <= set(rule.not_schedules):
        yield "never matches: schedules and not_schedules name the same"
    if rule.peers and rule.prefixes and not any(peer.startswith(rule.prefixes) for peer in rule.peers):
        yield "never matches: none of peers begins with one of prefixes"
    deaf = {value for value in rule.numbers if "sms_in" not in ours[value].able}
    if rule.numbers and deaf == set(rule.numbers):
        yield f'never matches: numbers "{rule.numbers[0]}" gets no texts (capabilities lack sms_in)'
    elif rule.numbers and all(_unheard(ours[value]) for value in rule.numbers):
        yield f'never matches: nobody is told of what comes in to numbers "{rule.numbers[0]}" (its state)'


def _unheard(number: Number) -> bool:
    return number.state == "released" or (number.state == "held" and number.inbound_when_held != "handlers")


def _in_vain(rule: Rule, groups: Mapping[str, Group], ours: Mapping[str, Number]) -> Iterator[str]:
    """Actions that the guards always hold back, by who alone can be the sender."""
    senders = set(rule.peers) or {one.phone for name in rule.groups for one in groups[name].members if one.phone}
    if not senders:
        return
    acts = rule.forward or rule.reply is not None
    if acts and senders <= ours.keys():
        yield "all its peers are numbers of ours, for which nothing is forwarded or answered"
        return
    members = {one.name: one.phone for group in groups.values() for one in group.members if one.phone}
    targets: set[str | None] = set()
    for name in rule.forward:
        targets.update((one.phone for one in groups[name].members) if name in groups else (members.get(name, name),))
    targets.discard(None)
    if len(targets) == 1 and targets == senders:
        yield "forwards to nobody but the sender, which is never done"
    if rule.reply is not None and all(kind_of(sender) != "international" for sender in senders):
        yield "answers only short codes and names, which is never done"


def _nowhere(rules: tuple[Rule, ...], numbers: tuple[Number, ...]) -> Iterator[str]:
    """Numbers with keywords of rules for all numbers. Of rules that name the number it is an error (rulecheck)."""
    asking = next((rule for rule in rules if rule.keywords and not rule.numbers), None)
    if asking is None:
        return
    for number in numbers:
        if number.handlers or _unheard(number) or "sms_in" not in number.able:
            continue
        its = [rule for rule in rules if not rule.numbers or number.number in rule.numbers]
        if not any(takes_all(rule) for rule in its):
            yield (
                f'numbers "{number.number}": no handlers, and rules "{asking.name}" asks for keywords; a text without '
                "one of them goes to subscriptions alone"
            )


def takes_all(rule: Rule) -> bool:
    """Whether a rule has no condition but the number."""
    return set(given(rule)) <= {"numbers"}
