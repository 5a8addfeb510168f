"""Keywords: the first word of a text, and what follows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from gateway.policy.words import fold

_WORD: Final = re.compile(r"\S+")
_LONGEST: Final = 120
"""Characters of a first word that are looked at for the end of a keyword that it begins with."""


class First(NamedTuple):
    """The first word of a text: folded, as it was written, and the text that follows it."""

    folded: str
    written: str
    rest: str


class Hit(NamedTuple):
    """A keyword that was found, as the configuration writes it, and its argument, which may be empty."""

    keyword: str
    argument: str


def first_word(text: str) -> First | None:
    """The first word of a text without the punctuation, symbols and quotes around it; None where there is none."""
    for match in _WORD.finditer(text):
        written = _trimmed(match[0])
        if written and (folded := fold(written)):
            return First(folded, written, text[match.end() :].strip())
    return None


def _trimmed(word: str) -> str:
    start, end = 0, len(word)
    while start < end and not _of_word(word[start]):
        start += 1
    while end > start and not _of_word(word[end - 1]):
        end -= 1
    return word[start:end]


def _of_word(char: str) -> bool:
    """Letters and digits, and the marks that belong to them but for those that choose how an emoji looks."""
    return char.isalnum() or (unicodedata.category(char)[0] == "M" and not "\ufe00" <= char <= "\ufe0f")


class Keywords:
    """The keywords of a rule. ``exact``: the first word is one of them; ``prefix``: it begins with one of them."""

    def __init__(self, words: Iterable[str], match: Literal["exact", "prefix"]) -> None:
        self._known = {fold(_trimmed(word.strip())): word for word in words}
        # Of two that fit the longer one says more.
        self._prefixes = tuple(sorted(self._known, key=len, reverse=True)) if match == "prefix" else ()

    @property
    def exact(self) -> frozenset[str] | None:
        """The folded words that the first one has to be one of; None where it may be longer."""
        return frozenset(self._known) if not self._prefixes else None

    def find(self, first: First | None) -> Hit | None:
        """The keyword that a text begins with, and the rest of the text as its argument."""
        if first is None:
            return None
        exact = self._known.get(first.folded)
        if exact is not None:
            return Hit(exact, first.rest)
        for prefix in self._prefixes:
            if first.folded.startswith(prefix):
                return Hit(self._known[prefix], f"{_behind(first.written, prefix)} {first.rest}".strip())
        return None


def _behind(written: str, prefix: str) -> str:
    """What follows a folded prefix in a word as it was written: folding may change how many characters there are."""
    for end in range(1, min(len(written), _LONGEST) + 1):
        marked = end < len(written) and unicodedata.combining(written[end])
        if not marked and fold(written[:end]) == prefix:
            return written[end:]
    return ""
