"""Receipts of a form that is not Appendix B: templates, what they find, and how long they may take."""

from __future__ import annotations

import time

import pytest

from gateway.smpp.receipttext import LONGEST, ReceiptText

FOUND: list[tuple[str, str, dict[str, str] | None]] = [
    ("Message {id} is {stat}", "Message 12 is DELIVRD", {"id": "12", "stat": "DELIVRD"}),
    ("Message {id} is {stat}", "message 12  is\tnot delivered", {"id": "12", "stat": "not delivered"}),
    ("Message {id} is {stat}", " Message 12 is OK\0", {"id": "12", "stat": "OK"}),
    ("Message {id} is {stat}.", "Message 12 is OK.", {"id": "12", "stat": "OK"}),
    ("Message {id} is {stat}.", "Message 12 is OK", None),
    ("Message {id} is {stat}.", "Message 12 is OK. Call me", None),
    ("Message {id} is {stat}", "Message for you is late", {"id": "for you", "stat": "late"}),
    ("[{stat}] ref={id};{}", "[OK] ref=a-1.b; anything", {"stat": "OK", "id": "a-1.b"}),
    ("[{stat}] ref={id};{}", "[OK] ref=a-1.b", None),
    ("[{stat}] ref={id} err={err}", "[KO] ref=9 err=013", {"stat": "KO", "id": "9", "err": "013"}),
    ("dlr {id} {stat} '{text}'", "DLR 9 OK 'it's {here}'", {"id": "9", "stat": "OK", "text": "it's {here}"}),
    ("{id}|{stat}|{done}|x", "9|OK|2026-11-22 05:00|x", {"id": "9", "stat": "OK", "done": "2026-11-22 05:00"}),
    ("Message {id} is {stat}", "", None),
    ("Message {id} is {stat}", "Message", None),
    ("Message {id} is {stat}", "Message  is OK", None),
]


@pytest.mark.parametrize(("template", "text", "expected"), FOUND)
def test_what_a_template_finds(template: str, text: str, expected: dict[str, str] | None) -> None:
    found = ReceiptText(template).read(text)
    assert found == (None if expected is not None and " " in expected["id"] else expected)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "no {id}"),
        ("Message {id}", "no {stat}"),
        ("Message {id} {state}", "{state} is no field"),
        ("Message {id} {id} {stat}", "{id} is there twice"),
        ("Message {id}{stat}", "between them"),
        ("{id} {stat}", "any message would do"),
        ("Message {id is {stat}", "no"),
        ("Message {id} is {stat} }", "a brace"),
        ("a{}" * 40 + "{id} x {stat}", "too many fields"),
    ],
)
def test_templates_that_are_refused(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("}", r"\}")):
        ReceiptText(template)


def test_no_text_takes_long() -> None:
    template = ReceiptText("a{}a{}a{}a{}a{}a{}a{}a{id}b{stat}c")
    began = time.perf_counter()
    for text in ("a" * 65_536, "a " * 32_768, " " * 65_536, "\0" * 65_536):
        assert template.read(text) is None
    assert time.perf_counter() - began < 1
    assert template.read("a" * LONGEST + "bc") is None
