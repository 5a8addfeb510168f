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

from gateway.policy.words import NOTHING
from gateway.settings.optout import Language

Meaning = Literal["stop", "start", "help", "near"]
"""``near``: probably a stop, and not in a form that counts as one by itself."""
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

SEARCHED: Final = 1000
"""Characters of a text, without the blanks around it, in which a keyword or something near one is looked for."""
REMEMBERED: Final = 5000
"""Characters of which it is remembered whether they show anything."""
A_FEW: Final = 6
"""Words of a text in which a word near a stop counts wherever it stands."""

_BETWEEN: Final = re.compile(r"[\W_]+")
_LETTERS: Final = re.compile(r"[^\W\d_](?:[\W_]+[^\W\d_]){2,}")
"""A word by its letters: "S.T.O.P.", "s t o p"."""
_ASCII: Final = bytes([ord(chr(code).lower() if chr(code).isalnum() else " ") for code in range(128)] + [0] * 128)


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


def words_of(text: str) -> list[str]:
    """The words of a text in small letters and without accents: what keywords are compared by.

    Forms of characters do not count (Unicode NFKC), nor does what shows nothing, such as zero-width characters.
    """
    if text.isascii():
        return text.encode("ascii").translate(_ASCII).decode("ascii").split()  # half the time of str.translate
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).translate(_SHOWN)
    return _BETWEEN.sub(" ", folded).split()


class _Shown(dict[int, int | str | None]):
    """For str.translate: what is left out of a text. Asked for each character that is new, of which few are kept."""

    def __missing__(self, code: int) -> int | None:
        # Marks (accents above all, and the frames of keys), and what shows nothing.
        value = None if unicodedata.category(chr(code)) in ("Mn", "Me", "Cf") else code
        if len(self) < REMEMBERED:
            self[code] = value
        return value


_SHOWN: Final = _Shown(
    # Who types on a Turkish keyboard means the i of the keyword.
    {ord("\N{LATIN SMALL LETTER DOTLESS I}"): "i"}
    # White letters on black, which have no compatibility form.
    | {first + i: chr(ord("a") + i) for first in (0x1F150, 0x1F170) for i in range(26)}
    | NOTHING
)


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
        self._phrases: dict[str, list[tuple[str, frozenset[str], Reading]]] = {}  # by their first word, with all
        self._others: list[str] = []
        for language in chosen:
            for word in known[language].near:
                self._near.setdefault(key_of(word), Reading("near", word, language))
            for phrase in known[language].near_phrases:
                key = key_of(phrase)
                reading = Reading("near", phrase, language)
                self._phrases.setdefault(key.partition(" ")[0], []).append(
                    (f" {key} ", frozenset(key.split()), reading)
                )
            self._others += [f" {key_of(phrase)} " for phrase in known[language].not_near]
        self._signs = frozenset(self._near) | frozenset(self._phrases)
        # Words of the longest keyword, or letters of one that is spelt.
        self._most = max(len(key) for key in self._exact)

    def _put(self, meaning: Meaning, words: Iterable[str], language: Language) -> None:
        for word in words:
            if key := key_of(word):
                self._exact.setdefault(key, Reading(meaning, word, language))

    def read(self, text: str) -> Reading | None:
        """What a text means; None: nothing of the kind."""
        text = text.strip()
        words = words_of(text[:SEARCHED])
        if len(words) <= self._most and (found := self._keyword(words)) is not None and len(text) <= SEARCHED:
            return found
        if "\n" in text and (found := self._first_line(text)) is not None:
            return found
        signs = self._signs.intersection(words)
        return self._near_in(words) if signs and self._may_be_near(signs, words) else None

    def _keyword(self, words: list[str]) -> Reading | None:
        joined = " ".join(words)
        found = self._exact.get(joined)
        if found is None and len(words) > 1:
            if len(joined) == 2 * len(words) - 1:
                return self._exact.get("".join(words)) if _LETTERS.fullmatch(joined) is not None else None
            if words[0] == words[-1] and len(set(words)) == 1 and (found := self._exact.get(words[0])) is not None:
                return found._replace(meaning="near") if found.meaning == "stop" else None
        return found

    def _first_line(self, text: str) -> Reading | None:
        """A stop with something below, such as a signature."""
        found = self._keyword(words_of(text.partition("\n")[0][:SEARCHED]))
        return found._replace(meaning="near") if found is not None and found.meaning == "stop" else None

    def _may_be_near(self, signs: frozenset[str], words: list[str]) -> bool:
        """Whether a text with these signs has all of a phrase, or a word that is near: "please" only begins phrases."""
        if not signs.isdisjoint(self._near):
            return True
        return any(needed.issubset(words) for sign in signs for _, needed, _ in self._phrases[sign])

    def _near_in(self, words: list[str]) -> Reading | None:
        spaced = f" {' '.join(words)} "
        for phrase in self._others:
            if phrase in spaced:
                spaced = spaced.replace(phrase, " ")
        for word in words:
            for phrase, _, reading in self._phrases.get(word, ()):
                if phrase in spaced:
                    return reading
        left = spaced.split()
        for word in left if len(left) <= A_FEW else (left[0], left[-1]):
            if (near := self._near.get(word)) is not None:
                return near
        return None


def key_of(text: str) -> str:
    """What keywords are compared by, as one text."""
    return " ".join(words_of(text))
