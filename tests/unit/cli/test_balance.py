"""`smsgw balance`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ran, Run
from tests.unit.cli.fake_daemon import FakeDaemon, Request, result

AT = "2026-03-01T09:00:00.000Z"
STANDING = {"app": "crm", "left": 7, "added": 10, "taken": 5, "refunded": 2, "prepaid": True}


class Book:
    def __init__(self, *standings: dict[str, Any]) -> None:
        self.standings = standings
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def answer(self, request: Request) -> list[Any]:
        method, params = request["method"], request["params"]
        self.requests.append((method, params))
        if method == "balances":
            found: dict[str, Any] = {"balances": list(self.standings)}
        elif method == "balance_entries":
            one = {"at": AT, "kind": "added", "segments": 10, "who": "ops", "note": "=1"}
            found = {"entries": [one], "next": None if "before" in params else "17:added"}
        else:
            found = {"app": params["app"], "left": 10 + params["segments"]}
        return [result(request, found)]


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    def run(book: Book, *arguments: str) -> Ran:
        path = tmp_path / f"s{len(list(tmp_path.iterdir()))}"
        with FakeDaemon(path, book.answer):
            return smsgw("balance", *arguments, "--socket", str(path))

    return run


def test_add_and_remove(ask: Any) -> None:
    book = Book()
    assert ask(book, "add", "crm", "5", "--note", "invoice 7").out == "crm has 15 segments left\n"
    assert ask(book, "remove", "crm", "5").out == "crm has 5 segments left\n"
    assert book.requests == [
        ("balance_add", {"app": "crm", "segments": 5, "note": "invoice 7"}),
        ("balance_add", {"app": "crm", "segments": -5}),
    ]
    assert ask(book, "add", "crm", "0").code == 2


def test_show_all(ask: Any) -> None:
    lines = ask(Book(STANDING), "show").out.splitlines()
    assert [line.split() for line in lines] == [
        ["app", "left", "added", "taken", "refunded", "prepaid"],
        ["crm", "7", "10", "5", "2", "yes"],
    ]
    assert ask(Book(), "show").out == "no app pays in advance, nor did\n"
    assert '"left":7' in ask(Book(STANDING), "show", "--json").out


def test_show_what_one_comes_of(ask: Any) -> None:
    book = Book()
    ran = ask(book, "show", "crm", "--limit", "1")
    assert ran.out.splitlines()[1].split()[2:] == ["added", "10", "ops", "=1"]
    assert ran.err == "there may be more: --before 17:added\n"
    assert len(ask(book, "show", "crm", "--json").out.splitlines()) == 2
    assert book.requests[-1] == ("balance_entries", {"app": "crm", "before": "17:added", "limit": 49})
