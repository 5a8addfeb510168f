"""`smsgw preview`: encoding, segments and the characters that are to blame; no daemon."""

from __future__ import annotations

import pytest

from .conftest import Run


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "used", "left"),
    [
        ("", "gsm7", 1, 0, 160),
        ("x" * 160, "gsm7", 1, 160, 0),
        ("x" * 161, "gsm7", 2, 161, 145),
        ("x" * 310, "gsm7", 3, 310, 149),  # 153 and 67 a segment: 310 characters are three
        ("€" * 80, "gsm7", 1, 160, 0),  # of the extension table: two septets each
        ("ы" * 70, "ucs2", 1, 70, 0),
        ("ы" * 71, "ucs2", 2, 71, 63),
        ("👋" * 35, "ucs2", 1, 70, 0),
    ],
)
def test_segments(smsgw: Run, text: str, encoding: str, segments: int, used: int, left: int) -> None:
    ran = smsgw("preview", "--json", text)
    assert ran.code == 0
    (shown,) = ran.lines
    assert (shown["encoding"], shown["segments"], shown["units_used"], shown["units_left"]) == (
        encoding,
        segments,
        used,
        left,
    )


def test_each_character_that_forced_ucs2_is_named_once_with_its_position(smsgw: Run) -> None:
    ran = smsgw("preview", "--json", "naïve “quote” naïve")
    assert ran.lines[0]["forced_by"] == [
        {"char": "ï", "position": 2},
        {"char": "“", "position": 6},
        {"char": "”", "position": 12},
    ]


def test_people_read_it_as_a_table_and_count_from_one(smsgw: Run) -> None:
    ran = smsgw("preview", "Hi 👋")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "encoding         ucs2",
        "segments         1",
        "used             5 UCS-2 units, up to 70 in a segment",
        "left             65 in the last segment",
        "ucs2 because of  '👋' U+1F44B WAVING HAND SIGN, character 4",
    ]


@pytest.mark.parametrize(
    ("options", "segments", "encoding"),
    [
        (("--encoding", "ucs2"), 3, "ucs2"),
        (("--encoding", "latin1"), 2, "latin1"),
        (("--scheme", "udh16"), 2, "gsm7"),
    ],
)
def test_options(smsgw: Run, options: tuple[str, ...], segments: int, encoding: str) -> None:
    (shown,) = smsgw("preview", "--json", *options, "x" * 170).lines
    assert (shown["segments"], shown["encoding"]) == (segments, encoding)


def test_the_carriers_alphabet_counts(smsgw: Run) -> None:
    # The euro sign is in GSM 03.38 but not in the ASCII that this carrier takes for data_coding 0.
    assert smsgw("preview", "--json", "€").lines[0]["encoding"] == "gsm7"
    assert smsgw("preview", "--json", "--alphabet", "ascii", "€").lines[0]["encoding"] == "ucs2"


def test_binary_is_hex(smsgw: Run) -> None:
    (shown,) = smsgw("preview", "--json", "--encoding", "binary", "00ff" * 70).lines
    assert (shown["encoding"], shown["segments"], shown["units_left"]) == ("binary", 1, 0)
    assert smsgw("preview", "--encoding", "binary", "0xyz").code == 2


def test_a_character_that_cannot_be_sent_as_asked_is_named(smsgw: Run) -> None:
    ran = smsgw("preview", "--encoding", "gsm7", "tea `today`")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "smsgw preview: '`' U+0060 GRAVE ACCENT, character 5, cannot be sent as gsm7\n"


def test_a_text_that_is_too_long_says_by_how_much(smsgw: Run) -> None:
    ran = smsgw("preview", "x" * 60_000)
    assert ran.code == 1
    assert "393 segments" in ran.err


def test_control_characters_do_not_reach_the_terminal(smsgw: Run) -> None:
    ran = smsgw("preview", "\x1b[2Jbell\x07 \u202eevil")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert "U+202E" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview",), "Missing argument 'TEXT'"),
        (("preview", "x", "--scheme", "pigeon"), "'pigeon'"),
        (("preview", "x", "--scheem", "sar"), "No such option"),
        (("perview", "x"), "No such command"),
        (("send", "+15551230001"), "Missing argument 'TEXT'"),
        (("send", "+15551230001", "x", "--validity", "soon"), '"soon" is not a duration'),
        (("send", "+15551230001", "x", "--at", "later"), '"later" is not a time'),
        (("send", "+15551230001", "x", "--meta", "{"), "--meta is not JSON"),
        (("messages", "--since", "whenever"), '"whenever" is not a time'),
        (("messages", "--limit", "0"), "'--limit'"),
        (("messages", "resolve", "--resend"), "ids or --carrier"),
        (("messages", "resolve", "x", "--carrier", "acme", "--resend"), "ids or --carrier"),
        (("messages", "resolve", "x"), "--resend or --fail"),
        (("messages", "resolve", "x", "--resend", "--fail"), "--resend or --fail"),
        (("messages", "show"), "Missing argument"),
        (("messages", "--socket", "/x", "show", "ID"), "options come after show"),
        (("messages", "--json", "resolve", "ID", "--fail"), "options come after resolve"),
        (("config",), "Missing command"),
        (("simulate", "--latency", "fast"), "--latency"),
        (("simulate", "--errors", "7"), "no share"),
        (("simulate", "--id-form", "octal"), "octal"),
    ],
)
def test_wrong_usage_is_two_and_one_line(smsgw: Run, arguments: tuple[str, ...], said: str) -> None:
    ran = smsgw(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("smsgw")


def test_nothing_asked_shows_the_help_and_is_wrong_usage(smsgw: Run) -> None:
    ran = smsgw()
    assert ran.code == 2
    assert "preview" in ran.out
    assert smsgw("--help") == (0, ran.out, "")


def test_version(smsgw: Run) -> None:
    ran = smsgw("--version")
    assert ran.code == 0
    assert ran.out.startswith("smsgw 0.")


def test_config_reference_is_the_page_in_docs(smsgw: Run) -> None:
    from gateway.settings.reference import reference

    assert smsgw("config", "reference") == (0, reference(), "")
