"""Reads have connections of their own, a few at a time, and see what was committed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import trio

from gateway.store.database import Database
from gateway.store.reader import READERS, Reader


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/s.db")


async def test_reads_go_side_by_side_and_are_bounded(database: Database) -> None:
    # As the writer's: it makes the database one with a log, which of several at once only one could.
    writer = database.connect()
    reader = Reader(database)
    lock, inside, most = threading.Lock(), 0, 0
    connections: set[int] = set()
    together = threading.Barrier(READERS, timeout=20)

    def query(con: sqlite3.Connection) -> str:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            connections.add(id(con))
        together.wait()
        with lock:
            inside -= 1
        return str(con.execute("PRAGMA query_only").fetchone()[0])

    results: list[str] = []

    async def read() -> None:
        results.append(await reader.read(query))

    async with trio.open_nursery() as nursery:
        for _ in range(4 * READERS):
            nursery.start_soon(read)
    assert results == ["1"] * 4 * READERS
    assert most == READERS
    assert len(connections) <= READERS
    reader.close()
    writer.close()
    database.close()


async def test_a_read_that_fails_gives_its_connection_back(database: Database) -> None:
    reader = Reader(database)
    for _ in range(10):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await reader.read(lambda con: con.execute("SELECT * FROM unknown"))
        with pytest.raises(ZeroDivisionError):
            await reader.read(lambda con: 1 // 0)
    assert await reader.read(lambda con: con.execute("SELECT count(*) FROM message").fetchall()) == [(0,)]
    assert len(reader._idle) == 1
    reader.close()
    database.close()


async def test_a_read_sees_what_was_committed_before_it(database: Database) -> None:
    reader = Reader(database)
    writer = database.connect()
    for i in range(20):
        writer.execute("INSERT INTO store_info VALUES (?, '')", (f"k{i}",))
        found = await reader.read(
            lambda con: con.execute("SELECT count(*) FROM store_info WHERE key LIKE 'k%'").fetchone()
        )
        assert found == (i + 1,)
    writer.close()
    reader.close()
    database.close()
