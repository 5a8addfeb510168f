"""`smsgw usage`: pages are added up, and what changes meanwhile is read anew."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.book import asking
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_daemon import Request, result


def row(direction: str, app: str, *sums: int) -> dict[str, Any]:
    return {"direction": direction, "app": app, **dict(zip(("messages", "segments", "accepted"), sums, strict=True))}


PAGES = {
    "first": ([row("out", "=crm", 1, 2, 3)], "out:0"),
    "out:0": ([row("out", "=crm", 10, 20, 30), row("out", "a", 1, 1, 0)], "in:0"),
    "in:0": ([row("in", "", 5, 5, 5)], None),
}


class Book:
    """``kept`` is told of page after page."""

    def __init__(self, *kept: int) -> None:
        self.kept = list(kept)
        self.requests: list[dict[str, Any]] = []

    def answer(self, request: Request) -> list[Any]:
        params = request["params"]
        self.requests.append(params)
        rows, following = PAGES[params.get("after", "first")]
        return [result(request, {"rows": rows, "next": following, "kept": self.kept.pop(0) if self.kept else 7})]


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    return asking(smsgw, tmp_path, "usage", "--by", "app")


def test_pages_are_added_up(ask: Any) -> None:
    book = Book()
    ran = ask(book, "--from", "2026-10-01", "--to", "2026-10-31")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["direction", "app", "messages", "segments", "accepted"],
        ["in", "-", "5", "5", "5"],
        ["out", "=crm", "11", "22", "33"],
        ["out", "a", "1", "1", "0"],
    ]
    asked = {"from": "2026-10-01", "to": "2026-10-31", "by": ["app"]}
    assert book.requests == [asked, asked | {"after": "out:0"}, asked | {"after": "in:0"}]


def test_csv_and_json(ask: Any, tmp_path: Path) -> None:
    lines = ["direction,app,messages,segments,accepted", "in,,5,5,5", "out,'=crm,11,22,33", "out,a,1,1,0"]
    assert ask(Book(), "--csv").out.splitlines() == lines
    file = tmp_path / "x" / "u.csv"
    file.parent.mkdir()
    assert ask(Book(), "-o", str(file)).out == ""
    assert file.read_text().splitlines() == lines
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    out = ask(Book(), "--json").out.splitlines()
    assert out[1] == '{"direction":"out","app":"=crm","messages":11,"segments":22,"accepted":33}'


def test_what_changes_meanwhile_is_read_anew(ask: Any) -> None:
    book = Book(7, 8, 8, 8, 8)
    assert ask(book).out == ask(Book()).out
    assert len(book.requests) == 2 + 3
    ran = ask(Book(*range(99)))
    assert (ran.code, ran.out) == (1, "")
    assert "try again later" in ran.err


def test_this_month_is_asked_for_where_nothing_is_said(ask: Any) -> None:
    book = Book()
    before = datetime.now(UTC).date()
    ask(book)
    after = datetime.now(UTC).date()
    assert (book.requests[0]["from"], book.requests[0]["to"]) in [
        (f"{day:%Y-%m}-01", day.isoformat()) for day in (before, after)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "app,colour"), '"colour" is not one of day, month'),
        (("--from", "yesterday"), '"yesterday" is not a day such as 2026-11-22'),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "the last day is before the first"),
    ],
)
def test_wrong_usage(ask: Any, arguments: tuple[str, ...], said: str) -> None:
    ran = ask(Book(), *arguments)
    assert ran.code == 2
    assert said in ran.err
