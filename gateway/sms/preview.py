"""What would be sent of a text, and why so: for people who wonder about its segments.

It stands on `compose`, which the daemon sends by, so the two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from .compose import Composed, Way, compose
from .national import LANGUAGES
from .segment import MAX_PARTS, SegmentPlan, TooLongError, UnencodableError, forcing
from .transliterate import Change

__all__ = ["Forced", "Offer", "Preview", "described", "preview"]

POSITIONS_SHOWN: Final = 1000
"""Positions in one preview, over all characters: a text may be a megabyte of them."""


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
    bare: Composed | None = other
    if other.changes:
        try:
            bare = compose(content, way, to_gsm=False)
        except (UnencodableError, TooLongError):
            if not transliterated:
                raise
            bare = None
    composed = other if transliterated or bare is None else bare
    forced: tuple[Forced, ...] = ()
    if way.encoding == "auto" and composed.plan.encoding == "ucs2":
        # With languages allowed, every character may have a place in one of their tables; then the plain alphabet's.
        forced = _forced(forcing(content, way.alphabet, way.national) or forcing(content, way.alphabet))
    offer = None
    if other.changes:
        unchanged = bare is not None and not bare.changes
        needed = bare.plan.parts if bare is not None and unchanged else _parts_as_it_is(content, way)
        applied = transliterated or not unchanged
        offer = Offer(applied, other.plan.encoding, other.plan.parts, needed - other.plan.parts, other.changes)
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


def described(planned: SegmentPlan, data_coding: int, shown: Preview) -> dict[str, Any]:
    """A preview as JSON has it. `planned` is what would be sent, `data_coding` as it stands in the submit_sm.

    Positions count code points from 0; of a character there many times perhaps only the first are given.
    """
    offer = shown.offer
    return {
        "encoding": planned.encoding,
        "data_coding": data_coding,
        "segments": planned.parts,
        "units": planned.units_used,
        "left": planned.units_left,
        "per_segment": planned.units_per_part,
        "national": _languages(planned),
        "forced_by": [
            {"char": one.char, "position": one.positions[0], "positions": one.positions, "count": one.count}
            for one in shown.forced_by
        ],
        "transliteration": None
        if offer is None
        else {
            "applied": offer.applied,
            "encoding": offer.encoding,
            "segments": offer.segments,
            "saves": offer.saves,
            "changes": [
                {"char": change.char, "replacement": change.replacement, "positions": where, "count": count}
                for change, where, count in _capped(offer.changes)
            ],
        },
    }


def _languages(planned: SegmentPlan) -> dict[str, str | None] | None:
    """The languages of the locking and of the single shift; None where neither is used."""
    shift = planned.shift
    if not shift.locking and not shift.single:
        return None
    names: Sequence[str | None] = (None, *LANGUAGES)
    return {"locking": names[shift.locking], "single": names[shift.single]}


def _capped(changes: Iterable[Change]) -> Iterable[tuple[Change, tuple[int, ...], int]]:
    left = POSITIONS_SHOWN
    for change in changes:
        where = change.positions[: max(1, left)]
        left -= len(where)
        yield change, where, len(change.positions)
