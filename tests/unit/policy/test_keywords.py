"""Keywords and words: the first word of a text as people type it, folded, trimmed, with what follows it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.keywords import Keywords, first_word
from gateway.policy.words import WordList, fold, urgent_words

EXACT = [
    ("JOIN", ("JOIN", "")),
    ("join", ("JOIN", "")),
    ("  Join  ", ("JOIN", "")),
    ("Join!", ("JOIN", "")),
    ("\N{LEFT DOUBLE QUOTATION MARK}JOIN\N{RIGHT DOUBLE QUOTATION MARK}, please", ("JOIN", "please")),
    ("(join) the  club\nnow ", ("JOIN", "the  club\nnow")),
    ("- join us", ("JOIN", "us")),
    ("... JOIN: A-1", ("JOIN", "A-1")),
    ("#JOIN", ("JOIN", "")),
    ("\N{THUMBS UP SIGN} join", ("JOIN", "")),
    ("ＪＯＩＮ now", ("JOIN", "now")),  # full width
    ("𝗝𝗢𝗜𝗡 now", ("JOIN", "now")),  # mathematical bold
    ("JO\N{SOFT HYPHEN}IN", ("JOIN", "")),
    ("\N{ZERO WIDTH SPACE}JOIN\N{ZERO WIDTH SPACE}", ("JOIN", "")),
    ("JOIN\N{VARIATION SELECTOR-16}", ("JOIN", "")),
    ("JO\N{COMBINING GRAPHEME JOINER}IN", ("JOIN", "")),
    ("\N{HANGUL FILLER}JOIN\N{VARIATION SELECTOR-17} us", ("JOIN", "us")),
    ("Don\N{RIGHT SINGLE QUOTATION MARK}t call", ("don't", "call")),
    ("DON'T", ("don't", "")),
    ("JO\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}N", ("JOIN", "")),  # a Turkish keyboard
    ("jo\N{LATIN SMALL LETTER DOTLESS I}n", ("JOIN", "")),
    ("JOIN\N{NO-BREAK SPACE}me", ("JOIN", "me")),
    ("Straße", ("STRASSE", "")),
    ("STRASSE 5", ("STRASSE", "5")),
    ("cafe\N{COMBINING ACUTE ACCENT} 2", ("Café", "2")),
    ("CAFÉ 2", ("Café", "2")),
    ("cafe 2", None),
    ("JOINT", None),
    ("JOIN-UP", None),
    ("JOIN,me", None),
    ("please JOIN", None),
    ("J OIN", None),
    ("", None),
    (" \n ", None),
    ("?!", None),
    ("\N{ZERO WIDTH SPACE}", None),
    ("помощь!", ("ПОМОЩЬ", "")),
    ("हिन्दी test", ("हिन्दी", "test")),
]


@pytest.mark.parametrize(("text", "hit"), EXACT)
def test_a_keyword_is_the_first_word(text: str, hit: tuple[str, str] | None) -> None:
    words = Keywords(("JOIN", "don't", "STRASSE", "Café", "ПОМОЩЬ", "हिन्दी"), "exact")
    assert words.find(first_word(text)) == hit


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("VOTE", ("VOTE", "")),
        ("vote5", ("VOTE", "5")),
        ("Vote5 for me", ("VOTE", "5 for me")),
        ("VOTE 5", ("VOTE", "5")),
        ("VOTER5", ("VOTER", "5")),  # the longer of two
        ("voters", ("VOTER", "s")),
        ("VOT", None),
        ("ＶＯＴＥ５", ("VOTE", "５")),
        ("Straßenfest morgen", ("strasse", "nfest morgen")),
        ("VO\N{ZERO WIDTH SPACE}TE7", ("VOTE", "7")),
        ("I VOTE5", None),
    ],
)
def test_a_keyword_is_what_the_first_word_begins_with(text: str, hit: tuple[str, str] | None) -> None:
    assert Keywords(("VOTE", "VOTER", "strasse"), "prefix").find(first_word(text)) == hit


def test_a_letter_is_not_cut_from_its_accent() -> None:
    assert Keywords(("cafe",), "prefix").find(first_word("cafe\N{COMBINING ACUTE ACCENT}s")) is None


@settings(derandomize=True, deadline=None, database=None)
@given(st.text(max_size=200))
def test_any_text_has_a_first_word_or_none(text: str) -> None:
    first = first_word(text)
    hits = [Keywords(("a", "join"), match).find(first) for match in ("exact", "prefix")]  # type: ignore[arg-type]
    if first is None:
        assert hits == [None, None]
    else:
        assert first.written in text
        assert hits[1] is not None or not first.folded.startswith(("a", "join"))


@settings(derandomize=True, deadline=None, database=None)
@given(st.text(max_size=100))
def test_a_text_is_the_same_however_its_characters_are_composed(text: str) -> None:
    forms = {fold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("This is URGENT.", "urgent"),
        ("A.S.A.P. please", "a s a p"),
        ("as soon  as\npossible", "as soon as possible"),
        ("insurgents", None),
        ("das ist DRINGEND!", "dringend"),
        ("Срочно позвоните", "срочно"),
        ("今天马上来", "马上"),
        ("وصلت الطارئة", "طارئ"),
        ("can’t wait", "can't wait"),
        ("a water leak", "leak"),
        ("leaking", None),
        ("all is well", None),
        ("", None),
    ],
)
def test_words_of_urgency(text: str, word: str | None) -> None:
    assert WordList((*urgent_words(), "leak")).find(fold(text)) == word


def test_the_packages_list_is_of_words_that_can_be_found() -> None:
    words = urgent_words()
    assert len(words) > 100
    for word in words:
        assert WordList([word]).find(fold(f"... {word.upper()} ...")) == word
