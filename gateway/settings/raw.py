"""The raw tables of a configuration, as checks between sections read them.

Of what has a wrong type nothing is seen here: it is reported by itself, and these speak up beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.sms.address import AddressError, PhoneAddress, normalise_sender
from gateway.sms.numbering import region_exists


def tables_of(data: Mapping[str, Any], section: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The tables of ``[[section]]``, each with its place."""
    for index, entry in enumerate(list_of(data, section)):
        if isinstance(entry, Mapping):
            yield index, entry


def named_tables(data: Mapping[str, Any], section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables ``[section.NAME]``, each with its name."""
    entries = data.get(section)
    if isinstance(entries, Mapping):
        for name, entry in entries.items():
            if isinstance(entry, Mapping):
                yield name, entry


def names_of(data: Mapping[str, Any], section: str) -> list[str]:
    """The names that the tables of ``[[section]]`` have."""
    return [entry["name"] for _, entry in tables_of(data, section) if isinstance(entry.get("name"), str)]


def app_names(data: Mapping[str, Any]) -> list[str]:
    """The names of the apps; without ``[[apps]]`` there is one."""
    return names_of(data, "apps") or ["local"]


def list_of(entry: Mapping[str, Any], key: str) -> list[Any]:
    """A list in a table, empty where there is none."""
    value = entry.get(key)
    return value if isinstance(value, list) else []


def region_of(data: Mapping[str, Any]) -> str | None:
    """What national numbers are read in; None where that is not said, or by no region that there is."""
    region = data.get("default_region")
    return region if isinstance(region, str) and region_exists(region) else None


def value_of(
    raw: Any, region: str | None, reader: Callable[[str, str | None], PhoneAddress] = normalise_sender
) -> str | None:
    """A number, or what else the reader takes, in the one form that messages carry; None where it is none."""
    if not isinstance(raw, str) or not raw:
        return None
    try:
        return reader(raw, region).value
    except AddressError:
        return None
