"""What is sent of a text: as it is, or transliterated where that makes GSM 7 bit of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from .encoding import is_latin1
from .national import Language
from .segment import (
    MAX_PARTS,
    Alphabet,
    AskedEncoding,
    FlashWay,
    Scheme,
    SegmentPlan,
    TooLongError,
    UnencodableError,
    forcing,
    plan,
)
from .transliterate import Change, transliterate

__all__ = ["Composed", "Way", "compose", "warnings_of"]

POSITIONS_WARNED: Final = 20
CHANGES_WARNED: Final = 50
LONGEST: Final = 320
"""Characters for each segment allowed, beyond which nothing is tried: twice what fits, since marks may go. A text of a
megabyte must not hold up everybody else."""


class Way(msgspec.Struct, frozen=True):
    """How a carrier is sent to, and what the sender asks for: the arguments of `plan`."""

    encoding: AskedEncoding = "auto"
    scheme: Scheme = "udh8"
    alphabet: Alphabet = "gsm7"
    udh: bytes = b""
    flash: FlashWay | None = None
    national: tuple[Language, ...] = ()
    added: int = 0
    max_parts: int = MAX_PARTS
    latin1: Literal["off", "exact", "nearly"] = "off"

    def plan(self, text: str | bytes, national: Sequence[Language] | None = None) -> SegmentPlan:
        """The plan of a text this way; the errors of `plan`."""
        return plan(
            text,
            encoding=self.encoding,
            scheme=self.scheme,
            alphabet=self.alphabet,
            udh=self.udh,
            flash=self.flash,
            national=self.national if national is None else national,
            added=self.added,
            max_parts=self.max_parts,
            latin1=self.latin1 != "off",
        )


class Composed(msgspec.Struct, frozen=True):
    """A plan, the text that it is of, and the changes that made this text of the one given."""

    plan: SegmentPlan
    text: str
    changes: tuple[Change, ...] = ()

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"Composed({self.plan!r}, <{len(self.changes)} changes>)"


def compose(text: str, way: Way, *, to_gsm: bool = True) -> Composed:
    """The plan of a text that may be transliterated: to GSM 7 bit (`to_gsm`), and to Latin-1 where its way says so.

    It is when it cannot go as gsm7 otherwise and can then, wholly; half of it would change the text and save nothing.
    Where languages are allowed their letters stay, unless only without them fewer segments are needed. Raises what
    `plan` does; for gsm7 asked for, of the first character that has no replacement.
    """
    planned: SegmentPlan | None = None
    failed: UnencodableError | TooLongError | None = None
    try:
        planned = way.plan(text)
    except (UnencodableError, TooLongError) as error:
        failed = error
    if planned is not None and planned.encoding == "gsm7":
        return Composed(planned, text)
    if to_gsm and way.encoding in ("auto", "gsm7"):
        found = _transliterated(text, way, None if planned is None else planned.parts)
        # As Latin-1 the text stays as it is: it only gives way where that saves a segment.
        if found is not None and (planned is None or planned.encoding != "latin1" or found.plan.parts < planned.parts):
            return found
    if way.latin1 == "nearly" and way.encoding == "auto" and (planned is None or planned.encoding == "ucs2"):
        found = _in_latin1(text, way)
        if found is not None:
            return found
    if failed is not None:
        raise (_hindrance(text, way) if to_gsm else None) or failed
    assert planned is not None
    return Composed(planned, text)


def _transliterated(text: str, way: Way, parts: int | None) -> Composed | None:
    """The text transliterated, if all of it goes as gsm7 then; ``parts`` are those of it as it is."""
    if len(text) > LONGEST * way.max_parts:
        return None
    too_long: TooLongError | None = None
    for national in (way.national, ()) if way.national else ((),):
        done = transliterate(text, way.alphabet, national, wholly=True)
        if not done.changes:
            continue
        try:
            planned = way.plan(done.text, national)
        except UnencodableError:
            continue
        except TooLongError as error:
            too_long = error
            continue
        sheds_letters = bool(way.national) and not national
        if planned.encoding == "gsm7" and not (sheds_letters and parts is not None and planned.parts >= parts):
            return Composed(planned, done.text, done.changes)
    if too_long is not None and way.encoding == "gsm7":
        raise too_long
    return None


def _in_latin1(text: str, way: Way) -> Composed | None:
    """The text with typographic characters replaced, if all of it goes as Latin-1 then, or with less."""
    if len(text) > LONGEST * way.max_parts:
        return None
    done = transliterate(text, is_latin1, wholly=True)
    if not done.changes:
        return None
    try:
        planned = way.plan(done.text)
    except TooLongError:
        return None
    return Composed(planned, done.text, done.changes) if planned.encoding in ("latin1", "gsm7") else None


def _hindrance(text: str, way: Way) -> UnencodableError | None:
    """The first character that no replacement makes gsm7 of, where that was asked for."""
    if way.encoding != "gsm7" or len(text) > LONGEST * way.max_parts:
        return None
    left = forcing(transliterate(text, way.alphabet, way.national).text, way.alphabet, way.national)
    # A replacement may have no place in the languages' tables: what is named is a character of the text.
    first = next((char for char, _ in left if char in text), None)
    return None if first is None else UnencodableError(first, text.index(first), "gsm7")


def warnings_of(changes: Sequence[Change]) -> list[str]:
    """A sentence for each change, as `submit` returns them."""
    found = []
    for change in changes[:CHANGES_WARNED]:
        where = ", ".join(map(str, change.positions[:POSITIONS_WARNED]))
        more = len(change.positions) - POSITIONS_WARNED
        found.append(
            f"transliterated: {_shown(change.char)} to {_quoted(change.replacement)} at {where}"
            + (f" and {more} more" if more > 0 else "")
        )
    if len(changes) > CHANGES_WARNED:
        found.append(f"transliterated: {len(changes) - CHANGES_WARNED} more characters")
    return found


def _shown(char: str) -> str:
    points = " ".join(f"U+{ord(one):04X}" for one in char)
    return f"{_quoted(char)} ({points})" if char.isprintable() else points


def _quoted(text: str) -> str:
    if not text:
        return "nothing"
    if text == "\n":
        return "a line end"
    return f"'{text}'" if '"' in text else f'"{text}"'
