"""The tables of Annex A of TS 23.038, and septets by them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms import gsm0338, national
from gateway.sms.coding import decode_text
from gateway.sms.national import LANGUAGES, NO_SHIFT, NUMBERS, Shift, shift_of, shifts_for, try_encode
from gateway.sms.udh import InformationElement as IE

from . import foreign

repeatable = settings(derandomize=True, deadline=None, database=None)

EVERY = [Shift(locking, single) for locking in foreign.LOCKING for single in foreign.SINGLE if locking or single]


def test_languages_have_the_numbers_of_the_specification() -> None:
    assert [(NUMBERS[language], language) for language in LANGUAGES] == [
        (1, "turkish"),
        (2, "spanish"),
        (3, "portuguese"),
        (4, "bengali"),
        (5, "gujarati"),
        (6, "hindi"),
        (7, "kannada"),
        (8, "malayalam"),
        (9, "oriya"),
        (10, "punjabi"),
        (11, "tamil"),
        (12, "telugu"),
        (13, "urdu"),
    ]
    assert {NUMBERS[name] for name in foreign.GOLDEN["single"]} == set(range(1, 14))
    assert {NUMBERS[name] for name in foreign.GOLDEN["locking"]} == set(range(1, 14)) - {2}  # Spanish has none
    assert set(range(14)) - {2} == national.LOCKING_NUMBERS


@pytest.mark.parametrize("number", sorted(foreign.LOCKING))
def test_main_tables_are_those_of_the_specification(number: int) -> None:
    table = foreign.LOCKING[number]
    assert national.main_of(number).chars == table
    assert (table[0x0A], table[0x0D], table[0x20]) == ("\n", "\r", " ")
    for code in range(128):
        expected = table.get(code, "\ufffd") if code != 0x1B else " "
        assert national.decode(bytes((code,)), Shift(number, 2)) == expected


@pytest.mark.parametrize("number", sorted(foreign.SINGLE))
def test_tables_after_esc_are_those_of_the_specification(number: int) -> None:
    table = foreign.SINGLE[number]
    assert national.extension_of(number).chars == table
    for code, point in foreign.GSM_EXTENSION.items():  # each of them has the default extension in its places
        assert table[code] == chr(point)
    for locking in (0, 1, 11):
        for code in range(128):
            # TS 23.038 §6.2.1.1: without a symbol, the character of the main or of the locking shift table.
            expected = table.get(code) or foreign.LOCKING[locking].get(code, "\ufffd")
            shift = Shift(locking, number)
            if shift != NO_SHIFT:
                assert national.decode(bytes((0x1B, code)), shift) == (" " if code == 0x1B else expected)


@pytest.mark.parametrize(
    "row", foreign.GOLDEN["differences"], ids=lambda row: f"{row['table']}-{row['code']:02x}-{row['there']}"
)
def test_differences_between_transcriptions_are_settled(row: dict) -> None:
    kind, _, language = row["table"].partition(".")
    table = (foreign.LOCKING if kind == "locking" else foreign.SINGLE)[NUMBERS[language]]
    point = table.get(row["code"])
    assert (f"{ord(point):04X}" if point else "..") == row["here"] != row["there"]
    assert row["where"]
    assert row["why"]


def test_no_script_has_a_letter_of_another() -> None:
    """A slip in one code point mostly leaves the block of the script."""
    blocks = {4: 0x0980, 5: 0x0A80, 6: 0x0900, 7: 0x0C80, 8: 0x0D00, 9: 0x0B00, 10: 0x0A00, 11: 0x0B80, 12: 0x0C00}
    for number, block in blocks.items():
        for table in (foreign.LOCKING[number], foreign.SINGLE[number]):
            for char in table.values():
                # The dandas are shared by all scripts of India and are in the Devanagari block.
                assert char in "।॥" or ord(char) < 0x100 or char == "€" or block <= ord(char) < block + 0x80, char
        # No letter is there twice, and digits are ten in a row.
        letters = [char for char in foreign.LOCKING[number].values() if ord(char) > 0x7F]
        assert len(letters) == len(set(letters))
        digits = [char for char in foreign.SINGLE[number].values() if ord(char) > 0x7F and char.isdecimal()]
        assert [int(char) for char in digits] == list(range(10))


@pytest.mark.parametrize(
    ("elements", "shift", "unknown"),
    [
        ([], (0, 0), False),
        ([(0x00, "aa0201")], (0, 0), False),
        ([(0x24, "01")], (0, 1), False),
        ([(0x25, "0d")], (13, 0), False),
        ([(0x25, "03"), (0x24, "02")], (3, 2), False),
        # TS 23.040 §9.2.3.24: the last of several counts.
        ([(0x24, "01"), (0x24, "03")], (0, 3), False),
        ([(0x24, "01"), (0x24, "00")], (0, 0), False),
        ([(0x25, "01"), (0x24, "02"), (0x25, "0b")], (11, 2), False),
        # Not one octet: passed over.
        ([(0x24, "")], (0, 0), True),
        ([(0x24, "01"), (0x24, "0203")], (0, 1), True),
        # No such language: the default alphabet (TS 23.038 §6.2.1.2.5).
        ([(0x24, "0e")], (0, 0), True),
        ([(0x25, "ff"), (0x24, "01")], (0, 1), True),
        ([(0x25, "02")], (0, 0), True),  # Spanish has no locking shift
        ([(0x25, "01"), (0x25, "02")], (0, 0), True),
    ],
)
def test_what_a_header_asks_for(elements: list[tuple[int, str]], shift: tuple[int, int], unknown: bool) -> None:
    assert shift_of([IE(id, bytes.fromhex(data)) for id, data in elements]) == (Shift(*shift), unknown)


@pytest.mark.parametrize("shift", EVERY)
def test_elements_ask_for_their_shift(shift: Shift) -> None:
    assert shift_of(national.elements_of(shift)) == (shift, False)


@pytest.mark.parametrize(
    ("septets", "shift", "text"),
    [
        ("1b73", (0, 1), "ş"),  # the single shift of Turkish alone
        ("1d", (1, 0), "ş"),
        ("1d1b73", (1, 1), "şş"),
        ("1b65", (1, 0), "€"),  # the default extension behind a locking shift
        ("041b65", (1, 1), "€€"),
        ("1b09", (0, 2), "ç"),
        ("00011b00", (6, 6), "\u0901\u0902@"),
        ("0c", (4, 0), "\ufffd"),  # no character
        ("1b0c", (4, 0), "\ufffd"),
        ("1b70", (4, 4), "p"),  # nothing there after ESC: the locking shift's
        ("1b1b41", (1, 1), " A"),
        ("411b", (1, 1), "A "),
        ("411bff", (1, 1), "A\ufffd"),
        ("ff41", (1, 0), "\ufffdA"),
        ("", (1, 1), ""),
    ],
)
def test_septets_by_other_tables(septets: str, shift: tuple[int, int], text: str) -> None:
    assert national.decode(bytes.fromhex(septets), Shift(*shift)) == text


@given(st.binary(max_size=60), st.sampled_from(EVERY), st.sampled_from(["gsm7", "gsm7_packed"]))
@settings(repeatable, max_examples=600)
def test_any_octets_decode_by_any_tables(data: bytes, shift: Shift, alphabet: str) -> None:
    decoded = decode_text(data, 0, alphabet, shift)
    assert decoded.text is not None
    decoded.text.encode("utf-8")
    assert ("replaced" in decoded.flags) == ("\ufffd" in decoded.text)


@given(st.binary(max_size=60).map(lambda data: bytes(octet & 0x7F for octet in data)))
@settings(repeatable)
def test_no_shift_reads_as_the_default_alphabet(septets: bytes) -> None:
    assert national.decode(septets, NO_SHIFT) == gsm0338.decode(septets)


@pytest.mark.parametrize("shift", EVERY)
def test_every_character_of_a_pair_survives(shift: Shift) -> None:
    chars = "".join({*foreign.LOCKING[shift.locking].values(), *foreign.SINGLE[shift.single].values()})
    septets = try_encode(chars, shift)
    assert septets is not None
    assert foreign.gsm_text(septets, shift.locking, shift.single) == chars
    assert national.decode(septets, shift) == chars
    # One septet where the main table has it.
    assert len(septets) == sum(1 if char in foreign.LOCKING[shift.locking].values() else 2 for char in chars)
    for char in ("\x1b", "日", "\ufffd", "\ud800"):
        assert try_encode("a" + char, shift) is None


@pytest.mark.parametrize("bad", [Shift(2, 0), Shift(14, 0), Shift(0, 14), Shift(-1, 0)])
def test_a_language_that_there_is_not(bad: Shift) -> None:
    with pytest.raises(ValueError, match="no language"):
        try_encode("a", bad)


@pytest.mark.parametrize(
    ("text", "languages", "shifts"),
    [
        ("ş", ["turkish"], [(0, 1), (1, 0)]),
        ("ş", ["spanish"], []),
        ("áş", ["spanish", "turkish"], [(1, 2)]),  # a table of one, the extension of another
        ("ã", ["portuguese"], [(0, 3), (3, 0)]),
        ("日", list(LANGUAGES), []),
        ("की", ["hindi"], [(6, 0)]),
        ("की A", ["hindi"], [(6, 6)]),
        ("की A", ["turkish", "hindi"], [(6, 6)]),
        ("की १", ["hindi", "urdu"], [(6, 6)]),
        ("A", ["turkish", "spanish"], [(1, 0)]),
    ],
)
def test_shifts_that_can_encode(text: str, languages: list, shifts: list[tuple[int, int]]) -> None:
    assert shifts_for(text, languages) == [Shift(*pair) for pair in shifts]


def test_languages_of_a_shift() -> None:
    assert Shift(6, 4).languages == ("hindi", "bengali")
    assert Shift(6, 6).languages == ("hindi",)
    assert Shift(0, 2).languages == ("spanish",)
    assert NO_SHIFT.languages == ()
