"""`smsgw balance`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.book import Book, asking
from tests.unit.cli.conftest import Run

AT = "2026-03-01T09:00:00.000Z"
STANDING = {"app": "crm", "left": 7, "added": 10, "taken": 5, "refunded": 2, "prepaid": True}


class Balances(Book):
    def __init__(self, *standings: dict[str, Any]) -> None:
        super().__init__()
        self.standings = standings

    def balances(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"balances": list(self.standings)}

    def balance_entries(self, params: dict[str, Any]) -> dict[str, Any]:
        one = {"at": AT, "kind": "added", "segments": 10, "who": "ops", "note": "=1"}
        return {"entries": [one], "next": None if "before" in params else "17:added"}

    def balance_add(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"app": params["app"], "left": 10 + params["segments"]}


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    return asking(smsgw, tmp_path, "balance")


def test_add_and_remove(ask: Any) -> None:
    book = Balances()
    assert ask(book, "add", "crm", "5", "--note", "invoice 7").out == "crm has 15 segments left\n"
    assert ask(book, "remove", "crm", "5").out == "crm has 5 segments left\n"
    assert book.requests == [
        ("balance_add", {"app": "crm", "segments": 5, "note": "invoice 7"}),
        ("balance_add", {"app": "crm", "segments": -5}),
    ]
    assert ask(book, "add", "crm", "0").code == 2


def test_show_all(ask: Any) -> None:
    lines = ask(Balances(STANDING), "show").out.splitlines()
    assert [line.split() for line in lines] == [
        ["app", "left", "added", "taken", "refunded", "prepaid"],
        ["crm", "7", "10", "5", "2", "yes"],
    ]
    assert ask(Balances(), "show").out == "no app pays in advance, nor did\n"
    assert '"left":7' in ask(Balances(STANDING), "show", "--json").out


def test_show_what_one_comes_of(ask: Any) -> None:
    book = Balances()
    ran = ask(book, "show", "crm", "--limit", "1")
    assert ran.out.splitlines()[1].split()[2:] == ["added", "10", "ops", "=1"]
    assert ran.err == "there may be more: --before 17:added\n"
    assert len(ask(book, "show", "crm", "--json").out.splitlines()) == 2
    assert book.requests[-1] == ("balance_entries", {"app": "crm", "before": "17:added", "limit": 49})
