"""0002: parts that wait in a database of 0001 are put together after the upgrade; a kill leaves no half of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import trio
from alembic import op

from gateway.store.database import Database, StoreError
from gateway.store.inbound import GiveUpPartsOp, InboundOp
from tests.support.inbound import part
from tests.support.revisions import database_at, newest
from tests.support.stores import NUMBER, PEER, START, Desk

AGE = 1_800_000
HOUR = 3_600_000
Old = Callable[..., None]


def digests(*texts: str) -> bytes:
    """A mark of 0001."""
    return b"".join(blake2b(t.encode(), digest_size=8, key=b"\0").digest() for t in texts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database as 0001 makes it."""
    return database_at("0001", tmp_path)


@pytest.fixture
def old(path: Path) -> Old:
    """Puts a row of 0001 in: text of a part, or the mark of a message (part 0)."""

    def put(seq: int, data: str | bytes, *, scheme: str = "udh8", ref: int = 7, total: int = 3, **given: Any) -> None:
        extra: dict[str, Any] = {} if scheme == "sar" else {"udh_octets": 7 if scheme == "udh16" else 6}
        con = sqlite3.connect(path)
        con.execute(
            "INSERT INTO mo_part (number, peer, scheme, ref, total, part, carrier, received_at, data, data_coding,"
            " extra) VALUES (?, ?, ?, ?, ?, ?, 'acme', ?, ?, 0, ?)",
            (
                NUMBER,
                given.get("peer", PEER),
                scheme,
                ref,
                total,
                seq,
                START - given.get("ago", 1000),
                data.encode() if isinstance(data, str) else data,
                json.dumps(extra | given.get("extra", {})) if seq else None,
            ),
        )
        con.commit()
        con.close()

    return put


@pytest.fixture
async def upgraded(nursery: trio.Nursery, path: Path, old: Old) -> AsyncIterator[Callable[[], Any]]:
    desks: list[Desk] = []

    async def start() -> Desk:
        desk = Desk(nursery, f"sqlite:///{path}")
        desks.append(desk)
        await desk.open()
        return desk

    yield start
    for desk in desks:
        await desk.close()


async def receive(desk: Desk, seq: int, text: str, **given: Any) -> None:
    await desk.do(InboundOp([part(text.encode(), seq=seq, **({"ref": 7, "total": 3} | given))]))


async def give_up(desk: Desk) -> None:
    desk.now += AGE + 1
    await desk.do(GiveUpPartsOp(desk.now - AGE, desk.now - HOUR))


def told(desk: Desk) -> list[tuple[str, bool]]:
    return [(e["text"], e["complete"]) for e in desk.told("inbound")]


async def test_what_waits_is_made_whole(old: Old, upgraded: Any) -> None:
    old(1, "one ")
    old(3, "three", extra={"extra": '{"tlvs":{"0x1400":"aa"}}', "elements": [[36, "AQ=="]]})
    old(2, "two", peer="+12125550199", total=2, scheme="sar", ref=40_000)
    desk = await upgraded()
    assert desk.writer.base.waiting.units == 3
    await receive(desk, 2, "two ")
    await receive(desk, 1, "one ", total=2, peer="+12125550199", ref=40_000, scheme="udh16")
    first, second = desk.told("inbound")
    assert (first["text"], first["complete"]) == ("one two three", True)
    assert (first["tlvs"], first["udh"]) == ({"0x1400": "aa"}, [[36, "01"]])
    assert (second["text"], second["peer"]) == ("one two", "+12125550199")


async def test_what_waited_its_time_is_given_up(old: Old, upgraded: Any) -> None:
    old(1, "one ", ago=AGE)
    old(2, "two ", ago=AGE // 2)
    old(1, "other", ref=8, ago=AGE)
    desk = await upgraded()
    await desk.do(GiveUpPartsOp(desk.now - AGE + 1, 0))
    assert told(desk) == [("other", False)], "the age counts from the last part"
    await give_up(desk)
    assert told(desk) == [("other", False), ("one two ", False)]


async def test_late_copies_of_what_was_told_before_are_known(old: Old, upgraded: Any) -> None:
    old(0, digests("one ", "two ", "three"))
    desk = await upgraded()
    assert desk.writer.base.waiting.marks == 1
    for seq, text in enumerate(("one ", "two ", "three"), 1):
        await receive(desk, seq, text)
    assert told(desk) == []
    assert desk.counts["inbound_part_duplicate"] == 3


async def test_one_message_by_two_schemes_is_joined(old: Old, upgraded: Any) -> None:
    old(1, "one ", scheme="sar")
    old(2, "two ", scheme="udh16")
    desk = await upgraded()
    await receive(desk, 3, "three")
    assert told(desk) == [("one two three", True)]


async def test_two_messages_under_one_reference_stay_apart(old: Old, upgraded: Any) -> None:
    """The newest goes on under the reference; the others are told of as partial in their time."""
    old(1, "ONE ", scheme="sar", ago=500)
    old(1, "one ", scheme="udh8", ago=900)
    old(2, "two ", scheme="udh8", ago=800)
    old(1, "Eins ", scheme="udh16", ago=700)
    desk = await upgraded()
    await receive(desk, 2, "TWO ")
    await receive(desk, 3, "THREE")
    assert told(desk) == [("ONE TWO THREE", True)]
    await give_up(desk)
    assert told(desk)[1:] == [("one two ", False), ("Eins ", False)]
    assert desk.rows("SELECT count(*) FROM mo_part") == [(0,)]


async def test_many_rows(old: Old, path: Path, upgraded: Any) -> None:
    con = sqlite3.connect(path)
    con.executemany(
        "INSERT INTO mo_part VALUES (?, ?, 'udh8', ?, 2, 1, 'acme', ?, ?, 0, NULL)",
        [(NUMBER, f"+1212{i:07d}", i % 256, START, b"%d" % i) for i in range(20_000)],
    )
    con.commit()
    con.close()
    desk = await upgraded()
    assert desk.writer.base.waiting.units == 20_000
    assert len(desk.writer.base.waiting.peers) == 20_000


def test_a_kill_in_the_middle_leaves_the_old_database(old: Old, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not committed is not there, tables included: the next start does it again."""
    old(1, "one ")
    before = sqlite3.connect(path)
    tables = before.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    reached: list[str] = []

    def broken(name: str, *_: Any, **__: Any) -> None:
        reached.append(name)
        raise sqlite3.OperationalError("the machine stops here")

    with monkeypatch.context() as patch:
        patch.setattr(op, "drop_table", broken)
        with pytest.raises(StoreError, match="the machine stops here"):
            Database(f"sqlite:///{path}")
    assert reached == ["mo_part_0001"]
    assert before.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == tables
    assert before.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    Database(f"sqlite:///{path}").close()
    assert before.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]
    assert before.execute("SELECT data FROM mo_part").fetchall() == [(b"one ",)]
    before.close()
