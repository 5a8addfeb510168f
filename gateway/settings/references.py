"""What single values cannot show: names given twice, references to nothing, numbers that are the same.

These checks read the raw tables and not the checked sections, so that they speak up in the same run as other
errors. What has a wrong type was reported already and is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.settings.errors import Path, nearest, show
from gateway.settings.optout import DEFAULT_SET
from gateway.settings.raw import app_names, list_of, names_of, tables_of
from gateway.sms.address import AddressError, normalise_sender
from gateway.sms.numbering import region_exists


class Finding(NamedTuple):
    """A problem before its place is known."""

    path: Path
    expected: str
    found: str | None = None
    nearest: str | None = None


def check(data: Mapping[str, Any]) -> Iterator[Finding]:
    """All that is wrong between the sections of one configuration."""
    for section in ("carriers", "routes", "handlers", "apps", "number_sets", "opt_ins"):
        yield from _unique_names(data, section)
    yield from _carriers_of_numbers(data)
    yield from _carriers_of_routes(data)
    yield from _apps_of_routes(data)
    yield from _handlers_of_numbers(data)
    yield from _servers_of_mails(data)
    yield from _numbers(data)
    yield from _sets_of_numbers(data)
    yield from _opt_ins(data)


def _unique_names(data: Mapping[str, Any], section: str) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, entry in tables_of(data, section):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            expected = f"expected a name of its own; {section}[{seen[name]}] has it"
            yield Finding((section, index, "name"), expected, show(name))
        seen.setdefault(name, index)


def _carriers_of_numbers(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = names_of(data, "carriers")
    for index, entry in tables_of(data, "numbers"):
        carrier = entry.get("carrier")
        if carrier is None:
            # With routes a number need not have a carrier of its own.
            if len(known) != 1 and not (known and data.get("routes")):
                count = "several carriers" if known else "no carriers"
                yield Finding(("numbers", index, "carrier"), f"is required, as there are {count}")
        elif isinstance(carrier, str) and carrier not in known:
            yield Finding(
                ("numbers", index, "carrier"),
                "expected the name of one of [[carriers]]",
                show(carrier),
                nearest(carrier, known),
            )


def _handlers_of_numbers(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = names_of(data, "handlers")
    for index, entry in tables_of(data, "numbers"):
        handlers = list_of(entry, "handlers")
        for position, name in enumerate(handlers):
            path: Path = ("numbers", index, "handlers", position)
            if isinstance(name, str) and name not in known:
                expected = "expected the name of one of [[handlers]]"
                yield Finding(path, expected, show(name), nearest(name, known))
            elif name in handlers[:position]:
                yield Finding(path, "expected each handler once", show(name))


def _servers_of_mails(data: Mapping[str, Any]) -> Iterator[Finding]:
    if data.get("smtp") is None:
        for index, handler in tables_of(data, "handlers"):
            if list_of(handler, "email"):
                yield Finding(("handlers", index, "email"), "expected [smtp] too, the server that takes the mails")


def _carriers_of_routes(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = names_of(data, "carriers")
    for index, route in tables_of(data, "routes"):
        seen: set[str] = set()
        for position, carrier in tables_of(route, "carriers"):
            name = carrier.get("name")
            path: Path = ("routes", index, "carriers", position, "name")
            if not isinstance(name, str):
                continue
            if name not in known:
                yield Finding(path, "expected the name of one of [[carriers]]", show(name), nearest(name, known))
            elif name in seen:
                yield Finding(path, "expected each carrier once", show(name))
            seen.add(name)


def _apps_of_routes(data: Mapping[str, Any]) -> Iterator[Finding]:
    # Root is the operator where it is none of them.
    known = [*app_names(data), "operator"]
    for index, route in tables_of(data, "routes"):
        for position, name in enumerate(list_of(route, "apps")):
            if isinstance(name, str) and name not in known:
                path: Path = ("routes", index, "apps", position)
                yield Finding(path, "expected the name of one of [[apps]]", show(name), nearest(name, known))


def _normalised(raw: Any, region: Any) -> str | AddressError | None:
    """The one form of a number; None where there is none, or where a wrong region would be to blame."""
    if not isinstance(raw, str) or not raw:
        return None
    known = isinstance(region, str) and region_exists(region)
    try:
        return normalise_sender(raw, region if known else None).value
    except AddressError as error:
        return error if known or region is None else None


def _numbers(data: Mapping[str, Any]) -> Iterator[Finding]:
    region = data.get("default_region")
    owners: dict[str, int] = {}
    for index, entry in tables_of(data, "numbers"):
        value = _normalised(entry.get("number"), region)
        path: Path = ("numbers", index, "number")
        if isinstance(value, AddressError):
            yield Finding(path, f"expected a number or a sender name ({value.detail})", show(entry.get("number")))
        elif value in owners:
            expected = f"expected a number of its own; numbers[{owners[value]}] is the same"
            yield Finding(path, expected, show(entry.get("number")))
        elif value is not None:
            owners[value] = index
    for section in ("apps", "routes", "number_sets", "opt_ins"):
        for index, entry in tables_of(data, section):
            for position, raw in enumerate(list_of(entry, "numbers")):
                value = _normalised(raw, region)
                if isinstance(value, AddressError) or (value is not None and value not in owners):
                    path = (section, index, "numbers", position)
                    yield Finding(path, "expected one of [[numbers]]", show(raw), nearest(str(raw), owners))


def _sets_of_numbers(data: Mapping[str, Any]) -> Iterator[Finding]:
    region = data.get("default_region")
    owners: dict[str, int] = {}
    for index, entry in tables_of(data, "number_sets"):
        if entry.get("name") == DEFAULT_SET:
            expected = "expected another name: this is the set of the numbers that are in none"
            yield Finding(("number_sets", index, "name"), expected, show(DEFAULT_SET))
        for position, raw in enumerate(list_of(entry, "numbers")):
            value = _normalised(raw, region)
            if not isinstance(value, str):
                continue
            if value in owners:
                expected = f"expected each number in one set; number_sets[{owners[value]}] has it"
                yield Finding(("number_sets", index, "numbers", position), expected, show(raw))
            owners.setdefault(value, index)


def _opt_ins(data: Mapping[str, Any]) -> Iterator[Finding]:
    known = app_names(data)
    region = data.get("default_region")
    owners: dict[tuple[str, str], int] = {}
    for index, entry in tables_of(data, "opt_ins"):
        name = entry.get("app")
        if isinstance(name, str) and name not in known:
            expected = "expected the name of one of [[apps]]"
            yield Finding(("opt_ins", index, "app"), expected, show(name), nearest(name, known))
        numbers = [_normalised(raw, region) for raw in list_of(entry, "numbers")]
        for position, word in enumerate(list_of(entry, "keywords")):
            if not isinstance(word, str):
                continue
            for (of, key), other in list(owners.items()):
                if key == word.casefold() and other != index and (not of or not numbers or of in numbers):
                    expected = f"expected a keyword of its own for a number; opt_ins[{other}] has it"
                    yield Finding(("opt_ins", index, "keywords", position), expected, show(word))
                    break
            for number in numbers or [""]:
                if isinstance(number, str):
                    owners.setdefault((number, word.casefold()), index)
