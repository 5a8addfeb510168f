"""The environment over the file."""

from __future__ import annotations

import pytest

from gateway.settings import ConfigError, load
from tests.unit.settings.conftest import CARRIER, Failing, Loader


def test_over_the_file(config: Loader) -> None:
    settings = config(
        CARRIER + "window = 7\n",
        {
            "SMSGW_STORE__URL": "sqlite:////tmp/other.db",
            "SMSGW_CARRIERS__0__PASSWORD": "env:PW",
            "SMSGW_CARRIERS__0__TLS": "true",
            "SMSGW_CARRIERS__0__WINDOW": "9",
            "SMSGW_CARRIERS__0__THROUGHPUT": "2.5",
            "SMSGW_DEFAULT_REGION": "DE",
            "PW": "other",
        },
    )
    carrier = settings.carriers[0]
    assert settings.store.url == "sqlite:////tmp/other.db"
    assert carrier.password.reveal() == "other"
    assert (carrier.tls, carrier.window, carrier.throughput) == (True, 9, 2.5)
    assert settings.default_region == "DE"


def test_lists_and_sections_are_json() -> None:
    settings = load(
        None,
        {
            "SMSGW_CARRIERS__0__NAME": "acme",
            "SMSGW_CARRIERS__0__HOSTS": '["a", "b:1"]',
            "SMSGW_CARRIERS__0__SYSTEM_ID": "user",
            "SMSGW_CARRIERS__0__PASSWORD": "pass",
            "SMSGW_LOG__REVEAL": "1",
            "SMSGW_LOG": '{"level": "debug"}',
            "SMSGW_NUMBERS": '[{"number": "+15551230001"}, {"number": "+15551230002"}]',
            "SMSGW_NUMBERS__1__CARRIER": "acme",
        },
    )
    assert settings.carriers[0].endpoints == (("a", 2775), ("b", 1))
    assert (settings.log.level, settings.log.reveal) == ("debug", True)
    assert [number.number for number in settings.numbers] == ["+15551230001", "+15551230002"]


def test_entries_ten_and_more_come_after_nine() -> None:
    env = {f"SMSGW_NUMBERS__{index}__NUMBER": f"+155512300{index:02}" for index in range(12)}
    env |= {f"SMSGW_CARRIERS__0__{key}": "a" for key in ("NAME", "HOST", "SYSTEM_ID", "PASSWORD")}
    assert len(load(None, env).numbers) == 12


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STORE__ULR", "x", "no such setting; did you mean SMSGW_STORE__URL?"),
        ("STROE__URL", "x", "no such setting; did you mean SMSGW_STORE__URL?"),
        ("CARRIERS__0__PASWORD", "x", "no such setting; did you mean SMSGW_CARRIERS__0__PASSWORD?"),
        ("CARRIERS__FIRST__PASSWORD", "x", "no such setting"),
        ("CARRIERS__0", "nonsense", "expected JSON, as this setting is a list or a table"),
        ("XYZZY__QWERT", "x", "no such setting"),
        ("CARRIERS", "geheim", "expected JSON, as this setting is a list or a table"),
        ("CARRIERS", "[" * 100_000, "expected JSON, as this setting is a list or a table"),
        ("CARRIERS__2__NAME", "x", "entry 2 of a list of 1: the one before it is missing"),
        ("CARRIERS__0__WINDOW", "0", 'carriers[0].window: expected a number from 1 to 10000, found "0"'),
        ("CARRIERS__0__WINDOW", "", 'carriers[0].window: expected a whole number, found ""'),
        ("STORE", "[]", "store: expected a table"),
    ],
)
def test_bad(problems: Failing, name: str, value: str, expected: str) -> None:
    assert problems(CARRIER, {f"SMSGW_{name}": value}) == [f"SMSGW_{name}: {expected}"]


def test_other_names_are_left_alone(config: Loader) -> None:
    env = {
        "SMSGW_CONFIG": "/etc/smsgw/smsgw.toml",
        "SMSGWX_STORE__URL": "x",
        "smsgw_store__url": "x",
        "PATH": "/",
    }
    assert config(CARRIER, env) == config(CARRIER)


def test_what_the_file_has_instead_of_a_table() -> None:
    with pytest.raises(ConfigError, match="SMSGW_STORE__URL: the file has something else there than a table"):
        load(None, {"SMSGW_STORE": "5", "SMSGW_STORE__URL": "x"})
