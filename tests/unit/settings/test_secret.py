"""Secrets: found where the file says, shown nowhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from gateway.settings import ConfigError, Secret, load
from tests.unit.settings.conftest import CARRIER, Failing, Loader

GOOD = "geheim12"


def _with(password: str) -> str:
    return CARRIER.replace('"pass"', f'"{password}"')


def test_literal(config: Loader) -> None:
    assert config(_with(GOOD)).carriers[0].password.reveal() == GOOD


def test_environment(config: Loader) -> None:
    assert config(_with("env:PW"), {"PW": GOOD}).carriers[0].password.reveal() == GOOD


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_file_beside_the_configuration(config: Loader, tmp_path: Path, end: str) -> None:
    tmp_path.joinpath("pw").write_bytes((GOOD + end).encode())
    assert config(_with("file:pw")).carriers[0].password.reveal() == GOOD


def test_absolute_file(config: Loader, tmp_path: Path) -> None:
    tmp_path.joinpath("pw").write_text(GOOD)
    assert config(_with(f"file:{tmp_path}/pw")).carriers[0].password.reveal() == GOOD


def test_systemd_credential(config: Loader, tmp_path: Path) -> None:
    tmp_path.joinpath("acme").write_text(GOOD)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert config(_with("cred:acme"), env).carriers[0].password.reveal() == GOOD


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("env:PW", "the environment variable PW is not set"),
        ("env:EMPTY", "the environment variable EMPTY is empty"),
        ("file:none", "none: No such file or directory"),
        ("file:empty", "empty is empty"),
        ("file:octets", "octets is not UTF-8 text"),
        ("file:large", "large has more than 65536 octets"),
        ("file:.", "Is a directory"),
        ("cred:acme", "$CREDENTIALS_DIRECTORY is not set, so the credential acme is not there"),
    ],
)
def test_not_found(problems: Failing, tmp_path: Path, written: str, expected: str) -> None:
    tmp_path.joinpath("empty").write_text("\n")
    tmp_path.joinpath("octets").write_bytes(b"\xff\xfe")
    tmp_path.joinpath("large").write_text("x" * 70_000)
    (problem,) = problems(_with(written), {"EMPTY": ""})
    assert problem.startswith("smsgw.toml:6: carriers[0].password: expected a secret: ")
    assert expected in problem


@pytest.mark.parametrize("name", ["../etc/passwd", "", ".."])
def test_a_credential_is_a_name(problems: Failing, tmp_path: Path, name: str) -> None:
    (problem,) = problems(_with(f"cred:{name}"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "takes the name of a credential, not a path" in problem


@pytest.mark.parametrize(
    "text",
    [
        _with("g" * 65),  # too long
        _with("geheim\\u00e4"),  # not ASCII
        CARRIER.replace('"pass"', '["ggggg"]'),  # not a text
        CARRIER.replace('"pass"', "99999"),
        CARRIER.replace("password", "pasword").replace('pass"', 'geheim"'),  # a misspelt key
        _with("geheim") + "window = 0\n",
        _with("geheim") + 'hosts = ["a"]\n',
        '[[apps]]\nname = "a"\ntoken = ""\n',
        '[[apps]]\nname = "a"\ntoken = "geheim"\n[[apps]]\nname = "b"\ntoken = "geheim"\n',
        '[carriers]\npassword = "geheim"\n',
    ],
)
def test_no_problem_shows_a_secret(problems: Failing, text: str) -> None:
    found = "\n".join(problems(text))
    assert "gehei" not in found
    assert "ggggg" not in found
    assert "99999" not in found


def test_nothing_shows_a_secret(config: Loader) -> None:
    settings = config(_with(GOOD))
    secret = settings.carriers[0].password
    shown = [
        str(settings),
        repr(settings),
        settings.model_dump_json(),
        json.dumps(settings.model_dump(mode="json")),
        str(secret),
        repr(secret),
        f"{secret}",
        str(settings.warnings()),
    ]
    assert GOOD not in "".join(shown)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_environment_over_the_file_shows_nothing_either() -> None:
    env = {"SMSGW_CARRIERS": '[{"name": "a", "host": "a", "system_id": "u", "password": "geheim", "window": 0}]'}
    with pytest.raises(ConfigError) as caught:
        load(None, env)
    assert str(caught.value) == ("SMSGW_CARRIERS: carriers[0].window: expected a number from 1 to 10000, found 0")


def test_a_file_that_all_can_read_is_warned_of(config: Loader, tmp_path: Path) -> None:
    path = tmp_path / "pw"
    path.write_text(GOOD)
    path.chmod(0o640)
    assert config(_with("file:pw")).warnings() == []
    path.chmod(0o644)
    (warning,) = config(_with("file:pw")).warnings()
    assert warning == 'carriers "acme": password: every user of this machine can read pw'


def test_equality() -> None:
    assert Secret("a") == Secret("a", "env:A")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
