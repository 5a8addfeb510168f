"""The national languages of TS 23.038 and the shift to their tables.

A text can take another table in the place of the default alphabet (locking shift) and another in the place of
its extension (single shift); elements of the user data header say which (TS 23.040 §9.2.3.24.15, §9.2.3.24.16).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

__all__ = ["LANGUAGES", "NUMBERS", "Language", "Shift"]

Language = Literal[
    "turkish",
    "spanish",
    "portuguese",
    "bengali",
    "gujarati",
    "hindi",
    "kannada",
    "malayalam",
    "oriya",
    "punjabi",
    "tamil",
    "telugu",
    "urdu",
]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
"""In the order of their numbers, from 1 (TS 23.038 §6.2.1.2.4)."""
NUMBERS: Final[dict[Language, int]] = {language: number for number, language in enumerate(LANGUAGES, 1)}


class Shift(msgspec.Struct, frozen=True, gc=False):
    """The languages whose tables a text takes, by their numbers; 0 is none."""

    locking: int = 0
    single: int = 0
