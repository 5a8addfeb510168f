"""Message ids: one number for each message, written as carriers write it in responses and in receipts."""

from __future__ import annotations

import random
from typing import Final

from .config import IdForm

_FORMATS: Final[dict[IdForm, str]] = {"decimal": "d", "hex": "x", "hex_upper": "X", "padded": "012d"}


class MessageIds:
    """Rising numbers from a random start, so that two runs seldom share one.

    They have eight or nine digits, as the ten characters of Appendix B's text allow, and the decimal form
    of one can be the hexadecimal form of another, as in life.
    """

    def __init__(self, rng: random.Random) -> None:
        self._next = rng.randrange(10_000_000, 900_000_000)

    def take(self) -> int:
        """A new one."""
        number = self._next
        self._next += 1
        return number


def write_id(number: int, form: IdForm) -> str:
    """The number as a message_id: in decimal, in hexadecimal of either case, or with zeros to twelve
    digits.
    """
    return format(number, _FORMATS[form])
