"""The clause of marketing messages that says how to stop them: whether a text has one, and the one that is added.

The usual wordings of a number of languages are known by verbs, keywords and what the keywords are said to do: "Reply
STOP to opt out", "STOP2END", "STOP au 36180", "Unsubscribe: acme.example/u". A keyword alone is none: "Stop by today!"
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

from gateway.policy.words import fold, spaced
from gateway.settings.clauses import CLAUSES

_WORD: Final = re.compile(r"[^\W\d_]+")
_SEP: Final = r"[\W_]{1,6}"
"""What may stand between two words of a clause: blanks, quotes, dashes, a colon."""
_BEHIND: Final = (
    r"(?=[\W_]*$|[^\w\n]*\n|\s?[.,;:!?)\]]|"
    r"[\W_]+(?:all|these|our|my|any|future|further|marketing|promo\w*|text\w*|txt\w*|msg\w*|mess\w*|sms|alert\w*"
    r"|receiving|getting|notif\w*|subscription|offers?|mailings?)\b)"
)
"""What may follow a word of `ends` in a clause: "STOP to end msgs", not "stop to end hunger"."""
_TO_A_CODE: Final = re.compile(r"(?<![^\W_])(?<!bus )stop[\W_]?(?:sms|pub)?\s?:?\s?\d{5,6}(?=[\W_]*$|[^\w\n]*\n)")
"""Whatever the language: "STOP 36180" at the end of a line."""


class Clauses:
    """The package's clauses with ``texts`` (language -> text) over and beside them, and ``others`` that count as one.

    ``language`` is taken where that of a peer is not known, or has no clause.
    """

    def __init__(
        self, language: str = "en", texts: Mapping[str, str] | None = None, others: Iterable[str] = ()
    ) -> None:
        self.texts: Final = {**CLAUSES, **(texts or {})}
        self._usual = self.texts[language]
        own = {*(texts or {}).values(), *others}
        self._own = tuple(plain for text in own if (plain := spaced(_bare(text))).strip())

    def text(self, language: str | None) -> str:
        """The clause in a language, by its tag ("pt-BR" is "pt" where that has none of its own)."""
        if language is None:
            return self._usual
        tag = language.replace("_", "-").lower()
        return self.texts.get(tag) or self.texts.get(tag.partition("-")[0]) or self._usual

    def found(self, text: str) -> bool:
        """Whether a text says how to stop such messages."""
        bare = _bare(text)
        words = frozenset(_WORD.findall(bare))
        known = _known()
        if not known.keywords.isdisjoint(words):
            if known.everywhere.search(bare) is not None:
                return True
            for needed, pattern in known.languages:
                if not needed.isdisjoint(words) and pattern.search(bare) is not None:
                    return True
        if not text.isascii() and any(phrase in bare for phrase in known.phrases):
            return True
        if not self._own:
            return False
        plain = spaced(bare)
        return any(clause in plain for clause in self._own)


def appended(text: str, clause: str) -> str:
    """A text with its clause behind it."""
    return f"{text}{clause}" if text[-1:].isspace() else f"{text} {clause}"


@cache
def _data() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("gateway.policy") / "clauses.toml").read_text(encoding="utf-8"))


class _Known(NamedTuple):
    """What clauses are known by."""

    keywords: frozenset[str]  # words of which there is one in every clause but the phrases
    everywhere: re.Pattern[str]
    languages: tuple[tuple[frozenset[str], re.Pattern[str]], ...]  # words of which there has to be one beside
    phrases: tuple[str, ...]


@cache
def _known() -> _Known:
    data = _data()
    common = data["all"]
    keywords: set[str] = set()
    phrases: list[str] = []
    languages = []
    for language, of in data.items():
        phrases += [_bare(phrase) for phrase in of.get("phrases", ())]
        if language == "all" or "keywords" not in of:
            continue
        own = [*common["keywords"], *of["keywords"]]
        means = of.get("means", [])
        exact = of.get("exact", [])
        keywords |= _words([*own, *means, *exact])
        needed = _words([*of.get("verbs", ()), *means, *of.get("ends", ()), *of.get("numbers", ()), *exact])
        pattern = _pattern(of, own, [*of.get("joins", ()), *common["joins"]], common["between"])
        languages.append((needed, re.compile(pattern)))
    return _Known(frozenset(keywords), _TO_A_CODE, tuple(languages), tuple(phrases))


def _words(phrases: Iterable[str]) -> frozenset[str]:
    """The longest word of each phrase, without which the phrase is not there."""
    return frozenset(max(_WORD.findall(_bare(phrase)), key=len) for phrase in phrases)


def _pattern(of: Mapping[str, Any], keywords: list[str], joins: list[str], between: list[str]) -> str:
    """What a clause of one language looks like, in folded text without accents."""
    keyword, means = _any(keywords), _any(of.get("means", ()))
    among = rf"(?:{_any([*of.get('between', ()), *between])}{_SEP}){{0,4}}"
    # "STOP2END", "STOP to end": signs and figures need no blanks.
    signs = _any([join for join in joins if not join[0].isalpha()])
    spoken = _any([join for join in joins if join[0].isalpha()])
    join = rf"(?:[\W_]{{0,3}}{signs}[\W_]{{0,3}}|{_SEP}{spoken}{_SEP})"
    end = r"(?![^\W_])"
    behind = [rf"(?:{join}|{_SEP}){among}{means}{end}"]
    if ends := of.get("ends"):
        behind.append(rf"{join}{among}{_any(ends)}{end}{_BEHIND}")
    if numbers := of.get("numbers"):
        behind.append(rf"{_SEP}{_any(numbers)}{_SEP}\d{{4,}}")  # "STOP au 36180"
    ways = [
        rf"{keyword}(?:{'|'.join(behind)})",
        rf"{means}{_SEP}{among}(?:{keyword}{end}|https?:|[\w-]+(?:\.[\w-]+)+/)",
    ]
    if verbs := of.get("verbs"):
        ways.append(rf"{_any(verbs)}{_SEP}{among}{keyword}(?![^\W\d_])")
    if exact := of.get("exact"):
        ways.append(rf"{_any(exact)}{end}(?!{_SEP}of\b)")  # no "text END OF SUMMER"
    return rf"(?<![^\W_])(?:{'|'.join(ways)})"


def _any(phrases: Iterable[str]) -> str:
    """One of several phrases, the longest that fits, with any separator between their words."""
    made = sorted({_bare(phrase) for phrase in phrases}, key=len, reverse=True)
    parts = []
    for phrase in made:
        bits = phrase.split() if not phrase[:1].isalpha() else re.split(r"[\W_]+", phrase)
        parts.append(_SEP.join(re.escape(bit) for bit in bits))
    return f"(?:{'|'.join(parts)})" if parts else r"(?!)"


def _bare(text: str) -> str:
    """A text folded, and without accents, which people and alphabets leave out."""
    folded = fold(text)
    if folded.isascii():
        return folded
    return "".join(char for char in unicodedata.normalize("NFD", folded) if unicodedata.category(char) != "Mn")
