"""Keys: the short mark in each text by which a message is found again at the other end.

`#` and seven characters of 0-9A-Z: the first tells the flow ("T" for MT, "M" for MO), the other six are the
message's number in base 36, so that 2 176 782 336 messages are told apart. All of them are the same octet in
ASCII and in the GSM default alphabet, and one UCS-2 unit each.
"""

from __future__ import annotations

import re

WIDTH = 8
"""Characters of a key, with its `#`."""
PLACEHOLDER = "{key}"
"""Stands for the key in the texts of a trace."""
MT = "T"
MO = "M"

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HALF = 36**3
_TRIPLES = [a + b + c for a in _DIGITS for b in _DIGITS for c in _DIGITS]
_PATTERN = re.compile(r"#[0-9A-Z]{7}")


def key(flow: str, number: int) -> str:
    """The key of message `number` (0 to 36**6 - 1) of a flow, MT or MO."""
    return "#" + flow + _TRIPLES[number // _HALF] + _TRIPLES[number % _HALF]


def number(value: str) -> int:
    """The number that a key stands for; the flow is value[1]."""
    return int(value[2:], 36)


def find(text: str) -> str | None:
    """The first key in a text, or None."""
    found = _PATTERN.search(text)
    return found.group() if found else None


_STRIDE = 7_654_321
"""Coprime to 10**7, so that ten million consecutive numbers give ten million peers."""


def vary(peer: str, number: int) -> str:
    """Another peer like this one: the last seven digits follow from `number`, the length stays."""
    return peer[:-7] + f"{(number * _STRIDE + 1_234_567) % 10_000_000:07d}"
