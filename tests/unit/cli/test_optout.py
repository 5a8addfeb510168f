"""`smsgw optout`: what is asked of the daemon, and CSV files that come back as they went."""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.paging import PAGE
from tests.unit.cli.book import Book, asking, one_a_page
from tests.unit.cli.conftest import Run

ANN, BOB = "+15557654321", "+15557654322"
AT = "2026-03-01T09:00:00.000Z"


def row(peer: str, scope: str = "all", keyword: str | None = "STOP") -> dict[str, Any]:
    return {"peer": peer, "scope": scope, "at": AT, "how": "keyword", "id": None, "keyword": keyword}


class OptOuts(Book):
    """A daemon that lists these, one at a time, and notes what is asked."""

    def __init__(self, *rows: dict[str, Any], opted_out: bool = True) -> None:
        super().__init__()
        self.rows = list(rows)
        self.opted_out = opted_out

    def optouts(self, params: dict[str, Any]) -> dict[str, Any]:
        found, following = one_a_page(self.rows, params)
        return {"optouts": found, "next": following}

    def optouts_import(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.taken(params["optouts"])

    def optout(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"peer": params["peer"], "opted_out": self.opted_out, "scopes": self.rows}

    def optout_set(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"peer": ANN, "changed": params["out"], "scopes": self.rows}

    def optout_changes(self, params: dict[str, Any]) -> dict[str, Any]:
        change = {"id": "i", "at": AT, "peer": ANN, "change": "optout", "scope": "all", "how": "operator", "who": "ops"}
        return {"changes": [change | {"number": None, "message": None, "keyword": None, "text": "=1"}], "next": "i2"}


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    return asking(smsgw, tmp_path, "optout")


def test_check_says_it_by_its_exit_code(ask: Any) -> None:
    book = OptOuts(row(ANN))
    ran = ask(book, "check", ANN, "--number", BOB, "--app", "shop")
    assert (ran.code, ran.out.splitlines()[0]) == (1, f"{ANN} opted out")
    assert book.requests == [("optout", {"peer": ANN, "number": BOB, "app": "shop"})]
    ran = ask(OptOuts(opted_out=False), "check", ANN)
    assert (ran.code, ran.out) == (0, f"{ANN} did not opt out\n")


def test_check_of_a_phone_without_its_country_code_says_nothing_of_it(ask: Any) -> None:
    ran = ask(OptOuts(opted_out=False), "check", "2125550101")
    assert (ran.code, ran.err[:39]) == (2, "2125550101 is no whole phone number, an")
    assert ask(OptOuts(opted_out=False), "check", "24273").code == 0


def test_add_and_remove(ask: Any) -> None:
    book = OptOuts()
    assert ask(book, "add", ANN, "--scope", "set:a", "--note", "called").code == 0
    ran = ask(book, "remove", ANN)
    assert book.requests == [
        ("optout_set", {"peer": ANN, "out": True, "scope": "set:a", "note": "called"}),
        ("optout_set", {"peer": ANN, "out": False}),
    ]
    assert (ran.out, ran.err) == (f"{ANN} is out of nothing\n", f"{ANN} was not out of it\n")


def test_the_record(ask: Any) -> None:
    book = OptOuts()
    ran = ask(book, "changes", ANN, "--since", "2026-03-01T00:00:00Z", "--limit", "1")
    assert book.requests == [("optout_changes", {"peer": ANN, "since": "2026-03-01T00:00:00.000Z", "limit": 1})]
    assert ran.out.splitlines()[1].endswith("ops  =1")
    assert "--before i2" in ran.err


@pytest.mark.parametrize("many", [0, 3])
def test_what_is_exported_is_imported_again(ask: Any, tmp_path: Path, many: int) -> None:
    book = OptOuts(*[row(f"+1555765{i:04}", "set:a", "ALTO") for i in range(many)])
    file = tmp_path / "o.csv"
    ran = ask(book, "export", "-o", str(file))
    assert ran.out == f"{many} opt-outs in {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as stream:
        assert next(csv.reader(stream)) == ["peer", "scope", "at", "how", "keyword"]
    book.requests.clear()
    assert ask(book, "import", str(file)).code == 0
    assert book.imported("optouts") == [{"peer": one["peer"], "scope": "set:a", "at": AT} for one in book.rows]


def test_a_file_goes_in_pages_and_bad_lines_are_named(ask: Any, tmp_path: Path) -> None:
    book = OptOuts()
    book.refuse = {"x": "no phone"}
    file = tmp_path / "o.csv"
    lines = ["peer;note", *(f"+1555765{i:04};n" for i in range(1001)), "x;", "y;1;2"]
    file.write_text("\n".join(lines))
    ran = ask(book, "import", str(file), "--scope", "set:a")
    assert [len(params["optouts"]) for _, params in book.requests] == [PAGE, PAGE, 2]
    assert book.requests[0][1]["optouts"][0] == {"peer": "+15557650000", "scope": "set:a", "note": "n"}
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"{file}:1004: more cells than the header has columns",
        f"{file}:1003: peer: no phone",
    ]
    assert ran.out == "1001 taken, 3 of them new; 2 could not be taken\n"


def test_the_list(ask: Any) -> None:
    ran = ask(OptOuts(row(ANN), row(BOB, "set:a", None)), "list", "--json")
    assert [line.split(",")[0] for line in ran.out.splitlines()] == [f'{{"peer":"{ANN}"', f'{{"peer":"{BOB}"']
    assert ask(OptOuts(), "list").out == "nobody opted out\n"
