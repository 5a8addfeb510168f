"""Texts that GSM 7 bit lacks characters for as Latin-1, where a carrier takes that: which, and in how many segments."""

from __future__ import annotations

import pytest

from gateway.sms.compose import Way, compose
from gateway.sms.encoding import is_latin1
from gateway.sms.preview import preview
from gateway.sms.segment import FlashWay, plan

CASES = [
    # way, text, whether it may be transliterated to GSM: encoding, text
    ("off", "São Paulo", False, "ucs2", "São Paulo"),
    ("exact", "São Paulo", False, "latin1", "São Paulo"),
    ("nearly", "São Paulo", False, "latin1", "São Paulo"),
    ("exact", "hello", False, "gsm7", "hello"),
    ("exact", "5 €", False, "gsm7", "5 €"),
    ("exact", "ção 5 €", False, "ucs2", "ção 5 €"),
    ("exact", "it’s São", False, "ucs2", "it’s São"),
    ("nearly", "it’s São", False, "latin1", "it's São"),
    ("nearly", "it’s ok", False, "gsm7", "it's ok"),
    ("nearly", "Привет São", False, "ucs2", "Привет São"),
    ("exact", "a\x85ã", False, "ucs2", "a\x85ã"),  # C1: every reader makes something else of it
    # As it is goes before as GSM 7 bit, unless that saves a segment.
    ("exact", "São Paulo", True, "latin1", "São Paulo"),
    ("exact", "ã" * 150, True, "gsm7", "a" * 150),
    ("exact", "ã" * 140, True, "latin1", "ã" * 140),
    ("nearly", "it’s São", True, "gsm7", "it's Sao"),
]


@pytest.mark.parametrize(("latin1", "text", "to_gsm", "encoding", "sent"), CASES)
def test_what_is_sent_and_what_a_preview_says(latin1: str, text: str, to_gsm: bool, encoding: str, sent: str) -> None:
    way = Way(latin1=latin1)  # type: ignore[arg-type]
    composed = compose(text, way, to_gsm=to_gsm)
    assert (composed.plan.encoding, composed.text) == (encoding, sent)
    assert bool(composed.changes) == (sent != text)
    shown = preview(text, way, transliterated=to_gsm)
    assert shown.composed == composed
    if sent != text:
        assert shown.offer is not None
        assert shown.offer.applied


@pytest.mark.parametrize(("characters", "parts"), [(140, 1), (141, 2), (268, 2), (269, 3)])
def test_segments_of_octets(characters: int, parts: int) -> None:
    planned = plan("ã" * characters, latin1=True)
    assert (planned.encoding, planned.parts) == ("latin1", parts)
    bodies = planned.render(7)
    assert {body.data_coding for body in bodies} == {3}
    header = 6 if parts > 1 else 0
    assert b"".join(body.short_message[header:] for body in bodies) == b"\xe3" * characters
    assert max(len(body.short_message) for body in bodies) <= 140


@pytest.mark.parametrize(("flash", "encoding"), [("0x10", "ucs2"), ("0xf0", "ucs2"), ("dest_addr_subunit", "latin1")])
def test_flash_that_would_make_octets_of_it(flash: FlashWay, encoding: str) -> None:
    assert plan("São", flash=flash, latin1=True).encoding == encoding


def test_national_tables_go_before_only_where_they_save_a_segment() -> None:
    few, many = "ã" * 100, "ã" * 150
    assert plan(few, national=("portuguese",), latin1=True).encoding == "latin1"
    assert plan(many, national=("portuguese",), latin1=True).encoding == "gsm7"
    assert plan(few, national=("portuguese",)).encoding == "gsm7"


def test_what_is_asked_for_is_not_changed() -> None:
    assert plan("São", encoding="ucs2", latin1=True).encoding == "ucs2"


def test_which_characters_are_latin1() -> None:
    assert is_latin1("".join(map(chr, [10, 13, *range(0x20, 0x7F), *range(0xA0, 0x100)])))
    assert not any(is_latin1(chr(code)) for code in [0, 7, 9, 27, *range(0x7F, 0xA0), 0x100, 0x20AC])
