"""`smsgw threads`: what is asked of the daemon, and what of a stranger's text reaches the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ran, Run
from tests.unit.cli.fake_daemon import FakeDaemon, Request, result

NUMBER, PEER = "+15551230001", "+15557654321"
THREAD: dict[str, Any] = {
    "number": NUMBER,
    "peer": PEER,
    "name": "Ann\x1b[2J",
    "unread": 2,
    "needs_attention": True,
    "assigned": "bob",
    "first_at": "2026-03-01T09:00:00.000Z",
    "last_at": "2026-03-01T09:05:00.000Z",
    "last_id": "id-9",
}
EVIL = "hi\n+15550000000  out\x1b]0;x\x07\u202egnp"
MESSAGES: list[dict[str, Any]] = [
    {"direction": "in", "id": "3", "at": "2026-03-01T09:05:00.000Z", "text": None, "data": "00ff", "flags": ["flash"]},
    {"direction": "out", "id": "2", "at": "2026-03-01T09:01:00.000Z", "text": "Yes", "state": "delivered"},
    {"direction": "in", "id": "1", "at": "2026-03-01T09:00:00.000Z", "text": EVIL},
]


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    """Runs a command against answers by method; returns what it printed and what it asked for."""

    def run(answers: dict[str, list[Any]], *arguments: str) -> tuple[Ran, list[Request]]:
        path = tmp_path / f"s{len(list(tmp_path.iterdir()))}"
        left = {method: list(given) for method, given in answers.items()}
        with FakeDaemon(path, lambda request: [result(request, left[request["method"]].pop(0))]) as fake:
            ran = smsgw("threads", *arguments, "--socket", str(path))
        return ran, [(request["method"], request["params"]) for request in fake.requests]

    return run


def test_threads_are_asked_for_page_by_page(ask: Any) -> None:
    pages = [
        {"threads": [THREAD], "next": "id-9"},
        {"threads": [], "next": "id-5"},
        {"threads": [THREAD | {"peer": "+15557654322", "unread": 0}], "next": None},
    ]
    ran, asked = ask({"threads": pages}, "--number", NUMBER, "--unread", "--json")
    assert (ran.code, [t["peer"] for t in ran.lines], ran.err) == (0, [PEER, "+15557654322"], "")
    assert asked == [
        ("threads", {"number": NUMBER, "unread": True, "limit": 50}),
        ("threads", {"number": NUMBER, "unread": True, "limit": 49, "before": "id-9"}),
        ("threads", {"number": NUMBER, "unread": True, "limit": 49, "before": "id-5"}),
    ]


def test_a_list_says_where_it_goes_on(ask: Any) -> None:
    ran, _ = ask({"threads": [{"threads": [THREAD], "next": "id-9"}]}, "--limit", "1")
    header, row = ran.out.splitlines()
    assert header.split() == ["last", "message", "number", "peer", "name", "unread", "attention", "assigned"]
    assert row.split()[2:] == [NUMBER, PEER, r"Ann\x1b[2J", "2", "yes", "bob"]
    assert ran.err == "there may be more: --before id-9\n"
    ran, _ = ask({"threads": [{"threads": [], "next": None}]})
    assert ran.out == "no conversation\n"


def test_the_last_text_is_one_harmless_cell(ask: Any) -> None:
    ran, asked = ask({"threads": [{"threads": [THREAD | {"text": EVIL}], "next": None}]}, "--text")
    assert asked[0][1]["text"] is True
    assert ran.out.splitlines()[1].endswith(r"hi\n+15550000000  out\x1b]0;x\x07\u202egnp")


def test_a_conversation_is_shown_in_its_order_and_harmless(ask: Any) -> None:
    pages = [
        {"thread": THREAD, "messages": MESSAGES[:2], "next": "2"},
        {"thread": THREAD, "messages": MESSAGES[2:], "next": "1"},
    ]
    ran, asked = ask({"thread": pages}, "show", NUMBER, PEER, "--limit", "3")
    assert ran.code == 0
    first, _, _, *rows = ran.out.splitlines()
    assert first == rf"{NUMBER} with Ann\x1b[2J ({PEER}); 2 unread; needs attention; assigned to bob"
    assert [row.split()[2] for row in rows] == ["in", "out", "in"]
    assert rows[0].endswith(r"hi\n+15550000000  out\x1b]0;x\x07\u202egnp")
    assert rows[1].split()[3:] == ["delivered", "Yes"]
    assert rows[2].split()[3:] == ["flash", "(octets)", "00ff"]
    assert ran.err == "there are earlier ones: --before 1\n"
    assert asked[1] == ("thread", {"number": NUMBER, "peer": PEER, "text": True, "limit": 1, "before": "2"})


def test_a_conversation_as_json(ask: Any) -> None:
    ran, _ = ask({"thread": [{"thread": None, "messages": MESSAGES[:2], "next": None}]}, "show", NUMBER, PEER, "--json")
    assert ran.lines == [{"thread": None, "messages": MESSAGES[1::-1], "next": None}]


@pytest.mark.parametrize(
    ("arguments", "noted"),
    [
        (("read", NUMBER, PEER), {"read_up_to": "id-9"}),
        (("read", NUMBER, PEER, "--up-to", "id-3"), {"read_up_to": "id-3"}),
        (("attention", NUMBER, PEER), {"attention": True}),
        (("attention", NUMBER, PEER, "--clear"), {"attention": False}),
        (("assign", NUMBER, PEER, "cat"), {"assigned": "cat"}),
        (("assign", NUMBER, PEER), {"assigned": None}),
    ],
)
def test_what_is_noted(ask: Any, arguments: tuple[str, ...], noted: dict[str, Any]) -> None:
    done = THREAD | {"unread": 0, "needs_attention": False}
    answers = {"thread": [{"thread": THREAD, "messages": [], "next": None}], "thread_set": [done] * 2}
    ran, asked = ask(answers, *arguments)
    assert asked[-1] == ("thread_set", {"number": NUMBER, "peer": PEER, **noted})
    assert ran.out == rf"{NUMBER} with Ann\x1b[2J ({PEER}); assigned to bob" + "\n"


def test_options_of_the_list_are_not_taken_before_a_command(smsgw: Run) -> None:
    ran = smsgw("threads", "--unread", "show", NUMBER, PEER)
    assert (ran.code, "come after show" in ran.err) == (2, True)


def test_the_app_of_the_environment_is_for_commands_of_the_group_too(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMSGW_AS", "boss")
    monkeypatch.setenv("SMSGW_TOKEN", "correct-horse-battery")
    answers = {"auth": [{}], "thread": [{"thread": THREAD, "messages": [], "next": None}]}
    ran, asked = ask(answers, "show", NUMBER, PEER)
    assert (ran.code, [method for method, _ in asked]) == (0, ["auth", "thread"])
