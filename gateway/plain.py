"""Text of strangers as data: what acts on a terminal, a mail program or a spreadsheet is written as its escape.

Nothing is left out silently: who reads an escape knows that something was there. Texts in the store, on the socket and
in webhooks stay as they came; this is for what people look at. None of it makes HTML: what is sent as text/plain, in a
terminal or in a cell, is not read as HTML.
"""

from __future__ import annotations

import re
from typing import Final

_CONTROLS: Final = "\x00-\x1f\x7f-\x9f"
"""C0, DEL and C1: an escape sequence rewrites a terminal, CR and LF end a header."""
_TURNS: Final = "\u202a-\u202e\u2066-\u2069\u206a-\u206f"
"""Embeddings, overrides, isolates and the deprecated formats: they turn all that follows (UAX #9 §2.1 to §2.5)."""
_MARKS: Final = "\u061c\u200e\u200f"
"""ALM, LRM and RLM: as one invisible letter of a direction (UAX #9 §2.6); they move what stands beside them."""
_BREAKS: Final = "\u2028\u2029"
_NOT_CHARACTERS: Final = "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"
"""Halves of pairs, which have no UTF-8; marks of annotations; what is no character."""

_LINE: Final = re.compile(f"[{_CONTROLS}{_TURNS}{_MARKS}{_BREAKS}{_NOT_CHARACTERS}]")
# A paragraph has nothing beside it that a mark could move, and Hebrew and Arabic texts need the marks.
_PARAGRAPHS: Final = re.compile(f"(?![\t\n])[{_CONTROLS}{_TURNS}{_BREAKS}{_NOT_CHARACTERS}]")
_LINE_ENDS: Final = re.compile("\r\n?")

_FORMULA: Final = "=+-@\uff1d\uff0b\uff0d\uff20\t\r\n"
"""What makes a cell a formula, with the full-width forms that East Asian spreadsheets take for them, and what some
of them drop before they look."""
_QUOTE: Final = "'"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def inert(text: str, keep: str = "") -> str:
    """``text`` with every character that could act on what is beside it written as its escape, but for ``keep``."""
    if not keep:
        return _LINE.sub(_escape, text)
    return _LINE.sub(lambda match: match[0] if match[0] in keep else _escape(match), text)


def one_line(text: str, longest: int) -> str:
    """``text`` for a header or a title: inert, and at most ``longest`` characters (at least 1), ``…`` where it was
    cut."""
    safe = inert(text)
    return safe if len(safe) <= longest else safe[: longest - 1] + "…"


def paragraphs(text: str) -> str:
    """``text`` where it stands alone, as in the body of a mail: lines end in LF, tabs and marks of direction stay."""
    return _PARAGRAPHS.sub(_escape, _LINE_ENDS.sub("\n", text))


def cell(text: str) -> str:
    """``text`` as a cell of CSV: inert but for line feeds and tabs, with ``'`` in front where a spreadsheet would
    calculate.

    What begins with ``'`` and goes on like that gets one more, so that `uncell` has exactly one answer. Commas, quotes
    and line feeds are for who writes the file (the ``csv`` module).
    """
    safe = inert(_LINE_ENDS.sub("\n", text), keep="\n\t")
    return _QUOTE + safe if _calculates(safe.lstrip(_QUOTE)) else safe


def uncell(text: str) -> str:
    """The text that `cell` was given, from a cell of our own export or of a person who never saw one.

    Escapes stay: what they were is not worth having back.
    """
    return text[1:] if text.startswith(_QUOTE) and _calculates(text.lstrip(_QUOTE)) else text


def _calculates(text: str) -> bool:
    # Blanks in front are dropped by some programs before they look.
    return text.lstrip(" \xa0\u3000").startswith(tuple(_FORMULA))
