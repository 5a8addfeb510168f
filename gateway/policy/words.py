"""Texts made comparable: whatever the case, the form of the characters and what is between words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final

_BETWEEN: Final = re.compile(r"[\W_]+")
# A capital I with its dot is folded to an i and a dot of its own, and the small one without stays apart; who types
# on a Turkish keyboard means the letter of the keyword all the same.
# What phones write in the place of the plain apostrophe and quote: who configures a word writes those.
_QUOTES: Final = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u2032\u00b4"), "'") | dict.fromkeys(
    map(ord, "\u201c\u201d\u201e\u201f\u2033"), '"'
)
# Code points that show nothing (Unicode, Default_Ignorable_Code_Point) and are of no format category.
NOTHING: Final = dict.fromkeys(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10),
     *range(0xE0100, 0xE01F0)),
)  # fmt: skip
_DOTS: Final = (("\N{LATIN SMALL LETTER DOTLESS I}", "i"), ("i\N{COMBINING DOT ABOVE}", "i"))
_SHOWN: Final = {**_QUOTES, **NOTHING}


def fold(text: str) -> str:
    """A text without its case, in compatibility form (Unicode NFKC), and without what shows nothing.

    So full-width, ligature and mathematical letters are as plain ones, and soft hyphens, zero-width characters and
    variation selectors do not hide a word. Typographic quotes are plain ones.
    """
    if text.isascii():
        return text.lower()
    text = "".join(char for char in text.translate(_SHOWN) if unicodedata.category(char) != "Cf")
    # Folding can bring forms that are not composed, and composing none that are not folded (Unicode §3.13, D146).
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for written, meant in _DOTS:
        text = text.replace(written, meant)
    return unicodedata.normalize("NFKC", text)


def spaced(folded: str) -> str:
    """The words of a folded text with one blank between them and at both ends."""
    return f" {_BETWEEN.sub(' ', folded).strip()} "


class WordList:
    """Words and phrases to be found in texts as whole words.

    In scripts without capitals (Chinese, Japanese, Thai, Arabic and others) words stand without blanks or with their
    articles: there they are found within words as well.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._words: dict[str, str] = {}
        self._phrases: dict[str, list[tuple[str, str]]] = {}  # by their first word
        self._within: dict[str, str] = {}
        for phrase in phrases:
            folded = fold(phrase)
            text = spaced(folded)
            first, *others = text.split() or [""]
            if any(unicodedata.category(char) == "Lo" for char in folded):
                self._within.setdefault(folded, phrase)
            elif others:
                self._phrases.setdefault(first, []).append((text, phrase))
            elif first:
                self._words.setdefault(first, phrase)
        self._firsts = frozenset((*self._words, *self._phrases))

    def find(self, folded: str) -> str | None:
        """One of its entries, as it is written, that is in a folded text; None: none is."""
        text = spaced(folded)
        words = text.split()
        if not self._firsts.isdisjoint(words):
            for word in dict.fromkeys(words):
                if (found := self._words.get(word)) is not None:
                    return found
                for phrase, written in self._phrases.get(word, ()):
                    if phrase in text:
                        return written
        if not folded.isascii():
            for word, written in self._within.items():
                if word in folded:
                    return written
        return None


@cache
def urgent_words() -> tuple[str, ...]:
    """The package's list of words of urgency."""
    lines = (resources.files("gateway.policy") / "urgency.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
