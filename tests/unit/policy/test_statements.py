"""What users of texting products are told, and rely on: segments, links, clauses, numbers."""

from __future__ import annotations

import pytest

from gateway.policy.content import Content
from gateway.settings import Settings
from gateway.sms.address import AddressError, normalise
from gateway.sms.segment import plan

CONTENT = Content(Settings.model_validate({"content": {"clause": "every"}}))
OURS = "+15551230001"


@pytest.mark.parametrize(
    ("char", "single", "each"),
    [("a", 160, 153), ("é", 160, 153), ("ы", 70, 67), ("“", 70, 67)],
)
def test_160_standard_characters_or_70_then_153_or_67_a_segment(char: str, single: int, each: int) -> None:
    counts = {length: plan(char * length).parts for length in (1, single, single + 1, 2 * each, 2 * each + 1, 3 * each)}
    assert list(counts.values()) == [1, 1, 2, 2, 3, 3]


def test_310_characters_are_3_segments() -> None:
    assert plan("x" * 310).parts == 3


def test_an_emoji_makes_a_text_of_special_symbols() -> None:
    """It counts as two of the 70: no phone writes it otherwise (TS 23.040, UCS-2 and UTF-16)."""
    assert [plan("x" * length + "👋").parts for length in (68, 69)] == [1, 2]


@pytest.mark.parametrize("written", ["bit.ly/x", "HTTPS://TinyURL.com/x", "t.co/x", "Go to ow.ly!", "ｂｉｔ．ｌｙ"])
@pytest.mark.parametrize("klass", ["transactional", "direct", "marketing"])
def test_a_public_shortener_is_refused(written: str, klass: str) -> None:
    refused = CONTENT.word("crm", klass, OURS, written)  # type: ignore[arg-type]
    assert refused is not None
    assert refused.reason == "public_shortener"


def test_a_link_of_ones_own_is_not() -> None:
    assert CONTENT.word("crm", "transactional", OURS, "https://go.acme.example/x") is None


def test_a_stop_clause_is_added_when_the_message_has_none_and_once() -> None:
    worded = CONTENT.word("crm", "marketing", OURS, "Sale today!")
    assert worded is not None
    assert worded.text == "Sale today! Reply STOP to opt out."
    assert CONTENT.word("crm", "marketing", OURS, worded.text) is None
    assert CONTENT.word("crm", "marketing", OURS, "Sale today! Text STOP to end.") is None


@pytest.mark.parametrize("klass", ["transactional", "direct"])
def test_other_messages_get_none(klass: str) -> None:
    assert CONTENT.word("crm", klass, OURS, "Your code is 123456") is None  # type: ignore[arg-type]


@pytest.mark.parametrize("region", [None, "US", "GB", "AU"])
def test_a_61_number_is_kept_whatever_the_region(region: str | None) -> None:
    for written in ("+61412345678", "+61 412 345 678", "0061412345678" if region == "GB" else "+61-412-345-678"):
        assert normalise(written, region).value == "+61412345678"


@pytest.mark.parametrize(
    ("region", "written", "value"),
    [
        ("US", "(212) 555-0100", "+12125550100"),
        ("US", "12125550100", "+12125550100"),
        ("AU", "0412 345 678", "+61412345678"),
        ("GB", "07700 900123", "+447700900123"),
        ("DE", "0151 23456789", "+4915123456789"),
    ],
)
def test_national_numbers_take_the_default_region(region: str, written: str, value: str) -> None:
    assert normalise(written, region).value == value


@pytest.mark.parametrize("region", [None, "GB", "AU", "DE", "FR"])
@pytest.mark.parametrize("written", ["2125550100", "(212) 555-0100", "5550100", "0412345678", "61412345678"])
def test_nothing_is_ever_silently_plus_1(region: str | None, written: str) -> None:
    """A number without its country belongs to the default region, or to none."""
    try:
        value = normalise(written, region).value
    except AddressError:
        return
    assert not value.startswith("+1")
    assert region is not None or not value.startswith("+")
