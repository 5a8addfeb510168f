"""`smsgw route explain`: by the daemon, and by a configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_daemon import FakeDaemon, result

CONFIG = """
[[carriers]]
name = "north"
host = "n.example"
system_id = "u"
password = "p"
[[carriers]]
name = "south"
host = "s.example"
system_id = "u"
password = "p"
[[numbers]]
number = "+15551230001"
[[routes]]
name = "bulk"
classes = ["marketing"]
carriers = [{ name = "south" }]
[[routes]]
name = "uk"
countries = ["GB"]
carriers = [{ name = "north", weight = 3 }, { name = "south" }]
"""
FOUND: dict[str, Any] = {
    "from": "+15551230001",
    "to": "+447700900123",
    "app": "crm",
    "class": "transactional",
    "country": "GB",
    "sender": {
        "why": "thread",
        "detail": "of those that fit it is the one that the phone wrote to last",
        "numbers": [{"number": "+12125550100", "lacks": "country"}, {"number": "+15551230001", "lacks": None}],
    },
    "routes": [
        {
            "name": "bulk",
            "matched": False,
            "conditions": {"classes": ["marketing"]},
            "failed": "classes",
            "has": "transactional",
        },
        {"name": "uk", "matched": True, "conditions": {"countries": ["GB"]}, "failed": None},
    ],
    "route": "uk",
    "sticky": None,
    "failover": {"after": 30.0, "on_refusal": True, "on_receipt": False},
    "carriers": [
        {"name": "north", "state": "down", "down_seconds": 95.2, "queued": 0, "preference": 1, "weight": 3,
         "share": 0.0, "passed_over": True},
        {"name": "south", "state": "up", "down_seconds": None, "queued": 4, "preference": 1, "weight": 1,
         "share": 1.0, "passed_over": False},
    ],
    "carrier": "south",
    "why": "failover",
    "detail": "north passed over; south is next",
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "smsgw.toml"
    path.write_text(CONFIG)
    return str(path)


def test_the_daemon_is_asked(smsgw: Run, tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "s", lambda request: [result(request, FOUND)]) as fake:
        asked = ("--to", "+447700900123", "--from", "+15551230001", "--app", "crm", "--class", "marketing")
        ran = smsgw("route", "explain", *asked, "--socket", str(tmp_path / "s"), "--json")
        assert (ran.code, ran.lines) == (0, [FOUND])
        shown = smsgw("route", "explain", "--to", "+447700900123", "--socket", str(tmp_path / "s"))
    assert fake.requests[0]["method"] == "route"
    assert fake.requests[0]["params"] == {
        "to": "+447700900123",
        "from": "+15551230001",
        "app": "crm",
        "class": "marketing",
    }
    assert fake.requests[1]["params"] == {"to": "+447700900123", "class": "transactional"}
    text = " ".join(shown.out.split())
    assert "from +15551230001: of those that fit it is the one that the phone wrote to last" in text
    assert "+12125550100 no: it is for another country +15551230001 yes" in text
    assert "bulk no: classes, not transactional classes marketing" in text
    assert "uk yes countries GB" in text
    assert "north 1 3 0% down for 95 s, passed over 0" in text
    assert text.endswith("carrier: south because north passed over; south is next")


def test_quiet_hours_are_shown(smsgw: Run, tmp_path: Path) -> None:
    quiet = {"does": "hold", "until": "2026-03-01T13:00:00.000Z", "zones": ["America/New_York"], "known": True}
    answers = [quiet, quiet | {"does": "send", "zones": ["Asia/Omsk", "Asia/Chita"], "known": False}]
    answers += [quiet | {"does": "refuse", "until": None, "zones": []}]
    told = iter(answers)
    with FakeDaemon(tmp_path / "s", lambda request: [result(request, FOUND | {"quiet": next(told)})]) as fake:
        asked = ("route", "explain", "--to", "+12125550100", "--zone", "Asia/Omsk", "--socket", str(tmp_path / "s"))
        shown = [" ".join(smsgw(*asked).out.split()) for _ in answers]
    assert fake.requests[0]["params"]["zone"] == "Asia/Omsk"
    assert "now: it is held until 2026-03-01" in shown[0]
    assert "by America/New_York, as is known of the phone" in shown[0]
    assert "not now until 2026-03-01" in shown[1]
    assert "by Asia/Omsk and 1 more" in shown[1]
    assert "now: it is refused, without an end in sight" in shown[2]


def test_without_a_daemon(smsgw: Run, config: str) -> None:
    ran = smsgw("route", "explain", "--to", "+447700900123", "--offline", "-c", config, "--json")
    assert ran.code == 0
    (found,) = ran.lines
    assert (found["route"], found["why"], found["country"]) == ("uk", "weight", "GB")
    assert found["carrier"] in ("north", "south")
    assert {c["name"]: c["share"] for c in found["carriers"]} == {"north": 0.75, "south": 0.25}
    assert not any("state" in carrier for carrier in found["carriers"])
    assert (
        "the weights give this pair to"
        in smsgw("route", "explain", "--to", "+447700900123", "--offline", "-c", config).out
    )


def test_what_no_route_takes(smsgw: Run, config: str) -> None:
    ran = smsgw("route", "explain", "--to", "+12125550101", "--offline", "-c", config)
    assert ran.code == 1
    assert "uk no: countries, not US countries GB" in " ".join(ran.out.split())
    assert ran.out.split("\n")[-3:-1] == [
        "carrier: none",
        "because no route matches, and the number has no carrier of its own: refused",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--to", "12"), "invalid_to"),
        (("--to", "+447700900123", "--from", "+15550000000"), "invalid_from"),
        (("--to", "+447700900123", "--app", "crm"), "no app 'crm'"),
    ],
)
def test_what_cannot_be_asked(smsgw: Run, config: str, given: tuple[str, ...], said: str) -> None:
    ran = smsgw("route", "explain", *given, "--offline", "-c", config)
    assert ran.code == 1
    assert said in ran.err
    assert ran.out == ""


def test_check_shows_routes(smsgw: Run, config: str) -> None:
    (found,) = smsgw("check", "-c", config, "--json").lines
    assert [route["name"] for route in found["routes"]] == ["bulk", "uk"]
    assert found["routes"][1]["conditions"] == {"countries": ["GB"]}
    assert 'routes "bulk": one carrier: nothing takes over when it is down' in found["warnings"]
    text = " ".join(smsgw("check", "-c", config).out.split())
    assert "bulk classes marketing south none yes" in text
    assert "uk countries GB north ×3 + south down 30 s, refusal yes" in text
