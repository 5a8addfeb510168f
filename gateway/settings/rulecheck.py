"""What does not fit together of rules, groups and schedules: errors, what `check` warns of, and numbers in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.settings.errors import Path, nearest, show
from gateway.settings.groups import Group, Member
from gateway.settings.mail import is_address
from gateway.settings.numbers import Number
from gateway.settings.raw import app_names, list_of, named_tables, names_of, region_of, tables_of, value_of
from gateway.settings.references import Finding
from gateway.settings.rules import CONDITIONS, Rule
from gateway.settings.rulesense import senseless, takes_all
from gateway.settings.schedules import Schedule
from gateway.sms.address import AddressError, normalise, normalise_sender

_CONDITIONS_BUT_NUMBERS: Final = tuple(name for name in CONDITIONS if name != "numbers")


def check(data: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong between rules, groups, schedules and the other sections, by the raw tables of a configuration."""
    region = region_of(data)
    ours = _ours(data, region)
    rules = list(tables_of(data, "rules"))
    groups = {name: list(tables_of(group, "members")) for name, group in named_tables(data, "groups")}
    schedules = [name for name, _ in named_tables(data, "schedules")]
    yield from _groups(groups, schedules, ours, region)
    yield from _unique(rules)
    members = [member["name"] for of in groups.values() for _, member in of if isinstance(member.get("name"), str)]
    known = {
        "groups": (list(groups), "expected the name of one of [groups]"),
        "schedules": (schedules, "expected the name of one of [schedules]"),
        "not_schedules": (schedules, "expected the name of one of [schedules]"),
        "handlers": (names_of(data, "handlers"), "expected the name of one of [[handlers]]"),
        "last_apps": ([*app_names(data), "operator"], "expected the name of one of [[apps]]"),
    }
    for index, rule in rules:
        for key, (names, expected) in known.items():
            for place, name in enumerate(list_of(rule, key)):
                if isinstance(name, str) and name not in names:
                    yield Finding(("rules", index, key, place), expected, show(name), nearest(name, names))
                elif name in list_of(rule, key)[:place]:
                    yield Finding(("rules", index, key, place), "expected each of them once", show(name))
        yield from _addresses(index, rule, ours, region)
        yield from _forwards(index, rule, (*groups, *members), ours, region)
        yield from _reached(index, rule, groups)
        if list_of(rule, "email") and data.get("smtp") is None:
            yield Finding(("rules", index, "email"), "expected [smtp] too, the server that takes the mails")
    yield from _without_rest(data, rules, ours, region)


def _addresses(index: int, rule: Mapping[str, Any], ours: Mapping[str, int], region: str | None) -> Iterator[Finding]:
    for place, raw in enumerate(list_of(rule, "numbers")):
        value = value_of(raw, region)
        if value is not None and value not in ours:
            path: Path = ("rules", index, "numbers", place)
            yield Finding(path, "expected one of [[numbers]]", show(raw), nearest(str(raw), ours))
    for place, raw in enumerate(list_of(rule, "peers")):
        if isinstance(raw, str) and raw and value_of(raw, region) is None:
            expected = f"expected a phone, a short code or a sender name ({_fault(raw, region)})"
            yield Finding(("rules", index, "peers", place), expected, show(raw))


def _forwards(
    index: int, rule: Mapping[str, Any], names: tuple[str, ...], ours: Mapping[str, int], region: str | None
) -> Iterator[Finding]:
    targets = list_of(rule, "forward")
    for place, raw in enumerate(targets):
        path: Path = ("rules", index, "forward", place)
        if not isinstance(raw, str) or not raw:
            continue
        if raw in targets[:place]:
            yield Finding(path, "expected each of them once", show(raw))
        elif raw not in names:
            if (phone := phone_of(raw, region)) is None:
                expected = "expected a phone, or the name of one of [groups] or of a member of theirs"
                yield Finding(path, expected, show(raw), nearest(raw, names))
            elif phone in ours:
                expected = f"expected a phone of somebody; numbers[{ours[phone]}] is this one, and it would go round"
                yield Finding(path, expected, show(raw))


def _reached(
    index: int, rule: Mapping[str, Any], groups: Mapping[str, list[tuple[int, Mapping[str, Any]]]]
) -> Iterator[Finding]:
    """Names of groups and people who have no phone to forward to, or no address to mail to, and what is no name."""
    named: dict[str, list[Mapping[str, Any]]] = {}
    for name, members in groups.items():
        named[name] = [member for _, member in members]
        for _, member in members:
            if isinstance(member.get("name"), str):
                named.setdefault(member["name"], [member])
    for key, has, what in (("forward", "phone", "a phone"), ("email", "email", "email")):
        for place, raw in enumerate(list_of(rule, key)):
            path: Path = ("rules", index, key, place)
            if raw in named and not any(isinstance(member.get(has), str) for member in named[raw]):
                yield Finding(path, f"expected somebody with {what}", show(raw))
    targets = list_of(rule, "email")
    for place, raw in enumerate(targets):
        if not isinstance(raw, str) or not raw:
            continue
        if raw in targets[:place]:
            yield Finding(("rules", index, "email", place), "expected each of them once", show(raw))
        elif raw not in named and not is_address(raw):
            expected = "expected an e-mail address, or the name of one of [groups] or of a member of theirs"
            yield Finding(("rules", index, "email", place), expected, show(raw), nearest(raw, named))


def _groups(
    groups: Mapping[str, list[tuple[int, Mapping[str, Any]]]],
    schedules: list[str],
    ours: Mapping[str, int],
    region: str | None,
) -> Iterator[Finding]:
    persons: dict[str, tuple[str | None, Any]] = {}
    for group, members in groups.items():
        here: set[str] = set()
        for index, member in members:
            path: Path = ("groups", group, "members", index)
            name, raw, schedule = member.get("name"), member.get("phone"), member.get("schedule")
            phone = phone_of(raw, region)
            if isinstance(raw, str) and raw and phone is None:
                yield Finding((*path, "phone"), f"expected a phone ({_fault(raw, region)})", show(raw))
            elif phone is not None and phone in ours:
                expected = f"expected a phone of somebody; numbers[{ours[phone]}] is this one"
                yield Finding((*path, "phone"), expected, show(raw))
            if isinstance(schedule, str) and schedule not in schedules:
                expected = "expected the name of one of [schedules]"
                yield Finding((*path, "schedule"), expected, show(schedule), nearest(schedule, schedules))
            if not isinstance(name, str):
                continue
            if name in groups:
                yield Finding((*path, "name"), "expected another name than that of a group", show(name))
            elif phone_of(name, region) is not None:
                # A rule that names it would mean another phone than it says.
                yield Finding((*path, "name"), "expected a name that is no phone", show(name))
            elif name in here:
                yield Finding((*path, "name"), "expected each member once", show(name))
            elif persons.setdefault(name, (phone, member.get("email"))) != (phone, member.get("email")):
                expected = "expected a name of one person; another group has another phone or email"
                yield Finding((*path, "name"), expected, show(name))
            here.add(name)


def _unique(rules: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, rule in rules:
        name = rule.get("name")
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            yield Finding(
                ("rules", index, "name"), f"expected a name of its own; rules[{seen[name]}] has it", show(name)
            )


def _without_rest(
    data: Mapping[str, Any], rules: list[tuple[int, Mapping[str, Any]]], ours: Mapping[str, int], region: str | None
) -> Iterator[Finding]:
    """Numbers with keywords, where a text without one of them would get nowhere."""
    entries = dict(tables_of(data, "numbers"))
    for value, index in ours.items():
        named = [
            (place, rule)
            for place, rule in rules
            if value in [value_of(raw, region) for raw in list_of(rule, "numbers")]
        ]
        asking = next((place for place, rule in named if rule.get("keywords")), None)
        if asking is None or list_of(entries[index], "handlers"):
            continue
        everywhere = [(place, rule) for place, rule in rules if not rule.get("numbers")]
        if any(_unconditional(rule) for _, rule in named + everywhere):
            continue
        expected = (
            f"expected handlers, or a rule for the rest: rules[{asking}] asks for keywords, and a text without one of "
            "them would get nowhere"
        )
        yield Finding(("numbers", index), expected)


def _unconditional(rule: Mapping[str, Any]) -> bool:
    return all(rule.get(key) in (None, [], {}) for key in _CONDITIONS_BUT_NUMBERS)


# --- the checked sections ---------------------------------------------------------------------------------------------


def normalised(
    rules: tuple[Rule, ...], groups: Mapping[str, Group], region: str | None
) -> tuple[tuple[Rule, ...], dict[str, Group]]:
    """Rules and groups with numbers and phones in the one form that messages carry. They were checked."""

    def form(raw: str) -> str:
        return normalise_sender(raw, region).value

    def person(member: Member) -> Member:
        return member if member.phone is None else member.model_copy(update={"phone": form(member.phone)})

    names = {*groups, *(member.name for group in groups.values() for member in group.members)}
    return tuple(
        rule.model_copy(
            update={
                "numbers": tuple(map(form, rule.numbers)),
                "peers": tuple(map(form, rule.peers)),
                "forward": tuple(raw if raw in names else form(raw) for raw in rule.forward),
            }
        )
        for rule in rules
    ), {name: group.model_copy(update={"members": tuple(map(person, group.members))}) for name, group in groups.items()}


def rule_warnings(
    rules: tuple[Rule, ...],
    groups: Mapping[str, Group],
    schedules: Mapping[str, Schedule],
    urgency_words: tuple[str, ...],
    numbers: tuple[Number, ...],
) -> Iterator[str]:
    """What is allowed and probably not meant, a sentence each."""
    for place, rule in enumerate(rules):
        where = f'rules "{rule.name}"'
        earlier = next((one for one in rules[:place] if one.then == "stop" and _covers(one, rule)), None)
        if earlier is not None:
            yield f'{where}: never reached; rules "{earlier.name}" before it matches all that it would'
        if rule.forward_mode != "all" and len(rule.forward) == 1 and rule.forward[0] not in groups:
            yield f'{where}: forward_mode = "{rule.forward_mode}" with one person'
        if rule.forward or rule.reply is not None:
            mute = (number.number for number in numbers if "sms_out" not in number.able)
            if (one := next((number for number in mute if number in rule.numbers), None)) is not None:
                yield f'{where}: numbers "{one}" cannot send, and so neither forward nor answer'
        if rule.then == "continue" and place == len(rules) - 1:
            yield f'{where}: then = "continue", and no rule is behind it'
    yield from senseless(rules, groups, schedules, numbers)
    used = {name for rule in rules for name in (*rule.schedules, *rule.not_schedules)}
    used |= {member.schedule for group in groups.values() for member in group.members if member.schedule is not None}
    yield from (f'schedules "{name}": neither a rule nor a member names it' for name in schedules if name not in used)
    named = {name for rule in rules for name in (*rule.groups, *rule.forward, *rule.email)}
    named |= {number.group for number in numbers if number.group is not None}
    for name, group in groups.items():
        if name not in named and not any(member.name in named for member in group.members):
            yield f'groups "{name}": neither a rule nor a number names it'
    if urgency_words and not any(rule.urgency is not None for rule in rules):
        yield "urgency_words: no rule has urgency"


def _covers(earlier: Rule, later: Rule) -> bool:
    """Whether a rule has no condition, or only numbers that take in those of a later one."""
    if not takes_all(earlier):
        return False
    return not earlier.numbers or (bool(later.numbers) and set(later.numbers) <= set(earlier.numbers))


# --- raw tables -------------------------------------------------------------------------------------------------------


def _ours(data: Mapping[str, Any], region: str | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, entry in tables_of(data, "numbers"):
        if (value := value_of(entry.get("number"), region)) is not None:
            found.setdefault(value, index)
    return found


def phone_of(raw: Any, region: str | None) -> str | None:
    """The phone or short code that a text means to somebody in a region; None where it means none."""
    return value_of(raw, region, normalise)


def _fault(raw: str, region: str | None) -> str:
    try:
        normalise_sender(raw, region)
    except AddressError as error:
        return error.detail
    return "a name has none"
