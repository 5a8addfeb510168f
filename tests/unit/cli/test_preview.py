"""`smsgw preview`: encoding, segments and the characters that are to blame; no daemon."""

from __future__ import annotations

from pathlib import Path

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
    assert (shown["encoding"], shown["segments"], shown["units"], shown["left"]) == (
        encoding,
        segments,
        used,
        left,
    )


def test_each_character_that_forced_ucs2_is_named_once_with_its_positions(smsgw: Run) -> None:
    ran = smsgw("preview", "--json", "naïve “quote” naïve")
    assert ran.lines[0]["forced_by"] == [
        {"char": "ï", "position": 2, "positions": [2, 16], "count": 2},
        {"char": "“", "position": 6, "positions": [6], "count": 1},
        {"char": "”", "position": 12, "positions": [12], "count": 1},
    ]


def test_people_read_it_as_a_table_and_count_from_one(smsgw: Run) -> None:
    ran = smsgw("preview", "Hi 👋")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "encoding         ucs2, data_coding 0x08",
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


def test_what_transliteration_would_save(smsgw: Run) -> None:
    text = "“" + "x" * 98 + "”"
    (shown,) = smsgw("preview", "--json", text).lines
    assert (shown["encoding"], shown["segments"]) == ("ucs2", 2)
    assert shown["transliteration"] == {
        "applied": False,
        "encoding": "gsm7",
        "segments": 1,
        "saves": 1,
        "changes": [
            {"char": "“", "replacement": '"', "positions": [0], "count": 1},
            {"char": "”", "replacement": '"', "positions": [99], "count": 1},
        ],
    }
    (shown,) = smsgw("preview", "--json", "--transliterate", text).lines
    assert (shown["encoding"], shown["segments"], shown["forced_by"]) == ("gsm7", 1, [])
    assert (shown["transliteration"]["applied"], shown["transliteration"]["saves"]) == (True, 1)
    for other in ("plain", "“👋”", "привет"):
        assert smsgw("preview", "--json", "--transliterate", other).lines[0]["transliteration"] is None


def test_people_read_what_transliteration_does(smsgw: Run) -> None:
    assert smsgw("preview", "It’s e\u0301\u200b").out.splitlines()[4:] == [
        "ucs2 because of        '’' U+2019 RIGHT SINGLE QUOTATION MARK, character 3",
        "                       '\u25cc\u0301' U+0301 COMBINING ACUTE ACCENT, character 7",
        "                       '\\u200b' U+200B ZERO WIDTH SPACE, character 8",
        "--transliterate gives  gsm7, 1 segment, none less",
        "                       '’' U+2019 to ''', character 3",
        "                       'e\u0301' U+0065 U+0301 to 'é', character 6",
        "                       '\\u200b' U+200B to nothing, character 8",
    ]
    shown = smsgw("preview", "--transliterate", "’" * 150).out.splitlines()
    assert shown[0] == "encoding        gsm7, data_coding 0x00"
    assert shown[4] == "transliterated  gsm7, 1 segment, 2 segments less"
    assert shown[5].endswith("characters 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 138 more")


def test_a_text_of_another_script_does_not_fill_the_screen(smsgw: Run) -> None:
    shown = smsgw("preview", "".join(map(chr, range(0x4E00, 0x4E40)))).out.splitlines()
    assert len(shown) == 4 + 20 + 1
    assert shown[-1].strip() == "44 more characters; --json has them all"


def test_national_tables_are_taken_where_they_are_allowed(smsgw: Run) -> None:
    text = "İstanbul ş ğ ı" + "x" * 80
    assert smsgw("preview", "--json", text).lines[0]["encoding"] == "ucs2"
    (shown,) = smsgw("preview", "--json", "--national", "turkish", text).lines
    assert (shown["encoding"], shown["segments"]) == ("gsm7", 1)
    assert shown["national"] in ({"locking": "turkish", "single": None}, {"locking": None, "single": "turkish"})
    assert "national table  turkish (" in smsgw("preview", "--national", "turkish,spanish", text).out
    ran = smsgw("preview", "--national", "klingon", text)
    assert ran.code == 2
    assert "turkish" in ran.err


def test_as_a_carrier_of_the_configuration(smsgw: Run, tmp_path: Path) -> None:
    config = tmp_path / "smsgw.toml"
    config.write_text(
        """
        [store]
        url = "sqlite:////var/lib/smsgw/smsgw.db"
        [limits]
        max_segments = 3
        [[carriers]]
        name = "acme"
        host = "smsc.example"
        system_id = "user"
        password = "secret"
        default_alphabet = "gsm7_packed"
        long_messages = "udh16"
        transliterate = true
        national_languages = ["turkish"]
        flash = "0xf0"
        """
    )
    asked = ("preview", "-c", str(config), "--carrier", "acme", "--json")
    (shown,) = smsgw(*asked, "--flash", "It’s").lines
    assert (shown["encoding"], shown["data_coding"], shown["alphabet"], shown["scheme"]) == (
        "gsm7",
        0xF0,
        "gsm7_packed",
        "udh16",
    )
    assert smsgw(*asked, "--no-transliterate", "It’s").lines[0]["encoding"] == "ucs2"
    assert smsgw(*asked, "ş" * 71).lines[0]["encoding"] == "gsm7"
    assert smsgw(*asked, "--national", "none", "--no-transliterate", "ş" * 71).lines[0]["encoding"] == "ucs2"
    assert "at most 3" in smsgw(*asked, "x" * 500).err
    ran = smsgw("preview", "-c", str(config), "--carrier", "north", "x")
    assert (ran.code, ran.out) == (2, "")
    assert "acme" in ran.err


def test_the_carriers_alphabet_counts(smsgw: Run) -> None:
    # The euro sign is in GSM 03.38 but not in the ASCII that this carrier takes for data_coding 0.
    assert smsgw("preview", "--json", "€").lines[0]["encoding"] == "gsm7"
    assert smsgw("preview", "--json", "--alphabet", "ascii", "€").lines[0]["encoding"] == "ucs2"


def test_binary_is_hex(smsgw: Run) -> None:
    (shown,) = smsgw("preview", "--json", "--encoding", "binary", "00ff" * 70).lines
    assert (shown["encoding"], shown["segments"], shown["left"]) == ("binary", 1, 0)
    assert smsgw("preview", "--encoding", "binary", "0xyz").code == 2


@pytest.mark.parametrize(
    ("options", "segments", "left", "per_segment"),
    [
        (("--udh", "037001aa"), 1, 0, 155),
        (("--destination-port", "2948"), 2, 137, 146),
        (("--destination-port", "2948", "--source-port", "9200", "--udh", "037001aa"), 2, 129, 142),
    ],
)
def test_headers_and_ports_take_room(
    smsgw: Run, options: tuple[str, ...], segments: int, left: int, per_segment: int
) -> None:
    (shown,) = smsgw("preview", "x" * 155, "--json", *options).lines
    assert (shown["segments"], shown["left"], shown["per_segment"]) == (segments, left, per_segment)


def test_ports_as_tlvs_take_as_much_room(smsgw: Run, tmp_path: Path) -> None:
    config = tmp_path / "smsgw.toml"
    carrier = '[[carriers]]\nname = "acme"\nhost = "h"\nsystem_id = "u"\npassword = "p"\nports = "tlv"\n'
    config.write_text(f'[store]\nurl = "sqlite:///{tmp_path}/db"\n{carrier}')
    options = ("--carrier", "acme", "-c", str(config), "--destination-port", "2948")
    (shown,) = smsgw("preview", "x" * 155, "--json", *options).lines
    assert (shown["segments"], shown["per_segment"]) == (2, 146)


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


def test_what_is_not_seen_alone_is_written_so_that_it_is(smsgw: Run) -> None:
    """A zero-width joiner would join the quotes about it, and a mark would stand on one."""
    ran = smsgw("preview", "\u200d\u0306")
    assert r"'\u200d' U+200D ZERO WIDTH JOINER" in ran.out
    assert "'\u25cc\u0306' U+0306 COMBINING BREVE" in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview",), "Missing argument 'TEXT'"),
        (("preview", "x", "--scheme", "pigeon"), "'pigeon'"),
        (("preview", "x", "--scheem", "sar"), "No such option"),
        (("send", "+15551230001", "x", "--tlv", "0x1400"), "TAG=VALUE"),
        (("send", "+15551230001", "x", "--national", "klingon"), "turkish"),
        (("send", "+15551230001", "\udcff"), "terminal"),
        (("preview", "x", "--source-port", "1"), "needs a --destination-port"),
        (("preview", "x", "--destination-port", "65536"), "--destination-port"),
        (("preview", "x", "--udh", "0"), "hex digits"),
        (("preview", "x", "--udh", "05"), "header of 6 octets"),
        (("preview", "x", "--udh", "06050400010002", "--destination-port", "1"), "ports of its own"),
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


CONTENT = """
default_region = "US"
[[carriers]]
name = "acme"
host = "smsc.example"
system_id = "user"
password = "secret"
[[numbers]]
number = "+15551230001"
[[numbers]]
number = "Acme"
clause = "STOP au 36180"
[[apps]]
name = "brief"
uid = ["root"]
max_segments = 1
[content]
clause = "every"
normalise = true
"""


def test_a_text_is_shown_with_what_the_configuration_makes_of_it(smsgw: Run, tmp_path: Path) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_text(CONTENT)
    ran = smsgw("preview", "--json", "-c", str(path), "--class", "marketing", "“Sale”")
    assert (ran.lines[0]["units"], ran.lines[0]["encoding"]) == (6 + 1 + 22, "gsm7")
    assert ran.lines[0]["warnings"] == ["normalised: quotes", 'clause added: "Reply STOP to opt out."']
    ran = smsgw("preview", "-c", str(path), "--class", "marketing", "--from", "Acme", "Sale")
    assert ran.out.splitlines()[-1] == 'note      clause added: "STOP au 36180"'
    ran = smsgw("preview", "--json", "-c", str(path), "--class", "direct", "Sale")
    assert (ran.lines[0]["units"], ran.lines[0]["warnings"]) == (4, [])
    ran = smsgw("preview", "-c", str(path), "--carrier", "acme", "--app", "brief", "x" * 161)
    assert (ran.code, ran.err) == (1, "smsgw preview: the text needs 2 segments; at most 1 are possible\n")
    assert smsgw("preview", "-c", str(path), "--app", "crm", "x").code == 2
    assert smsgw("preview", "-c", str(path), "--from", "+15551230009", "x").code == 2


def test_what_would_be_refused_is(smsgw: Run) -> None:
    ran = smsgw("preview", "Your parcel: bit.ly/x")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "smsgw preview: public_shortener: bit.ly at character 14\n"
