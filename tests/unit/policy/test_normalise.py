"""Texts without the typography that word processors bring along, and texts that show nothing."""

from __future__ import annotations

import pytest

from gateway.policy.normalise import is_empty, normalise

TEXTS: list[tuple[str, str, tuple[str, ...]]] = [
    ("Plain 'text' here", "Plain 'text' here", ()),
    ("“Hi” it’s ‚so‘ „x‟ 5′ 6″", '"Hi" it\'s \'so\' "x" 5\' 6"', ("quotes",)),
    ("« Oui » ‹x›", "« Oui » ‹x›", ()),  # the quotes of a language, not of a word processor
    ("a\u00a0b\u2009c\u3000d", "a b c d", ("spaces",)),
    ("a\u2028b\x85c", "a\nb\nc", ("spaces",)),
    ("a\r\nb\rc", "a\nb\nc", ("line ends",)),
    ("e\u0301t\u00e9", "\u00e9t\u00e9", ("composed letters",)),
    ("ａ①", "ａ①", ()),  # NFC, not NFKC: they read otherwise
    ("a\u200bb\ufeffc\u00add\u2060e", "abcde", ("zero-width characters",)),
    ("a\u200db\u200c", "ab", ("zero-width characters",)),
    ("\u200d👩", "👩", ("zero-width characters",)),
    ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧", ()),
    ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥", ()),
    ("می\u200cخواهم", "می\u200cخواهم", ()),
    ("क्\u200dष", "क्\u200dष", ()),
    ("שלום \u200e123\u200f", "שלום \u200e123\u200f", ()),
    ("п\u02bcять", "п\u02bcять", ()),
    ("\u200b", "", ("zero-width characters",)),
    ("o\u0301\u200d\u0301", "ó\u0301", ("composed letters", "zero-width characters")),
    ("e\u200b\u0301", "é", ("zero-width characters", "composed letters")),
]


@pytest.mark.parametrize(("text", "expected", "changes"), TEXTS)
def test_normalise(text: str, expected: str, changes: tuple[str, ...]) -> None:
    assert normalise(text) == (expected, changes)
    assert normalise(expected) == (expected, ())


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t \r\n", "\u200b", "\u00a0\u3000", "\ufeff \u200d\u200e", "\ufe0f", "\u3164", "\u2800", "\U000e0041"],
)
def test_blanks_and_what_has_no_width_are_nothing(text: str) -> None:
    assert is_empty(text)


@pytest.mark.parametrize("text", ["x", ".", " x ", "\u200bx", "👍", "❤\ufe0f", "\u0301", "é", "\u200b\u00a00", "\x01"])
def test_what_shows_is_something(text: str) -> None:
    assert not is_empty(text)
