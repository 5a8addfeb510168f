"""`smsgw check`: every problem with its place, what would be done, and how the machine fits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.settings import Socket

from .conftest import Run

PASSWORD = "s3cr3t-pw"
KEY = "a-webhook-key-of-some-length"
QUERY = "marked-query"


def config(directory: Path, extra: str = "") -> Path:
    file = directory / "smsgw.toml"
    file.write_text(
        f"""
        default_region = "US"
        [store]
        url = "sqlite:///{directory}/smsgw.db"
        [socket]
        path = "smsgw.sock"
        [metrics]
        bind = ""
        [[carriers]]
        name = "acme"
        hosts = ["127.0.0.1:2775", "[::1]:2776"]
        system_id = "user"
        password = "{PASSWORD}"
        binds = 2
        throughput = 30
        [[numbers]]
        number = "(201) 555-0123"
        handlers = ["crm"]
        [[numbers]]
        number = "(201) 555-0124"
        throughput = 0.5
        [[handlers]]
        name = "crm"
        webhook = "https://crm.example/sms?key={QUERY}"
        secret = "{KEY}"
        {extra}
        """
    )
    return file


def test_a_good_configuration_as_json(smsgw: Run, tmp_path: Path) -> None:
    ran = smsgw("check", "--json", "-c", str(config(tmp_path)))
    assert (ran.code, ran.err) == (0, "")
    (found,) = ran.lines
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["socket"]["path"] == str(tmp_path / "smsgw.sock")
    assert found["metrics"] is None
    (carrier,) = found["carriers"]
    assert carrier["hosts"] == ["127.0.0.1:2775", "[::1]:2776"]
    assert (carrier["bind"], carrier["binds"], carrier["window"], carrier["throughput"]) == (
        "transceiver",
        2,
        50,
        30,
    )
    assert (carrier["default_alphabet"], carrier["long_messages"], carrier["in_doubt"]) == (
        "gsm7",
        "udh8",
        "resend",
    )
    assert (carrier["national_languages"], carrier["transliterate"]) == ([], False)
    assert (carrier["flash"], carrier["ports"]) == ("0x10", "udh")
    usual = {
        "kind": "local",
        "country": "US",
        "carrier": "acme",
        "capabilities": ["from_short_codes", "sms_in", "sms_out"],
        "owner": None,
        "group": None,
        "meta": {},
        "campaign_id": None,
        "verification": "verified",
        "classes_until_verified": ["transactional", "direct"],
        "fallback": None,
        "state": "active",
        "held_until": None,
        "inbound_when_held": "handlers",
        "reply_when_held": "This number is not monitored.",
    }
    assert found["numbers"] == [
        {"number": "+12015550123", "throughput": 0, "handlers": ["crm"], **usual},
        {"number": "+12015550124", "throughput": 0.5, "handlers": [], **usual},
    ]
    assert [line for line in found["warnings"] if "campaign_id" in line and '"+12015550123", "+12015550124"' in line]


def test_a_good_configuration_for_people(smsgw: Run, tmp_path: Path) -> None:
    ran = smsgw("check", "-c", str(config(tmp_path)))
    assert (ran.code, ran.err) == (0, "")
    for shown in (
        "2 × transceiver",
        "30",
        "national tables",
        "udh8",
        "+12015550123",
        "crm (https://crm.example/sms?...)",
        "local",
    ):
        assert shown in ran.out
    words = [line.split() for line in ran.out.splitlines()]
    assert ["+12015550124", "local", "US", "acme", "-", "active", "0.5", "subscriptions", "only"] in words
    assert any(line[:8] == ["+12015550123", "local", "US", "acme", "-", "active", "no", "cap"] for line in words)
    assert ran.out.splitlines()[-1] == "the configuration is good"


def test_numbers_are_listed_with_what_they_are(smsgw: Run, tmp_path: Path) -> None:
    extra = """
        [[numbers]]
        number = "+442079460123"
        owner = "Anna Bell"
        state = "held"
        held_until = 2999-02-28
        inbound_when_held = "none"
        [[numbers]]
        number = "54321"
        group = "sales"
        state = "held"
        held_until = 2020-02-29
        [groups.sales]
        members = [{ name = "Ann", phone = "+12125550177" }]
        [[numbers]]
        number = "Acme"
        verification = "pending"
        [[numbers]]
        number = "+19005550100"
        capabilities = ["voice"]
        """
    ran = smsgw("check", "-c", str(config(tmp_path, extra)))
    assert (ran.code, ran.err) == (0, "")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in ran.out.splitlines() if line}
    assert lines["+442079460123"] == "local GB acme Anna Bell held until 2999-02-28 no cap nobody"
    assert lines["54321"] == "short_code - acme group sales released (held until 2020-02-29) no cap nobody"
    assert lines["Acme"] == "alphanumeric - acme - active, pending, gets no texts no cap subscriptions only"
    assert lines["+19005550100"].startswith("not known US acme - active, sends no texts, gets no texts")


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("extra", ["", "[[carriers]]\npassword = 'also-s3cr3t'\nwindw = 1"])
def test_no_secret_is_shown(smsgw: Run, tmp_path: Path, options: tuple[str, ...], extra: str) -> None:
    ran = smsgw("check", *options, "-c", str(config(tmp_path, extra)))
    for secret in (PASSWORD, KEY, QUERY, "also-s3cr3t"):
        assert secret not in ran.out + ran.err


def test_a_bad_configuration_names_every_problem(smsgw: Run, tmp_path: Path) -> None:
    file = config(tmp_path, "[[apps]]\nname = 'crm'\nuid = [0]\nadmni = true\n[limits]\nqueued = -1")
    ran = smsgw("check", "-c", str(file))
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert len(lines) == 2
    assert "did you mean admin?" in lines[0]
    assert "limits.queued" in lines[1]
    assert all(line.startswith(f"{file}:") for line in lines)

    ran = smsgw("check", "--json", "-c", str(file))
    assert (ran.code, ran.err) == (2, "")
    (found,) = ran.lines
    assert found["ok"] is False
    assert [problem["key"] for problem in found["problems"]] == ["apps[0].admni", "limits.queued"]
    assert found["problems"][0]["nearest"] == "admin"
    assert found["problems"][0]["line"] > 0


def test_a_file_that_is_not_there(smsgw: Run, tmp_path: Path) -> None:
    ran = smsgw("check", "-c", str(tmp_path / "none.toml"))
    assert (ran.code, ran.out) == (2, "")
    assert "No such file" in ran.err


def test_no_configuration_at_all_says_how_to_name_one(smsgw: Run) -> None:
    ran = smsgw("check")
    assert ran.code == 2
    assert "-c" in ran.err
    assert "SMSGW_CONFIG" in ran.err


def test_the_environment_can_name_the_file_or_be_the_configuration(
    smsgw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMSGW_CONFIG", str(config(tmp_path)))
    assert smsgw("check", "--json").lines[0]["file"] == str(tmp_path / "smsgw.toml")
    monkeypatch.delenv("SMSGW_CONFIG")
    monkeypatch.setenv("SMSGW_STORE__URL", f"sqlite:///{tmp_path}/smsgw.db")
    monkeypatch.setenv("SMSGW_SOCKET__PATH", str(tmp_path / "smsgw.sock"))
    found = smsgw("check", "--json").lines[0]
    assert (found["ok"], found["file"]) == (True, None)


def test_directories_that_are_missing_are_problems(smsgw: Run, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    text = config(inner).read_text()
    file = tmp_path / "outer.toml"
    file.write_text(text.replace('path = "smsgw.sock"', 'path = "gone/smsgw.sock"'))
    shutil.rmtree(inner)
    ran = smsgw("check", "--json", "-c", str(file))
    assert ran.code == 2
    assert [(one["key"], one["expected"]) for one in ran.lines[0]["problems"]] == [
        ("store.url", f"the directory {inner} does not exist"),
        ("socket.path", f"the directory {tmp_path}/gone does not exist"),
    ]
    ran = smsgw("check", "-c", str(file))
    assert ran.code == 2
    assert f"{file}: store.url: the directory {inner} does not exist" in ran.err
    assert "is good" not in ran.out


def test_what_systemd_makes_under_run_is_a_warning(smsgw: Run, tmp_path: Path) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text().replace("smsgw.sock", "/run/smsgw-that-is-not/smsgw.sock"))
    ran = smsgw("check", "--json", "-c", str(file))
    assert ran.code == 0
    assert any("RuntimeDirectory=" in warning for warning in ran.lines[0]["warnings"])


def test_a_socket_path_that_no_kernel_takes(smsgw: Run, tmp_path: Path) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text().replace("smsgw.sock", "x" * 108))
    ran = smsgw("check", "--json", "-c", str(file))
    assert ran.code == 2
    assert "at most 107 octets" in ran.lines[0]["problems"][0]["expected"]


def test_too_little_disk_is_a_warning(smsgw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20 * 1024 * 1024)
    monkeypatch.setattr("gateway.cli.world.shutil.disk_usage", lambda path: usage)
    ran = smsgw("check", "--json", "-c", str(config(tmp_path)))
    assert ran.code == 0
    assert any("20 MiB are free" in warning and "refused" in warning for warning in ran.lines[0]["warnings"])


def test_certificates_that_are_none(smsgw: Run, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    file = config(tmp_path)
    file.write_text(
        file.read_text().replace("binds = 2", "binds = 2\ntls = true\ntls_ca = 'ca.pem'\ntls_cert = 'ca.pem'")
    )
    ran = smsgw("check", "--json", "-c", str(file))
    assert ran.code == 2
    assert [one["key"] for one in ran.lines[0]["problems"]] == ["carriers[0].tls_ca", "carriers[0].tls_cert"]


DESK = """
        [[numbers]]
        number = "(201) 555-0125"
        handlers = ["crm", "desk"]
        [[handlers]]
        name = "desk"
        email = ["desk@office.example", "boss@office.example"]
        [smtp]
        host = "::1"
        user = "smsgw"
        password = "marked-password"
        sender = "sms@office.example"
        """


def test_what_goes_by_mail_is_said_with_its_server(smsgw: Run, tmp_path: Path) -> None:
    file = config(tmp_path, DESK)
    ran = smsgw("check", "-c", str(file))
    assert ran.code == 0
    assert "desk (desk@office.example, boss@office.example)" in ran.out
    assert "from sms@office.example by [::1]:587, tls starttls, as smsgw" in ran.out
    (found,) = smsgw("check", "-c", str(file), "--json").lines
    assert found["handlers"][1] == {
        "name": "desk",
        "webhook": None,
        "email": ["desk@office.example", "boss@office.example"],
    }
    assert found["smtp"] == {"server": "[::1]:587", "tls": "starttls", "user": "smsgw", "sender": "sms@office.example"}
    assert "marked-password" not in ran.out


def test_authorities_of_the_mail_server_that_are_none(smsgw: Run, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    ran = smsgw("check", "--json", "-c", str(config(tmp_path, DESK + "tls_ca = 'ca.pem'")))
    assert ran.code == 2
    assert [one["key"] for one in ran.lines[0]["problems"]] == ["smtp.tls_ca"]


@pytest.mark.parametrize("name", ["minimal", "two-carriers", "webhook", "email"])
def test_the_examples_are_read(smsgw: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Path(__file__).parents[3] / "config" / "examples"
    ran = smsgw("check", "--json", "-c", str(examples / f"{name}.toml"))
    # Their passwords and directories are not on this machine; but every problem is of that kind.
    for problem in ran.lines[0]["problems"]:
        assert "a secret" in problem["expected"] or "does not exist" in problem["expected"], problem


def test_the_default_socket_is_that_of_the_settings() -> None:
    # `common` states it again, because the settings are slow to import for a command that has to be quick.
    import gateway.cli.common as common

    source = Path(common.__file__).read_text()
    assert f'Path("{Socket().path}")' in source


def test_what_a_profile_sets_is_shown(smsgw: Run, tmp_path: Path) -> None:
    file = config(tmp_path)
    text = file.read_text().replace('name = "acme"', 'name = "acme"\nprofile = "latin1_gateway"\nlatin1 = "off"')
    file.write_text(text)
    (found,) = smsgw("check", "-c", str(file), "--json").lines
    assert found["carriers"][0]["profile"] == {
        "name": "latin1_gateway",
        "from": "package",
        "about": "data_coding 0 is Latin-1, out and in",
        "sets": {"default_alphabet": "latin1", "latin1": "exact"},
        "overridden": ["latin1"],
    }
    shown = smsgw("check", "-c", str(file)).out
    assert "latin1_gateway (package)" in shown
    assert "default_alphabet = 'latin1'; the carrier itself says latin1" in shown
    file.write_text(text.replace('"latin1_gateway"', '"budget"') + "\n[profiles.budget]\nwindow = 5\n")
    (found,) = smsgw("check", "-c", str(file), "--json").lines
    profile = found["carriers"][0]["profile"]
    assert (profile["from"], profile["sets"], profile["overridden"]) == ("file", {"window": 5}, [])
    assert found["carriers"][0]["window"] == 5


def test_whom_apps_send_to_is_shown(smsgw: Run, tmp_path: Path) -> None:
    extra = """
        [pools.front]
        numbers = ["(201) 555-0124"]
        [[apps]]
        name = "one"
        token = "0123456789abcdef"
        pool = "front"
        [[apps]]
        name = "two"
        token = "fedcba9876543210"
        countries = ["*"]
        """
    file = str(config(tmp_path, extra))
    found = smsgw("check", "--json", "-c", file).lines[0]
    assert [(app["pool"], app["countries"]) for app in found["apps"]] == [("front", ["US"]), (None, None)]
    text = " ".join(smsgw("check", "-c", file).out.split())
    assert "one token all; one of pool front US" in text
    assert "two token all anywhere" in text
