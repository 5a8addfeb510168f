"""Messages that were under way when the version before was stopped go on as they were (0002 to 0003)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from gateway.model import State, id_floor
from gateway.outbound.restoring import restore
from gateway.store import pages
from gateway.store.receipts import ReceiptOp
from tests.support.revisions import database_at
from tests.support.stores import DAY, NUMBER, PEER, START, Desk

QUEUED, SUBMITTING, SENT, HELD = (id_floor(START - 60_000) + i for i in range(4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of 0002 with a message of one segment in each state that waits."""
    path = database_at("0002", tmp_path)
    con = sqlite3.connect(path)
    for mid, state in ((QUEUED, 1), (SUBMITTING, 2), (SENT, 3), (HELD, 4)):
        con.execute(
            "INSERT INTO message (id, app, number, peer, class, body, encoding, scheme, concat_ref, parts, receipt,"
            " expires_at) VALUES (?, 'app', ?, ?, 0, ?, 'gsm7', 'udh8', 0, 1, 1, ?)",
            (mid, NUMBER, PEER if state == 3 else f"{PEER[:-1]}{state}", b"Hello", START + DAY),
        )
        con.execute(
            "INSERT INTO segment (message_id, part, carrier, app, lane, rank, shard, state, epoch, attempts, in_doubt,"
            " expires_at, smsc_message_id, sent_at) VALUES (?, 1, 'acme', 'app', 0, 9, 0, ?, 0, 1, ?, ?, ?, ?)",
            (mid, state, int(state == 4), START + DAY, "A1" if state == 3 else None, START if state == 3 else None),
        )
    con.execute("INSERT INTO smsc_id VALUES (?, 'acme', 'a1', ?, 1, 'A1')", (START // 21_600_000, SENT))
    con.commit()
    con.close()
    return path


@pytest.fixture
async def desk(nursery: trio.Nursery, path: Path) -> AsyncIterator[Desk]:
    desk = Desk(nursery, f"sqlite:///{path}")
    yield desk
    await desk.close()


async def test_each_goes_on_from_where_it_was(desk: Desk) -> None:
    assert desk.store.recover({"acme": True}) == {"acme": 1}
    states = {mid: desk.segments(mid)[0]["state"] for mid in (QUEUED, SUBMITTING, SENT, HELD)}
    assert states == {QUEUED: State.QUEUED, SUBMITTING: State.QUEUED, SENT: State.SENT, HELD: State.IN_DOUBT}
    found = desk.store.read_now(lambda con: pages.by_id(con, [QUEUED, SUBMITTING]))
    assert [restore(row).bodies[0].short_message for row in found] == [b"Hello", b"Hello"]
    await desk.do(ReceiptOp([desk.receipt("A1")]))
    assert desk.segments(SENT)[0]["state"] == State.DELIVERED
    assert desk.rows("SELECT count(*) FROM message WHERE tried IS NULL AND route IS NULL") == [(4,)]
