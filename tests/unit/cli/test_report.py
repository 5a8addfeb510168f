"""`smsgw report replies`: the pages of the daemon added up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli import report
from tests.unit.cli.conftest import Ran, Run
from tests.unit.cli.fake_daemon import FakeDaemon, result

NOTHING = {"sent": 0, "replies": 0, "seconds": 0.0}


def row(value: str | None, sent: int, replies: int, seconds: float) -> dict[str, Any]:
    return {"value": value, "sent": sent, "replies": replies, "seconds": seconds}


PAGES: list[dict[str, Any]] = [
    {"rows": [row("a", 10, 1, 60.0), row("\x1b", 5, 0, 0.0)], "others": NOTHING, "unasked": 1, "next": "7"},
    {"rows": [row("a", 10, 2, 90.0), row(None, 0, 3, 3.0)], "others": row("", 4, 1, 1.0), "unasked": 2, "next": None},
]


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    def run(pages: list[dict[str, Any]], *arguments: str) -> tuple[Ran, list[dict[str, Any]]]:
        path, left = tmp_path / f"s{len(list(tmp_path.iterdir()))}", list(pages)
        with FakeDaemon(path, lambda request: [result(request, left.pop(0))]) as fake:
            ran = smsgw("report", "replies", *arguments, "--socket", str(path))
        return ran, [request["params"] for request in fake.requests]

    return run


def test_pages_are_added_up(ask: Any) -> None:
    ran, asked = ask(PAGES, "--by", "meta.campaign", "--since", "2026-03-01T00:00:00Z", "--within", "1d")
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines == [
        ["campaign", "sent", "replies", "share", "after"],
        ["a", "20", "3", "15.0%", "50s"],
        ["-", "0", "3", "-", "1s"],
        [r"\x1b", "5", "0", "0.0%", "-"],
        ["(others)", "4", "1", "25.0%", "1s"],
    ]
    assert ran.err == "3 messages came in that answer nothing\n"
    first = {"by": "meta.campaign", "since": "2026-03-01T00:00:00.000Z", "within": 86_400.0}
    assert asked == [first, first | {"after": "7"}]


def test_as_json_the_rest_is_at_the_end(ask: Any) -> None:
    ran, _ = ask(PAGES, "--json", "--limit", "1")
    assert ran.lines == [
        row("a", 20, 3, 150.0),
        {"others": {"sent": 9, "replies": 4, "seconds": 4.0}, "unasked": 3},
    ]


def test_no_more_values_are_held_than_may_be(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_MOST", 1)
    ran, _ = ask(PAGES, "--json", "--limit", "1")
    assert ran.code == 0, ran.err
    assert [line.get("value", "others") for line in ran.lines] == ["a", "others"]
    assert ran.lines[1]["others"] == {"sent": 9, "replies": 4, "seconds": 4.0}


def test_where_there_is_nothing(ask: Any) -> None:
    ran, _ = ask([{"rows": [], "others": NOTHING, "unasked": 1, "next": None}])
    assert (ran.out, ran.err) == (
        "nothing was sent, and nothing answered\n",
        "1 message came in that answers nothing\n",
    )


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--within", "x"), ("--limit", "0")])
def test_what_cannot_be_meant_is_wrong_usage(smsgw: Run, arguments: tuple[str, ...]) -> None:
    assert smsgw("report", "replies", *arguments).code == 2
