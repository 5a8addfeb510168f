"""Characters that an alphabet lacks, replaced by ones that it has: an offer to send a text as GSM 7 bit.

Nothing is replaced that the alphabet has, and what has no fair replacement stays as it is (`transliterations` has the
data and says why), so the result may still not go as GSM 7 bit: that is for the caller to see. A letter and the
combining marks behind it are taken together: composed where the alphabet has the composed letter, else bare.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence, Set
from functools import lru_cache, partial
from typing import Final, get_args

import msgspec

from . import gsm0338
from .national import Language
from .segment import Alphabet, forcing
from .transliterations import AFTER_DIGIT, BEYOND_ASCII, DECOMPOSED_RANGES, REPLACEMENTS

__all__ = ["Change", "Transliterated", "replacement_of", "transliterate"]

Takes = Callable[[str], bool]
_StandsFor = Callable[[str], str | None]


class Change(msgspec.Struct, frozen=True, gc=False):
    """A character (or a letter with its combining marks), what stands for it, and where it was.

    `positions` count code points of the text before, from 0. An empty `replacement` means that it is left out.
    """

    char: str
    replacement: str
    positions: tuple[int, ...]


class Transliterated(msgspec.Struct, frozen=True, gc=False):
    """A text with its changes, in the order of their first positions; none where nothing could be done."""

    text: str
    changes: tuple[Change, ...]

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"Transliterated(<{len(self.text)} characters>, <{len(self.changes)} changes>)"


_SINGLE: Final[dict[str, str]] = {
    char: replacement for chars, replacement, _ in (*REPLACEMENTS, *BEYOND_ASCII) for char in chars
}
_BEFORE: Final[dict[str, str]] = {char: before for chars, before, _ in AFTER_DIGIT for char in chars}
_RANGES: Final = tuple((first, last) for first, last, _ in DECOMPOSED_RANGES)

# Marks that a letter can be without. Not those that strike a letter through (U+0334 to U+0338): struck text is text
# taken back. Nor those that enclose, as the keycaps of emoji do.
_MARKS: Final = "\u0300-\u0333\u0339-\u034e\u0350-\u036f\u1ab0-\u1aff\u1dc0-\u1dff"
_MARK: Final = re.compile(f"[{_MARKS}]")
_MARKS_AFTER: Final = re.compile(f"[{_MARKS}]*")


def transliterate(
    text: str, takes: Alphabet | Takes = "gsm7", national: Sequence[Language] = (), *, wholly: bool = False
) -> Transliterated:
    """`text` with replacements for what cannot go as gsm7.

    `takes` is the alphabet of the carrier, or says of one character whether it can go. `national` are languages whose
    tables may be used, so that what only those have stays. `wholly`: nothing is done where a character has no
    replacement, which is told quickly.
    """
    stands_for: _StandsFor
    if callable(takes):
        stands_for = partial(replacement_of, can=takes)
        lacking = {char for char in set(text) if not takes(char)}
    else:
        stands_for = _BY_ALPHABET[takes]
        lacking = set(text) - _GOES[takes]
        if lacking and national:
            # With letters that are written as such and a mark: the tables have the composed ones.
            chars = {*text, *unicodedata.normalize("NFC", text)}
            missing = {char for char, _ in forcing("".join(chars), takes, national)}
            stands_for = partial(_kept_or, chars - missing, stands_for)
            lacking = missing.intersection(text)
    # A letter that cannot go never composes with a mark to one that can; of a mark it depends on its letter.
    if not lacking or (wholly and any(stands_for(char) is None and not _MARK.match(char) for char in lacking)):
        return Transliterated(text, ())
    out: list[str] = []
    found: dict[tuple[str, str], list[int]] = {}
    known: dict[str, str | None] = {}
    copied = passed = 0
    for spot in [at for at, char in enumerate(text) if char in lacking]:
        if spot < passed:
            continue
        at = spot
        while at and _MARK.match(text[at]):  # back to the letter that the mark is on
            at -= 1
        passed = _MARKS_AFTER.match(text, at + 1).end()  # type: ignore[union-attr]  # it matches anything
        whole = text[at:passed]
        if whole not in known:
            known[whole] = _of_cluster(whole, stands_for) if len(whole) > 1 else stands_for(whole)
        replacement = known[whole]
        if replacement is None:
            continue
        if at and text[at - 1] in "0123456789":
            replacement = _BEFORE.get(whole, "") + replacement
        out += text[copied:at], replacement
        copied = passed
        found.setdefault((whole, replacement), []).append(at)
    out.append(text[copied:])
    changes = tuple(Change(char, replacement, tuple(where)) for (char, replacement), where in found.items())
    return Transliterated("".join(out), changes)


def replacement_of(char: str, can: Takes = gsm0338.is_encodable) -> str | None:
    """What stands for a character that `can` says cannot go; None when nothing does."""
    if can(char):
        return char
    stated = _SINGLE.get(char)
    if stated is not None:
        return _all_of(stated, can)
    point = ord(char)
    if not any(first <= point <= last for first, last in _RANGES):
        return None
    # One step of the decomposition at a time: of ǻ it takes away the acute accent, and the ring stays.
    form, *points = unicodedata.decomposition(char).split() or ("",)
    if form and not form.startswith("<"):
        points.insert(0, form)
    letters = [chr(int(one, 16)) for one in points]
    bare = [letter for letter in letters if not _MARK.match(letter)]
    if not bare or (len(bare) < len(letters) and bare[-1] == " "):  # an accent that stands alone
        return None
    return _all_of(bare, can)


def _all_of(chars: Sequence[str], can: Takes) -> str | None:
    replaced = [replacement_of(char, can) for char in chars]
    return None if None in replaced else "".join(filter(None, replaced))


def _of_cluster(whole: str, stands_for: _StandsFor) -> str | None:
    """A letter and its combining marks: of the marks stays what composes to a letter that can go."""
    if not whole[0].isalpha():
        return None
    return stands_for(unicodedata.normalize("NFC", whole)[0])


def _kept_or(kept: Set[str], stands_for: _StandsFor, char: str) -> str | None:
    return char if char in kept else stands_for(char)


def _remembering(alphabet: Alphabet) -> _StandsFor:
    # Texts of one sender have the same few characters: what was found for one is kept, for so many.
    return lru_cache(maxsize=4096)(partial(replacement_of, can=lambda char: not forcing(char, alphabet)))


_BY_ALPHABET: Final[dict[Alphabet, _StandsFor]] = {alphabet: _remembering(alphabet) for alphabet in get_args(Alphabet)}
_GOES: Final[dict[Alphabet, frozenset[str]]] = {
    alphabet: frozenset(
        char for char in (*gsm0338.DEFAULT_ALPHABET, *gsm0338.EXTENSION.values()) if not forcing(char, alphabet)
    )
    for alphabet in get_args(Alphabet)
}
