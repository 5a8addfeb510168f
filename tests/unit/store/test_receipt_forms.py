"""The written forms of an id and of an address, by table (field notes 2, more from operators 2 and 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.forms import fold, other_forms
from gateway.store.matching import same_peer


@pytest.mark.parametrize(
    ("raw", "folded"),
    [
        ("1f", "1f"),
        ("1F", "1f"),
        ("001F", "1f"),
        (" 1F ", "1f"),
        ("\t1f\r\n", "1f"),
        ("0", "0"),
        ("000", "0"),
        ("0a00", "a00"),
        ("ABC-Def_9", "abc-def_9"),
        ("0123456789", "123456789"),
    ],
)
def test_fold(raw: str, folded: str) -> None:
    assert fold(raw) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    ("raw", "forms"),
    [
        ("26", {"1a", "38"}),  # 26 = 0x1a; 0x26 = 38
        ("1a", {"26"}),
        ("001A", {"26"}),
        (" 26 ", {"1a", "38"}),
        ("9", set()),  # the same in both
        ("0", set()),
        ("4294967295", {"ffffffff", str(0x4294967295)}),
        ("FFFFFFFF", {"4294967295"}),
        ("ffffffffffffffff", {"18446744073709551615"}),
        ("d2f5b7a0-1c", set()),
        ("xyz", set()),
        # what Python's int() takes and no carrier means
        ("1_0", set()),
        ("+10", set()),
        ("-10", set()),
        ("１２", set()),
        ("²", set()),
        ("9" * 41, set()),
    ],
)
def test_other_forms(raw: str, forms: set[str]) -> None:
    assert set(other_forms(raw)) == forms


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 8), st.booleans())
def test_hexadecimal_and_decimal_find_each_other(number: int, zeros: int, upper: bool) -> None:
    decimal, hexadecimal = "0" * zeros + str(number), "0" * zeros + f"{number:x}"
    if upper:
        hexadecimal = hexadecimal.upper()
    assert fold(hexadecimal) in {fold(decimal), *other_forms(decimal)}
    assert fold(decimal) in {fold(hexadecimal), *other_forms(hexadecimal)}


@given(st.text(max_size=65))
def test_any_id_has_forms_without_an_error(raw: str) -> None:
    assert fold(raw) not in other_forms(raw)
    assert len(other_forms(raw)) <= 2


SAME = [
    ("+12125550101", "+12125550101"),
    ("+12125550101", "12125550101"),
    ("+12125550101", "0012125550101"),
    ("+442079460018", "02079460018"),  # national
    ("+442079460018", "2079460018"),
    ("+12125550101", "2125550101"),
    ("+1 (212) 555-0101", "12125550101"),
    ("12345", "12345"),
    ("INFO", "INFO"),
]
OTHERS = [
    ("+12125550101", "+12125550102"),
    ("+12125550101", "0101"),  # too short to say
    ("+12125550101", "550101"),
    ("+12125550101", ""),
    ("", "+12125550101"),
    ("INFO", "NEWS"),
    ("INFO", "+12125550101"),
    ("+12125550101", "+442125550101"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_one_phone(a: str, b: str) -> None:
    assert same_peer(a, b)
    assert same_peer(b, a)


@pytest.mark.parametrize(("a", "b"), OTHERS)
def test_two_phones(a: str, b: str) -> None:
    assert not same_peer(a, b)
    assert not same_peer(b, a)
