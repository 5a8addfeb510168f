"""Text of strangers made harmless: what each place is given, as a table."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plain import cell, inert, one_line, paragraphs, uncell

RLO, PDF, LRI, PDI, RLM = "\u202e", "\u202c", "\u2066", "\u2069", "\u200f"

# What came, then how it is shown in a line (terminal, header) and in the body of a mail.
SHOWN = [
    ("Hello", "Hello", "Hello"),
    ("", "", ""),
    ("naïve 日本 🙂👩\u200d👧", "naïve 日本 🙂👩\u200d👧", "naïve 日本 🙂👩\u200d👧"),
    ("two\nlines", "two\\nlines", "two\nlines"),
    ("two\r\nlines\rthree", "two\\r\\nlines\\rthree", "two\nlines\nthree"),
    ("a\tb", "a\\tb", "a\tb"),
    ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07", "\\x1b[2J\\x1b]0;title\\x07"),
    ("\x9b31m and \x7f and \x00", "\\x9b31m and \\x7f and \\x00", "\\x9b31m and \\x7f and \\x00"),
    (f"{RLO}gpj.exe{PDF}", "\\u202egpj.exe\\u202c", "\\u202egpj.exe\\u202c"),
    (f"{LRI}x{PDI}", "\\u2066x\\u2069", "\\u2066x\\u2069"),
    ("\u206a\u206f", "\\u206a\\u206f", "\\u206a\\u206f"),
    (f"שלום!{RLM}", "שלום!\\u200f", f"שלום!{RLM}"),  # a paragraph of its own needs the mark, a column must not have it
    ("\u2028\u2029\x85\x0b\x0c", "\\u2028\\u2029\\x85\\x0b\\x0c", "\\u2028\\u2029\\x85\\x0b\\x0c"),
    ("\ud83d alone", "\\ud83d alone", "\\ud83d alone"),
    ("\ufff9a\ufffab\ufffb\uffff", "\\ufff9a\\ufffab\\ufffb\\uffff", "\\ufff9a\\ufffab\\ufffb\\uffff"),
    ("<b onclick='x'>&amp;", "<b onclick='x'>&amp;", "<b onclick='x'>&amp;"),  # text/plain and a terminal know no HTML
]

CELLS = [
    ("Hello, \"you\"", "Hello, \"you\""),
    ("=1+1", "'=1+1"),
    ("+15551230001", "'+15551230001"),
    ("-2+3", "'-2+3"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("\t=1", "'\t=1"),
    ("\n=1", "'\n=1"),
    ("\r=1", "'\n=1"),
    ("  =1", "'  =1"),
    ("\xa0@x", "'\xa0@x"),
    ("＝cmd|'/c calc'!A1", "'＝cmd|'/c calc'!A1"),
    ("a=1", "a=1"),
    ("'tis", "'tis"),
    ("'=1", "''=1"),
    ("''+1", "'''+1"),
    ("'", "'"),
    ("\x1b[2J", "\\x1b[2J"),
    ("two\r\nlines", "two\nlines"),
    (f"{RLO}x", "\\u202ex"),
]  # fmt: skip


@pytest.mark.parametrize(("came", "line", "body"), SHOWN)
def test_lines_and_bodies(came: str, line: str, body: str) -> None:
    assert inert(came) == line
    assert paragraphs(came) == body


@pytest.mark.parametrize(("came", "shown"), CELLS)
def test_cells(came: str, shown: str) -> None:
    assert cell(came) == shown


def test_a_line_keeps_what_it_is_told_to() -> None:
    assert inert("a\nb\tc", keep="\n") == "a\nb\\tc"


@pytest.mark.parametrize(
    ("came", "longest", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("\r\nBcc: x@y.example", 80, "\\r\\nBcc: x@y.example"),
        ("ab", 1, "…"),
    ],
)
def test_a_title(came: str, longest: int, shown: str) -> None:
    assert one_line(came, longest) == shown


def test_of_all_of_unicode_nothing_that_acts_is_left() -> None:
    """By the Unicode database and not by the same list: controls, separators, and all that turns a direction."""
    acts = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for number in range(0x110000):
        char = chr(number)
        category, turns = unicodedata.category(char), unicodedata.bidirectional(char) in acts
        if category in ("Cc", "Cs", "Zl", "Zp") or turns:
            assert char not in inert(char), hex(number)
            if char not in "\n\t":
                assert char not in paragraphs(char), hex(number)
                assert char not in cell(char)
        elif category[0] in "LMNPS":
            assert inert(char) == char, hex(number)


@given(st.text())
def test_what_is_shown_can_be_written_and_is_shown_as_it_is(text: str) -> None:
    for made in (inert, paragraphs):
        shown = made(text)
        shown.encode()
        assert made(shown) == shown


@given(st.text(alphabet=st.sampled_from("'=+-@ \n\tab,\"＝")))
def test_a_cell_is_read_back_and_never_calculates(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([cell(text), "end"])
    ((read, _),) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert uncell(read) == text
    assert read.lstrip(" ")[:1] not in tuple("=+-@\t\r\n＝") or read == ""


@pytest.mark.parametrize("cell_of_a_person", ["+15551230001", "'tis", "", "'", "plain"])
def test_a_cell_that_nobody_quoted_is_itself(cell_of_a_person: str) -> None:
    assert uncell(cell_of_a_person) == cell_of_a_person
