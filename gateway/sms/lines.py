"""What kind of line a phone number is, and of which country, by the numbering plans of `phonenumbers`.

A message asks this of its peer, and a parse with the questions that follow it costs 60 to 110 µs. For "+" and digits as
E.164 has them the plans' own patterns are asked directly, in the order in which phonenumbers asks them, in 4 to 20 µs;
the rest is left to phonenumbers itself. Answers are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberType

from gateway.sms.kinds import country_of_number
from gateway.sms.numbering import possible_as_is, regions_and_digits

LineKind = Literal["premium_rate", "fixed_line"]
"""Kinds of lines that matter to who sends texts; a line that may be a mobile as well is neither."""

CACHE_SIZE: Final = 50_000


class Line(NamedTuple):
    """A phone's line. ``country`` (ISO 3166) as `country_of_number` has it; ``kind`` is None where it is another."""

    country: str | None
    kind: LineKind | None


@lru_cache(maxsize=CACHE_SIZE)
def line_of(value: str) -> Line:
    """The line of an address in the gateway's form; nothing is known of short codes and names."""
    if not value.startswith("+"):
        return Line(None, None)
    if possible_as_is(value):
        regions, digits = regions_and_digits(value)
        if regions:
            return _by_patterns(regions, digits)
    return Line(country_of_number(value), _parsed(value))


def _by_patterns(regions: tuple[str, ...], digits: str) -> Line:
    if len(regions) == 1:
        return Line(regions[0], _NAMES.get(_plan(regions[0]).kind(digits)))
    for region in regions:
        plan = _plan(region)
        if plan.leading is not None:
            if plan.leading(digits) is None:
                continue
            kind = plan.kind(digits)
            # It is of that country, and in none of its ranges: as one that no plan knows.
            return Line(regions[0] if kind is None else region, _NAMES.get(kind))
        kind = plan.kind(digits)
        if kind is not None:
            return Line(region, _NAMES.get(kind))
    return Line(regions[0], None)


def _parsed(value: str) -> LineKind | None:
    try:
        return _NAMES.get(phonenumbers.number_type(phonenumbers.parse(value, None)))
    except NumberParseException:
        return None


_NAMES: Final[dict[int | None, LineKind]] = {
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.FIXED_LINE: "fixed_line",
}

_Match = Callable[[str], re.Match[str] | None]

_ASKED: Final = (
    (PhoneNumberType.PREMIUM_RATE, "premium_rate"),
    (PhoneNumberType.TOLL_FREE, "toll_free"),
    (PhoneNumberType.SHARED_COST, "shared_cost"),
    (PhoneNumberType.VOIP, "voip"),
    (PhoneNumberType.PERSONAL_NUMBER, "personal_number"),
    (PhoneNumberType.PAGER, "pager"),
    (PhoneNumberType.UAN, "uan"),
    (PhoneNumberType.VOICEMAIL, "voicemail"),
)
"""Before fixed lines and mobiles, in phonenumbers' order: what two patterns have is of the first."""


class _Plan:
    """The patterns of one region."""

    __slots__ = ("_before", "_fixed", "_general", "_mobile", "_same", "leading")

    def __init__(self, metadata: PhoneMetadata) -> None:
        self.leading: _Match | None = (
            re.compile(metadata.leading_digits).match if metadata.leading_digits is not None else None
        )
        general = _match(metadata.general_desc)
        assert general is not None, "every region has numbers"
        self._general = general
        asked = [(kind, _match(getattr(metadata, name))) for kind, name in _ASKED]
        self._before = tuple([(kind, match) for kind, match in asked if match is not None])
        self._fixed = _match(metadata.fixed_line)
        self._mobile = _match(metadata.mobile)
        self._same = metadata.same_mobile_and_fixed_line_pattern

    def kind(self, digits: str) -> int | None:
        """The type of a national significant number (`PhoneNumberType`), None where it is in no range."""
        if self._general(digits) is None:
            return None
        for kind, match in self._before:
            if match(digits) is not None:
                return kind
        if self._fixed is not None and self._fixed(digits) is not None:
            if self._same or (self._mobile is not None and self._mobile(digits) is not None):
                return PhoneNumberType.FIXED_LINE_OR_MOBILE
            return PhoneNumberType.FIXED_LINE
        if not self._same and self._mobile is not None and self._mobile(digits) is not None:
            return PhoneNumberType.MOBILE
        return None


def _match(desc: Any) -> _Match | None:
    """A pattern with the lengths that go with it, which phonenumbers asks for as well."""
    if desc is None or desc.national_number_pattern is None:
        return None
    lengths = "|".join(f".{{{length}}}" for length in desc.possible_length if length > 0)
    if desc.possible_length and not lengths:
        return None
    ahead = f"(?=(?:{lengths})$)" if lengths else ""
    return re.compile(f"{ahead}(?:{desc.national_number_pattern})").fullmatch


@lru_cache(maxsize=512)  # there are some 250 regions
def _plan(region: str) -> _Plan:
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None, "a region of a calling code has metadata"
    return _Plan(metadata)
