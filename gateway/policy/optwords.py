"""What a person means who writes STOP, START or HELP, or something near STOP. Pure: a text in, a reading out."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from gateway.policy.words import fold
from gateway.settings.optout import Language

Meaning = Literal["stop", "start", "help", "near"]
"""``near``: probably a stop, and not in a form that counts as one by itself."""
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

LONGEST: Final = 64
"""Characters of a text beyond which it is no keyword, whatever punctuation is around one."""
SEARCHED: Final = 1000
"""Characters of a text in which something near a stop is looked for."""
A_FEW: Final = 6
"""Words of a text in which a word near a stop counts wherever it stands."""

_BETWEEN: Final = re.compile(r"[\W_]+")


class Words(msgspec.Struct, frozen=True):
    """One language of optout.toml."""

    stop: tuple[str, ...]
    start: tuple[str, ...]
    help: tuple[str, ...]
    near: tuple[str, ...]
    near_phrases: tuple[str, ...]
    not_near: tuple[str, ...]
    stop_reply: str
    start_reply: str
    help_reply: str


class Reading(NamedTuple):
    """What a text means, by which keyword as the list writes it, and of which language that is."""

    meaning: Meaning
    keyword: str
    language: Language


@cache
def package() -> dict[Language, Words]:
    """The package's words, by language."""
    text = (resources.files("gateway.policy") / "optout.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[Language, Words])


def key_of(text: str) -> str:
    """The words of a text in small letters, without accents and with one blank between: what keywords are compared by.

    Forms of characters do not count (Unicode NFKC), nor does what shows nothing, such as zero-width characters.
    """
    if text.isascii():
        text = text.lower()
    else:
        apart = unicodedata.normalize("NFD", fold(text))
        text = unicodedata.normalize("NFC", "".join(char for char in apart if unicodedata.category(char) != "Mn"))
    return _BETWEEN.sub(" ", text).strip()


class Vocabulary:
    """The words of some languages, the first of which counts where two have the same one, and more of an operator's."""

    def __init__(
        self,
        languages: Iterable[Language] = LANGUAGES,
        *,
        stop: Iterable[str] = (),
        start: Iterable[str] = (),
        help: Iterable[str] = (),
    ) -> None:
        chosen = tuple(languages)
        known = package()
        self._exact: dict[str, Reading] = {}
        # Whoever may have meant a stop has said stop, in whichever language.
        own: tuple[tuple[Meaning, Iterable[str]], ...] = (("stop", stop), ("start", start), ("help", help))
        for meaning, words in own:
            self._put(meaning, words, chosen[0])
            for language in chosen:
                self._put(meaning, getattr(known[language], meaning), language)
        self._near: dict[str, Reading] = {}
        self._phrases: dict[str, list[tuple[str, Reading]]] = {}  # by their first word
        self._others: list[str] = []
        for language in chosen:
            for word in known[language].near:
                self._near.setdefault(key_of(word), Reading("near", word, language))
            for phrase in known[language].near_phrases:
                key = key_of(phrase)
                reading = Reading("near", phrase, language)
                self._phrases.setdefault(key.partition(" ")[0], []).append((f" {key} ", reading))
            self._others += [f" {key_of(phrase)} " for phrase in known[language].not_near]

    def _put(self, meaning: Meaning, words: Iterable[str], language: Language) -> None:
        for word in words:
            if key := key_of(word):
                self._exact.setdefault(key, Reading(meaning, word, language))

    def read(self, text: str) -> Reading | None:
        """What a text means; None: nothing of the kind."""
        key = key_of(text[:SEARCHED])
        if len(text) <= LONGEST and (found := self._exact.get(key)) is not None:
            return found
        return self._near_in(key)

    def _near_in(self, key: str) -> Reading | None:
        words = key.split()
        said = self._near.keys() & words
        begun = self._phrases.keys() & words
        if not said and not begun:
            return None
        spaced = f" {key} "
        for phrase in self._others:
            if phrase in spaced:
                spaced = spaced.replace(phrase, " ")
        for word in words:
            for phrase, reading in self._phrases.get(word, ()):
                if phrase in spaced:
                    return reading
        words = spaced.split()
        if not words:
            return None
        for word in words if len(words) <= A_FEW else (words[0], words[-1]):
            if (near := self._near.get(word)) is not None:
                return near
        return None
