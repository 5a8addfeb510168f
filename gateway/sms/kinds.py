"""What kind of number an address is, and of which country, as far as its form and the plans of countries tell."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberType

from gateway.sms.address import country_of, kind_of
from gateway.sms.numbering import main_region

NumberKind = Literal["local", "mobile", "toll_free", "short_code", "alphanumeric"]

CACHE_SIZE: Final = 10_000

_KINDS: Final[dict[int, tuple[NumberKind, ...]]] = {
    PhoneNumberType.FIXED_LINE: ("local",),
    PhoneNumberType.MOBILE: ("mobile",),
    PhoneNumberType.FIXED_LINE_OR_MOBILE: ("local", "mobile"),
    PhoneNumberType.TOLL_FREE: ("toll_free",),
    PhoneNumberType.VOIP: ("local",),
}
"""Premium, shared cost, personal, pager and company numbers are none of these."""


@lru_cache(maxsize=CACHE_SIZE)
def kinds_of(value: str) -> tuple[NumberKind, ...]:
    """The kinds that a number in the gateway's form may be of, the likeliest first; empty where it cannot be told.

    Where a plan does not tell mobiles from fixed lines (as +1), a number of a range that phonenumbers does not know to
    be assigned is local too: what is new there is one of these two.
    """
    form = kind_of(value)
    if form != "international":
        return (form,)
    try:
        number = phonenumbers.parse(value, None)
    except NumberParseException:
        return ()
    kind = phonenumbers.number_type(number)
    if kind != PhoneNumberType.UNKNOWN:
        return _KINDS.get(kind, ())
    region = main_region(value)
    plan = PhoneMetadata.metadata_for_region(region) if region is not None else None
    if plan is not None and plan.same_mobile_and_fixed_line_pattern:
        return _KINDS[PhoneNumberType.FIXED_LINE_OR_MOBILE]
    return ()


def country_of_number(value: str) -> str | None:
    """The country (ISO 3166) of a number; one that no plan knows is of the main country of its calling code.

    None for short codes and names, which say nothing of it, and for calling codes of no country.
    """
    if not value.startswith("+"):
        return None
    return country_of(value) or main_region(value)
