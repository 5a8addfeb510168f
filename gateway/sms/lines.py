"""What kind of line a phone number is, and of which country, by the numbering plans of `phonenumbers`.

A message asks this of its peer, and a parse with the questions that follow it costs 60 to 110 µs. For "+" and digits as
E.164 has them the plans' own patterns are asked directly, several in one where one answer is enough, and what comes of
it is what phonenumbers says; what is in another form is left to phonenumbers itself. Answers are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, Final, Literal, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberType
from phonenumbers.phonenumberutil import is_number_type_geographical

from gateway.sms.kinds import country_of_number
from gateway.sms.numbering import possible_as_is, regions_and_digits

LineKind = Literal["premium_rate", "fixed_line"]
"""Kinds of lines that matter to who sends texts; a line that may be a mobile as well is neither."""

CACHE_SIZE: Final = 50_000


class Line(NamedTuple):
    """A phone's line. ``country`` (ISO 3166) as `country_of_number` has it; ``kind`` is None where it is another."""

    country: str | None
    kind: LineKind | None


def line_kind(value: str) -> LineKind | None:
    """The kind of an address in the gateway's form, as `line_of` has it: most are no suspects, and are seen at once."""
    suspect = _suspects.get(value[:4])
    if suspect is not None and suspect(value) is None:
        return None
    if suspect is None and value.startswith("+") and (code := _code(value)) is not None:
        _suspects[value[:4]] = suspect = code.suspect_or_zero
    return None if suspect is not None and suspect(value) is None else line_of(value).kind


@lru_cache(maxsize=CACHE_SIZE)
def line_of(value: str) -> Line:
    """The line of an address in the gateway's form; nothing is known of short codes and names."""
    if not value.startswith("+"):
        return Line(None, None)
    code = _code(value) if possible_as_is(value) else None
    if code is None:
        return Line(country_of_number(value), _parsed(value))
    digits = value[code.digits_at :]
    region = code.region(digits)
    if region is None:
        return Line(code.main, None)
    return Line(region, None if code.suspect(value) is None else _NAMES.get(_plan(region).kind(digits)))


def is_geographic(value: str, country: str) -> bool:
    """Whether the digits of a number of a country may tell where it is: an area code, of fixed lines or of mobiles.

    In a plan that does not tell these apart (as +1) all may; toll-free numbers there have codes of no area.
    """
    code = _code(value) if possible_as_is(value) else None
    if code is None:
        return False
    plan = _plan(country)
    if plan.same:
        return True
    kind = plan.kind(value[code.digits_at :])
    return kind is not None and is_number_type_geographical(kind, int(value[1 : code.digits_at]))


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

_BEFORE: Final = (
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
    """The patterns of one region, of national significant numbers. ``same``: mobiles and fixed lines have the same
    ranges. ``suspects`` are patterns of those that may be of one of the kinds that are named.

    The others are compiled when they are first asked for: those of +1 take 50 ms, and most texts need none of them.
    """

    def __init__(self, metadata: PhoneMetadata) -> None:
        self.leading: str | None = metadata.leading_digits
        self.same = metadata.same_mobile_and_fixed_line_pattern
        self._metadata = metadata
        before = _pattern(metadata.premium_rate)
        self.suspects = [p for p in (before, None if self.same else _pattern(metadata.fixed_line)) if p is not None]

    @cached_property
    def known(self) -> _Match:
        """Whether a number is in any range."""
        metadata = self._metadata
        general = _pattern(metadata.general_desc)
        assert general is not None, "every region has numbers"
        patterns = [_pattern(getattr(metadata, name)) for _, name in _BEFORE] + [_pattern(metadata.fixed_line)]
        if not self.same:
            patterns.append(_pattern(metadata.mobile))
        ranges = "|".join("".join(pattern) for pattern in patterns if pattern is not None)
        return re.compile(f"(?=(?:{''.join(general)})$)(?:{ranges})").fullmatch

    @cached_property
    def _kinds(self) -> tuple[_Match, tuple[tuple[int, _Match], ...], _Match, _Match]:
        """What is asked of a number: all of the plan, the kinds before, fixed lines, mobiles."""
        metadata = self._metadata
        before = [(kind, _pattern(getattr(metadata, name))) for kind, name in _BEFORE]
        return (
            _match(_pattern(metadata.general_desc)),
            tuple([(kind, _match(pattern)) for kind, pattern in before if pattern is not None]),
            _match(_pattern(metadata.fixed_line)),
            _match(_pattern(metadata.mobile)),
        )

    def kind(self, digits: str) -> int | None:
        """The type of a number (`PhoneNumberType`), None where it is in no range."""
        general, before, fixed, mobile = self._kinds
        if general(digits) is None:
            return None
        for kind, match in before:
            if match(digits) is not None:
                return kind
        if fixed(digits) is not None:
            if self.same or mobile(digits) is not None:
                return PhoneNumberType.FIXED_LINE_OR_MOBILE
            return PhoneNumberType.FIXED_LINE
        if not self.same and mobile(digits) is not None:
            return PhoneNumberType.MOBILE
        return None


class _Code:
    """A calling code, of one region or several. ``suspect`` is asked of the whole number: it may be of a named kind."""

    def __init__(self, code: str, regions: tuple[str, ...]) -> None:
        self.main = regions[0]
        self._regions = regions
        self.digits_at = 1 + len(code)
        # Those of the same lengths together: the regions of +1 have one look ahead in place of twenty.
        by_length: dict[str, dict[str, None]] = {}
        for region in regions:
            for ahead, pattern in _plan(region).suspects:
                by_length.setdefault(ahead, {})[pattern] = None
        suspects = "|".join(f"{ahead}(?:{'|'.join(patterns)})" for ahead, patterns in by_length.items())
        self.suspect: _Match = re.compile(rf"\+{code}(?:{suspects})").fullmatch if suspects else _never
        # A zero behind the code may be a national prefix, which phonenumbers would take off.
        self.suspect_or_zero: _Match = re.compile(rf"\+{code}(?:0.*{suspects and '|'}{suspects})", re.DOTALL).fullmatch

    @cached_property
    def _steps(self) -> tuple[tuple[str | None, _Match], ...]:
        return _steps(self._regions) if len(self._regions) > 1 else ()

    def region(self, digits: str) -> str | None:
        """The region of a number, as phonenumbers finds it in the order of the regions; None: no plan knows it."""
        if not self._steps:
            return self.main
        for region, match in self._steps:
            if (found := match(digits)) is None:
                continue
            if region is not None:
                return region
            leading = found.lastgroup
            assert leading is not None
            # It is of that country, and in none of its ranges: as one that no plan knows.
            return leading if _plan(leading).known(digits) is not None else None
        return None


def _steps(regions: tuple[str, ...]) -> tuple[tuple[str | None, _Match], ...]:
    """What is asked to find a region: those with leading digits together, each of the others by its ranges."""
    steps: list[tuple[str | None, _Match]] = []
    together: list[str] = []
    for region in regions:
        plan = _plan(region)
        if plan.leading is not None:
            together.append(f"(?P<{region}>{plan.leading})")
            continue
        if together:
            steps.append((None, re.compile("|".join(together)).match))
            together = []
        steps.append((region, plan.known))
    if together:
        steps.append((None, re.compile("|".join(together)).match))
    return tuple(steps)


_codes: dict[str, _Code] = {}
"""By calling code, read when first asked for; there are some 200."""
_suspects: dict[str, _Match] = {}
"""`_Code.suspect_or_zero` by "+" and three digits, which tell the calling code."""


def _code(value: str) -> _Code | None:
    """The code of "+" and digits, None where it is of no country."""
    regions, digits = regions_and_digits(value)
    if not regions:
        return None
    code = value[1 : len(value) - len(digits)]
    found = _codes.get(code)
    if found is None:
        found = _codes[code] = _Code(code, regions)
    return found


def _pattern(desc: Any) -> tuple[str, str] | None:
    """A look ahead at the lengths that go with a pattern, which phonenumbers asks for as well, and the pattern."""
    if desc is None or desc.national_number_pattern is None:
        return None
    lengths = "|".join(f".{{{length}}}" for length in desc.possible_length if length > 0)
    if desc.possible_length and not lengths:
        return None
    ahead = f"(?=(?:{lengths})$)" if lengths else ""
    return ahead, f"(?:{desc.national_number_pattern})"


def _match(pattern: tuple[str, str] | None) -> _Match:
    return _never if pattern is None else re.compile("".join(pattern)).fullmatch


def _never(_: str) -> None:
    return None


@lru_cache(maxsize=512)  # there are some 250 regions
def _plan(region: str) -> _Plan:
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None, "a region of a calling code has metadata"
    return _Plan(metadata)
