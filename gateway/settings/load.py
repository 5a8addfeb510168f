"""The configuration from a file and the environment, checked as a whole."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings import env as environment
from gateway.settings import numbercheck, profiles, references, rulecheck, sendercheck
from gateway.settings.consent import OptIn
from gateway.settings.errors import (
    ConfigError,
    Path,
    Place,
    Problem,
    expectation,
    holds_secret,
    key_path,
    leads_on,
    nearest,
    section_at,
    show,
)
from gateway.settings.models import Settings
from gateway.settings.optout import NumberSet
from gateway.settings.pools import Pool
from gateway.settings.routes import Route
from gateway.settings.routing import App
from gateway.settings.toml_lines import Position, key_positions
from gateway.settings.types import Resolver
from gateway.sms.address import normalise_sender

_LARGEST_FILE = 16_777_216
_TOML_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(path: FilePath | None, env: Mapping[str, str] | None = None) -> Settings:
    """Read a configuration file, lay SMSGW_ variables of the environment over it and check the whole.

    ``path`` None: from the environment alone. ``env`` None: os.environ. Relative ``file:`` secrets start from
    the directory of the file. Raises ConfigError with every problem, and touches nothing else.
    """
    env = os.environ if env is None else env
    data: dict[str, Any] = {}
    positions: dict[Path, Position] = {}
    if path is not None:
        data, positions = _read(path)
    return _check(data, positions, str(path) if path else "environment", env, path.parent if path else FilePath())


def _read(path: FilePath) -> tuple[dict[str, Any], dict[Path, Position]]:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError([Problem(place, "", f"cannot be read: {error.strerror}")]) from None
    if len(octets) > _LARGEST_FILE:
        raise ConfigError([Problem(place, "", f"has more than {_LARGEST_FILE} octets")])
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(Place(str(path), line), "", "is not UTF-8 text")]) from None
    try:
        data = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and what int() says of thousands of digits
        raise ConfigError([_syntax_problem(path, text, str(error))]) from None
    except RecursionError:
        raise ConfigError([Problem(place, "", "is nested too deeply")]) from None
    return data, key_positions(text)


def _syntax_problem(path: FilePath, text: str, message: str) -> Problem:
    """tomllib names line and column in its text; at the end of the file we count the lines ourselves."""
    match = _TOML_POSITION.search(message)
    what = _TOML_POSITION.sub("", message)
    if match and match[1]:
        place = Place(str(path), int(match[1]), int(match[2]))
    else:
        place = Place(str(path), text.rstrip("\n").count("\n") + 1)
    return Problem(place, "", f"not TOML: {what[:1].lower()}{what[1:]}")


def _check(
    data: dict[str, Any],
    positions: Mapping[Path, Position],
    source: str,
    env: Mapping[str, str],
    base: FilePath,
) -> Settings:
    overlaid, problems = environment.overlay(data, env, Settings)
    problems += profiles.apply(data, positions, source, Resolver(env, base))
    settings: Settings | None = None

    def place(path: Path) -> Place:
        """Of the value itself, or else of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if (found := overlaid.get(path[:length])) is not None:
                return found
            if (position := positions.get(path[:length])) is not None:
                return Place(source, position.line)
        return Place(source)

    try:
        settings = Settings.model_validate(data, context=Resolver(env, base))
    except ValidationError as error:
        problems += [_problem(details, place) for details in error.errors(include_url=False)]
    reported = {problem.key for problem in problems}
    for finding in (*references.check(data), *rulecheck.check(data), *sendercheck.check(data)):
        if key_path(finding.path) not in reported:
            key = key_path(finding.path)
            problems.append(Problem(place(finding.path), key, finding.expected, finding.found, finding.nearest))
    if settings is not None:
        problems += [Problem(place(path), key_path(path), what) for path, what in _shared(settings.apps)]
        problems += [Problem(place(path), key_path(path), what) for path, what in _regionless(settings)]
        for finding in numbercheck.contradictions(settings.numbers, settings.default_region, settings.groups):
            key = key_path(finding.path)
            problems.append(Problem(place(finding.path), key, finding.expected, finding.found, finding.nearest))
    if problems or settings is None:
        raise ConfigError(sorted(problems, key=lambda problem: problem.place.line or 0))
    return _normalised(settings)


def _problem(details: ErrorDetails, place: Any) -> Problem:
    path = _known_path(details["loc"])
    if path[-1:] == ("[key]",):  # what pydantic writes behind a name that is none
        return Problem(place(path[:-1]), key_path(path[:-2]), expectation(details, None), show(details["input"]))
    key = path[-1] if path else ""
    section = section_at(Settings, path[:-1])
    field = section.model_fields.get(str(key)) if section else None
    expected = expectation(details, field)
    if details["type"] == "extra_forbidden":
        known = section.model_fields if section else ()
        return Problem(place(path), key_path(path), expected, nearest=nearest(str(key), known))
    if details["type"] == "missing":
        return Problem(place(path), key_path(path), expected)
    if isinstance(details["input"], Mapping) and expected == "expected a list":
        expected = f"expected a list of tables: write [[{key}]]"
    secret = field is not None and holds_secret(field.annotation)
    hidden = secret or details["type"] == "in_table" or section_at(Settings, path) is not None
    found = None if hidden else show(details["input"])
    return Problem(place(path), key_path(path), expected, found)


def _known_path(loc: tuple[str | int, ...]) -> Path:
    """pydantic adds the members of unions that it tried; only keys and indexes are of the file."""
    path: list[str | int] = []
    for part in loc:
        if isinstance(part, str) and path and not leads_on(Settings, tuple(path)):
            break
        path.append(part)
    return tuple(path)


def _shared(apps: tuple[App, ...]) -> Iterator[tuple[Path, str]]:
    """Users and tokens of two apps: nothing could tell them apart. Names of users were looked up by now."""
    owners: dict[int, int] = {}
    for index, app in enumerate(apps):
        for position, uid in enumerate(app.uid):
            if owners.setdefault(uid, index) != index:
                what = f"expected a user of its own; apps[{owners[uid]}] has it"
                yield ("apps", index, "uid", position), what
        for earlier, other in enumerate(apps[:index]):
            if app.token is not None and app.token == other.token:
                yield ("apps", index, "token"), f"expected a token of its own; apps[{earlier}] has the same"
                break


def _regionless(settings: Settings) -> Iterator[tuple[Path, str]]:
    """National forms without a region that they are of would be without effect, and a phone would miss its STOP."""
    if settings.default_region is not None:
        return
    for index, carrier in enumerate(settings.carriers):
        if carrier.region is None:
            for key, value in (("source_national", True), ("dest_national", True), ("peer_numbers", "national")):
                if getattr(carrier, key) == value:
                    yield ("carriers", index, key), "expected region beside it, or default_region at the top"


_Numbered = TypeVar("_Numbered", NumberSet, OptIn, Pool, Route)


def _normalised(settings: Settings) -> Settings:
    """Numbers in the one form that messages carry, and the only carrier filled in where none is named."""
    region = settings.default_region

    def form(raw: str) -> str:
        return normalise_sender(raw, region).value

    def of_form(one: _Numbered) -> _Numbered:
        return one.model_copy(update={"numbers": tuple(map(form, one.numbers))})

    rules, groups = rulecheck.normalised(settings.rules, settings.groups, region)
    only = settings.carriers[0].name if len(settings.carriers) == 1 else None
    return settings.model_copy(
        update={
            # The region in which a carrier's national numbers are read, as if it had said so itself.
            "carriers": tuple(
                carrier if carrier.region is not None else carrier.model_copy(update={"region": region})
                for carrier in settings.carriers
            ),
            "numbers": tuple(
                number.model_copy(
                    update={
                        "number": form(number.number),
                        "carrier": number.carrier or only,
                        "fallback": None if number.fallback is None else form(number.fallback),
                    }
                )
                for number in settings.numbers
            ),
            "apps": tuple(
                app.model_copy(update={"numbers": tuple(map(form, app.numbers))}) if app.numbers is not None else app
                for app in settings.apps
            ),
            "number_sets": tuple(map(of_form, settings.number_sets)),
            "opt_ins": tuple(map(of_form, settings.opt_ins)),
            "pools": {name: of_form(pool) for name, pool in settings.pools.items()},
            "rules": rules,
            "groups": groups,
            "routes": tuple(map(of_form, settings.routes)),
        }
    )
