"""Threads and peers as inbound messages make them: one of each pair, unread counted, strangers told of once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio

from gateway.model import id_floor, id_ms
from gateway.store.about import Numbers
from gateway.store.conversation import MOST_UNREAD, Thread, Wanted, thread_of, thread_page
from gateway.store.hot import Values
from gateway.store.inbound import InboundOp
from gateway.store.peers import NEW_PAIRS
from gateway.store.submits import SubmitOp
from gateway.store.threads import NEEDS_ATTENTION, ThreadOp, need_attention
from gateway.store.tx import Tx
from tests.support.inbound import parts, single
from tests.support.revisions import database_at
from tests.support.stores import NUMBER, PEER, START, Desk

OTHER, SECOND = "+12125550102", "+15551230002"
ALL = frozenset({"inbound", "receipt", "peer.created"})


async def tell(desk: Desk, *given: tuple[str, str]) -> None:
    """One burst of messages, as (number, peer)."""
    await desk.do(InboundOp([single("Hi", number=number, peer=peer) for number, peer in given]))


def threads(desk: Desk) -> dict[tuple[str, str], int]:
    """Unread by pair."""
    found = desk.store.read_now(lambda con: thread_page(con, Wanted(), 500)).threads
    assert len(found) == desk.rows("SELECT count(*) FROM thread")[0][0]
    return {(thread.number, thread.peer): thread.unread for thread in found}


# --- threads ----------------------------------------------------------------------------------------------------------


async def test_unread_is_counted_by_pair(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER), (NUMBER, OTHER), (NUMBER, PEER), (SECOND, PEER))
    await tell(desk, (NUMBER, PEER))
    assert threads(desk) == {(NUMBER, PEER): 3, (NUMBER, OTHER): 1, (SECOND, PEER): 1}


async def test_a_thread_knows_its_first_time_and_its_last_message(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER))
    desk.now += 60_000
    await tell(desk, (NUMBER, PEER), (NUMBER, PEER))
    thread = desk.store.read_now(lambda con: thread_of(con, NUMBER, PEER))
    assert thread is not None
    assert thread.first_at == START
    assert desk.rows("SELECT max(id) FROM inbound") == [(thread.last_in,)]
    assert id_ms(thread.last_in) == START + 60_000


async def test_a_long_message_counts_once_it_is_whole(desk: Desk) -> None:
    pieces = parts("x" * 150, ref=7)
    await desk.do(InboundOp(pieces[:-1]))
    assert threads(desk) == {}
    await desk.do(InboundOp(pieces[-1:]))
    assert threads(desk) == {(NUMBER, PEER): 1}


async def test_what_comes_after_the_first_writes_no_row_beside_its_own(desk: Desk) -> None:
    before = desk.con.total_changes
    await tell(desk, *[(NUMBER, PEER)] * 50)
    assert desk.con.total_changes - before == 50 + 2
    await tell(desk, *[(NUMBER, PEER)] * 50)
    assert desk.con.total_changes - before == 100 + 2
    assert threads(desk) == {(NUMBER, PEER): 100}


async def test_unread_is_counted_so_far(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(desk, *[(NUMBER, PEER)] * (MOST_UNREAD + 1), (NUMBER, OTHER))
    assert threads(desk) == {(NUMBER, PEER): MOST_UNREAD, (NUMBER, OTHER): 1}


async def test_what_nobody_hears_is_nothing_unread(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER), (SECOND, PEER))
    desk.store.streams.configure({"app": None}, {}, Numbers({}, {NUMBER: 0}))
    await tell(desk, (NUMBER, PEER), (NUMBER, PEER), (NUMBER, OTHER), (SECOND, PEER))
    assert threads(desk) == {(NUMBER, PEER): 1, (SECOND, PEER): 2}
    ((seen,),) = desk.rows("SELECT min(id) FROM inbound WHERE number = ?", NUMBER)
    await desk.do(ThreadOp(NUMBER, PEER, read_up_to=seen))
    unread = desk.store.read_now(lambda con: thread_page(con, Wanted(unread=True), 500)).threads
    assert [(thread.number, thread.peer) for thread in unread] == [(SECOND, PEER)]
    desk.store.streams.configure({"app": None}, {})
    await tell(desk, (NUMBER, PEER))
    assert threads(desk) == {(NUMBER, PEER): 1, (SECOND, PEER): 2}


async def test_a_sender_to_many_numbers_has_a_thread_with_each(desk: Desk) -> None:
    """Found by the numbers, however many messages each of them has."""
    numbers = [f"+1555123{i:04}" for i in range(30)]
    for _ in range(3):
        await tell(desk, *[(number, PEER) for number in numbers for _ in range(5)])

    def page(before: int | None = None, of: frozenset[str] | None = None, limit: int = 7) -> list[Thread]:
        wanted = Wanted(peer=PEER, unread=True, numbers=of, before=before)
        return desk.store.read_now(lambda con: thread_page(con, wanted, limit)).threads

    found: list[Thread] = []
    while more := page(found[-1].last_in if found else None):
        found += more
    assert [(thread.number, thread.unread) for thread in found] == [(number, 15) for number in reversed(numbers)]
    assert [thread.number for thread in page(of=frozenset({numbers[3], "+15559990000"}))] == [numbers[3]]


async def test_what_is_somebodys_is_looked_for_beyond_a_page(desk: Desk) -> None:
    await tell(desk, *[(NUMBER, f"+1212555{i:04}") for i in range(600)])
    await desk.do(ThreadOp(NUMBER, "+12125550000", assigned="cat"))
    wanted = Wanted(whose=lambda number, assigned: (number, assigned) == (NUMBER, "cat"))
    page = desk.store.read_now(lambda con: thread_page(con, wanted, 1))
    assert ([thread.peer for thread in page.threads], page.next) == (["+12125550000"], None)


async def test_what_is_sent_writes_no_thread(desk: Desk) -> None:
    await desk.submit()
    assert desk.rows("SELECT count(*) FROM thread") == [(0,)]
    assert desk.rows("SELECT count(*) FROM peer") == [(0,)]


async def test_a_refused_burst_leaves_no_trace(desk: Desk) -> None:
    stream = await desk.open(events=ALL)
    desk.con.execute("CREATE TRIGGER no BEFORE INSERT ON thread BEGIN SELECT RAISE(ABORT, 'no'); END")
    (error,) = await desk.burst(InboundOp([single("Hi")]))
    assert error is not None
    desk.con.execute("DROP TRIGGER no")
    assert desk.rows("SELECT count(*) FROM peer") == [(0,)]
    await tell(desk, (NUMBER, PEER))
    assert threads(desk) == {(NUMBER, PEER): 1}
    assert [(e.stream, e.seq, e.kind) for e in desk.events] == [(stream, 1, "peer.created"), (stream, 2, "inbound")]


async def test_what_is_urgent_needs_attention(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER), (NUMBER, OTHER))
    need_attention(Tx(desk.con, START, desk.writer.base), {(NUMBER, PEER): 17, (SECOND, PEER): 18})
    await tell(desk, (NUMBER, PEER))
    assert desk.rows("SELECT peer, attention FROM thread ORDER BY peer") == [(PEER, 17), (OTHER, None)]


@pytest.mark.parametrize("statement", [NEW_PAIRS, NEEDS_ATTENTION])
async def test_a_row_of_a_pair_is_found_by_its_key(desk: Desk, statement: Values) -> None:
    steps = [row[3] for row in desk.rows("EXPLAIN QUERY PLAN " + statement.sql(2), *[None] * 2 * statement.columns)]
    assert [s for s in steps if "thread" in s or " t " in s] == [
        f"SEARCH {'t' if statement is NEW_PAIRS else 'thread'} USING PRIMARY KEY (number=? AND peer=?)"
    ]


# --- what somebody says of a thread -----------------------------------------------------------------------------------


async def said(desk: Desk, **given: object) -> tuple[object, ...]:
    """unread, and attention and assigned as they are stored, after it was said."""
    op = ThreadOp(NUMBER, PEER, **given)  # type: ignore[arg-type]
    await desk.do(op)
    assert op.found
    return threads(desk)[NUMBER, PEER], *desk.rows("SELECT attention, assigned FROM thread WHERE peer = ?", PEER)[0]


async def test_reading_up_to_a_message_leaves_what_came_later(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER), (NUMBER, OTHER), (NUMBER, PEER), (NUMBER, PEER))
    first, second, third = [i for (i,) in desk.rows("SELECT id FROM inbound WHERE peer = ? ORDER BY id", PEER)]
    assert await said(desk, read_up_to=first) == (2, None, None)
    assert await said(desk, read_up_to=first) == (2, None, None)
    assert await said(desk, read_up_to=third) == (0, None, None)
    assert await said(desk, read_up_to=second) == (0, None, None), "what was read stays read"
    await tell(desk, (NUMBER, PEER))
    assert await said(desk, read_up_to=first) == (1, None, None)
    assert threads(desk)[NUMBER, OTHER] == 1
    assert await said(desk, read_up_to=(1 << 63) - 1) == (0, None, None)
    await tell(desk, (NUMBER, PEER))
    assert threads(desk)[NUMBER, PEER] == 1, "nothing is read before it came"


async def test_attention_and_assignment_are_set_and_taken_back(desk: Desk) -> None:
    await tell(desk, (NUMBER, PEER))
    ((last,),) = desk.rows("SELECT max(id) FROM inbound")
    assert await said(desk, attention=True) == (1, last, None)
    assert await said(desk, assigned="ann") == (1, last, "ann")
    assert await said(desk, attention=False) == (1, None, "ann")
    assert await said(desk, assigned="") == (1, None, None)


async def test_of_a_thread_that_is_none_nothing_is_kept(desk: Desk) -> None:
    op = ThreadOp(NUMBER, PEER, read_up_to=1, attention=True, assigned="ann")
    await desk.do(op)
    assert not op.found
    assert threads(desk) == {}


# --- strangers --------------------------------------------------------------------------------------------------------


async def test_a_stranger_is_told_of_once_before_the_message(desk: Desk) -> None:
    stream = await desk.open(events=ALL)
    await tell(desk, (NUMBER, PEER), (NUMBER, PEER), (SECOND, PEER))
    await tell(desk, (NUMBER, PEER))
    assert [(e.stream, e.kind) for e in desk.events] == [(stream, "peer.created"), *[(stream, "inbound")] * 4]
    (created,) = desk.told("peer.created")
    assert created == {"at": "2025-10-09T08:53:20.000Z", "id": desk.told("inbound")[0]["id"], "number": NUMBER,
                       "peer": PEER}  # fmt: skip
    assert desk.rows("SELECT address, created_at, name FROM peer") == [(PEER, START, None)]
    assert desk.counts["inbound_stranger"] == 1


async def test_who_was_written_to_before_is_no_stranger(desk: Desk) -> None:
    await desk.open(events=ALL)
    await desk.do(SubmitOp([desk.new(peer=PEER)]))
    await tell(desk, (SECOND, PEER), (SECOND, OTHER))
    assert [e["peer"] for e in desk.told("peer.created")] == [OTHER]
    assert desk.rows("SELECT address FROM peer ORDER BY address") == [(PEER,), (OTHER,)]


async def test_it_is_for_those_who_asked_and_may_see_the_number(desk: Desk) -> None:
    of_numbers = {NUMBER: ("crm", "mail"), SECOND: ("desk",)}
    crm = await desk.open("crm", app="", kind="handler", events=ALL)
    desk.store.streams.configure({"all": None, "some": frozenset({SECOND}), "gone": frozenset()}, of_numbers)
    await desk.open("mail", app="", kind="handler", events=frozenset({"inbound"}))
    await desk.open("desk", app="", kind="handler", events=ALL)
    asked = await desk.open(app="all", events=frozenset({"peer.created"}))
    await desk.open("receipts", app="all", events=frozenset({"inbound", "receipt"}))
    await desk.open("second", app="all", events=ALL, numbers=frozenset({SECOND}))
    await desk.open(app="some", events=ALL)
    await desk.open(app="gone", events=ALL)
    await tell(desk, (NUMBER, PEER))
    assert [e.stream for e in desk.events if e.kind == "peer.created"] == [crm, asked]


async def test_a_sender_without_an_address_is_nobody(desk: Desk) -> None:
    await desk.open(events=ALL)
    await tell(desk, (NUMBER, ""), (NUMBER, ""))
    assert desk.told("peer.created") == []
    assert desk.rows("SELECT count(*) FROM peer") == [(0,)]
    assert threads(desk) == {(NUMBER, ""): 2}


async def test_strangers_stay_known_over_a_restart(filed: Desk) -> None:
    await filed.open(events=ALL)
    await tell(filed, (NUMBER, PEER))
    await filed.restart()
    await tell(filed, (NUMBER, PEER), (NUMBER, OTHER))
    assert [e["peer"] for e in filed.told("peer.created")] == [OTHER]


# --- an earlier database ----------------------------------------------------------------------------------------------


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A database of 0004 with three inbound messages of two peers, and one of nobody."""
    path = database_at("0004", tmp_path)
    con = sqlite3.connect(path)
    for number, (at, ours, peer) in enumerate(
        ((0, NUMBER, PEER), (1, NUMBER, OTHER), (2, NUMBER, PEER), (3, SECOND, ""))
    ):
        con.execute(
            "INSERT INTO inbound (id, carrier, number, peer, text, encoding, parts, complete)"
            " VALUES (?, 'acme', ?, ?, 'Hi', 'gsm7', 1, 1)",
            (id_floor(START - 60_000 + at) + number, ours, peer),
        )
    con.commit()
    con.close()
    return path


async def test_who_wrote_before_the_upgrade_has_a_thread_that_was_read(nursery: trio.Nursery, earlier: Path) -> None:
    desk = Desk(nursery, f"sqlite:///{earlier}")
    assert threads(desk) == {(NUMBER, PEER): 0, (NUMBER, OTHER): 0, (SECOND, ""): 0}
    first = START - 60_000
    kept = desk.rows("SELECT first_at, read_up_to FROM thread WHERE peer = ?", PEER)
    assert kept == [(first, id_floor(first + 2) + 2)]
    assert desk.rows("SELECT address, created_at FROM peer") == [(PEER, first), (OTHER, first + 1)]
    await desk.open(events=ALL)
    await tell(desk, (SECOND, PEER), (SECOND, "+12125550103"))
    assert [e["peer"] for e in desk.told("peer.created")] == ["+12125550103"]
    await desk.close()
