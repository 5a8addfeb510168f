"""The hand-kept half of the conformance table, read from the TOML files beside this one."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.smpp.tlv import TLVS

_HERE: Final = Path(__file__).parent
ROLES: Final = ("ESME", "SMSC", "codec")
"""Who honours a rule: the gateway towards carriers; the session and the simulated SMSC towards those that bind;
octets and types alone."""


class Rule(NamedTuple):
    """What a specification asks, and how it is honoured."""

    chapter: str
    id: str
    sections: tuple[str, ...]
    """As in `all_sections`: "3.4 §2.2", "5.0 §2.3.1"."""
    rule: str
    how: str
    roles: tuple[str, ...]
    tests: tuple[str, ...]


class Departure(NamedTuple):
    """Where the specification is left on purpose."""

    sections: tuple[str, ...]
    says: str
    does: str
    why: str
    tests: tuple[str, ...]


class Transition(NamedTuple):
    """One edge of the state machine; `origin` may name several states."""

    origin: str
    on: str
    to: str
    sections: tuple[str, ...]
    tests: tuple[str, ...]


class Operation(NamedTuple):
    """Who uses a request and its response."""

    request: str
    esme: str
    smsc: str
    tests: tuple[str, ...]


@cache
def all_sections() -> dict[str, str]:
    """Every section of both specifications with its title, `3.4 §2.2` and so on."""
    data = _read("sections.toml")
    sections = {f"{version} §{number}": title for version in ("3.4", "5.0") for number, title in data[version].items()}
    for kind in TLVS.values():
        for section in _written(kind.section):
            sections[section] = f"{kind.name} (TLV)"
    return sections


@cache
def sections_without_rules() -> frozenset[str]:
    """Those that ask for nothing."""
    data = _read("sections.toml")["without_rules"]
    return frozenset(f"{version} §{number}" for version in ("3.4", "5.0") for number in data[version])


def order_of(section: str) -> tuple[str, list[tuple[int, str]]]:
    """For sorting: 4.10 comes after 4.9, appendices last."""
    version, _, number = section.partition(" §")
    return version, [(int(part), "") if part.isdecimal() else (1000, part) for part in number.split(".")]


def _written(section: str) -> list[str]:
    # "§5.3.2.1, 5.0 §4.8.4.23": without a version it is 3.4's, as everywhere in the source.
    return [part.strip() if part.strip()[0] != "§" else f"3.4 {part.strip()}" for part in section.split(",")]


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, chapter by chapter."""
    found = []
    for path in sorted((_HERE / "rules").glob("*.toml")):
        data = tomllib.loads(path.read_text())
        found += [
            Rule(
                data["chapter"],
                entry["id"],
                _sections(entry),
                entry["rule"],
                entry["how"],
                tuple(entry["roles"]),
                _tests(entry),
            )
            for entry in data["rule"]
        ]
    return tuple(found)


@cache
def departures() -> tuple[Departure, ...]:
    """All that is done otherwise."""
    return tuple(
        Departure(_sections(entry), entry["says"], entry["does"], entry["why"], _tests(entry))
        for entry in _read("departures.toml")["departure"]
    )


@cache
def transitions() -> tuple[Transition, ...]:
    """The edges of the state machine."""
    return tuple(
        Transition(entry["from"], entry["on"], entry["to"], _sections(entry), _tests(entry))
        for entry in _read("transitions.toml")["transition"]
    )


@cache
def operations() -> tuple[Operation, ...]:
    """Requests and who uses them."""
    return tuple(
        Operation(request, entry["esme"], entry["smsc"], _tests(entry))
        for request, entry in _read("operations.toml").items()
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text())


def _sections(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_written(", ".join(entry["sections"]))) if entry["sections"] else ()


def _tests(entry: dict[str, Any]) -> tuple[str, ...]:
    # In the files without what all of them have: "unit/smpp/codec: command_names".
    found = []
    for test in entry["tests"]:
        place, _, name = test.partition(": ")
        directory, _, file = place.rpartition("/")
        found.append(f"{directory}/test_{file}.py::test_{name}")
    return tuple(found)
