"""`smsgw events` against a daemon that answers as the test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run
from .fake_daemon import FakeDaemon, Request, error, result

DEAD = {
    "event_id": "3-17",
    "at": "2026-03-01T09:30:00.250Z",
    "kind": "inbound",
    "status": "dead",
    "attempts": 43,
    "error": "status 500 \x1b[2J",
    "to": "handler",
    "name": "crm",
    "app": None,
    "id": "019ca893-3bfa-7000-800a-04f6389bd581",
    "number": "+15551230001",
    "peer": "+15557654321",
}
TAKEN = {
    **{k: v for k, v in DEAD.items() if k not in ("attempts", "error")},
    "event_id": "2-5",
    "status": "acknowledged",
    "to": "subscription",
    "name": "default",
    "app": "one",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smsgw: Run) -> Path:
    path = tmp_path / "s.sock"
    monkeypatch.setenv("SMSGW_SOCKET__PATH", str(path))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    return path


def test_the_list(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, lambda request: [result(request, {"events": [DEAD, TAKEN], "next": None})]) as fake:
        ran = smsgw("events", "list", "--handler", "crm", "--dead")
        assert smsgw("events", "list", "--json").lines == [DEAD, TAKEN]
    assert [(r["method"], r["params"]) for r in fake.requests] == [
        ("events", {"handler": "crm", "dead": True, "limit": 50}),
        ("events", {"limit": 50}),
    ]
    assert (ran.code, ran.err) == (0, "")
    head, first, second = ran.out.splitlines()
    assert head.split() == ["event", "at", "to", "kind", "status", "tries", "number", "peer", "error"]
    assert "3-17" in first
    assert "handler crm" in first
    assert "\x1b" not in ran.out
    assert "one/default" in second


def test_pages_up_to_the_limit(smsgw: Run, path: Path) -> None:
    def answer(request: Request) -> list[object]:
        assert request["params"]["limit"] <= 500
        before = request["params"].get("before")
        return [result(request, {"events": [DEAD] * request["params"]["limit"], "next": "3-2" if before else "3-1"})]

    with FakeDaemon(path, answer) as fake:
        ran = smsgw("events", "list", "--json", "--limit", "600")
    assert len(ran.lines) == 600
    assert ran.err == "there may be more: --before 3-2\n"
    assert [r["params"] for r in fake.requests] == [{"limit": 500}, {"limit": 100, "before": "3-1"}]


def test_nothing_found(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, lambda request: [result(request, {"events": [], "next": None})]):
        assert smsgw("events", "list") == (0, "no event matches\n", "")


def test_one_is_shown_with_what_was_delivered(smsgw: Run, path: Path) -> None:
    shown = DEAD | {"payload": {"at": "x", "text": "hi\nthere\u202e", "parts": 1}}
    with FakeDaemon(path, lambda request: [result(request, shown)]) as fake:
        ran = smsgw("events", "show", "3-17", "--text")
        assert smsgw("events", "show", "3-17", "--json").lines == [shown]
    assert [r["params"] for r in fake.requests] == [{"id": "3-17", "text": True}, {"id": "3-17", "text": False}]
    words = [line.split(maxsplit=1) for line in ran.out.splitlines()]
    assert ["event", "3-17"] in words
    assert ["status", "dead"] in words
    assert ["attempts", "43"] in words
    assert ["parts", "1"] in words
    assert "\u202e" not in ran.out


def test_these_are_replayed(smsgw: Run, path: Path) -> None:
    done = {"replayed": 1, "skipped": [{"event_id": "3-18", "reason": "not_found"}]}
    with FakeDaemon(path, lambda request: [result(request, done)]) as fake:
        ran = smsgw("events", "replay", "3-17", "3-18")
        assert smsgw("events", "replay", "3-17", "3-18", "--json").lines == [done]
    assert ran == (1, "1 event to be delivered once more\n3-18 is not: there is no such event\n", "")
    assert fake.requests[0]["params"] == {"ids": ["3-17", "3-18"]}


def test_what_waits_anyhow_is_no_failure(smsgw: Run, path: Path) -> None:
    done = {"replayed": 0, "skipped": [{"event_id": "3-18", "reason": "waiting"}]}
    with FakeDaemon(path, lambda request: [result(request, done)]):
        assert smsgw("events", "replay", "3-18").code == 0


def test_many_ids_go_in_several_requests(smsgw: Run, path: Path) -> None:
    ids = [f"3-{n}" for n in range(1, 701)]
    with FakeDaemon(
        path, lambda request: [result(request, {"replayed": len(request["params"]["ids"]), "skipped": []})]
    ) as fake:
        assert smsgw("events", "replay", *ids).out == "700 events to be delivered once more\n"
    assert [i for r in fake.requests for i in r["params"]["ids"]] == ids


def test_those_of_a_handler_are_replayed(smsgw: Run, path: Path) -> None:
    done = {"replayed": 20_000, "waiting": 3, "more": True, "next": "3-20017"}
    with FakeDaemon(path, lambda request: [result(request, done)]) as fake:
        ran = smsgw("events", "replay", "--handler", "crm", "--since", "2026-03-01T00:00:00Z", "--after", "3-17")
    assert fake.requests[0]["params"] == {"handler": "crm", "since": "2026-03-01T00:00:00.000Z", "after": "3-17"}
    assert ran.out == "20000 events to be delivered once more\n3 more wait anyhow\n"
    assert "--after 3-20017" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "give either ids, or --handler or --subscription"),
        (["replay", "3-1", "--handler", "crm"], "give either ids, or --handler or --subscription"),
        (["replay", "3-1", "--dead"], "no other option goes with them"),
        (["replay", "--handler", "crm"], "give --dead or --since"),
        (["replay", "--handler", "crm", "--since", "yesterday"], "is not a time"),
        (["list", "--handler", "crm", "--subscription", "x"], "give --handler, or"),
        (["list", "--handler", "crm", "--app", "x"], "give --handler, or"),
    ],
)
def test_wrong_usage(smsgw: Run, path: Path, arguments: list[str], words: str) -> None:
    ran = smsgw("events", *arguments)
    assert ran.code == 2
    assert words in ran.err


def test_a_refusal_is_said_in_words(smsgw: Run, path: Path) -> None:
    refused = {"reason": "not_allowed", "detail": "events of handlers are for operators", "field": "handler"}
    with FakeDaemon(path, lambda request: [error(request, -32000, "the app has no right to this", **refused)]):
        ran = smsgw("events", "list", "--handler", "crm")
    assert ran.code == 1
    assert "events of handlers are for operators" in ran.err
