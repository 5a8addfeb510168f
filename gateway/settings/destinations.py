"""``[destinations]`` and ``[[caps]]``: whom messages may go to, and how much of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.routes import Country
from gateway.settings.types import Form, Name, fail
from gateway.sms.lines import LineKind
from gateway.sms.numbering import region_exists

ANYWHERE = "*"
"""In the place of a country: all of them."""

NameStanding = Literal["allowed", "registered", "refused"]
"""Whether a country takes names as senders: any, registered ones, or none."""


def _destination(value: str) -> str:
    if value != ANYWHERE and not region_exists(value):
        raise fail("country", 'a country of ISO 3166 in two capital letters, such as "GB", or "*" for all')
    return value


def _beginning(value: str) -> str:
    digits = value.removeprefix("+")
    if value != "+" and (not (digits.isascii() and digits.isdigit() and len(digits) <= 15) or value.startswith("+0")):
        raise fail("prefix", 'the beginning of a number, such as "+7", or "+" for all of them')
    return value


def _kinds(value: tuple[LineKind, ...]) -> tuple[LineKind, ...]:
    if len(set(value)) != len(value):
        raise fail("each_once", "each of them once")
    return value


Destination = Annotated[str, AfterValidator(_destination), Form("country (ISO 3166), or `*`")]
RefusedKinds = Annotated[tuple[LineKind, ...], AfterValidator(_kinds)]


class Destinations(Section):
    """Whom no message goes to, and where names may be senders."""

    refused_kinds: RefusedKinds = Field(
        ("premium_rate", "fixed_line"),
        description="Kinds of lines that messages are refused to where the plan of the country tells them for certain; "
        "`[]`: none. An app may have its own.",
    )
    sender_names: Annotated[dict[Country, NameStanding], Form("table: country = standing")] = Field(
        {},
        description="Where it is otherwise than smsgw knows: countries that take alphanumeric senders (`allowed`), "
        "only registered ones (`registered`), or none (`refused`).",
    )


class Cap(Section):
    """The most that an app may send to numbers that begin so, against traffic that only somebody else earns from.

    Of several that match, each holds.
    """

    prefix: Annotated[str, AfterValidator(_beginning), Form("beginning of a number")] = Field(
        description="The beginning of the numbers, such as `+7` or `+4477`; `+`: all that are no short codes."
    )
    per_hour: int = Field(ge=1, le=1_000_000_000, description="Segments of each app in an hour.")
    apps: tuple[Name, ...] = Field((), description="Apps that it is for; empty: each.")


def cap_warnings(caps: Iterable[Cap]) -> Iterator[str]:
    """What is allowed and probably not meant."""
    for cap in caps:
        if not cap.prefix.startswith("+"):
            yield f'caps "{cap.prefix}": without + it is for short codes only; numbers of a country begin with its +'
