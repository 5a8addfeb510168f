"""Cases for `smsgw rules test`: messages, and what is expected to become of them. Pure: tables in, differences out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from gateway.policy.decision import Facts, Last
from gateway.policy.explained import explained
from gateway.policy.rules import RuleBook
from gateway.settings import Settings
from gateway.settings.carrier.forms import zone_of
from gateway.settings.errors import nearest
from gateway.settings.routes import MessageClass
from gateway.sms.address import AddressError, normalise_sender


class CaseError(ValueError):
    """A file of cases that cannot be used. ``str()`` says what is wrong and where."""


class LastSent(msgspec.Struct, forbid_unknown_fields=True):
    """Our last message to the peer from the number: its ``age`` in seconds, and what else conditions look at."""

    age: float
    app: str = ""
    class_: MessageClass = msgspec.field(name="class", default="transactional")
    meta: dict[str, Any] = {}


class Expected(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is expected; what is not named may be anything."""

    matched: list[str] | msgspec.UnsetType = msgspec.UNSET
    handlers: list[str] | msgspec.UnsetType = msgspec.UNSET
    forward: list[str] | msgspec.UnsetType = msgspec.UNSET
    email: list[str] | msgspec.UnsetType = msgspec.UNSET
    reply: list[str] | str | msgspec.UnsetType = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    urgent: bool | msgspec.UnsetType = msgspec.UNSET
    keyword: str | msgspec.UnsetType = msgspec.UNSET
    argument: str | msgspec.UnsetType = msgspec.UNSET


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One case: a message, and what is expected. ``count`` are messages of the peer before it, in any span.

    ``lists`` are the lists of peers that it is on, ``forwarded`` of whom messages were forwarded to it, in any span.
    """

    name: str
    from_: str = msgspec.field(name="from")
    expect: Expected
    number: str | None = None
    text: str | None = None
    at: datetime | None = None
    known: bool = True
    last: LastSent | None = None
    count: int = 0
    lists: list[str] = []
    forwarded: list[str] = []
    opted_out: bool = False


class Cases(msgspec.Struct, forbid_unknown_fields=True):
    """A file of cases. ``number``, ``at`` and ``zone`` (of times that have none) are for cases without their own."""

    cases: list[Case]
    number: str | None = None
    at: datetime | None = None
    zone: str | None = None


class Result(NamedTuple):
    """How a case went: what was expected and what was found by the members of `Expected` that differ; empty: well."""

    name: str
    differences: dict[str, tuple[Any, Any]]
    found: dict[str, Any]


_MOST: Final = 10_000
_LAST_MS: Final = (1 << 42) - 1  # an id has 42 bits of milliseconds: no message comes later


def read(data: Mapping[str, Any]) -> Cases:
    """The cases of a TOML file's tables. Raises CaseError."""
    try:
        found = msgspec.convert(data, Cases)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at ")
        raise CaseError(f"{where.strip('`').removeprefix('$').lstrip('.') or 'the file'}: {said}") from None
    if not 1 <= len(found.cases) <= _MOST:
        raise CaseError(f"cases: expected 1 to {_MOST} [[cases]]")
    for place, case in enumerate(found.cases):
        if case.expect == Expected():
            raise CaseError(f"cases[{place}].expect: expected at least one of {', '.join(Expected.__struct_fields__)}")
    return found


def run(settings: Settings, book: RuleBook, cases: Cases) -> list[Result]:
    """What becomes of each message, beside what is expected. Raises CaseError."""
    results = []
    for place, case in enumerate(cases.cases):
        try:
            facts = _facts(settings, book, cases, case)
        except ValueError as error:
            raise CaseError(f"cases[{place}].{error}") from None
        number = settings.numbers_by_value.get(facts.number)
        if number is None:
            raise CaseError(f"cases[{place}].number: {facts.number} is none of [[numbers]]")
        found = explained(book, facts, number)
        results.append(Result(case.name, _differences(case.expect, found), found))
    return results


def _app(settings: Settings, name: str) -> None:
    """Raises ValueError where no message can be of an app of this name."""
    names = [app.name for app in settings.apps] or ["local"]
    if name not in (*names, "operator"):
        near = nearest(name, names)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"last.app: no app {name!r} in the configuration{hint}")


def _facts(settings: Settings, book: RuleBook, cases: Cases, case: Case) -> Facts:
    raw = case.number or cases.number
    if raw is None:
        if len(settings.numbers) != 1:
            raise ValueError("number: is required, as there are several [[numbers]]")
        raw = settings.numbers[0].number
    at = case.at or cases.at
    if at is None:
        raise ValueError("at: is required, here or at the top of the file")
    if at.tzinfo is None:
        if cases.zone is None:
            raise ValueError("at: has no zone; give one, such as Z, or `zone` at the top of the file")
        try:
            at = at.replace(tzinfo=zone_of(cases.zone))
        except ValueError:
            raise ValueError(f"at: {cases.zone} at the top of the file is no zone") from None
    at_ms = min(max(0, int(at.timestamp() * 1000)), _LAST_MS)
    last = case.last
    if last is not None and last.app:
        _app(settings, last.app)
    number = _address("number", raw, settings.default_region)
    return Facts(
        number=number,
        peer=_address("from", case.from_, settings.default_region),
        text=case.text,
        at_ms=at_ms,
        known=case.known,
        last=Last(last.app, last.class_, last.meta, at_ms - int(last.age * 1000)) if last is not None else None,
        counts=dict.fromkeys(book.needs(number).spans, case.count),
        lists=frozenset(case.lists),
        forwarded=tuple((_address("forwarded", one, settings.default_region), at_ms) for one in case.forwarded),
        opted_out=case.opted_out,
    )


def _address(key: str, raw: str, region: str | None) -> str:
    try:
        return normalise_sender(raw, region).value
    except AddressError as error:
        raise ValueError(f"{key}: {raw!r} is no address ({error.detail})") from None


def _differences(expect: Expected, found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    is_there = {
        "matched": found["matched"],
        "handlers": found["handlers"],
        "reply": [one["text"] for one in found["reply"]],
        "tags": found["tags"],
        "urgent": found["urgent"],
        "keyword": found["keyword"],
        "argument": found["argument"],
    }
    differences: dict[str, tuple[Any, Any]] = {}
    for key, value in msgspec.structs.asdict(expect).items():
        if value is msgspec.UNSET:
            continue
        if key == "forward":
            if not _same_people(value, people := _people(found["forward"]), "phone"):
                differences[key] = (value, [one["name"] or one["phone"] for one in people])
        elif key == "email":
            if not _same_people(value, people := [one for mail in found["email"] for one in mail["to"]], "email"):
                differences[key] = (value, [one["name"] or one["email"] for one in people])
        else:
            wanted = [value] if key == "reply" and isinstance(value, str) else value
            if wanted != is_there[key]:
                differences[key] = (wanted, is_there[key])
    return differences


def _people(forwards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for forward in forwards for one in (forward["to"][:1] if forward["mode"] == "first" else forward["to"])]


def _same_people(wanted: list[str], people: list[dict[str, Any]], by: str) -> bool:
    """Whether these are the people, in this order, each by name or by phone or address."""
    return len(wanted) == len(people) and all(
        name in (one["name"], one[by]) for name, one in zip(wanted, people, strict=True)
    )
