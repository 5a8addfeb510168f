"""A fake daemon that has a list of something, and commands that are run against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Ran, Run
from tests.unit.cli.fake_daemon import FakeDaemon, Request, result

Params = dict[str, Any]


class Book:
    """Answers a request by what its own method of that name returns, and notes what is asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Params]] = []
        self.refuse: dict[str, str] = {}
        """Peers that no import is taken of, and why."""

    def answer(self, request: Request) -> list[Any]:
        method, params = request["method"], request["params"]
        self.requests.append((method, params))
        return [result(request, getattr(self, method)(params))]

    def taken(self, entries: list[Params], new: str = "new") -> Params:
        """What is answered to an import, one of which was not there before."""
        refused = [
            {"place": place, "field": "peer", "detail": self.refuse[one["peer"]]}
            for place, one in enumerate(entries)
            if one["peer"] in self.refuse
        ]
        return {"taken": len(entries) - len(refused), new: 1, "refused": refused}

    def imported(self, what: str) -> list[Params]:
        """All that was to be imported, in its order."""
        return [one for method, params in self.requests if method == f"{what}_import" for one in params[what]]


def one_a_page(rows: list[Params], params: Params) -> tuple[list[Params], str | None]:
    """A page of a list that goes on ``after`` a place."""
    at = int(params.get("after", "0"))
    return rows[at : at + 1], str(at + 1) if at + 1 < len(rows) else None


def asking(smsgw: Run, directory: Path, *command: str) -> Callable[..., Ran]:
    """Runs ``command`` against a book, with the arguments that follow it."""

    def run(book: Any, *arguments: str) -> Ran:
        path = directory / f"s{len(list(directory.iterdir()))}"
        with FakeDaemon(path, book.answer):
            return smsgw(*command, *arguments, "--socket", str(path))

    return run
