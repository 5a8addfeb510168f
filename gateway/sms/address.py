"""Addresses: what people write, what the gateway keeps, and what goes on the wire.

The gateway keeps one form of each address: E.164 with its "+" for a number that can be dialled from
anywhere, bare digits for a short code, and the text of an alphanumeric sender as it is. Nothing is guessed:
a national number needs a region, and no country code is put in front of one without it.

Bare digits, by their count, for somebody in `region`:

- 3 to 6: a short code, unless they are a valid national number there; - 7 or 8: a national number where the
region has them that long; a local number without its area code is refused;
  otherwise a short code;
- 9 and more: a national number, or one dialled with the region's prefix for abroad.

Without a region 3 to 8 digits are a short code and more are refused, as is anything that begins with 00.
is_possible_number decides what is refused; is_valid_number only informs, since newly opened ranges are not
in its tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec
import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from . import gsm0338
from .numbering import only_region, possible_as_is, reads_as_international

__all__ = [
    "AddressError",
    "CacheCounters",
    "Kind",
    "PhoneAddress",
    "cache_counters",
    "calling_code",
    "country_of",
    "from_wire",
    "is_possible",
    "is_valid",
    "kind_of",
    "normalise",
    "normalise_sender",
    "ton_npi",
    "wire_address",
]

Kind = Literal["international", "short_code", "alphanumeric"]
Reason = Literal["invalid_to", "invalid_from"]

MAX_WRITTEN: Final = 64
"""Characters of an address as a person may write it, with spaces and punctuation."""
MAX_ALPHANUMERIC: Final = 11
"""Septets of an alphanumeric sender: TP-OA has ten octets for it (TS 23.040 §9.1.2.5)."""
CACHE_SIZE: Final = 50_000
"""Entries of each cache, at about 400 octets. Numbers in clean E.164 do not pass through one."""


class AddressError(ValueError):
    """An address that is refused: `reason` as applications are told it, `detail` for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class PhoneAddress(msgspec.Struct, frozen=True, gc=False):
    """An address as the gateway keeps it.

    `country` (ISO 3166, None where there is none or it is not known), `valid` and `possible` are worked out
    when asked for, and remembered; the first time costs a parse of about 50 µs.
    """

    value: str
    kind: Kind

    @property
    def country(self) -> str | None:
        return country_of(self.value) if self.kind == "international" else None

    @property
    def valid(self) -> bool:
        return self.kind != "international" or is_valid(self.value)

    @property
    def possible(self) -> bool:
        return self.kind != "international" or is_possible(self.value)


class CacheCounters(NamedTuple):
    """Look-ups in front of phonenumbers since the start, over all caches of this module."""

    hits: int
    misses: int
    size: int
    capacity: int


def normalise(raw: str, region: str | None = None, *, check_valid: bool = False) -> PhoneAddress:
    """The address that `raw` means to somebody in `region` (ISO 3166): E.164 or a short code.

    Spaces, dots, dashes, slashes, parentheses and a leading "tel:" are read over; letters, extensions and
    alphanumeric senders are refused. `check_valid` works out `valid` now rather than when it is read.

    Raises AddressError with reason "invalid_to".
    """
    if possible_as_is(raw):
        address = PhoneAddress(raw, "international")
    else:
        found = _read_cached(raw, region) if len(raw) <= MAX_WRITTEN else _TOO_LONG
        if isinstance(found, str):
            raise AddressError("invalid_to", found)
        address = found
    if check_valid and address.kind == "international":
        is_valid(address.value)
    return address


def normalise_sender(raw: str, region: str | None = None) -> PhoneAddress:
    """As `normalise`, and alphanumeric senders too: 1 to 11 characters with at least one letter.

    Their characters are those of the GSM default alphabet that SMPP's octets can carry (Latin-1),
    printable; spaces around the text are taken off, the rest stays as it is.

    Raises AddressError with reason "invalid_from".
    """
    if possible_as_is(raw):
        return PhoneAddress(raw, "international")
    text = raw.strip()
    if not _has_letter(text) or text[:4].lower() == "tel:":
        found = _read_cached(raw, region) if len(raw) <= MAX_WRITTEN else _TOO_LONG
        if isinstance(found, str):
            raise AddressError("invalid_from", found)
        return found
    for char in text:
        if not (char.isprintable() and char <= "\xff" and gsm0338.is_encodable(char)):
            raise AddressError("invalid_from", f"{char!r} cannot be in an alphanumeric sender")
    if (gsm0338.septet_count(text) or 0) > MAX_ALPHANUMERIC:
        detail = f"an alphanumeric sender has at most {MAX_ALPHANUMERIC} characters"
        raise AddressError("invalid_from", detail)
    return PhoneAddress(text, "alphanumeric")


def is_possible(value: str) -> bool:
    """is_possible_number for "+" and digits."""
    quick = possible_as_is(value)
    if quick is not None:
        return quick
    number = _parse(value, None)
    return number is not None and phonenumbers.is_possible_number(number)


def is_valid(value: str) -> bool:
    """is_valid_number for "+" and digits: in a range that phonenumbers knows to be assigned."""
    return _facts(value)[0]


def country_of(value: str) -> str | None:
    """The region (ISO 3166) that "+" and digits belong to, None when that cannot be told."""
    return only_region(value) or _facts(value)[1]


def calling_code(region: str) -> str | None:
    """The country calling code of a region (ISO 3166), None for one that there is not."""
    code = phonenumbers.country_code_for_region(region)
    return str(code) if code else None


def kind_of(value: str) -> Kind:
    """The kind of an address in the form that the gateway keeps."""
    if value.startswith("+"):
        return "international"
    return "short_code" if value.isascii() and value.isdigit() else "alphanumeric"


_TON_NPI: Final[dict[str, tuple[int, int]]] = {
    "international": (1, 1),
    "national": (2, 1),
    "short_code": (3, 0),
    "alphanumeric": (5, 0),
}


def ton_npi(value: str, kind: Kind | Literal["national"]) -> tuple[int, int]:
    """TON and NPI for an address of a kind (SMPP 3.4 §5.2.5, §5.2.6).

    Digits that are too many for a short code are of unknown type in the ISDN plan, 0/1.
    """
    if kind == "short_code" and len(value) > 8:
        return 0, 1
    return _TON_NPI[kind]


def wire_address(value: str) -> tuple[int, int, str]:
    """TON, NPI and the octets' text of a kept address: an international number goes without its "+"."""
    if value.startswith("+"):
        return 1, 1, value[1:]
    ton, npi = ton_npi(value, kind_of(value))
    return ton, npi, value


def from_wire(ton: int, npi: int, addr: str, region: str | None = None) -> str:
    """The kept form of an address that a carrier sent. Never raises: what cannot be read stays as it is.

    - TON 5, and anything with a letter in it whatever its TON: the text as it is.
    - "+" and digits whatever the TON, and TON 1 with 7 digits or more: international. TON 1 with fewer is a
      short code, since no country has numbers that short; zeros in front of TON 1 digits dial abroad.
    - TON 2: a national number of `region`, where it is possible there.
    - Any other TON (0 unknown, 3 network, 4 subscriber, 6 abbreviated): a short code by the rule of this
      module; otherwise a number of `region` or an international one without its "+" or with 00 for it, whichever is
      likelier: a mobile of that plan before another valid number before a possible one.
    """
    if ton == 5:
        return addr
    if ton == 1:
        value = addr if addr.startswith("+") else "+" + addr
        if possible_as_is(value):
            return value
    elif addr.startswith("+"):
        if possible_as_is(addr):
            return addr
    elif ton != 2 and region is not None and addr.isascii() and addr.isdigit() and reads_as_international(addr, region):
        return "+" + addr
    return _from_wire_cached(ton, addr, region) if len(addr) <= MAX_WRITTEN else addr


def cache_counters() -> CacheCounters:
    """How the caches in front of phonenumbers do."""
    infos = [cache.cache_info() for cache in (_read_cached, _facts, _from_wire_cached)]
    return CacheCounters(
        hits=sum(info.hits for info in infos),
        misses=sum(info.misses for info in infos),
        size=sum(info.currsize for info in infos),
        capacity=sum(info.maxsize or 0 for info in infos),
    )


_SHORTEST: Final = 6
"""Digits that are too few for a whole international number, which the wire has for short codes only."""
_TOO_LONG: Final = f"longer than {MAX_WRITTEN} characters"
_NO_NUMBER: Final = "not a phone number"

# Marks of writing direction come along when a number is copied out of an address book.
_MARKS: Final = dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF))
_WRITTEN: Final[Callable[[str], re.Match[str] | None]] = re.compile(
    r"(?:tel:)?[\s(]*[+\uff0b]?[\d\s().\-/\u00ad\u2010-\u2015\u2212\u200b\uff08\uff09\uff0d\uff0e\uff0f]*",
    re.IGNORECASE,
).fullmatch


@lru_cache(maxsize=CACHE_SIZE)
def _read_cached(raw: str, region: str | None) -> PhoneAddress | str:
    """The address, or why it is refused. Refusals are remembered too: they cost as much."""
    text = raw.translate(_MARKS).strip()
    if not text:
        return "empty"
    if _WRITTEN(text) is None:
        return f"{_NO_NUMBER}: it has characters that no number has"
    if text[:4].lower() == "tel:":
        text = text[4:].lstrip()
    if "+" not in text and "\uff0b" not in text:
        digits = "".join(str(int(char)) for char in text if char.isdecimal())
        if not digits:
            return _NO_NUMBER
        if 3 <= len(digits) <= 8 and not digits.startswith("00"):
            return _short(digits, region)
        if region is None:
            return 'neither "+" and a country code nor a default region to read it by'
    number = _parse(text, region)
    if number is None:
        return _NO_NUMBER if region is None else f"{_NO_NUMBER} in {region} or abroad"
    if number.extension:
        return "an extension cannot be texted"
    if not phonenumbers.is_possible_number(number):
        return f"no number of country code {number.country_code} has that many digits"
    return PhoneAddress(_e164(number), "international")


def _short(digits: str, region: str | None) -> PhoneAddress | str:
    number = _parse(digits, region) if region is not None else None
    if number is not None:
        if len(digits) <= 6:
            national = phonenumbers.is_valid_number(number)
        else:
            result = phonenumbers.is_possible_number_with_reason(number)
            if result == ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
                return "a local number without its area code"
            national = result == ValidationResult.IS_POSSIBLE
        if national:
            return PhoneAddress(_e164(number), "international")
    return PhoneAddress(digits, "short_code")


@lru_cache(maxsize=CACHE_SIZE)
def _facts(value: str) -> tuple[bool, str | None]:
    """Validity and region of "+" and digits."""
    number = _parse(value, None)
    if number is None:
        return False, None
    region = phonenumbers.region_code_for_number(number)
    if region is None or not phonenumbers.is_valid_number_for_region(number, region):
        return False, only_region(value)
    return True, None if region == "001" else region


@lru_cache(maxsize=CACHE_SIZE)
def _from_wire_cached(ton: int, addr: str, region: str | None) -> str:
    text = addr.strip()
    if text.startswith("+") or ton == 1:
        digits = text.lstrip("+")
        if not (digits.isascii() and digits.isdigit()):
            return addr
        if ton == 1:
            digits = digits.lstrip("0")
            if len(digits) <= _SHORTEST:
                return text.lstrip("+")
        number = _parse("+" + digits, None)
        return _e164(number) if number is not None else "+" + digits
    if not (text.isascii() and text.isdigit()):
        return addr
    if ton == 2:
        if text.startswith("00"):
            return _better(text, region) or text
        number = _parse(text, region) if region is not None else None
        return _e164(number) if _likelihood(number) and number is not None else text
    if 3 <= len(text) <= 8 and not text.startswith("00"):
        found = _short(text, region)
        return text if isinstance(found, str) else found.value
    return _better(text, region) or text


def _better(digits: str, region: str | None) -> str | None:
    """Bare digits as a number of `region` or as an international one without "+", whichever is likelier."""
    national = _parse(digits, region) if region is not None else None
    international = _parse("+" + digits, None)
    here, abroad = _likelihood(national), _likelihood(international)
    # As likely: a number that both plans have is taken for one of the region; of two that neither has, ten
    # digits are the most that a plan usually leaves to itself.
    local = here > abroad or (here == abroad and (here > 1 or len(digits) <= 10))
    chosen = national if local else international
    likely = max(here, abroad)
    if digits.startswith("00"):
        # SMSCs write so whatever is dialled to get out of their country; hardly a plan has numbers that begin so.
        dialled = _parse("+" + digits[2:], None)
        if _likelihood(dialled) >= max(likely, 1):
            chosen, likely = dialled, 1
    return _e164(chosen) if chosen is not None and likely > 0 else None


_MOBILE: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def _likelihood(number: PhoneNumber | None) -> int:
    """0: no number; 1: possible; 2: valid; 3: valid and of a mobile, which is what people text from."""
    if number is None or not phonenumbers.is_possible_number(number):
        return 0
    if len(_e164(number)) <= 1 + _SHORTEST:  # a local number of a plan with very short ones
        return 0
    kind = phonenumbers.number_type(number)
    return 3 if kind in _MOBILE else 2 if kind != PhoneNumberType.UNKNOWN else 1


def _parse(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)
