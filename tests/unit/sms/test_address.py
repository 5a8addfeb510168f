from __future__ import annotations

import random

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms.address import (
    AddressError,
    PhoneAddress,
    cache_counters,
    country_of,
    from_wire,
    is_possible,
    is_valid,
    normalise,
    normalise_sender,
    ton_npi,
    wire_address,
)
from gateway.sms.numbering import only_region, possible_as_is, reads_as_international, region_exists

repeatable = settings(derandomize=True, deadline=None, database=None)


@pytest.mark.parametrize(
    ("raw", "region", "value"),
    [
        ("+14155550123", None, "+14155550123"),
        ("+14155550123", "GB", "+14155550123"),
        (" +1 (415) 555-0123 ", None, "+14155550123"),
        ("tel:+1-415-555-0123", None, "+14155550123"),
        ("\u202a+14155550123\u202c", None, "+14155550123"),  # as copied out of an address book
        ("+1\u00a0415\u00a0555\u00a00123", None, "+14155550123"),
        ("＋１４１５５５５０１２３", None, "+14155550123"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("(415) 555-0123", "US", "+14155550123"),
        ("4155550123", "US", "+14155550123"),
        ("14155550123", "US", "+14155550123"),
        ("1-415-555-0123", "CA", "+14155550123"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("07911 123456", "GB", "+447911123456"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("22334455", "NO", "+4722334455"),  # eight digits, but a whole number there
        ("02 1234 5678", "IT", "+390212345678"),  # its zero is part of it
        ("+2250712345678", None, "+2250712345678"),
        ("+5491112345678", None, "+5491112345678"),
        ("+80012345678", None, "+80012345678"),  # of no country
    ],
)
def test_numbers_become_e164(raw: str, region: str | None, value: str) -> None:
    address = normalise(raw, region)
    assert (address.value, address.kind) == (value, "international")
    assert address.possible
    assert normalise_sender(raw, region) == address
    assert normalise(value) == address


@pytest.mark.parametrize(
    ("raw", "region"),
    [("12345", "US"), ("12345", None), ("911", "US"), ("84433", "GB"), ("82333", "DE"), ("12345678", None)],
)
def test_short_codes_stay(raw: str, region: str | None) -> None:
    assert normalise(raw, region) == PhoneAddress(raw, "short_code")
    assert normalise(f" {raw} ", region).value == raw
    assert normalise_sender(raw, region).kind == "short_code"


@pytest.mark.parametrize(
    ("raw", "region", "detail"),
    [
        ("", None, "empty"),
        ("   ", "US", "empty"),
        ("4155550123", None, "default region"),
        ("447911123456", "US", "that many digits"),
        ("00442079460958", None, "default region"),
        ("00123", None, "default region"),
        ("5551234", "US", "area code"),
        ("12", "US", "that many digits"),
        ("+1", None, "not a phone number"),
        ("+", None, "not a phone number"),
        ("+1415555012", None, "country code 1"),
        ("+141555501234", None, "country code 1"),
        ("+2101234567", None, "not a phone number"),
        ("+0441234567890", None, "not a phone number"),
        ("1-800-FLOWERS", "US", "characters"),
        ("ACME", "US", "characters"),
        ("call +14155550123", None, "characters"),
        ("+14155550123 ext. 5", None, "characters"),
        ("+14155550123;ext=5", None, "characters"),
        ("+14155550123\0", None, "characters"),
        ("*100#", "US", "characters"),
        ("+1415555\n0123x", None, "characters"),
        ("+" + "1" * 100, None, "longer than 64"),
        ("4155550123", "XX", "XX"),
    ],
)
def test_refused(raw: str, region: str | None, detail: str) -> None:
    with pytest.raises(AddressError, match=detail) as caught:
        normalise(raw, region)
    assert caught.value.reason == "invalid_to"
    with pytest.raises(AddressError):  # the refusal is remembered, and is one again
        normalise(raw, region)


@pytest.mark.parametrize("raw", ["ACME", "Acme Corp", "A", "1800FLOWERS", "Café", "SMS-Info 24", "ABCDEFGHIJK"])
def test_alphanumeric_senders(raw: str) -> None:
    assert normalise_sender(f" {raw} ", "US") == PhoneAddress(raw, "alphanumeric")
    assert wire_address(raw) == (5, 0, raw)


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ("ABCDEFGHIJKL", "at most 11"),
        ("ABCDEFGHIJ{", "at most 11"),  # the brace is two septets
        ("Bank\n", None),
        ("Ba\nnk", "cannot be in"),
        ("Ба", "cannot be in"),
        ("A€", "cannot be in"),
        ("A`", "cannot be in"),
        ("---", "not a phone number"),
        ("", "empty"),
        ("4155550123", "default region"),
    ],
)
def test_refused_senders(raw: str, detail: str | None) -> None:
    if detail is None:
        assert normalise_sender(raw).value == raw.strip()
        return
    with pytest.raises(AddressError, match=detail) as caught:
        normalise_sender(raw)
    assert caught.value.reason == "invalid_from"


@pytest.mark.parametrize(
    ("value", "country", "valid"),
    [
        ("+14155550123", "US", True),
        ("+15551230001", None, False),
        ("+16135550123", "CA", True),
        ("+447400123456", "GB", True),
        ("+447911123456", "GG", True),  # +44 is four countries
        ("+4712345678", None, False),
        ("+33012345678", "FR", False),
        ("+80012345678", None, True),
        ("+2101234567", None, False),
    ],
)
def test_country_and_validity(value: str, country: str | None, valid: bool) -> None:
    assert (country_of(value), is_valid(value)) == (country, valid)
    if is_possible(value):
        address = normalise(value, check_valid=True)
        assert (address.country, address.valid) == (country, valid)


def test_what_is_no_international_number_has_no_country() -> None:
    assert normalise("12345", "US").country is None
    assert normalise("12345", "US").valid
    assert normalise_sender("ACME").country is None


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("+14155550123", "international", (1, 1)),
        ("4155550123", "national", (2, 1)),
        ("12345", "short_code", (3, 0)),
        ("ACME", "alphanumeric", (5, 0)),
        ("123456789", "short_code", (0, 1)),
    ],
)
def test_ton_npi(value: str, kind: str, expected: tuple[int, int]) -> None:
    assert ton_npi(value, kind) == expected


def test_wire_address_has_no_plus() -> None:
    assert wire_address("+14155550123") == (1, 1, "14155550123")
    assert wire_address("12345") == (3, 0, "12345")
    assert wire_address("4155550123") == (0, 1, "4155550123")


@pytest.mark.parametrize(
    ("ton", "addr", "region", "value"),
    [
        (1, "14155550123", None, "+14155550123"),
        (1, "+14155550123", None, "+14155550123"),
        (1, "00447911123456", None, "+447911123456"),
        (1, "4407911123456", None, "+447911123456"),  # with a national prefix left in
        (1, "999999999999", None, "+999999999999"),  # no such country: still the peer's only name
        (1, "12345", "US", "12345"),
        (0, "+447911123456", "US", "+447911123456"),
        (2, "7911123456", "GB", "+447911123456"),
        (2, "07911123456", "GB", "+447911123456"),
        (2, "7911123456", None, "7911123456"),
        (2, "1", "GB", "1"),
        # Unknown: national where that is likely, else international without its plus.
        (0, "4155550123", "US", "+14155550123"),
        (0, "14155550123", "US", "+14155550123"),
        (0, "447911123456", "US", "+447911123456"),
        (0, "447911123456", "GB", "+447911123456"),
        (0, "447911123456", "DE", "+447911123456"),  # German numbers may be that long
        (0, "4915123456789", "DE", "+4915123456789"),
        (0, "015123456789", "DE", "+4915123456789"),
        (0, "011447911123456", "US", "+447911123456"),
        (0, "00447911123456", "DE", "+447911123456"),
        # Whatever is dialled to get out of that country; so a STOP is of the phone that is written to.
        (0, "00447911123456", "US", "+447911123456"),
        (0, "0012125550101", "AU", "+12125550101"),
        (2, "0012125550101", "RU", "+12125550101"),
        (0, "00447911123456", None, "+447911123456"),
        (0, "0000000000", None, "0000000000"),
        (0, "13212345678", "CN", "+8613212345678"),  # and not +1 321 234 5678
        (0, "447911123456", None, "+447911123456"),
        (0, "14155550123", None, "+14155550123"),
        (0, "999999999999", None, "999999999999"),
        (0, "12345", "US", "12345"),
        (3, "12345", "US", "12345"),
        (6, "12345", None, "12345"),
        (0, "22334455", "NO", "+4722334455"),
        (4, "14155550123", "US", "+14155550123"),
        # Alphanumeric.
        (5, "ACME", None, "ACME"),
        (5, "12345", None, "12345"),
        (0, "ACME 24", "US", "ACME 24"),
        (1, "ACME", "US", "ACME"),
        # Whatever else comes stays as it is.
        (0, "", "US", ""),
        (1, "", None, ""),
        (2, "", "US", ""),
        (0, "+", "US", "+"),
        (0, "\xe9\xff", "US", "\xe9\xff"),
        (0, "1" * 100, "US", "1" * 100),
        (0, "\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660\u0661", "US", None),
    ],
)
def test_from_wire(ton: int, addr: str, region: str | None, value: str | None) -> None:
    assert from_wire(ton, 1, addr, region) == (addr if value is None else value)


@given(
    st.integers(0, 255),
    st.one_of(
        st.text("0123456789", max_size=20),
        st.text("+0123456789 aé", max_size=20),
        st.text(st.characters(max_codepoint=0xFF), max_size=21),
    ),
    st.sampled_from([None, "US", "DE", "BR", "XX"]),
)
@settings(repeatable, max_examples=600)
def test_from_wire_takes_anything(ton: int, addr: str, region: str | None) -> None:
    value = from_wire(ton, 1, addr, region)
    assert from_wire(ton, 1, addr, region) == value
    if value.startswith("+") and value != addr:
        # What we made of it goes out again and comes back the same.
        out_ton, out_npi, out_addr = wire_address(value)
        assert from_wire(out_ton, out_npi, out_addr, region) == value


@given(st.text(max_size=70), st.sampled_from([None, "US", "DE", "XX", ""]))
@settings(repeatable, max_examples=600)
def test_any_text_is_an_address_or_refused(raw: str, region: str | None) -> None:
    for read in (normalise, normalise_sender):
        try:
            address = read(raw, region)
        except AddressError:
            continue
        assert read(address.value, region) == address


def _number_and_reference(value: str) -> tuple[bool, str | None]:
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return False, None
    return (
        phonenumbers.is_possible_number(number),
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
    )


CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@pytest.mark.parametrize("seed", range(4))
def test_the_fast_answer_is_that_of_phonenumbers(seed: int) -> None:
    rng = random.Random(seed)
    decided = 0
    for _ in range(2500):
        code = rng.choice(CODES) if rng.random() < 0.9 else rng.randrange(1, 1000)
        digits = "".join(rng.choices("0123456789", k=rng.randrange(2, 14)))
        value = f"+{code}{digits}"
        quick = possible_as_is(value)
        possible, e164 = _number_and_reference(value)
        if quick is not None:
            decided += 1
            assert quick == possible, value
            if quick:
                assert e164 == value
        assert is_possible(value) == possible
    assert decided > 1000


@pytest.mark.parametrize("code", CODES)
def test_an_example_number_of_each_country(code: int) -> None:
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        if region == "001":
            number = phonenumbers.example_number_for_non_geo_entity(code)
        else:
            number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
            number = number or phonenumbers.example_number(region)
        if number is None:
            continue
        value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        address = normalise(value)
        assert (address.value, address.valid) == (value, True)
        # Where countries share ranges phonenumbers names the main one.
        assert address.country == (None if region == "001" else phonenumbers.region_code_for_number(number))
        assert from_wire(*wire_address(value)) == value
        if region != "001":
            national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            if len([char for char in national if char.isdigit()]) > 8:
                assert normalise(national, region).value == value


@pytest.mark.parametrize("region", ["US", "GB", "FR", "DE", "RU", "CU", "FI", "BR", "IN", "CL", "AU", "SG"])
def test_bare_international_digits_are_those_that_a_parse_finds(region: str) -> None:
    rng = random.Random(region)
    found = 0
    for _ in range(1500):
        code = rng.choice([rng.choice(CODES), phonenumbers.country_code_for_region(region)])
        digits = f"{code}" + "".join(rng.choices("0123456789", k=rng.randrange(5, 12)))
        if not reads_as_international(digits, region):
            continue
        found += 1
        number = phonenumbers.parse(digits, region)
        if phonenumbers.is_possible_number(number):
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert e164 == "+" + digits
        assert _number_and_reference("+" + digits) == (True, "+" + digits)
    if region not in ("DE", "RU"):  # which have national numbers of 14 and 15 digits
        assert found > 10


def test_regions() -> None:
    assert region_exists("US")
    assert not region_exists("XX")
    assert not region_exists("us")
    assert not reads_as_international("447911123456", "XX")
    assert only_region("+33612345678") == "FR"
    assert only_region("+14155550123") is None
    assert only_region("+99912345678") is None


def test_clean_numbers_stay_out_of_the_caches() -> None:
    before = cache_counters()
    for i in range(200):
        normalise(f"+1415555{i:04d}")
        from_wire(1, 1, f"1415555{i:04d}", "US")
        from_wire(0, 1, f"1415555{i:04d}", "US")
    assert cache_counters() == before
    normalise("(415) 555-9999", "US")
    normalise("(415) 555-9999", "US")
    after = cache_counters()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 1)
    assert after.size == before.size + 1 <= after.capacity
