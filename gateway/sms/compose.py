"""What is sent of a text: as it is, or transliterated where that makes GSM 7 bit of it; and what a preview says of it.

`compose` is what the daemon sends by, and `preview` stands on it, so the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

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

__all__ = ["Composed", "Forced", "Offer", "Preview", "Way", "compose", "preview", "warnings_of"]

POSITIONS_SHOWN: Final = 1000
"""Positions in one preview, over all characters: a text may be a megabyte of them."""
POSITIONS_WARNED: Final = 20
CHANGES_WARNED: Final = 50


class Way(msgspec.Struct, frozen=True):
    """How a carrier is sent to, and what the sender asks for: the arguments of `plan`."""

    encoding: AskedEncoding = "auto"
    scheme: Scheme = "udh8"
    alphabet: Alphabet = "gsm7"
    udh: bytes = b""
    flash: FlashWay | None = None
    national: tuple[Language, ...] = ()
    max_parts: int = MAX_PARTS

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
            max_parts=self.max_parts,
        )


class Composed(msgspec.Struct, frozen=True):
    """A plan, the text that it is of, and the changes that made this text of the one given."""

    plan: SegmentPlan
    text: str
    changes: tuple[Change, ...] = ()

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"Composed({self.plan!r}, <{len(self.changes)} changes>)"


def compose(text: str, way: Way) -> Composed:
    """The plan of a text that may be transliterated.

    It is when it cannot go as gsm7 otherwise and can then, wholly; half of it would change the text and save nothing.
    Where languages are allowed their letters stay, unless only without them fewer segments are needed. Raises what
    `plan` does for the text as it was given.
    """
    planned: SegmentPlan | None = None
    failed: UnencodableError | TooLongError | None = None
    try:
        planned = way.plan(text)
    except (UnencodableError, TooLongError) as error:
        failed = error
    if planned is not None and planned.encoding == "gsm7":
        return Composed(planned, text)
    if way.encoding in ("auto", "gsm7"):
        found = _transliterated(text, way, None if planned is None else planned.parts)
        if found is not None:
            return found
    if failed is not None:
        raise failed
    assert planned is not None
    return Composed(planned, text)


def _transliterated(text: str, way: Way, parts: int | None) -> Composed | None:
    """The text transliterated, if all of it goes as gsm7 then; ``parts`` are those of it as it is."""
    for national in (way.national, ()) if way.national else ((),):
        done = transliterate(text, way.alphabet, national)
        if not done.changes:
            continue
        try:
            planned = way.plan(done.text, national)
        except (UnencodableError, TooLongError):
            continue
        sheds_letters = bool(way.national) and not national
        if planned.encoding == "gsm7" and not (sheds_letters and parts is not None and planned.parts >= parts):
            return Composed(planned, done.text, done.changes)
    return None


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


class Forced(msgspec.Struct, frozen=True):
    """A character that made `auto` choose ucs2: its positions in code points from 0, perhaps not all, and how many."""

    char: str
    positions: tuple[int, ...]
    count: int


class Offer(msgspec.Struct, frozen=True):
    """What transliteration does for a text: `applied`, or what it would. `saves` counts segments."""

    applied: bool
    encoding: str
    segments: int
    saves: int
    changes: tuple[Change, ...]


class Preview(msgspec.Struct, frozen=True):
    """What would be sent, and why so. `offer` is None where transliteration changes nothing."""

    composed: Composed
    forced_by: tuple[Forced, ...] = ()
    offer: Offer | None = None


def preview(content: str | bytes, way: Way, *, transliterated: bool) -> Preview:
    """What would be sent of a text or of octets; raises what `plan` does where nothing would be."""
    if isinstance(content, bytes):
        return Preview(Composed(way.plan(content), ""))
    other = compose(content, way)
    bare: SegmentPlan | None = other.plan
    if other.changes:
        try:
            bare = way.plan(content)
        except (UnencodableError, TooLongError):
            if not transliterated:
                raise
            bare = None
    composed = other if transliterated or bare is None else Composed(bare, content)
    forced: tuple[Forced, ...] = ()
    if way.encoding == "auto" and composed.plan.encoding == "ucs2":
        # With languages allowed, every character may have a place in one of their tables; then the plain alphabet's.
        forced = _forced(forcing(content, way.alphabet, way.national) or forcing(content, way.alphabet))
    offer = None
    if other.changes:
        needed = bare.parts if bare is not None else _parts_as_it_is(content, way)
        offer = Offer(transliterated, other.plan.encoding, other.plan.parts, needed - other.plan.parts, other.changes)
    return Preview(composed, forced, offer)


def _parts_as_it_is(text: str, way: Way) -> int:
    """The segments of a text that cannot go as was asked, could it go somehow: they are what is saved."""
    try:
        return msgspec.structs.replace(way, encoding="auto", max_parts=MAX_PARTS).plan(text).parts
    except TooLongError as error:
        return error.parts


def _forced(found: Iterable[tuple[str, int]]) -> tuple[Forced, ...]:
    positions: dict[str, list[int]] = {}
    for char, at in found:
        positions.setdefault(char, []).append(at)
    left = POSITIONS_SHOWN
    forced = []
    for char, where in positions.items():
        # The first position of each character is always there, however many characters there are.
        shown = tuple(where[: max(1, left)])
        left -= len(shown)
        forced.append(Forced(char, shown, len(where)))
    return tuple(forced)
