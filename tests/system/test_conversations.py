"""Conversations and peers by the commands, against a real daemon, over its restart."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import NUMBER, Running, running, smsgw

ANN, BOB = "+12015550147", "+12015550148"


class Desk:
    """The commands of somebody who reads and answers."""

    def __init__(self, run: Running) -> None:
        self.config, self.daemon, self.carrier, _ = run

    def lines(self, *command: str) -> list[Any]:
        """What a command that goes well says as JSON."""
        ran = smsgw(*command, "-c", str(self.config), "--json")
        assert (ran.returncode, ran.stderr) == (0, "")
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def text(self, *command: str) -> str:
        ran = smsgw(*command, "-c", str(self.config))
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def comes(self, peer: str, text: str) -> None:
        self.carrier.say(f"mo {peer} {NUMBER} {text}")
        self.until(lambda: any(t["peer"] == peer and t["text"] == text for t in self.lines("threads", "--text")))

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running(tmp_path) as run:
        yield Desk(run)


def test_a_conversation_is_read_answered_and_reported(desk: Desk, tmp_path: Path) -> None:
    desk.lines("send", ANN, "Coming?", "--meta", '{"campaign":"=spring"}', "--wait")
    desk.comes(ANN, "=1+1 yes")
    desk.comes(BOB, "hello")
    (bob, ann) = desk.lines("threads", "--unread")
    assert [(t["peer"], t["unread"], t["name"]) for t in (ann, bob)] == [(ANN, 1, None), (BOB, 1, None)]
    (shown,) = desk.lines("threads", "show", NUMBER, ANN)
    assert [(m["direction"], m["text"]) for m in shown["messages"]] == [("out", "Coming?"), ("in", "=1+1 yes")]
    assert desk.text("threads", "show", NUMBER, ANN).splitlines()[-1].split()[2:] == ["in", "-", "=1+1", "yes"]
    desk.lines("threads", "read", NUMBER, ANN)
    desk.lines("threads", "attention", NUMBER, BOB)
    desk.lines("threads", "assign", NUMBER, BOB, "cat")
    assert [t["peer"] for t in desk.lines("threads", "--unread")] == [BOB]
    assert [t["peer"] for t in desk.lines("threads", "--attention", "--assigned", "cat")] == [BOB]
    desk.lines("send", BOB, "hello too", "--wait")
    assert desk.lines("threads", "--attention") == []

    desk.lines("peers", "set", ANN, "--name", "@Ann", "--field", "city=Ulm", "--join", "vip")
    desk.lines("peers", "merge", BOB, ANN)
    file = tmp_path / "peers.csv"
    desk.text("peers", "export", "-o", str(file))
    rows = list(csv.reader(io.StringIO(file.read_text())))
    assert [row[:4] + row[5:] for row in rows] == [
        ["peer", "name", "lists", "phones", "city"],
        [f"'{ANN}", "'@Ann", "vip", f"'{BOB}", "Ulm"],
    ]
    desk.lines("peers", "set", ANN, "--name", "", "--field", "city=", "--leave", "vip")
    assert desk.lines("peers", "import", str(file)) == [{"taken": 1, "made": 0, "refused": 0}]
    (peer,) = desk.lines("peers", "show", BOB)
    assert (peer["name"], peer["fields"], peer["lists"]) == ("@Ann", {"city": "Ulm"}, ["vip"])

    found = desk.lines("report", "replies", "--by", "meta.campaign")
    assert [(r["value"], r["sent"], r["replies"]) for r in found[:-1]] == [("=spring", 1, 1), (None, 1, 0)]
    assert found[-1]["unasked"] == 1


def test_what_was_noted_outlives_the_daemon(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        desk = Desk(run)
        desk.comes(ANN, "hi")
        desk.lines("threads", "assign", NUMBER, ANN, "cat")
        before = desk.lines("threads", "--text")
    with running(tmp_path) as run:
        assert Desk(run).lines("threads", "--text") == before
