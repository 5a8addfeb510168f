"""Configured as by the daemon: what comes out, what is held back, and what it costs not to log."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

import gateway.log
from gateway.log.output import Output
from gateway.log.storm import StormLimit
from gateway.settings import Log

early = gateway.log.logger(component="early")


@pytest.fixture
def log() -> Iterator[Callable[..., Callable[[], list[dict[str, Any]]]]]:
    """Configure with some settings; returns what reads the events so far."""

    def configured(**settings: Any) -> Callable[[], list[dict[str, Any]]]:
        stream = io.StringIO()
        gateway.log.configure(Log(**settings), stream=stream, env={})
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield configured
    gateway.log.configure(Log(), stream=sys.__stderr__, env={})


def test_an_event_is_one_line_of_json(log: Any) -> None:
    events = log()
    early.bind(carrier="acme").info("bound", bind=1, detail="a\nb")
    (event,) = events()
    assert list(event)[:3] == ["ts", "level", "event"]
    assert event["ts"].endswith("Z")
    del event["ts"]
    assert event == {
        "level": "info",
        "event": "bound",
        "component": "early",
        "carrier": "acme",
        "bind": 1,
        "detail": "a\\nb",
    }


def test_levels_follow_a_reload(log: Any) -> None:
    events = log(level="warning")
    early.info("no")
    early.warning("yes")
    assert [event["event"] for event in events()] == ["yes"]
    assert not gateway.log.enabled("info")
    events = log(level="debug")
    early.debug("now")
    assert [event["event"] for event in events()] == ["now"]
    assert gateway.log.enabled("debug")


def test_the_marked_words_do_not_get_through_anywhere(log: Any) -> None:
    events = log()
    try:
        raise ValueError("to +15551230001")
    except ValueError:
        early.exception("failed", peer="+15551230001", text="MARK", password="MARK", params={"text": "MARK"})
    logging.getLogger("httpx").error("POST +15551230001")
    structlog.get_logger().warning("other", peer="+15551230001")
    found = json.dumps(events())
    assert len(events()) == 3
    assert "MARK" not in found
    assert "5551230001" not in found
    assert found.count("+1555*****01") == 5  # twice in the traceback
    assert "ValueError" in found


def test_libraries_are_heard_from_warning_on(log: Any) -> None:
    events = log(level="debug")
    logging.getLogger("httpx").info("no")
    logging.getLogger("alembic").warning("%d %s", 1, "yes")
    record = logging.LogRecord("alembic", logging.ERROR, "", 0, "%d", ("not a number",), None)
    (ours,) = [item for item in logging.getLogger().handlers if isinstance(item, gateway.log._FromLibraries)]
    ours.handle(record)
    assert [(event["level"], event["library"], event["message"]) for event in events()] == [
        ("warning", "alembic", "1 yes"),
        ("error", "alembic", "%d"),
    ]


def test_a_storm_is_cut_and_counted(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    events = log(burst=3)
    before = gateway.log.counters().suppressed
    for _ in range(1000):
        early.error("storm")
    early.error("other")
    gateway.log.flush()
    assert [event["event"] for event in events()] == ["storm"] * 3 + ["other", "log lines suppressed"]
    assert events()[-1]["of_event"] == "storm"
    assert events()[-1]["suppressed"] == 997
    assert gateway.log.counters().suppressed == before + 997


def test_the_limit_by_the_second() -> None:
    now = 100.0
    limit = StormLimit(2, clock=lambda: now)
    assert [limit.admit("a") for _ in range(5)] == [0, 0, -1, -1, -1]
    assert limit.admit("b") == 0
    assert not limit.sweep_due()
    assert limit.ended() == []
    now += 1.0
    assert limit.sweep_due()
    assert limit.admit("a") == 3
    assert [limit.admit("a") for _ in range(2)] == [0, -1]
    now += 1.0
    assert limit.ended() == [("a", 1)]
    assert limit.ended() == []
    assert limit.admit("a") == 0
    assert limit.total == 4


def test_the_limit_is_bounded() -> None:
    limit = StormLimit(1, clock=lambda: 0.0)
    for number in range(5000):
        limit.admit(f"event {number}")
        limit.admit(f"event {number}")
    assert len(limit._windows) <= 1000
    assert limit.total == 5000


def test_readable_on_a_terminal(log: Any) -> None:
    stream = io.StringIO()
    gateway.log.configure(Log(format="console"), stream=stream, env={})
    early.info("bound", carrier="acme", peer="+15551230001")
    try:
        raise ValueError("a\n2026-01-01 [info] forged \x1b[31m")
    except ValueError:
        early.exception("failed")
    lines = stream.getvalue().splitlines()
    assert "bound" in lines[0]
    assert "carrier=acme" in lines[0]
    assert "+1555*****01" in lines[0]
    assert "failed" in lines[1]
    assert all(line.startswith("    ") for line in lines[2:])
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("form", "env", "tty", "is_json"),
    [
        ("auto", {}, True, False),
        ("auto", {}, False, True),
        ("auto", {"JOURNAL_STREAM": "8:1"}, True, True),
        ("json", {}, True, True),
        ("console", {}, False, False),
    ],
)
def test_form(log: Any, form: Any, env: dict[str, str], tty: bool, is_json: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return tty

    stream = Stream()
    gateway.log.configure(Log(format=form), stream=stream, env=env)
    early.info("bound")
    assert stream.getvalue().startswith("{") == is_json


def test_a_full_pipe_does_not_block() -> None:
    """Whole lines come out, in order; what the pipe cannot take is counted."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "w") as sink:
        output = Output(sink)
        for number in range(5000):
            output.write(f"{number} " + "x" * 100)
        assert 0 < output.lost < 5000
        os.set_blocking(source.fileno(), False)
        octets = b""
        while piece := source.read(65536):
            octets += piece
            output.write("again")
            if len(octets) > 1_000_000:
                break
        lines = octets.decode().splitlines()
    assert [int(line.split()[0]) for line in lines if line != "again"] == list(range(5000 - output.lost))


def test_a_closed_reader_does_not_raise() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as sink:
        output = Output(sink)
        output.write("x")
        assert output.lost == 1
