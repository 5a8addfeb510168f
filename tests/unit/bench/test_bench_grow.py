"""A grown database is what a daemon leaves: rows as the store writes them, whole, and read by the store's queries."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from bench.grow import GrowError, check, expected, fill, grow, main
from bench.grown import PER_INBOUND, STREAM, UNDELIVERED, Plan
from gateway.model import State, id_ms
from gateway.store.conversation import Wanted, thread_page
from gateway.store.inbound import InboundOp
from gateway.store.matching import ReceiptIn
from gateway.store.queries import counts_by_state, cursors, states
from gateway.store.receipts import ReceiptOp
from gateway.store.retention import Until, messages_before
from gateway.store.revision import newest, revision_of
from gateway.store.sends import ResponseOp, Sent
from gateway.store.store import Store
from gateway.store.usage import keep_messages
from tests.support.inbound import single
from tests.support.stores import START, Desk

PLAN = Plan(400, START, days=2.0, events=50)


@pytest.fixture(scope="module")
def grown() -> Iterator[sqlite3.Connection]:
    store = Store("sqlite://", inline=True)
    con = store.read_now(lambda con: con)
    fill(con, PLAN)
    yield con
    store.close()


@pytest.fixture
async def desk(nursery: trio.Nursery) -> AsyncIterator[Desk]:
    desk = Desk(nursery)
    yield desk
    await desk.close()


def row(con: sqlite3.Connection, sql: str, *values: Any) -> dict[str, Any]:
    """One row by its columns."""
    cursor = con.execute(sql, values)
    found = cursor.fetchone()
    return dict(zip([column[0] for column in cursor.description], found, strict=True))


def test_it_is_whole(grown: sqlite3.Connection) -> None:
    assert check(grown) == []
    assert revision_of(grown) == newest()
    assert grown.execute("SELECT count(*) FROM message").fetchone() == (PLAN.messages,)
    assert grown.execute("SELECT count(*) FROM inbound").fetchone() == (PLAN.messages // PER_INBOUND,)
    assert grown.execute("SELECT count(*) > count(DISTINCT message_id) FROM segment").fetchone() == (1,)


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        ("DELETE FROM segment WHERE part = 2", "messages without all of their segments"),
        ("DELETE FROM message WHERE id = (SELECT max(id) FROM message)", "1 segments without a message"),
        ("UPDATE smsc_id SET raw = 'x' WHERE part = 3", "ids of no segment"),
        ("DELETE FROM thread", "inbound messages without a thread"),
        ("DELETE FROM inbound", "threads without a message"),
        ("DELETE FROM peer", "threads without a peer"),
    ],
)
def test_what_is_not_whole_is_noticed(grown: sqlite3.Connection, sql: str, wrong: str) -> None:
    grown.execute("BEGIN")
    grown.execute(sql)
    found = check(grown)
    grown.execute("ROLLBACK")
    assert any(wrong in one for one in found), found


def test_the_queries_of_the_store_read_it(grown: sqlite3.Connection) -> None:
    ids = [mid for (mid,) in grown.execute("SELECT id FROM message ORDER BY id")]
    words = states(grown, ids)
    assert [words[mid] for mid in ids[:3]] == ["undelivered", "delivered", "delivered"]
    assert list(words.values()).count("undelivered") == -(-PLAN.messages // UNDELIVERED)
    assert set(counts_by_state(grown).values()) == {0}
    assert id_ms(ids[-1]) == START
    assert START - id_ms(ids[0]) == pytest.approx(2 * 86_400_000, rel=0.01)
    page = thread_page(grown, Wanted(), 500).threads
    assert len(page) == PLAN.writers
    assert {thread.unread > 0 for thread in page} == {True, False}
    assert len(messages_before(grown, after=0, until=Until(START, START), texts=False).ids) == PLAN.messages - 1


def test_its_events_are_acknowledged(grown: sqlite3.Connection) -> None:
    acked, beyond = cursors(grown)[STREAM]
    assert (acked, beyond) == (PLAN.messages + PLAN.messages // PER_INBOUND, [])
    seqs = [seq for (seq,) in grown.execute("SELECT seq FROM event ORDER BY seq")]
    assert seqs == list(range(acked - PLAN.events - PLAN.events // PER_INBOUND + 1, acked + 1))


async def test_a_message_is_as_the_store_writes_it(desk: Desk, grown: sqlite3.Connection) -> None:
    sample = row(grown, "SELECT * FROM message WHERE parts = 1 AND encoding = 'gsm7' ORDER BY id DESC LIMIT 1")
    segment = row(grown, "SELECT * FROM segment WHERE message_id = ?", sample["id"])
    key = row(grown, "SELECT * FROM smsc_id WHERE message_id = ?", sample["id"])
    stream = await desk.open("bench", app="local", events=frozenset({"receipt"}))
    desk.now = id_ms(sample["id"])
    same = ("app", "number", "peer", "body", "encoding", "scheme", "concat_ref", "parts", "expires_at")
    mid = await desk.submit(
        **{name: sample[name] for name in same},
        klass=sample["class"],
        id=sample["id"],
        door=sample["door"],
        shard=segment["shard"],
        carrier="sink",
        state=State.SUBMITTING,
    )
    desk.now = segment["sent_at"]
    answer = Sent(mid, 1, segment["smsc_message_id"], desk.now, True, written=segment["written_at"])
    await desk.do(ResponseOp("sink", [answer], [], [], None, bind=segment["bind"]))
    desk.now = segment["done_at"]
    receipt = ReceiptIn(
        "sink", segment["smsc_message_id"], sample["peer"], 5, 2, "delivered", "000", desk.now,
        done=segment["carrier_done_at"],
    )  # fmt: skip
    await desk.do(ReceiptOp([receipt]))
    assert row(desk.con, "SELECT * FROM message") == sample
    assert row(desk.con, "SELECT * FROM segment") == segment
    assert row(desk.con, "SELECT * FROM smsc_id") == key
    told = row(desk.con, "SELECT kind, subject, at, payload FROM event WHERE stream = ?", stream)
    kept = row(grown, "SELECT kind, subject, at, payload FROM event WHERE subject = ?", sample["id"])
    assert _without_id(told) == _without_id(kept)


async def test_what_came_in_is_as_the_store_writes_it(desk: Desk, grown: sqlite3.Connection) -> None:
    sample = row(grown, "SELECT * FROM inbound ORDER BY id DESC LIMIT 1")
    stream = await desk.open("bench", events=frozenset({"inbound"}))
    desk.now = id_ms(sample["id"])
    given = {name: sample[name] for name in ("number", "peer", "encoding")}
    await desk.do(InboundOp([single(sample["text"], carrier="sink", **given)]))
    assert row(desk.con, "SELECT * FROM inbound") | {"id": 0} == sample | {"id": 0}
    pair = sample["number"], sample["peer"]
    thread = row(grown, "SELECT * FROM thread WHERE number = ? AND peer = ?", *pair)
    assert row(desk.con, "SELECT * FROM thread").keys() == thread.keys()
    assert [name for name, value in thread.items() if value is None] == ["attention", "assigned"]
    peer = row(grown, "SELECT * FROM peer WHERE address = ?", sample["peer"])
    assert [name for name, value in row(desk.con, "SELECT * FROM peer").items() if value is None] == [
        name for name, value in peer.items() if value is None
    ]
    told = row(desk.con, "SELECT kind, at, payload FROM event WHERE stream = ?", stream)
    kept = row(grown, "SELECT kind, at, payload FROM event WHERE subject = ?", sample["id"])
    assert _without_id(told) == _without_id(kept)


def _without_id(event: dict[str, Any]) -> dict[str, Any]:
    """The id as text is each database's own."""
    return event | {"payload": msgspec.json.decode(event["payload"]) | {"id": ""}}


def test_it_is_made_beside_and_then_has_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.db"
    assert main([str(path), "--messages", "50", "--check"]) == 0
    assert sorted(found.name for found in tmp_path.iterdir()) == ["large.db"]
    printed = capsys.readouterr().out
    assert "50 messages over 30 days, about" in printed
    assert "sound" in printed
    assert main([str(path)]) == 1
    assert "exists already" in capsys.readouterr().err
    con = sqlite3.connect(path)
    indexes = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert con.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    con.close()
    assert {"message_peer", "inbound_pair", "thread_peer"} <= indexes


def test_a_disk_that_is_too_small_is_told_of_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1000, f_frsize=4096))
    with pytest.raises(GrowError, match=r"GB of disk are needed at .*, 0\.0 are free"):
        grow(tmp_path / "large.db", PLAN)
    assert not any(tmp_path.iterdir())


def test_the_size_is_told_by_a_small_one(grown: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.grow.SAMPLE", 200)
    small, pages = expected(PLAN), grown.execute("PRAGMA page_count").fetchone()[0]
    assert small == pytest.approx(pages * 4096, rel=0.6)  # so few that hardly any page is full
    assert expected(Plan(40_000, START, events=5000)) == pytest.approx(100 * small, rel=0.01)


def test_purged_messages_are_summed_up(grown: sqlite3.Connection) -> None:
    grown.execute("BEGIN")
    keep_messages(grown, [(mid,) for (mid,) in grown.execute("SELECT id FROM message LIMIT 100")])
    counted = grown.execute("SELECT sum(messages) FROM usage").fetchone()
    grown.execute("ROLLBACK")
    assert counted == (100,)
