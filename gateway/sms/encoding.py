"""Text to septets and octets: what each encoding has, and which characters it lacks.

What a carrier takes for data_coding 0 (`Alphabet`) may be less than the GSM default alphabet: a text goes as gsm7
only when both have every character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from . import gsm0338, national
from .gsm0338 import UnencodableError
from .national import Language, Shift

__all__ = [
    "Alphabet",
    "AskedEncoding",
    "Encoding",
    "forcing",
    "has_septets",
    "is_latin1",
    "to_carrier",
    "to_latin1",
    "to_septets",
    "to_ucs2",
    "unencodable",
    "unencodable_by",
]

Encoding = Literal["gsm7", "ucs2", "latin1", "binary"]
AskedEncoding = Literal["auto", "gsm7", "ucs2", "latin1", "binary"]
Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ascii"]

_CODEC: Final[dict[Alphabet, str]] = {"latin1": "latin-1", "ascii": "ascii"}


def has_septets(alphabet: Alphabet) -> bool:
    """Whether a carrier with this alphabet takes septets, packed or not, and so the national tables too."""
    return alphabet not in _CODEC


def to_septets(text: str, alphabet: Alphabet) -> bytes | None:
    """`text` as septets of the default alphabet, or None when it or the carrier's alphabet lacks a character."""
    if alphabet in _CODEC:
        try:
            text.encode(_CODEC[alphabet])
        except UnicodeEncodeError:
            return None
    return gsm0338.try_encode(text)


def to_carrier(septets: bytes, alphabet: Alphabet) -> bytes:
    """Septets of the default alphabet as the octets of a carrier that takes latin1 or ascii for them."""
    return gsm0338.decode(septets).encode(_CODEC[alphabet])


def to_ucs2(text: str) -> bytes:
    """`text` as UTF-16, high octet first. Raises UnencodableError for a lone surrogate."""
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise UnencodableError(text[error.start], error.start, "ucs2") from None


def to_latin1(text: str) -> bytes:
    """`text` as Latin-1. Raises UnencodableError with the first character above U+00FF."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise UnencodableError(text[error.start], error.start, "latin1") from None


# Without C1, the control characters from 0x80 on: phones and SMSCs take those places for characters of their own.
_of_latin1: Final = re.compile(r"[\n\r\x20-\x7e\xa0-\xff]*").fullmatch


def is_latin1(text: str) -> bool:
    """Whether `text` may go as Latin-1 unasked: characters that all who read Latin-1 show alike."""
    return _of_latin1(text) is not None


def forcing(text: str, alphabet: Alphabet = "gsm7", national: Sequence[Language] = ()) -> tuple[tuple[str, int], ...]:
    """Every character that keeps `text` from going as gsm7, with its position in code points, in their order.

    With languages allowed (`national`) these are the characters that the pair of tables lacks which comes closest:
    the one that leaves the fewest out. None are left where a pair has them all, although `plan` may still find that
    ucs2 takes no more segments.
    """
    chars = set(text)
    lacking = {char for char in chars if not _takes(char, alphabet)}
    if lacking and national and has_septets(alphabet):
        lacking = _closest(text, chars, lacking, national)
    if not lacking:
        return ()
    return tuple([(char, at) for at, char in enumerate(text) if char in lacking])


def _closest(text: str, chars: set[str], lacking: set[str], languages: Sequence[Language]) -> set[str]:
    """What the best pair of tables lacks; the plain pair is the best where no other does better."""
    times = Counter(text)

    def left_out(of: set[str]) -> int:
        return sum([times[char] for char in of])

    fewest = left_out(lacking)
    numbers = national.numbers_of(languages)
    for locking in (0, *(number for number in numbers if number in national.LOCKING_NUMBERS)):
        rest = chars - national.main_of(locking).codes.keys()
        for single in (0, *numbers):
            missing = rest - national.extension_of(single).codes.keys()
            if left_out(missing) < fewest:
                lacking, fewest = missing, left_out(missing)
    return lacking


def unencodable(text: str, alphabet: Alphabet, languages: Sequence[Language] = ()) -> UnencodableError:
    """The error that names the first character of `text` that keeps it from going as gsm7."""
    char, position = forcing(text, alphabet, languages)[0]
    named = alphabet if gsm0338.is_encodable(char) else "gsm7"
    return UnencodableError(char, position, named)


def unencodable_by(text: str, shift: Shift) -> UnencodableError:
    """The error that names the first character which the tables of a settled shift lack."""
    main, extension = national.main_of(shift.locking).codes, national.extension_of(shift.single).codes
    at = next(i for i, char in enumerate(text) if char not in main and char not in extension)
    return UnencodableError(text[at], at, f"gsm7 with the tables of {', '.join(shift.languages)}")


def _takes(char: str, alphabet: Alphabet) -> bool:
    """Whether a character can go as gsm7 to a carrier with this alphabet for data_coding 0."""
    if alphabet == "latin1" and char > "\xff":
        return False
    if alphabet == "ascii" and char > "\x7f":
        return False
    return gsm0338.is_encodable(char)
