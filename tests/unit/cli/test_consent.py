"""`smsgw consent`: what is asked of the daemon, and CSV files that come back as they went."""

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
TEXT = "Offers, up to 4 a month"


def row(peer: str, **given: Any) -> dict[str, Any]:
    return {
        "peer": peer, "class": "marketing", "scope": "all", "at": AT, "how": "web", "who": "shop", "opt_in": None,
        "version": "v1", "text": TEXT, "number": None, "id": None, "note": "=1+1",
    } | given  # fmt: skip


class Consents(Book):
    """A daemon that lists these, one at a time, and notes what is asked."""

    def __init__(self, *rows: dict[str, Any], opted_out: bool = False) -> None:
        super().__init__()
        self.rows = list(rows)
        self.opted_out = opted_out
        self.outcome = "asked"

    def consents(self, params: dict[str, Any]) -> dict[str, Any]:
        found, following = one_a_page(self.rows, params)
        return {"consents": found, "next": following}

    def consents_import(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.taken(params["consents"])

    def consent(self, params: dict[str, Any]) -> dict[str, Any]:
        asked = [{"opt_in": "offers", "number": BOB, "classes": [], "scope": "all", "at": AT, "until": AT}]
        return {"peer": ANN, "consents": self.rows, "asked": asked, "opted_out": self.opted_out}

    def consent_set(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"changed": params["granted"], **self.consent(params), "asked": []}

    def consent_ask(self, params: dict[str, Any]) -> dict[str, Any]:
        until = None if self.outcome == "agreed" else AT
        return {"peer": ANN, "number": BOB, "outcome": self.outcome, "until": until}

    def consent_changes(self, params: dict[str, Any]) -> dict[str, Any]:
        change = row(ANN, change="granted", recorded=AT, message=None) | {"id": "i"}
        return {"changes": [change], "next": "i2" if "before" not in params else None}


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    return asking(smsgw, tmp_path, "consent")


def test_show_says_it_by_its_exit_code(ask: Any) -> None:
    ran = ask(Consents(row(ANN), opted_out=True), "show", ANN)
    assert ran.code == 0
    assert TEXT in ran.out
    assert "asked by offers from" in ran.out
    assert "opted out" in ran.err
    ran = ask(Consents(), "show", ANN)
    assert (ran.code, ran.out.splitlines()[0]) == (1, f"{ANN} agreed to nothing")


def test_add_and_remove(ask: Any) -> None:
    book = Consents()
    given = ("--class", "marketing", "--class", "direct", "--how", "paper", "--text", TEXT, "--text-version", "v1")
    assert ask(book, "add", ANN, *given, "--at", "2026-03-01T09:00:00Z", "--note", "desk").code == 0
    ran = ask(book, "remove", ANN, "--scope", "set:a")
    assert book.requests == [
        (
            "consent_set",
            {
                "peer": ANN, "granted": True, "classes": ["marketing", "direct"], "how": "paper", "at": AT,
                "text": TEXT, "version": "v1", "note": "desk",
            },
        ),
        ("consent_set", {"peer": ANN, "granted": False, "scope": "set:a"}),
    ]  # fmt: skip
    assert (ran.out, ran.err) == (f"{ANN} agreed to nothing\n", f"{ANN} had not agreed\n")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("asked", "was asked from"), ("pending", "was asked before from"), ("agreed", "agreed already")],
)
def test_asking(ask: Any, outcome: str, said: str) -> None:
    book = Consents()
    book.outcome = outcome
    assert said in ask(book, "ask", ANN, "offers", "--number", BOB).out
    assert book.requests == [("consent_ask", {"peer": ANN, "opt_in": "offers", "number": BOB})]


def test_the_record(ask: Any, tmp_path: Path) -> None:
    ran = ask(Consents(), "changes", ANN, "--since", "2026-03-01T00:00:00Z", "--limit", "1")
    assert "granted" in ran.out
    assert "--before i2" in ran.err
    book, file = Consents(), tmp_path / "audit.csv"
    ran = ask(book, "export", "--record", "--peer", ANN, "-o", str(file))
    assert ran.out == f"2 changes in {file}\n"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(one["change"], one["text"], one["note"]) for one in rows] == [("granted", TEXT, "'=1+1")] * 2
    assert book.requests[0] == ("consent_changes", {"peer": ANN, "limit": 500})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("consent", "changes", "--since", "yesteryear"), "yesteryear"),
        (("consent", "export", "--record", "--until", "yesteryear"), "yesteryear"),
        (("consent", "export", "--since", "2h"), "--since is for --record"),
        (("optout", "changes", "--until", "yesteryear"), "yesteryear"),
    ],
)
def test_a_bad_time_of_the_record_is_said_without_a_daemon(smsgw: Run, given: tuple[str, ...], said: str) -> None:
    ran = smsgw(*given)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "/nowhere/smsgw.sock" not in ran.err


def test_what_is_exported_is_imported_again(ask: Any, tmp_path: Path) -> None:
    book = Consents(*[row(f"+1555765{i:04}", scope="set:a", version=None) for i in range(3)])
    file = tmp_path / "c.csv"
    assert ask(book, "export", "-o", str(file)).out == f"3 consents in {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    book.requests.clear()
    assert ask(book, "import", str(file)).code == 0
    kept = {"class": "marketing", "scope": "set:a", "at": AT, "how": "web", "text": TEXT, "note": "=1+1"}
    assert book.imported("consents") == [{"peer": one["peer"], **kept} for one in book.rows]


def test_a_file_goes_in_pages_and_bad_lines_are_named(ask: Any, tmp_path: Path) -> None:
    book = Consents()
    book.refuse = {"x": "no phone"}
    file = tmp_path / "c.csv"
    lines = ["peer;text", *(f"+1555765{i:04};" for i in range(1001)), "x;own words", "y;1;2"]
    file.write_text("\n".join(lines))
    ran = ask(book, "import", str(file), "--text", TEXT, "--text-version", "v1", "--class", "direct")
    assert [len(params["consents"]) for _, params in book.requests] == [PAGE, PAGE, 2]
    assert book.requests[0][1]["consents"][0] == {
        "peer": "+15557650000", "class": "direct", "text": TEXT, "version": "v1",
    }  # fmt: skip
    # Other words have no version of that name.
    assert book.requests[2][1]["consents"][1] == {"peer": "x", "class": "direct", "text": "own words"}
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"{file}:1004: more cells than the header has columns",
        f"{file}:1003: peer: no phone",
    ]
    assert ran.out == "1001 taken, 3 of them new; 2 could not be taken\n"


def test_the_list(ask: Any) -> None:
    ran = ask(Consents(row(ANN), row(BOB)), "list", "--json")
    assert [line.split(",")[0] for line in ran.out.splitlines()] == [f'{{"peer":"{ANN}"', f'{{"peer":"{BOB}"']
    assert ask(Consents(), "list").out == "nobody agreed to anything\n"
