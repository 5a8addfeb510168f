"""Profiles of carriers: named settings of a kind of carrier, from the package or from ``[profiles.NAME]``.

They are laid under the tables of the carriers before the whole is checked, so that a carrier with a profile is one like
any other: its own keys go before those of its profile, and the tables that some keys are (`tlvs`, `reasons` ...)
are joined entry by entry.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from pydantic import Field, ValidationError, create_model

from gateway.settings.base import Section
from gateway.settings.carrier import Carrier
from gateway.settings.errors import Path, Place, Problem, expectation, key_path, nearest, show
from gateway.settings.toml_lines import Position
from gateway.settings.types import Resolver

OF_THE_ACCOUNT: Final = frozenset(
    {
        "name", "profile", "host", "hosts", "local_address", "system_id", "password", "tls_ca", "tls_cert", "tls_key",
        "tls_server_name",
    }
)  # fmt: skip
"""What says where one account is and who we are there: no profile has it."""
KEYS: Final = tuple(key for key in Carrier.model_fields if key not in OF_THE_ACCOUNT)
_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}").fullmatch
_ABOUT: Final = "about"

_FIELDS: Final[dict[str, Any]] = {
    _ABOUT: (str | None, Field(None, max_length=300)),
    **{key: (Carrier.model_fields[key].rebuild_annotation() | None, None) for key in KEYS},
}


@cache
def _model() -> type[Section]:
    """Made where there are profiles to check: it costs 20 ms, and every command reads the settings."""
    return create_model("Profile", __base__=Section, **_FIELDS)


class Profile(NamedTuple):
    """A profile: what it is for, and its settings as TOML has them."""

    name: str
    about: str
    values: Mapping[str, Any]


@cache
def packaged() -> dict[str, Profile]:
    """The profiles of the package, by name."""
    found = {}
    folder = files("gateway").joinpath("carrier", "profiles")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        name, _, kind = file.name.rpartition(".")
        if kind == "toml":
            values = tomllib.loads(file.read_text("utf-8"))
            found[name] = Profile(name, values.pop(_ABOUT), values)
    return found


def of(name: str, own: Mapping[str, Any]) -> Profile | None:
    """A profile by its name: one of the file's goes before one of the package."""
    table = own.get(name)
    if isinstance(table, Mapping):
        values = {key: value for key, value in table.items() if key != _ABOUT}
        return Profile(name, str(table.get(_ABOUT, "")), values)
    return packaged().get(name)


def overridden(carrier: Carrier, profile: Profile) -> list[str]:
    """The keys of a profile of which its carrier says something else itself; in a table, any entry of it."""
    try:
        said = _model().model_validate(dict(profile.values))
    except ValidationError:  # of a file that was not loaded
        return []
    differing = []
    for key in profile.values:
        mine, its = getattr(carrier, key), getattr(said, key)
        if isinstance(its, dict):
            if any(mine.get(name) != value for name, value in its.items()):
                differing.append(key)
        elif mine != its:
            differing.append(key)
    return differing


def apply(data: dict[str, Any], positions: Mapping[Path, Position], source: str, resolver: Resolver) -> list[Problem]:
    """Lay profiles under the carriers of a configuration; returns what is wrong with profiles, each problem once."""
    own = data.get("profiles", {})
    if not isinstance(own, Mapping):
        return []  # said of the whole file
    problems: list[Problem] = []

    def wrong(path: Path, expected: str, found: str | None = None, near: str | None = None) -> None:
        at = next((positions[path[:length]] for length in range(len(path), 0, -1) if path[:length] in positions), None)
        place = Place(source, at.line if at is not None else None)
        problems.append(Problem(place, key_path(path), expected, found, near))

    good: dict[str, dict[str, Any]] = {}
    for name, table in own.items():
        if _NAME(name) is None:
            wrong(("profiles", name), "expected a name of 1 to 32 of a-z, 0-9, _ and -")
        elif not isinstance(table, Mapping):
            wrong(("profiles", name), f"expected a table [profiles.{name}]", show(table))
        else:
            bad = {_ABOUT}
            for key, expected, found, near in _wrong(table, resolver):
                bad.add(key)
                wrong(("profiles", name, key), expected, found, near)
            good[name] = {key: value for key, value in table.items() if key not in bad}
    carriers = data.get("carriers")
    for index, carrier in enumerate(carriers if isinstance(carriers, list) else ()):
        name = carrier.get("profile") if isinstance(carrier, dict) else None
        if not isinstance(name, str):
            continue
        values = good.get(name)
        if values is None and name not in own and name in packaged():
            values = dict(packaged()[name].values)
        if values is not None:
            _under(carrier, values)
        elif name not in own:
            known = sorted({*own, *packaged()})
            expected = "expected a profile of the package or of [profiles]: " + ", ".join(known)
            wrong(("carriers", index, "profile"), expected, show(name), nearest(name, known))
    return problems


def _under(carrier: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if key not in carrier:
            carrier[key] = value
        elif isinstance(value, Mapping) and isinstance(carrier[key], Mapping):
            carrier[key] = {**value, **carrier[key]}


def _wrong(table: Mapping[str, Any], resolver: Resolver) -> Iterator[tuple[str, str, str | None, str | None]]:
    """What is wrong with a profile: key, what is expected, what was found, the nearest key."""
    known = {}
    for key, value in table.items():
        if key in OF_THE_ACCOUNT:
            yield key, "is of one account, and not of a profile: it belongs into [[carriers]]", None, None
        elif key not in _model().model_fields:
            yield key, "unknown key", None, nearest(key, _model().model_fields)
        else:
            known[key] = value
    try:
        _model().model_validate(known, context=resolver)
    except ValidationError as error:
        seen: set[str] = set()
        for details in error.errors(include_url=False):
            key = str(details["loc"][0])
            if key not in seen:
                seen.add(key)
                found = None if details["type"] == "in_table" else show(details["input"])
                yield key, expectation(details, Carrier.model_fields.get(key)), found, None


def check_values(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values of a profile, for those of the package: a line each."""
    return [f"{key}: {expected}" for key, expected, _, _ in _wrong(values, Resolver())]
