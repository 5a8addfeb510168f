"""Country calling codes and the lengths of their numbers, in front of the `phonenumbers` package.

A parse by phonenumbers costs 40 to 70 µs. For what applications and carriers mostly send, "+" and digits,
the answer follows from three facts of its metadata: the calling code, the possible lengths, and whether the
digits behind the code look like a national prefix that phonenumbers would take off. These are read once per
calling code, on first use; whatever they cannot decide is left to phonenumbers itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

__all__ = [
    "main_region",
    "only_region",
    "possible_as_is",
    "reads_as_international",
    "region_exists",
    "regions_and_digits",
]

_NON_GEOGRAPHIC: Final = "001"

_CLEAN: Final = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch

_REGIONS: Final[dict[str, tuple[str, ...]]] = {
    str(code): tuple(regions) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
}


class _Plan(msgspec.Struct, frozen=True, gc=False):
    """A calling code's (or a region's) numbering plan. Lengths are of the national significant number."""

    code: str
    code_digits: int
    lengths: frozenset[int]
    longest: int
    national_prefix: re.Pattern[str] | None
    international_prefix: re.Pattern[str] | None
    usual: Callable[[str], object]  # matches most of those that are possible as they are, and no others


_plans: dict[str, _Plan] = {}
_region_plans: dict[str, _Plan | None] = {}
_usual: dict[str, Callable[[str], object]] = {}
"""`_Plan.usual` by "+" and three digits, which tell the calling code: the first question asked of each number."""


def _read(code: str, metadata: PhoneMetadata) -> _Plan:
    general = metadata.general_desc
    possible = tuple(general.possible_length) if general is not None else ()
    local = tuple(general.possible_length_local_only) if general is not None else ()
    national = metadata.national_prefix_for_parsing
    international = metadata.international_prefix
    fitting = [size for size in {*possible, *local} if 7 <= len(code) + size <= 15] or [0]
    behind = "|".join(f"[0-9]{{{size}}}" for size in sorted(fitting, reverse=True))
    ahead = f"(?!{national})" if national else ""
    return _Plan(
        code=code,
        code_digits=len(code),
        lengths=frozenset(possible + local),  # as is_possible_number, which takes both
        longest=max(possible, default=0),
        national_prefix=re.compile(national) if national else None,
        international_prefix=re.compile(international) if international else None,
        usual=re.compile(rf"\+{code}{ahead}(?:{behind})").fullmatch,
    )


def _calling_code(digits: str) -> str | None:
    """The calling code that international digits begin with; none is the beginning of another (E.164)."""
    for size in (1, 2, 3):
        if digits[:size] in _REGIONS:
            return digits[:size]
    return None


def _plan_of(value: str) -> _Plan | None:
    """The plan of "+" and digits."""
    plan = _plans.get(value[1:2]) or _plans.get(value[1:3]) or _plans.get(value[1:4])
    if plan is None:
        code = _calling_code(value[1:])
        if code is None:
            return None
        # Regions that share a code are judged by the main one of them, as phonenumbers does.
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), _REGIONS[code][0])
        if metadata is None:  # never so with whole metadata; a parse will say what it thinks
            return None
        plan = _plans[code] = _read(code, metadata)
    return plan


def _takes_off(prefix: re.Pattern[str] | None, digits: str) -> bool:
    if prefix is None:
        return False
    match = prefix.match(digits)
    return match is not None and match.end() > 0


def possible_as_is(value: str) -> bool | None:
    """Whether "+" and digits, as E.164 has them, are a possible number that phonenumbers leaves as it is.

    True and False are the answers of is_possible_number; None says that this takes a parse (other
    characters, an unknown calling code, a national prefix between code and number).
    """
    usual = _usual.get(value[:4])
    if usual is not None and usual(value) is not None:
        return True
    if _CLEAN(value) is None:
        return None
    plan = _plan_of(value)
    if plan is not None:
        _usual[value[:4]] = plan.usual
    if plan is None or _takes_off(plan.national_prefix, value[1 + plan.code_digits :]):
        return None
    return len(value) - 1 - plan.code_digits in plan.lengths


def only_region(value: str) -> str | None:
    """The region (ISO 3166) of "+" and digits when its calling code is of one region alone, else None."""
    regions = _REGIONS.get(_calling_code(value[1:]) or "", ())
    return regions[0] if len(regions) == 1 and regions[0] != _NON_GEOGRAPHIC else None


def main_region(value: str) -> str | None:
    """The main region (ISO 3166) of the calling code of "+" and digits, None where there is none."""
    regions = _REGIONS.get(_calling_code(value[1:]) or "", ())
    return regions[0] if regions and regions[0] != _NON_GEOGRAPHIC else None


def regions_and_digits(value: str) -> tuple[tuple[str, ...], str]:
    """The regions that share the calling code of "+" and digits, the main one first, and the digits behind the code.

    No regions: it is of none, or no calling code.
    """
    code = _calling_code(value[1:]) or ""
    regions = _REGIONS.get(code, ())
    return () if regions[:1] == (_NON_GEOGRAPHIC,) else regions, value[1 + len(code) :]


def region_exists(region: str) -> bool:
    """Whether phonenumbers knows an ISO 3166 region, such as "US"."""
    return _region_plan(region) is not None


def reads_as_international(digits: str, region: str) -> bool:
    """Whether bare digits can only be an international number without its "+", for somebody in `region`.

    They are too long for the region's own plan, and begin neither with its way to dial abroad nor with a
    national prefix; "+" and the digits are then possible and stay as they are. False says that this takes a
    parse.
    """
    plan = _region_plan(region)
    if plan is None or len(digits) <= plan.longest or _takes_off(plan.international_prefix, digits):
        return False
    if not digits.startswith(plan.code) and _takes_off(plan.national_prefix, digits):
        return False
    return possible_as_is("+" + digits) is True


def _region_plan(region: str) -> _Plan | None:
    try:
        return _region_plans[region]
    except KeyError:
        metadata = PhoneMetadata.metadata_for_region(region, None)
        plan = None if metadata is None else _read(str(metadata.country_code), metadata)
        if plan is not None:  # unknown names are anybody's and unbounded
            _region_plans[region] = plan
        return plan
