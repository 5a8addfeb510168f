"""National languages in septets: other tables in the place of the default alphabet and of its extension.

A locking shift replaces the default alphabet, a single shift its extension table, each by an element of the user
data header that holds the number of a language (TS 23.038 §6.2.1.2, TS 23.040 §9.2.3.24.15, §9.2.3.24.16). They
hold for the part whose header has them. A phone that does not know them reads the default alphabet, so nothing
here is used for sending unless somebody allows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from . import gsm0338
from .national_tables import LOCKING, SINGLE
from .udh import LOCKING_SHIFT, SINGLE_SHIFT, InformationElement

__all__ = [
    "LANGUAGES",
    "LOCKING_NUMBERS",
    "NO_SHIFT",
    "NUMBERS",
    "Language",
    "Shift",
    "decode",
    "elements_of",
    "extension_of",
    "main_of",
    "numbers_of",
    "shift_of",
    "shifts_for",
    "try_encode",
]

Language = Literal[
    "turkish",
    "spanish",
    "portuguese",
    "bengali",
    "gujarati",
    "hindi",
    "kannada",
    "malayalam",
    "oriya",
    "punjabi",
    "tamil",
    "telugu",
    "urdu",
]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
"""In the order of their numbers, from 1 (TS 23.038 §6.2.1.2.4)."""
NUMBERS: Final[dict[Language, int]] = {language: number for number, language in enumerate(LANGUAGES, 1)}

LOCKING_NUMBERS: Final = frozenset({0, *(NUMBERS[language] for language in LANGUAGES if language in LOCKING)})
"""The languages that have a locking shift table, and 0."""
_SINGLE_NUMBERS: Final = frozenset({0, *NUMBERS.values()})


class Shift(msgspec.Struct, frozen=True, gc=False):
    """The languages whose tables a text takes, by their numbers; 0 is none. Spanish has a single shift only."""

    locking: int = 0
    single: int = 0

    @property
    def languages(self) -> tuple[Language, ...]:
        """Their names, each once, the one of the locking shift first."""
        numbers = dict.fromkeys((self.locking, self.single))
        return tuple([LANGUAGES[number - 1] for number in numbers if 0 < number <= len(LANGUAGES)])


NO_SHIFT: Final = Shift()


def numbers_of(languages: Iterable[str]) -> list[int]:
    """The numbers of languages by their names, each once, in their order. Raises ValueError for another name."""
    numbers: dict[int, None] = {}
    for language in languages:
        if language not in LANGUAGES:
            raise ValueError(f"{language!r} is no language of the national tables")
        numbers[NUMBERS[language]] = None
    return list(numbers)


def shift_of(elements: Iterable[InformationElement]) -> tuple[Shift, bool]:
    """The shift that the elements of a header ask for, and whether one of them is not understood.

    An element that is not one octet is passed over; of several the last counts (TS 23.040 §9.2.3.24). A language that
    has no such table is none, so that the default alphabet is read, as §6.2.1.2.5 of TS 23.038 asks for reserved
    numbers.
    """
    locking = single = 0
    unknown = False
    for element in elements:
        if element.id == LOCKING_SHIFT or element.id == SINGLE_SHIFT:
            if len(element.data) != 1:
                unknown = True
            elif element.id == LOCKING_SHIFT:
                locking = element.data[0]
            else:
                single = element.data[0]
    if locking not in LOCKING_NUMBERS:
        locking, unknown = 0, True
    if single not in _SINGLE_NUMBERS:
        single, unknown = 0, True
    return Shift(locking, single) if locking or single else NO_SHIFT, unknown


def elements_of(shift: Shift) -> tuple[InformationElement, ...]:
    """The elements of a header that ask for a shift: one of three octets for each table, single shift first."""
    elements = []
    if shift.single:
        elements.append(InformationElement(SINGLE_SHIFT, bytes((shift.single,))))
    if shift.locking:
        elements.append(InformationElement(LOCKING_SHIFT, bytes((shift.locking,))))
    return tuple(elements)


class _Table(NamedTuple):
    """One table both ways."""

    chars: dict[int, str]
    codes: dict[str, int]


def _table(chars: dict[int, str]) -> _Table:
    codes: dict[str, int] = {}
    for code, char in sorted(chars.items()):
        codes.setdefault(char, code)  # some are there twice: the asterisk at 0x0B and 0x18 of most single shifts
    return _Table(chars, codes)


@cache
def main_of(number: int) -> _Table:
    """The table in the place of the default alphabet, for a language by its number. Raises ValueError for none."""
    if number == 0:
        return _table({code: char for code, char in enumerate(gsm0338.DEFAULT_ALPHABET) if code != gsm0338.ESC})
    if number not in LOCKING_NUMBERS:
        raise ValueError(f"no language {number} has a locking shift table")
    cells = enumerate(LOCKING[LANGUAGES[number - 1]].split())
    return _table({code: chr(int(cell, 16)) for code, cell in cells if cell != "...."})


@cache
def extension_of(number: int) -> _Table:
    """The table after ESC, for a language by its number. Raises ValueError for none."""
    if number == 0:
        return _table(dict(gsm0338.EXTENSION))
    if number not in _SINGLE_NUMBERS:
        raise ValueError(f"no language {number} has a single shift table")
    chars: dict[int, str] = {}
    for start, points in SINGLE[LANGUAGES[number - 1]].items():
        chars.update((code, chr(int(point, 16))) for code, point in enumerate(points.split(), start))
    return _table(chars)


@cache  # as many as there are pairs of languages, 14 times 13
def _septets_of(shift: Shift) -> dict[int, str]:
    """What str.translate writes for each character; the shorter where both tables have it."""
    out = {ord(char): "\x1b" + chr(code) for char, code in extension_of(shift.single).codes.items()}
    out.update((ord(char), chr(code)) for char, code in main_of(shift.locking).codes.items())
    return out


def try_encode(text: str, shift: Shift) -> bytes | None:
    """`text` as septets, one to an octet, by the tables of a shift; None when a character is in neither.

    Raises ValueError for a language that there is not.
    """
    septets = _septets_of(shift)
    if any(ord(char) not in septets for char in set(text)):
        return None
    return text.translate(septets).encode("ascii")


_ESC_AND_CODE: Final = re.compile("\x1b.?", re.DOTALL)


@cache
def _chars_of(shift: Shift) -> tuple[dict[int, str], dict[str, str]]:
    """What str.translate reads for each septet, and what each ESC with its code stands for."""
    main = main_of(shift.locking).chars
    extension = extension_of(shift.single).chars
    chars = {code: main.get(code, "\ufffd") for code in range(128)} | {gsm0338.ESC: "\x1b"}
    pairs = {"\x1b" + chr(code): extension.get(code, main.get(code, "\ufffd")) for code in range(128)}
    return chars, pairs | {"\x1b\x1b": " ", "\x1b": " "}


def decode(septets: bytes, shift: Shift) -> str:
    """The text of septets that lie one to an octet, by the tables of a shift. Never raises for a shift of `shift_of`.

    What the tables do not have reads as in `gsm0338.decode`: after ESC it is the character of the main table, ESC ESC
    and an ESC at the end are a space. A code without a character, and an octet above 0x7F, is U+FFFD.
    """
    chars, pairs = _chars_of(shift)
    text = septets.decode("latin-1")
    if gsm0338.ESC not in septets and septets.isascii():
        return text.translate(chars)
    out: list[str] = []
    at = 0
    for match in _ESC_AND_CODE.finditer(text):
        out.append(_read(text[at : match.start()], chars))
        out.append(pairs.get(match[0], "\ufffd"))
        at = match.end()
    out.append(_read(text[at:], chars))
    return "".join(out)


def _read(text: str, chars: dict[int, str]) -> str:
    return "".join([chars.get(ord(char), "\ufffd") for char in text])


def shifts_for(text: str, languages: Sequence[Language]) -> list[Shift]:
    """The shifts among `languages` that can encode `text`, at most one for each main table, none for plain septets.

    For one main table every single shift that has the rest makes the same number of septets, so the first is taken,
    and none where the default extension has the rest.
    """
    chars = set(text)
    numbers = numbers_of(languages)
    found: list[Shift] = []
    for locking in (0, *(number for number in numbers if number in LOCKING_NUMBERS)):
        rest = chars - main_of(locking).codes.keys()
        for single in (0, *numbers):
            if rest <= extension_of(single).codes.keys():
                if locking or single:
                    found.append(Shift(locking, single))
                break
    return found
