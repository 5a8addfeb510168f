"""Tables where a program reads: a line for each row, columns under each other whatever the width of their letters."""

import json
import time

import pytest

from gateway.cli.output import emit, printed, sheet, table


def test_columns_are_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    made = table("name", "count", "text", right=("count",))
    made.add_row("\u674e\u5c0f\u9f8d", "1", "")
    made.add_row("Ann", "1000", "x" * 20_000)
    printed(made)
    assert capsys.readouterr().out.splitlines() == [
        "name    count  text",
        "\u674e\u5c0f\u9f8d      1",
        "Ann      1000  " + "x" * 20_000,
    ]


def test_a_sheet_has_no_header_and_an_empty_table_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    made = sheet()
    made.add_row("name", "Ann")
    made.add_row("phones", "-")
    printed(made)
    printed(table("a", "b"))
    assert capsys.readouterr().out.splitlines() == ["name    Ann", "phones  -", "a  b"]


def test_a_conversation_of_ten_thousand_messages_is_printed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """By far less than what rich takes: four seconds."""
    made = table("time", "", "state", "text")
    for i in range(10_000):
        made.add_row("2026-03-01 09:00:00", "in", "-", f"Message {i}")
    began = time.process_time()
    printed(made)
    assert time.process_time() - began < 1
    assert len(capsys.readouterr().out.splitlines()) == 10_001


def test_json_acts_on_no_terminal_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    text = '\x1b[2J \x9b2J \x7f \u202eevil\u2066 \u200f \u2028 caf\u00e9 \u05d0 \U0001f389 \\u0041 "q"'
    emit({"text": text, text: 1})
    out = capsys.readouterr().out
    assert json.loads(out) == {"text": text, text: 1}
    assert "caf\u00e9 \u05d0 \U0001f389" in out
    assert out.rstrip("\n").isprintable()
