"""Databases of an earlier revision keep what failed; what is put back is a row that says when."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import trio

from gateway.store.replay import REPLAYED, ReplayOp, events_at, replayed
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
