"""Databases of an earlier revision keep what failed; what is put back is a row that says when; events are found."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
import trio

from gateway.store.replay import REPLAYED, ReplayOp, Wanted, events_at, find, replayed
from gateway.store.revision import NEWEST_SQL
from tests.support.revisions import database_at
from tests.support.stores import START, Desk

FAILED = (1, 1, 4, START + 5000, "status 500")
DEAD = (1, 2, 40, None, "status 404")


async def test_what_failed_before_an_upgrade_is_there_and_can_be_put_back(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    path = database_at("0005", tmp_path)
    with sqlite3.connect(path) as con:
        con.execute(
            "INSERT INTO stream (id, kind, app, name, numbers, events, created_at)"
            " VALUES (1, 'handler', '', 'crm', NULL, '[\"inbound\"]', 0)"
        )
        for seq in (1, 2, 3):
            con.execute("INSERT INTO event VALUES (1, ?, ?, 'inbound', 7, ?)", (seq, START, b"{}"))
        for row in (FAILED, DEAD):
            con.execute("INSERT INTO retry (stream, seq, attempts, due_at, error) VALUES (?, ?, ?, ?, ?)", row)
    con.close()
    desk = Desk(nursery, f"sqlite:///{path}")
    assert desk.con.execute("SELECT * FROM retry ORDER BY seq").fetchall() == [(*FAILED, None), (*DEAD, None)]
    assert replayed(desk.con, 1) == {}
    op = ReplayOp(1, [2, 3, 99, 2])
    assert await desk.burst(op) == [None]
    assert (op.done, op.dead, op.at) == ([2, 3], 1, START)
    again = (0, START, REPLAYED, START)
    assert desk.con.execute("SELECT * FROM retry ORDER BY seq").fetchall() == [
        (*FAILED, None),
        (1, 2, *again),
        (1, 3, *again),
    ]
    assert replayed(desk.con, 1) == {2: START, 3: START}
    assert list(events_at(desk.con, 1, [3, 1, 50])) == [3, 1]
    await desk.close()


async def test_of_a_stream_that_there_is_not_nothing_is_put_back(desk: Desk) -> None:
    op = ReplayOp(77, [1])
    assert await desk.burst(op) == [None]
    assert (op.done, op.dead) == ([], 0)
    assert desk.con.execute("SELECT count(*) FROM retry").fetchone() == (0,)


# --- finding ----------------------------------------------------------------------------------------------------------


def told(*rows: tuple[int, int, int], dead: tuple[tuple[int, int], ...] = ()) -> sqlite3.Connection:
    """A database with these events (stream, seq, at)."""
    con = sqlite3.connect(":memory:", isolation_level=None)
    con.executescript(NEWEST_SQL.read_text())
    con.executemany("INSERT INTO event VALUES (?, ?, ?, 'inbound', 7, x'7b7d')", rows)
    con.executemany("INSERT INTO retry (stream, seq, attempts, error) VALUES (?, ?, 3, 'no')", dead)
    return con


def pages(con: sqlite3.Connection, wanted: Wanted, *, oldest_first: bool) -> list[tuple[int, int]]:
    """All events by pages."""
    found: list[tuple[int, int]] = []
    while page := find(con, wanted, oldest_first=oldest_first):
        assert len(page) <= wanted.limit
        found += [(one.stream, one.seq) for one in page]
        wanted = wanted._replace(start=found[-1])
    return found


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("seed", range(4))
def test_pages_have_each_event_once_by_time(seed: int, limit: int, oldest_first: bool) -> None:
    rng = random.Random(seed)
    rows: list[tuple[int, int, int]] = []
    for stream in (1, 2, 3):
        moments = sorted(rng.choices(range(10), k=12))  # many at the same moment
        rows += [(stream, seq, at) for seq, at in enumerate(moments, 1)]
    dead = tuple((stream, seq) for stream, seq, _ in rows if rng.random() < 0.5)
    con = told(*rows, dead=dead)
    sign = 1 if oldest_first else -1
    rows.sort(key=lambda row: (sign * row[2], row[0], sign * row[1]))
    every = Wanted((1, 2, 3), limit=limit)
    assert pages(con, every, oldest_first=oldest_first) == [row[:2] for row in rows]
    some = every._replace(since=3, until=7, streams=(1, 3))
    expected = [row[:2] for row in rows if 3 <= row[2] < 7 and row[0] != 2]
    assert pages(con, some, oldest_first=oldest_first) == expected
    assert pages(con, every._replace(dead=True), oldest_first=oldest_first) == [
        row[:2] for row in rows if row[:2] in dead
    ]
    con.close()


def test_a_page_goes_on_after_an_event_that_is_gone() -> None:
    con = told((1, 1, 10), (1, 3, 30), (2, 1, 20), (2, 2, 40))
    assert pages(con, Wanted((1, 2), start=(1, 2)), oldest_first=False) == [(2, 1), (1, 1)]
    con.execute("DELETE FROM event WHERE stream = 1")
    assert pages(con, Wanted((1, 2), start=(1, 2), limit=5), oldest_first=False) == [(2, 2), (2, 1)]
    con.close()


def test_a_page_reads_no_more_than_it_shows() -> None:
    con = told(*((stream, seq, seq) for stream in (1, 2) for seq in range(1, 3000)))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    con.set_progress_handler(count, 10)
    assert len(find(con, Wanted((1, 2), limit=10))) == 10
    con.set_progress_handler(None, 0)
    assert steps < 200
    assert not con.in_transaction
    con.execute("DROP TABLE event")  # no statement is left open on it
    con.close()
