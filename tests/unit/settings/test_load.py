"""Bad configurations: file, line, key, what is expected, what was found, the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import ConfigError, load
from tests.unit.settings.conftest import CARRIER, Failing, Loader


def test_defaults_are_a_whole_configuration() -> None:
    settings = load(None, {})
    assert settings.store.path == Path("/var/lib/smsgw/smsgw.db")
    assert settings.socket.mode_bits == 0o660
    assert settings.metrics.address == ("127.0.0.1", 9464)
    assert settings.carriers == ()


def test_the_example_of_the_design(config: Loader) -> None:
    settings = config(
        """
        default_region = "US"
        [[carriers]]
        name = "acme"
        hosts = ["a.example", "[::1]:2776", "b.example:2777"]
        system_id = "user"
        password = "env:ACME_PASSWORD"
        [[numbers]]
        number = "555 123 0001"
        handlers = ["crm"]
        [[handlers]]
        name = "crm"
        webhook = "https://crm.example/sms"
        secret = "k"
        [[apps]]
        name = "shop"
        uid = ["root"]
        numbers = ["(555) 123-0001"]
        """,
        {"ACME_PASSWORD": "geheim"},
    )
    carrier = settings.carriers_by_name["acme"]
    assert carrier.endpoints == (("a.example", 2775), ("::1", 2776), ("b.example", 2777))
    assert carrier.password.reveal() == "geheim"
    assert carrier.interface_version == 0x34
    assert settings.numbers[0].number == "+15551230001"
    assert settings.numbers[0].carrier == "acme"
    assert settings.numbers_by_value["+15551230001"].handlers == ("crm",)
    assert settings.apps[0].uid == (0,)
    assert settings.apps[0].numbers == ("+15551230001",)


# Text after a good carrier (line 1 to 6, the text begins on line 7), and what is said of it.
CASES = [
    ("windw = 5", "smsgw.toml:7: carriers[0].windw: unknown key; did you mean window?"),
    ("xyzzy = 5", "smsgw.toml:7: carriers[0].xyzzy: unknown key"),
    ("window = 0", "smsgw.toml:7: carriers[0].window: expected a number from 1 to 10000, found 0"),
    ('window = "many"', 'smsgw.toml:7: carriers[0].window: expected a whole number, found "many"'),
    ("window = 1.5", "smsgw.toml:7: carriers[0].window: expected a whole number, found 1.5"),
    ("window = [1]", "smsgw.toml:7: carriers[0].window: expected a whole number, found a list"),
    ("throughput = nan", "smsgw.toml:7: carriers[0].throughput: expected a finite number, found nan"),
    ("tls = 3", "smsgw.toml:7: carriers[0].tls: expected true or false, found 3"),
    (
        'default_alphabet = "gsm8"',
        'smsgw.toml:7: carriers[0].default_alphabet: expected "gsm7", "gsm7_packed", "latin1" or "ascii", found "gsm8"',
    ),
    (
        'interface_version = "4.0"',
        'smsgw.toml:7: carriers[0].interface_version: expected "3.3", "3.4" or "5.0", found "4.0"',
    ),
    ("system_type = 5", "smsgw.toml:7: carriers[0].system_type: expected text in quotes, found 5"),
    (
        'system_type = "0123456789abc"',
        'smsgw.toml:7: carriers[0].system_type: expected at most 12 characters, found "0123456789abc"',
    ),
    (
        r'system_type = "a\u0000b"',
        "smsgw.toml:7: carriers[0].system_type: expected ASCII text without control characters, "
        r'found "a\x00b"',
    ),
    (
        'tls_ca = "nowhere.pem"',
        "smsgw.toml:7: carriers[0].tls_ca: expected a file that can be read (No such file or directory), "
        'found "nowhere.pem"',
    ),
    (
        'local_address = "eth0"',
        'smsgw.toml:7: carriers[0].local_address: expected an IP address, found "eth0"',
    ),
    ('hosts = ["b"]', "smsgw.toml:2: carriers[0]: expected exactly one of host and hosts"),
    ("reconnect_min = 90", "smsgw.toml:2: carriers[0]: expected reconnect_min not above reconnect_max"),
    (
        '[[carriers]]\nname = "acme"\nhost = "b"\nsystem_id = "u"\npassword = "p"',
        'smsgw.toml:8: carriers[1].name: expected a name of its own; carriers[0] has it, found "acme"',
    ),
    (
        '[[carriers]]\nname = "b c"\nhost = "b"\nsystem_id = "u"\npassword = "p"',
        'smsgw.toml:8: carriers[1].name: expected 1 to 32 of a-z, 0-9, _ and -, found "b c"',
    ),
    (
        '[[carriers]]\nname = "b"\nhost = "b:1:2x"\nsystem_id = "u"\npassword = "p"',
        'smsgw.toml:9: carriers[1].host: expected a host name or an IP address, found "b:1:2x"',
    ),
    (
        '[[carriers]]\nname = "b"\nhost = "b"\nsystem_id = "u"',
        "smsgw.toml:7: carriers[1].password: is required",
    ),
    ("[[numbers]]\n", "smsgw.toml:7: numbers[0].number: is required"),
    (
        '[[numbers]]\nnumber = "+15551230001"\ncarrier = "acmee"',
        'smsgw.toml:9: numbers[0].carrier: expected the name of one of [[carriers]], found "acmee"; did you mean acme?',
    ),
    (
        '[[numbers]]\nnumber = "+15551230001"\nhandlers = [\n  "crm",\n]',
        'smsgw.toml:10: numbers[0].handlers[0]: expected the name of one of [[handlers]], found "crm"',
    ),
    (
        '[[numbers]]\nnumber = "+15551230001"\n[[numbers]]\nnumber = "+1 555 123 0001"',
        "smsgw.toml:10: numbers[1].number: expected a number of its own; numbers[0] is the same, "
        'found "+1 555 123 0001"',
    ),
    (
        '[[apps]]\nname = "shop"\nuid = [0]\nnumbers = ["+15551230001"]',
        'smsgw.toml:10: apps[0].numbers[0]: expected one of [[numbers]], found "+15551230001"',
    ),
    (
        '[[apps]]\nname = "shop"',
        "smsgw.toml:7: apps[0]: expected uid or token: without one of them nobody can be this app",
    ),
    (
        '[[apps]]\nname = "shop"\nuid = ["no such user"]',
        'smsgw.toml:9: apps[0].uid[0]: expected a user id, or the name of a user of this machine, found "no such user"',
    ),
    (
        '[[apps]]\nname = "a"\nuid = [0]\n[[apps]]\nname = "b"\nuid = ["root"]',
        "smsgw.toml:12: apps[1].uid[0]: expected a user of its own; apps[0] has it",
    ),
    (
        '[store]\nurl = "postgresql://user:geheim@db/smsgw"',
        'smsgw.toml:8: store.url: expected a SQLite file as "sqlite:////absolute/path.db"; no other database '
        'is known, found "postgresql://...@db/smsgw"',
    ),
    (
        '[store]\nurl = "sqlite://"',
        'smsgw.toml:8: store.url: expected a file as "sqlite:////absolute/path.db": four slashes, no '
        'options, found "sqlite://"',
    ),
    ("[stor]\n", "smsgw.toml:7: stor: unknown key; did you mean store?"),
    ("[socket]\nmode = 660", "smsgw.toml:8: socket.mode: expected text in quotes, found 660"),
    (
        '[socket]\nmode = "rw"',
        'smsgw.toml:8: socket.mode: expected three octal digits in quotes, such as "0660", found "rw"',
    ),
    (
        '[metrics]\nbind = "9464"',
        'smsgw.toml:8: metrics.bind: expected an address as "host:port" (IPv6 as "[::1]:port"), found "9464"',
    ),
    ("[handlers]\n", "smsgw.toml:7: handlers: expected a list of tables: write [[handlers]]"),
    (
        '[[handlers]]\nname = "crm"\nwebhook = "https://u:geheim@crm.example/"\nsecret = "s"',
        "smsgw.toml:9: handlers[0].webhook: expected a web address as https://host/path, without user and "
        'password in it, found "https://...@crm.example/"',
    ),
    (
        '[[handlers]]\nname = "crm"\nwebhook = "crm.example"\nsecret = "s"',
        'smsgw.toml:9: handlers[0].webhook: expected a web address as https://host/path, found "crm.example"',
    ),
    (
        '[[handlers]]\nname = "crm"\nwebhook = "http://0177.0.0.1/"\nsecret = "s"',
        'smsgw.toml:9: handlers[0].webhook: expected a web address as https://host/path, found "http://0177.0.0.1/"',
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text.replace("\n", " ")[:50] for text, _ in CASES])
def test_bad(problems: Failing, text: str, expected: str) -> None:
    assert problems(CARRIER + text) == [expected]


def test_all_problems_at_once_in_the_order_of_the_file(problems: Failing) -> None:
    found = problems(
        """\
        default_region = "us"
        [store]
        node = 99
        [[carriers]]
        name = "acme"
        host = "a"
        system_id = "u"
        pasword = "hunter2"
        [[numbers]]
        number = "+15551230001"
        carrier = "amce"
        """,
        {"SMSGW_LIMITS__QUEUED": "0"},
    )
    assert [line.split(": ")[:2] for line in found] == [
        ["SMSGW_LIMITS__QUEUED", "limits.queued"],
        ["smsgw.toml:1", "default_region"],
        ["smsgw.toml:3", "store.node"],
        ["smsgw.toml:4", "carriers[0].password"],
        ["smsgw.toml:8", "carriers[0].pasword"],
        ["smsgw.toml:11", "numbers[0].carrier"],
    ]
    assert "hunter2" not in "".join(found)


def test_which_carrier_must_be_said_when_there_are_several(problems: Failing) -> None:
    number = '[[numbers]]\nnumber = "+15551230001"\n'
    assert problems(number) == ["smsgw.toml:1: numbers[0].carrier: is required, as there are no carriers"]
    two = CARRIER + CARRIER.replace("acme", "other") + number
    assert problems(two) == ["smsgw.toml:13: numbers[0].carrier: is required, as there are several carriers"]


def test_equal_tokens(problems: Failing) -> None:
    apps = '[[apps]]\nname = "a"\ntoken = "geheim"\n[[apps]]\nname = "b"\ntoken = "geheim"\n'
    assert problems(apps) == [
        "smsgw.toml:6: apps[1].token: expected a token of its own; apps[0] has the same",
    ]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"a = 1\nb 2\n", "smsgw.toml:2:3: not TOML: expected '=' after a key in a key/value pair"),
        (b"a = 1\na = 2\n", "smsgw.toml:2:6: not TOML: cannot overwrite a value"),
        (b'a = 1\nb = """abc\n\n', "smsgw.toml:2: not TOML: unterminated string"),
        (b"a = 1\n\xff\n", "smsgw.toml:2: is not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "smsgw.toml: is nested too deeply"),
        (b"a = " + b"9" * 100_000, "smsgw.toml:1: not TOML: "),
    ],
)
def test_what_is_not_toml(tmp_path: Path, octets: bytes, expected: str) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_bytes(octets)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(expected)


def test_a_syntax_error_does_not_quote_the_line(tmp_path: Path) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_text("password = hunter2\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert "hunter2" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file or directory$"):
        load(tmp_path / "none.toml", {})


def test_relative_paths_start_from_the_file(config: Loader, tmp_path: Path) -> None:
    assert config('[socket]\npath = "smsgw.sock"').socket.path == tmp_path / "smsgw.sock"


def test_sections_are_frozen(config: Loader) -> None:
    settings = config(CARRIER)
    with pytest.raises(ValueError, match="frozen"):
        settings.carriers[0].window = 7  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('[store]\nsynchronous = "normal"', 'store.synchronous = "normal"'),
        ('[socket]\nmode = "0666"', 'socket.mode = "0666"'),
        ('[metrics]\nbind = "0.0.0.0:9464"', "open to other machines"),
        ('[metrics]\nbind = "[2600::1]:9464"', "open to other machines"),
        ("[log]\nreveal = true", "log.reveal"),
        ("enquire_link = 0", "enquire_link = 0"),
        ("", "no [[carriers]]"),
        (
            '[[handlers]]\nname = "crm"\nwebhook = "http://crm.example/"\nsecret = "0123456789abcdef"',
            "over http",
        ),
        ('[[handlers]]\nname = "crm"\nwebhook = "https://10.0.0.1/"\nsecret = "0123456789abcdef"', "private"),
        ('[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\nsecret = "short"', "guessed"),
        (
            '[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/"\nsecret = "short"',
            "no number names it",
        ),
        ('[[apps]]\nname = "a"\ntoken = "short"', "guessed"),
    ],
)
def test_warnings(config: Loader, text: str, warning: str) -> None:
    settings = config(CARRIER + text if text else "")
    assert any(warning in line for line in settings.warnings()), settings.warnings()


def test_a_sound_configuration_warns_of_nothing(config: Loader) -> None:
    assert config(CARRIER).warnings() == []


@pytest.mark.parametrize(
    ("host", "password", "warns"),
    [
        ("127.0.0.1", "12345678", []),
        ("localhost", "12345678", []),
        ("smpp.example", "12345678", ["clear"]),
        ("127.0.0.1", "123456789", ["8 characters"]),
        ("127.0.0.1", "", ["empty"]),
    ],
)
def test_warnings_of_a_carrier(config: Loader, host: str, password: str, warns: list[str]) -> None:
    text = CARRIER.replace("127.0.0.1", host).replace('"pass"', f'"{password}"')
    found = config(text).warnings()
    assert len(found) == len(warns)
    assert all(word in line for word, line in zip(warns, found, strict=True))
