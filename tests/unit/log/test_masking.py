"""No text, secret or whole number in a log line; one event is one line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.log.masking import Masking, clean, mask_number, printable
from gateway.settings import Secret


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+15551230001", "+1555*****01"),
        ("15551230001", "1555*****01"),
        ("+4915123456789", "+4915*******89"),
        ("+1 (555) 123-0001", "+1 (555) ***-**01"),
        ("5551234", "55***34"),
        ("12345", "12345"),
        ("Acme", "Acme"),
        ("", ""),
    ],
)
def test_numbers(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("peer", "+15551230001", "+1555*****01"),
        ("peer", 15551230001, "1555*****01"),
        ("peers", ["+15551230001", "12345"], ["+1555*****01", "12345"]),
        ("numbers", 3, 3),
        ("to", None, None),
        ("text", "hello", "(5 characters)"),
        ("short_message", b"hello", "(5 octets)"),
        ("vars", {"name": "Ann"}, "(hidden)"),
        ("password", "geheim", "**********"),
        ("anything", Secret("geheim"), "**********"),
        ("error", "cannot send to +15551230001, sorry", "cannot send to +1555*****01, sorry"),
        ("address", "127.0.0.1:2775", "127.0.0.1:2775"),
        ("smsc_message_id", "0123456789", "0123456789"),
        ("detail", {"peer": "+15551230001", "inner": {"text": "hello"}}, None),
        ("octets", b"\x00\x01", "0001"),
        ("count", 5, 5),
        ("ok", True, True),
        ("line", "a\nb\x1b[31m\u2028\u202e", "a\\nb\\x1b[31m\\u2028\\u202e"),
    ],
)
def test_values(key: str, value: object, shown: object) -> None:
    if isinstance(value, dict) and shown is None:
        shown = {"peer": "+1555*****01", "inner": {"text": "(5 characters)"}}
    assert clean(key, value, reveal=False) == shown


def test_revealed_are_texts_and_numbers_but_no_secrets() -> None:
    event = {"peer": "+15551230001", "text": "hello\n", "password": "geheim", "event": "to +15551230001"}
    assert Masking(reveal=True)(None, "info", dict(event)) == {
        "peer": "+15551230001",
        "text": "hello\\n",
        "password": "**********",
        "event": "to +15551230001",
    }


def test_a_traceback_is_indented_and_says_no_parameters() -> None:
    trace = "Traceback\nIntegrityError: x\n[parameters: ('hello', '+15551230001')]\nto +15551230001"
    shown = Masking(reveal=False)(None, "error", {"exception": trace})["exception"]
    assert shown == ("    Traceback\n    IntegrityError: x\n    [parameters hidden]\n    to +1555*****01")


def test_depth_and_length_are_bounded() -> None:
    deep: object = "x"
    for _ in range(50):
        deep = [deep]
    assert len(json.dumps(clean("k", deep, reveal=False))) < 50
    assert len(clean("k", "x" * 100_000, reveal=False)) == 4000


@given(st.text())
def test_any_text_is_one_printable_line(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_a_number_hides_at_least_two_digits_and_keeps_its_length(number: str) -> None:
    masked = mask_number(number)
    assert masked.count("*") >= 2
    assert len(masked) == len(number)
    assert masked[-2:] == number[-2:]
