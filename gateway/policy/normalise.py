"""Texts without the typography that they bring along from word processors and web pages; asked for by a setting.

What a reader does not see is all that changes: composed letters (Unicode NFC), plain quotes for curved ones, plain
blanks for odd ones, line ends of one character, and no zero-width characters. Joiners stay where they shape what
is read: in emoji, and in scripts whose letters join.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

_QUOTES: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'") | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
)
_SPACES: Final = str.maketrans(
    dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
    | dict.fromkeys((0x2028, 0x2029, 0x85, 0x0B, 0x0C), "\n")
)
_WIDTHLESS: Final = str.maketrans(dict.fromkeys((0xAD, 0x180E, 0x200B, 0x2060, *range(0x2061, 0x2065), 0xFEFF), None))
_JOINERS: Final = re.compile(r"(?<![^\u0000-\u024f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\u0000-\u024f])")
"""Joiners beside Latin letters, digits or signs, or at an end: there they join nothing."""
_NOT_SEEN: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e"
    "\u206f\u2800\u3164\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe08\ufe09\ufe0a\ufe0b\ufe0c\ufe0d\ufe0e\ufe0f"
    "\ufeff\uffa0\ufff9\ufffa\ufffb"
)
_SEEN: Final = re.compile(rf"[^\s{_NOT_SEEN}\U000e0000-\U000e0fff]")


class Normalised(NamedTuple):
    """A text, and what was changed to make it, in words; no words: nothing was."""

    text: str
    changes: tuple[str, ...]


def is_empty(text: str) -> bool:
    """Whether a text shows nothing: it has blanks and zero-width characters alone, or nothing at all."""
    if text.isascii():
        return not text or text.isspace()
    return _SEEN.search(text) is None


def normalise(text: str) -> Normalised:
    """A text with plain quotes and blanks, composed letters, and nothing that has no width."""
    changes: dict[str, None] = {}
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        changes["line ends"] = None
    before = ""
    while text != before and not text.isascii():
        # What is taken out may bring letters together that compose, and these be what a joiner stood for.
        before = text
        for what, change in _CHANGES:
            made = change(text)
            if made != text:
                text = made
                changes[what] = None
    return Normalised(text, tuple(changes))


_CHANGES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("quotes", lambda text: text.translate(_QUOTES)),
    ("spaces", lambda text: text.translate(_SPACES)),
    ("zero-width characters", lambda text: _JOINERS.sub("", text.translate(_WIDTHLESS))),
    ("composed letters", lambda text: unicodedata.normalize("NFC", text)),
)
