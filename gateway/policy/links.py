"""Links in texts that go by a public link shortener: carriers block texts, and then numbers, for them.

What is looked for are the hosts that a phone makes a link of, with or without a scheme, by whatever spelling a browser
takes for the same: capitals, full-width letters and dots, zero-width characters, punycode, octets in percent, a user
before the host; and hosts that only look like one of the list. What stands in the path of another host, in the name of
a longer one ("rabbit.ly") or is the host of an e-mail address is no link to it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final, NamedTuple
from urllib.parse import unquote

_DOTS: Final = ".\u3002\uff0e\uff61\u2024\ufe52"
"""What separates labels (RFC 3490 §3.1), and what else NFKC makes a full stop of."""
_DOT: Final = re.compile(f"[{_DOTS}]")
_INNER: Final = re.compile(rf"(?:[{_DOTS}]|%2[eE])(?![{_DOTS}])[^\s\d]")
"""A dot within a word. The last label of a host never begins with a digit, so amounts and times are none."""
_RUN: Final = re.compile(r"[\w.-]+")
_PLAIN: Final = re.compile(r"[a-z0-9_.-]+")
_SCHEME: Final = re.compile(r"https?:[/\\]*")
_AUTHORITY_END: Final = re.compile(r"[/\\?#]|$")
_PATH: Final = re.compile(r"(?::\d+)?[/\\?#]")
CACHED: Final = 20_000
"""Characters of which it is remembered how a browser reads them: more than texts of all alphabets have."""
_LONGEST: Final = 253
"""Characters of a host (RFC 1035 §2.3.4): what is longer is none."""
_IGNORED: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""What shows nothing, beside format characters (category Cf) and variation selectors."""
_LIKE: Final[dict[str, str]] = {
    # Small letters of other alphabets, and of this one with a stroke or without a dot, that are drawn as these.
    "a": "\u0430\u03b1\u0251",
    "b": "\u0432\u044c\u0185\u0180",
    "c": "\u0441\u03f2\u1d04",
    "d": "\u0501\u0111\u0257",
    "e": "\u0435\u212e",
    "g": "\u0261\u050d",
    "h": "\u04bb\u043d\u0570\u0127",
    "i": "\u0456\u0131\u03b9\u0269\u026a",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba",
    "l": "\u04cf\u0142\u01c0\u013e",
    "m": "\u043c",
    "n": "\u0578\u057c",
    "o": "\u043e\u03bf\u03c3\u0585\u00f8\u1d0f",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "r": "\u0433\u1d26",
    "s": "\u0455",
    "t": "\u0442\u03c4\u0167",
    "u": "\u03c5\u057d\u1d1c",
    "v": "\u0475\u03bd\u1d20",
    "w": "\u051d\u03c9\u0461\u1d21",
    "x": "\u0445\u03c7",
    "y": "\u0443\u04af\u03b3\u028f",
    "z": "\u1d22",
}
_ALIKE: Final = {ord(other): letter for letter, others in _LIKE.items() for other in others}


class Found(NamedTuple):
    """A shortener in a text: its domain in the list, the host as it reads, and its first character, counted from 1."""

    domain: str
    host: str
    position: int

    @property
    def said(self) -> str:
        """What was found and where."""
        host = self.host
        if host != self.domain and not host.endswith(f".{self.domain}"):
            host = f"{host}, which is read as {self.domain},"
        return f"{host} at character {self.position}"


class Links:
    """Looks for links to ``shorteners``, and to what is below them; ``allowed`` domains pass, with what is below."""

    def __init__(self, shorteners: Iterable[str], allowed: Iterable[str] = ()) -> None:
        self._shorteners = frozenset(_unicode(_canonical(domain)) for domain in shorteners)
        self._allowed = frozenset(_unicode(_canonical(domain)) for domain in allowed)

    def find(self, text: str) -> Found | None:
        """The first link of a text that goes by a shortener; None where there is none."""
        begin = 0
        if "%2" not in text and (text.isascii() or _DOT.search(text) is None):
            # Of ASCII there are full stops at most, as a rule all of them behind a sentence.
            stops = text.count(".")
            if not stops or stops == text.count(". ") + text.endswith("."):
                return None
            begin = text.index(".")
        inner = _INNER.search(text, begin)
        while inner is not None:
            # Only the words with such dots are looked at.
            begin = text.rfind(" ", 0, inner.start()) + 1
            end = text.find(" ", inner.start())
            end = len(text) if end < 0 else end
            for word in text[begin:end].split():
                if (hit := self._in(word)) is not None:
                    return hit._replace(position=hit.position + text.index(word, begin))
            inner = _INNER.search(text, end)
        return None

    def _in(self, word: str) -> Found | None:
        read = _canonical(word)
        hit = self._scan(read)
        if hit is not None:
            return hit._replace(position=_place(word, hit.position) + 1)
        if "%" in read:
            # A browser undoes the percent of a host (WHATWG URL §3.5).
            hit = self._scan(_canonical(unquote(read)))
        return hit if hit is None else hit._replace(position=1)

    def _scan(self, read: str) -> Found | None:
        """A word without blanks, in canonical form; the position in the answer counts from 0."""
        scheme = _SCHEME.search(read)
        begin = scheme.end() if scheme is not None else len(read)
        end = _AUTHORITY_END.search(read, begin)
        user_end = read.rfind("@", begin, end.start() if end is not None else begin)
        in_path = False
        for run in _RUN.finditer(read):
            start, stop = run.span()
            host = run[0].strip(".-_")
            if "." not in host or len(host) > _LONGEST:
                continue
            if in_path and read[max(0, start - 2) : start] != "//":
                continue
            if start < user_end if start >= begin else read.startswith("@", stop):
                continue  # who it is at the host, or at the address, that follows
            path = _PATH.match(read, stop) is not None
            certain = path or start >= begin
            if start and read[start - 1] == "@" and not certain:
                continue  # an e-mail address
            hit = self._judge(host, certain)
            if hit is not None:
                at = start + run[0].index(host)
                return Found(hit[0], hit[1], at + host.index(hit[1]) if hit[1] in host else at)
            in_path = in_path or path
            if in_path and read.find("//", stop) < 0:
                return None
        return None

    def _judge(self, host: str, certain: bool) -> tuple[str, str] | None:
        """The shortener that a host is, and the host as it reads. ``certain``: it has a scheme or a path."""
        if host.isascii() and "xn--" not in host:
            domain = self._of(host, certain)
            return None if domain is None else (domain, host)
        plain = _unicode(host)
        if _listed(plain, self._allowed) is not None:
            return None
        for form in (plain, _skeleton(plain)):
            if (domain := self._of(form, certain)) is not None:
                return domain, plain
        for piece in _PLAIN.finditer(plain):
            # Words of scripts without blanks may stand right beside a link.
            before, after = plain[: piece.start()][-1:], plain[piece.end() :][:1]
            if all(not char or unicodedata.category(char) == "Lo" for char in (before, after)):
                bare = piece[0].strip(".-_")
                if (domain := self._of(bare, certain)) is not None:
                    return domain, bare
        return None

    def _of(self, host: str, certain: bool) -> str | None:
        found = _listed(host, self._shorteners)
        if found is None or _listed(host, self._allowed) is not None:
            return None
        # "U.S.ID" is an abbreviation, "s.id/x" a link.
        return found if certain or found[1] != "." else None


@cache
def public_shorteners() -> tuple[str, ...]:
    """The package's list of public link shorteners."""
    lines = (resources.files("gateway.policy") / "shorteners.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _listed(host: str, domains: frozenset[str]) -> str | None:
    """The one of these domains that a host is, or is below."""
    while host not in domains:
        _, dot, host = host.partition(".")
        if not dot:
            return None
    return host


class _Reading(dict[int, str]):
    """By code point what a browser reads for a character: another one, several or none. Made when first asked for."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in _DOTS:
            made = "."
        elif unicodedata.category(char) == "Cf" or char in _IGNORED or _selects(char):
            made = ""
        else:
            made = unicodedata.normalize("NFKC", char).casefold()
        if len(self) < CACHED:
            self[code] = made
        return made


_reading: Final = _Reading()


def _canonical(word: str) -> str:
    """A word as a browser reads it."""
    return word.lower() if word.isascii() else word.translate(_reading)


def _place(word: str, position: int) -> int:
    """Of which character of a word the one is at a position of its canonical form."""
    if word.isascii():
        return position
    for place, char in enumerate(word):
        position -= len(_reading[ord(char)])
        if position < 0:
            return place
    raise ValueError("the canonical form has no such position")


def _selects(char: str) -> bool:
    """Variation selectors."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _unicode(host: str) -> str:
    """A host with its punycode labels (RFC 3492) undone; those that are none stay."""
    if "xn--" not in host:
        return host
    labels = []
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                label = _canonical(label[4:].encode().decode("punycode"))
            except (UnicodeError, ValueError):
                pass
        labels.append(label)
    return ".".join(labels)


def _skeleton(host: str) -> str:
    """A host by the shapes of its letters, without accents."""
    bare = "".join(char for char in unicodedata.normalize("NFD", host) if unicodedata.category(char) != "Mn")
    return bare.translate(_ALIKE)
