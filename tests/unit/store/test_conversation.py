"""Reads of threads look at a bounded number of rows, found by keys and indexes, never at a whole table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from gateway.store.addressbook import record_page
from gateway.store.conversation import Wanted, thread_of, thread_page, turns
from gateway.store.inbound import InboundOp
from gateway.store.replies import Asked, key_of, replies
from gateway.store.threads import ThreadOp
from tests.support.inbound import single
from tests.support.stores import NUMBER, PEER, Desk

Read = Callable[[sqlite3.Connection], Any]
READS: dict[str, Read] = {
    "all threads": lambda con: thread_page(con, Wanted(), 10),
    "unread ones of numbers": lambda con: thread_page(con, Wanted(numbers=frozenset({NUMBER, "x"}), unread=True), 10),
    "of a number, older": lambda con: thread_page(con, Wanted(numbers=frozenset({NUMBER}), before=1 << 62), 10),
    "of a peer that needs attention": lambda con: thread_page(con, Wanted(peer=PEER, attention=True), 10),
    "one thread": lambda con: thread_of(con, NUMBER, PEER),
    "of a peer, some numbers": lambda con: thread_page(con, Wanted(peer=PEER, numbers=frozenset({NUMBER})), 10),
    "its messages": lambda con: turns(con, NUMBER, PEER, app=None, before=None, limit=10),
    "its older messages": lambda con: turns(con, NUMBER, PEER, app="app", before=1 << 62, limit=10),
    "a page of replies": lambda con: replies(con, Asked(since=0, until=(1 << 42) - 1, within=1000), key_of("app", str)),
    "a page of peers": lambda con: record_page(con, "", None, 10),
}
KEYS = (
    "SEARCH",
    "SCAN v",
    "SCAN r",
    "SCAN l",
    "SCAN c",
    "SCAN (",
    "SCAN CONSTANT ROW",
    "SCAN 2 CONSTANT ROWS",
    "CO-ROUTINE",
    "CORRELATED",
    "SCALAR",
    "USE TEMP",
)
"""What SQLite may do: look up by key or index, and go through what it found so."""


@pytest.mark.parametrize("name", READS)
async def test_a_read_goes_by_keys(desk: Desk, name: str) -> None:
    await desk.submit()
    await desk.do(InboundOp([single("Hi"), single("Hi", peer="+12125550102")]))
    await desk.do(ThreadOp(NUMBER, PEER, attention=True))
    statements: list[str] = []
    con = desk.con
    con.set_trace_callback(statements.append)
    READS[name](con)
    con.set_trace_callback(None)
    assert statements
    for sql in dict.fromkeys(statements):
        for _, _, _, step in con.execute("EXPLAIN QUERY PLAN " + sql):
            found = step == "SCAN m" and "LIMIT 20) m" in sql  # the candidates for a reply
            whole = step.startswith("SCAN") and not step.startswith(KEYS) and not found
            if whole:
                # In the order of its ids, or its key, and no further than the bound of a page.
                assert step in ("SCAN i", "SCAN i USING COVERING INDEX inbound_pair"), (step, sql)
                assert "ORDER BY i.id DESC" in sql
            assert "inbound_pair" not in step or "peer=?" in step, (step, sql)


@pytest.mark.parametrize("name", READS)
async def test_an_empty_store_is_read_too(desk: Desk, name: str) -> None:
    READS[name](desk.con)
