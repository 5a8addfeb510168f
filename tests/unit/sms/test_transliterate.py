"""Transliteration: the data held to its own rules, and what becomes of texts."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.segment import forcing
from gateway.sms.transliterate import Change, Transliterated, replacement_of, transliterate
from gateway.sms.transliterations import AFTER_DIGIT, BEYOND_ASCII, DECOMPOSED_RANGES, REPLACEMENTS

from .foreign import EXTENSION_CHARS, GSM_CHARS

HAS = frozenset(GSM_CHARS + EXTENSION_CHARS)
ALL = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]


def test_no_key_is_in_the_alphabet_and_every_replacement_is() -> None:
    for chars, replacement, why in REPLACEMENTS:
        assert why
        assert not HAS & set(chars), chars
        assert set(replacement) <= HAS, chars
    for chars, before, why in AFTER_DIGIT:
        assert why
        assert set(before) <= HAS
        assert all(replacement_of(char) is not None for char in chars)


def test_no_character_is_in_the_table_twice() -> None:
    chars = "".join(chars for chars, _, _ in REPLACEMENTS)
    assert len(chars) == len(set(chars))


def test_ranges_rise_and_do_not_overlap_and_each_gives_something() -> None:
    ends = 0
    for first, last, why in sorted(DECOMPOSED_RANGES):
        assert why
        assert ends < first <= last
        ends = last
        found = [replacement_of(chr(point)) for point in range(first, last + 1) if chr(point) not in HAS]
        assert any(found), why


def test_of_all_characters_of_unicode_none_comes_to_what_the_alphabet_lacks() -> None:
    replaced = {char: replacement for char in ALL if (replacement := replacement_of(char)) is not None}
    assert all(set(replacement) <= HAS for replacement in replaced.values())
    assert all(replaced[char] == char for char in HAS)  # the alphabet's own stay
    # No other script, apart from the Greek capitals that look alike, and no emoji.
    for char in filter(str.isalpha, replaced):
        name = unicodedata.name(char)
        for script in ("CYRILLIC", "ARABIC", "HEBREW", "CJK", "HANGUL", "DEVANAGARI", "THAI", "GREEK SMALL"):
            assert not name.startswith(script), name
    assert not any(0x1F000 <= ord(char) <= 0x1FAFF for char in replaced)


def test_carriers_of_ascii_take_the_letters_of_the_alphabet_without_their_accents() -> None:
    for chars, replacement, _ in BEYOND_ASCII:
        assert set(chars) <= HAS
        assert replacement.isascii()
    done = transliterate("¿Où est Ærø? “Ici”, 5 € ő", "ascii")
    assert done.text == '?Ou est AEro? "Ici", 5 € o'  # what has no replacement stays
    assert transliterate("¿Où?", "latin1").changes == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("“It’s” — 5 €…", '"It\'s" - 5 €...'),
        ("«oui» ‹non› `x` ´", "\"oui\" 'non' 'x' '"),
        ("a\u00a0b\u2009c\u202fd\te\u2028f", "a b c d e\nf"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("\u2068Bob\u2069 at \u202a+1 555\u202c", "Bob at +1 555"),
        ("• one\n‣ two", "* one\n* two"),
        ("ﬁne œuvre Ŀŀ ŉ ĳ", "fine oeuvre L.l. 'n ij"),
        # Letters that the alphabet has stay; those that it lacks lose what they must.
        ("àèéìòù äöüß ñ å æ ø Ç É", "àèéìòù äöüß ñ å æ ø Ç É"),
        ("áâãçêíîóôõú ÀÊÍ", "aaaceiioo" + "ou AEI"),
        ("Zażółć gęślą jaźń", "Zazolc gesla jazn"),
        ("Đường phố ế ợ", "Duong pho e o"),
        ("hosszú ő ű", "hosszu ö ü"),
        ("ǻ Ǿ ǖ", "å Ø ü"),  # one accent of two stays
        ("Şiir ığdır İstanbul", "Siir igdir Istanbul"),
        ("þorn Ðe ẞ", "thorn De SS"),
        # Combining marks: composed where the alphabet has the letter, else taken off.
        ("cafe\u0301 a\u0301 n\u0303 o\u0302\u0301", "café a ñ o"),
        # Numbers keep their value.
        ("½ 1½ ¾", "1/2 1 1/2 3/4"),
        ("10² 10²³ 10⁻³ m² x² ", "10^2 10^23 10^-3 m2 x2 "),
        ("H₂O 10₂ ①② ⅳ Ⅻ", "H2O 10_2 (1)(2) iv XII"),
        ("20 °C 20℃ ± ≤ ≥ × ÷", "20 degC 20degC +/- <= >= x /"),
        ("© ® ™ №5 → ← ⇒", "(c) (R) (TM) No5 -> <- =>"),
        ("™\ufe0f ©\ufe0f", "(TM) (c)"),
        ("ＡＢＣ１２！ 𝐁𝐨𝐥𝐝 𝑖𝑡 𝟙", "ABC12! Bold it 1"),
        ("ΑΘΗΝΑ Άλφα", "AΘHNA Aλφα"),  # small Greek letters stay as they are
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert transliterate(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "Привет",
        "مرحبا",
        "日本語、。",
        "👋🏽",
        "❤ ✓ ℹ",
        "₹ ₽ ₩",
        "s\u0336t\u0336",  # struck through: taken back
        "\u202eevil",  # turns the reading order
        "1\u20e3",  # the keycap of an emoji
        "\u0301alone ¨ ˝",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    done = transliterate(text)
    assert (done.text, done.changes) == (text, ())


def test_changes_name_each_character_once_with_every_position() -> None:
    done = transliterate("‘a’ e\u0301 ‘b’ 1² 2² m²")
    assert done.changes == (
        Change("‘", "'", (0, 7)),
        Change("’", "'", (2, 9)),
        Change("e\u0301", "é", (4,)),
        Change("²", "^2", (12, 15)),
        Change("²", "2", (18,)),
    )


def test_what_may_go_is_asked_of_the_caller() -> None:
    done = transliterate("ş’", lambda char: char == "ş" or char in HAS)
    assert done.text == "ş'"


def test_texts_are_not_shown_by_repr() -> None:
    assert "secret" not in repr(transliterate("secret’s"))


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet="“’…éáx\u0301²1½\u200b👋"))
def test_any_text(text: str) -> None:
    done = transliterate(text)
    # Done again there is nothing left to do, and what the alphabet has was not touched.
    assert transliterate(done.text).text == done.text
    changed: dict[int, Change] = {at: change for change in done.changes for at in change.positions}
    rebuilt, at = [], 0
    while at < len(text):
        change = changed.get(at)
        if change is None:
            rebuilt.append(text[at])
            at += 1
            continue
        assert text.startswith(change.char, at)
        assert len(change.char) > 1 or change.char not in HAS
        assert set(change.replacement) <= HAS
        rebuilt.append(change.replacement)
        at += len(change.char)
    assert "".join(rebuilt) == done.text


MIXED = st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("“’éşĞãx\u0301\u0336²½\u200b"), max_size=12)


@given(
    MIXED, st.sampled_from(["gsm7", "latin1", "ascii"]), st.sampled_from([(), ("turkish",), ("portuguese", "hindi")])
)
def test_wholly_or_not_at_all(text: str, alphabet: Any, national: tuple[Any, ...]) -> None:
    done = transliterate(text, alphabet, national)
    wholly = transliterate(text, alphabet, national, wholly=True)
    if not forcing(done.text, alphabet, national):
        assert wholly == done
    else:
        assert wholly in (done, Transliterated(text, ()))


def test_one_character_without_a_replacement_is_enough_to_do_nothing() -> None:
    assert transliterate("’’’п", wholly=True).changes == ()
    assert transliterate("’e\u0301\u200b", wholly=True).text == "'é"
    assert transliterate("ş’", "ascii", wholly=True).text == "s'"
    assert transliterate("ह’", wholly=True).changes == ()
    assert transliterate("ह’", "gsm7", ("hindi",), wholly=True).text == "ह'"


def test_letters_of_an_allowed_language_stay_however_they_are_written() -> None:
    assert transliterate("Şı ’", national=("turkish",)).text == "Şı '"
    assert transliterate("S\u0327ı ’", national=("turkish",)).text == "Şı '"  # as some systems write file names
    assert transliterate("S\u0327ı ’").text == "Si '"
