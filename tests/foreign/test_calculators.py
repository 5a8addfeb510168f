"""Encodings and segment counts against two calculators that others wrote: npm split-sms, sms-segments-calculator.

What is compared is the encoding, the number of segments and the units left in the last one. Where they differ, a
row of DIFFERENCES has to predict what the other says, exactly; a difference that no row predicts fails, and so
does a row that no text needs any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from gateway.sms.segment import UnencodableError, plan
from tests.foreign.texts import BOUNDARIES, CLUSTERS, EXTENSION, GSM, texts
from tests.support.foreign import LONG, needs_node, node

pytestmark = needs_node

CALCULATORS = ("split-sms", "sms-segments-calculator")
LONE = ["\ud83d", "\ude00", "a\ud83d", "\ude00\ud83d", "привет \udbff", "x" * 70 + "\udc00"]
"""Halves of surrogate pairs, which a program that cuts texts by UTF-16 units leaves behind."""

Count = tuple[str, int, int]
"""Encoding, segments, units left in the last."""


def undivided(text: str, said: dict[str, Any]) -> Count | None:
    """The count when what a reader takes for one character goes whole into one part."""
    lengths: Sequence[int] = said["graphemes"]
    units = sum(lengths)
    if units <= 70 or max(lengths) > 67:
        return None
    parts, used = 1, 0
    for length in lengths:
        if used + length > 67:
            parts, used = parts + 1, 0
        used += length
    return "ucs2", parts, 67 - used


def counted(text: str, said: dict[str, Any]) -> Count | None:
    """The count when half a surrogate pair goes as the unit that it is."""
    units = len(text.encode("utf-16-be", "surrogatepass")) // 2
    return ("ucs2", 1, 70 - units) if units <= 70 else ("ucs2", 2, 134 - units)


def swallowed(text: str, said: dict[str, Any]) -> Count | None:
    """The count when the first half takes whatever follows it, or nothing, for its second."""
    units = 0
    rest = text
    while rest:
        size = 2 if "\ud800" <= rest[0] <= "\udbff" or rest[0] > "\uffff" else 1
        rest = rest[2 if size == 2 and rest[0] <= "\uffff" else 1 :]
        units += size
    return ("ucs2", 1, 70 - units) if units <= 70 else ("ucs2", 2, 134 - units)


class Difference(NamedTuple):
    """What a calculator does otherwise, when, and who is right by the specification."""

    calculator: str
    does: str
    predict: Callable[[str, dict[str, Any]], Count | None]
    right: str
    why: str


DIFFERENCES = (
    Difference(
        "sms-segments-calculator",
        "keeps a cluster of code points that reads as one character (a flag, a family, a letter with combining "
        "marks) in one segment, which may leave room at the end and may need one segment more",
        undivided,
        "both",
        "TS 23.040 §9.2.3.24.1 asks only that a character is not split between segments, TS 23.038 §6.2.3 makes "
        "a character of one UCS-2 unit; phones join the segments before they show them. We divide between code "
        "points, never inside a surrogate pair, which takes fewer segments",
    ),
    Difference(
        "sms-segments-calculator",
        "counts half a surrogate pair as a character",
        counted,
        "ours",
        "TS 23.038 §6.2.3 is UCS-2 by ISO/IEC 10646, which gives the surrogates no characters: there is nothing "
        "to send, so the submit is refused and names the position",
    ),
    Difference(
        "split-sms",
        "counts a first half as a pair with whatever follows, at the end with nothing",
        swallowed,
        "ours",
        "as above",
    ),
)


def ours(text: str) -> Count:
    """Our own count; of a text that cannot be sent there is none."""
    try:
        found = plan(text)
    except UnencodableError:
        return "refused", 0, 0
    return found.encoding, found.parts, found.units_left


def compare(given: list[str]) -> Counter[str]:
    """Compares all counts; how often each row was needed. Fails for a difference that none predicts."""
    needed: Counter[str] = Counter()
    unexplained = []
    for text, said in zip(given, node("calculators.mjs", given, seconds=600), strict=True):
        count = ours(text)
        for name in CALCULATORS:
            other = (said[name]["encoding"], said[name]["parts"], said[name]["left"])
            if other == count:
                continue
            rows = [row for row in DIFFERENCES if row.calculator == name and row.predict(text, said) == other]
            if rows:
                needed[rows[0].does] += 1
            else:
                unexplained.append((name, other, count, text))
    assert not unexplained, f"{len(unexplained)} differences, the first: {unexplained[0]}"
    return needed


def test_thousands_of_texts() -> None:
    needed = compare([*texts(20261122, 60_000 if LONG else 2_700), *LONE])
    assert set(needed) == {row.does for row in DIFFERENCES}


def test_every_character_of_the_first_planes() -> None:
    """The choice of the encoding by one character, and what it takes."""
    last = 0x2_0000 if LONG else 0x3000
    characters = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x2_0000)) if code < last]
    extra = [*"\ufb01\ufffd\uffef\uff21", "\U0001f600", "\U0010ffff"]
    assert not compare([*characters, *extra])


def test_every_length_about_a_cut() -> None:
    """An extension character, a surrogate pair, at each place about each cut."""
    given = [
        filler * (length + shift) + odd + filler * tail
        for length in BOUNDARIES
        for shift in (0, 1, 2)
        for filler, odd in (("a", "€"), ("a", "a"), ("я", "я"), ("я", "😀"), ("a", "😀"))
        for tail in ((0, 1, 66, 152) if LONG else (0, 66))
    ]
    assert not compare(given)


def test_clusters_at_every_place_about_the_first_cut() -> None:
    compare(["я" * length + cluster + "я" * 20 for length in range(55, 75) for cluster in CLUSTERS])


def test_what_is_not_predicted_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: a count of ours that is off by one is found."""
    right = ours("a" * 161)
    monkeypatch.setattr(f"{__name__}.ours", lambda text: (right[0], right[1] + 1, right[2]))
    with pytest.raises(AssertionError, match="2 differences"):
        compare(["a" * 161])


def test_the_repertoire_of_the_texts_is_the_specifications() -> None:
    """TS 23.038 §6.2.1 has 128 codes, one of them ESC; §6.2.1.1 ten characters behind it."""
    assert len(set(GSM)) == 127
    assert len(set(EXTENSION)) == 10
    assert not set(GSM) & set(EXTENSION)
