"""Reads of the queue: what waits, in its order, by its index, in pages."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from gateway.model import State
from gateway.store import inbound, pages, parts, queries
from gateway.store.ends import End, EndOp
from gateway.store.queries import QueueUnit
from gateway.store.resolve import DueOp
from tests.support.stores import DAY, START, Desk

S = State
UNIT = QueueUnit("acme", 0, "app", 9)


def read(desk: Desk, query: Callable[..., Any], *given: Any) -> Any:
    return desk.store.read_now(lambda con: query(con, *given))


async def test_units_are_what_is_kept_in_order_by_itself(desk: Desk) -> None:
    await desk.submit(parts=3)
    await desk.submit()
    await desk.submit(rank=2)
    await desk.submit(lane=1)
    await desk.submit(app="b")
    await desk.submit(carrier="other")
    await desk.submit(state=S.SUBMITTING)
    await desk.submit(state=S.SCHEDULED, due_at=START)
    assert dict(read(desk, queries.queue_units)) == {
        UNIT: 4,
        QueueUnit("acme", 0, "app", 2): 1,
        QueueUnit("acme", 1, "app", 9): 1,
        QueueUnit("acme", 0, "b", 9): 1,
        QueueUnit("other", 0, "app", 9): 1,
    }


async def test_the_oldest_that_waits_for_each_carrier(desk: Desk) -> None:
    assert read(desk, queries.queued_oldest) == {}
    for carrier, age in (("acme", 5000), ("other", 3000), ("acme", 1000)):
        desk.now = START - age
        await desk.submit(carrier=carrier, app=f"app{age}")
    # ids rise even though the clock was turned back in between
    assert read(desk, queries.queued_oldest) == {"acme": START - 5000, "other": START - 3000}


async def test_lines_of_the_queue(desk: Desk) -> None:
    assert read(desk, queries.queue_lines) == []
    first = await desk.submit(app="shop", lane=1, rank=9, parts=3)
    desk.now += 1000
    second = await desk.submit(app="shop", lane=1, rank=2)
    third = await desk.submit(app="crm")
    other = await desk.submit(carrier="other")
    await desk.submit(state=State.SUBMITTING)
    assert first < second
    assert read(desk, queries.queue_lines) == [
        ("acme", 0, "crm", 1, third),
        ("acme", 1, "shop", 4, first),
        ("other", 0, "app", 1, other),
    ]


async def test_scheduled_messages_come_due(desk: Desk) -> None:
    late, soon, far = [await desk.submit(state=S.SCHEDULED, due_at=START + s, parts=2) for s in (900, 100, 5000)]
    assert read(desk, queries.due_scheduled, START) == []
    assert read(desk, queries.due_scheduled, START + 900) == [soon, late]
    assert read(desk, queries.due_scheduled, START + 900, 1) == [soon]
    await desk.do(DueOp([soon, late]))
    assert read(desk, queries.due_scheduled, START + 900) == []
    assert desk.states(soon) == [S.QUEUED, S.QUEUED]
    assert desk.states(far) == [S.SCHEDULED, S.SCHEDULED]


async def test_what_waits_past_its_validity(desk: Desk) -> None:
    gone = await desk.submit(expires_at=START + 10, parts=2)
    scheduled = await desk.submit(expires_at=START + 10, state=S.SCHEDULED, due_at=START + 5)
    for state in set(State) - {S.SCHEDULED, S.QUEUED}:
        desk.put_in(await desk.submit(expires_at=START), state)
    await desk.submit(expires_at=START + 11)
    assert read(desk, queries.expired_unsent, START + 9) == []
    found = read(desk, queries.expired_unsent, START + 10)
    assert set(found) == {(gone, 1), (gone, 2), (scheduled, 1)}
    assert len(read(desk, queries.expired_unsent, START + 10, 2)) == 2
    await desk.do(EndOp([End(mid, part, S.EXPIRED, "expired_unsent", high=1) for mid, part in found]))
    assert read(desk, queries.expired_unsent, START + 10) == []


async def test_a_message_cut_by_the_page_of_a_sweep_ends_once(desk: Desk) -> None:
    await desk.open()
    mids = [await desk.submit(expires_at=START + 10, parts=3) for _ in range(5)]
    while found := read(desk, queries.expired_unsent, START + 10, 4):
        await desk.do(EndOp([End(mid, part, S.EXPIRED, "expired_unsent", high=1) for mid, part in found]))
    assert {state for mid in mids for state in desk.states(mid)} == {S.EXPIRED}
    assert sorted(e["id"] for e in desk.told()) == sorted(map(desk.store.id_text.format, mids))


async def test_sent_without_a_receipt(desk: Desk) -> None:
    await desk.sent("a", "b")
    await desk.sent("c", receipt=False)
    await desk.sent("d")
    await desk.receive(desk.receipt("d"))
    await desk.submit()
    desk.now += 1000
    await desk.sent("e")
    assert read(desk, queries.sent_without_receipt, START, START + 1000) == 1
    assert read(desk, queries.sent_without_receipt, START, START + 1001) == 2
    assert read(desk, queries.sent_without_receipt, 0, START) == 0


async def test_counts_and_states(desk: Desk) -> None:
    mids = {state: await desk.submit() for state in State}
    for state, mid in mids.items():
        desk.put_in(mid, state)
    assert read(desk, queries.counts_by_state) == {"scheduled": 1, "queued": 1, "submitting": 1, "in_doubt": 1}
    assert read(desk, queries.states, [*mids.values(), 999]) == {mid: state.word for state, mid in mids.items()}
    assert read(desk, queries.states, []) == {}


# --- by index ---------------------------------------------------------------------------------------------------------


class Spy:
    """A connection that remembers its statements."""

    def __init__(self, con: sqlite3.Connection) -> None:
        self.con = con
        self.statements: list[tuple[str, Any]] = []

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self.statements.append((sql, values))
        return self.con.execute(sql, values)


# Each read of a daemon at work, and the indexes that it goes by. A walk over a partial index reads what waits, not all.
READS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "queue_units": (queries.queue_units, ["COVERING INDEX segment_queued"]),
    "queued_oldest": (
        queries.queued_oldest,
        ["COVERING INDEX segment_queued ((carrier,lane,app,rank,message_id)>(?,?,?,?,?))"],
    ),
    "queued": (
        lambda con: pages.of_unit(con, UNIT, 5, 10),
        [
            "COVERING INDEX segment_queued (carrier=? AND lane=? AND app=? AND rank=? AND message_id>?)",
            "INTEGER PRIMARY KEY (rowid=?)",
            "PRIMARY KEY (message_id=?)",
        ],
    ),
    "due_scheduled": (lambda con: queries.due_scheduled(con, START), ["INDEX segment_due (due_at<?)"]),
    "expired_unsent": (lambda con: queries.expired_unsent(con, START), ["INDEX segment_expiring (expires_at<?)"]),
    "sent_without_receipt": (
        lambda con: queries.sent_without_receipt(con, 0, START),
        ["PRIMARY KEY (message_id>? AND message_id<?)", "INTEGER PRIMARY KEY (rowid=?)"],
    ),
    "states": (lambda con: queries.states(con, [1, 2]), ["PRIMARY KEY (message_id=?)"]),
    "originals": (
        lambda con: queries.originals(con, [1, 2]),
        ["PRIMARY KEY (message_id=?)", "INTEGER PRIMARY KEY (rowid=?)"],
    ),
    "queue_lines": (
        queries.queue_lines,
        ["COVERING INDEX segment_queued ((carrier,lane,app,rank,message_id)>(?,?,?,?,?))", "segment_queued (carrier=?"],
    ),
    "counts_by_state": (
        queries.counts_by_state,
        ["segment_due", "segment_queued", "segment_submitting", "segment_doubt"],
    ),
    "doubtful": (lambda con: queries.doubtful(con, "acme"), ["INDEX segment_doubt (carrier=? AND message_id>?)"]),
    "stream_page": (lambda con: queries.stream_page(con, 1, 0, 10), ["PRIMARY KEY (stream=? AND seq>?)"]),
    "retries": (lambda con: queries.retries(con, 1), ["PRIMARY KEY (stream=?)"]),
    "oldest long message": (lambda con: con.execute(parts._OLDEST, (1,)), ["INDEX mo_message_waiting"]),
    "oldest long message of a peer": (
        lambda con: con.execute(parts._OLDEST_OF_PEER, ("p", 1)),
        ["INDEX mo_message_peer (peer=?)"],
    ),
    "forgotten marks": (lambda con: con.execute(parts._FORGET_OLDEST, (1,)), ["INDEX mo_message_told"]),
}


@pytest.mark.parametrize("name", READS)
async def test_a_read_goes_by_its_index(desk: Desk, name: str) -> None:
    query, expected = READS[name]
    await desk.submit()
    await desk.submit(parts=2)
    steps: list[str] = []

    def look(con: sqlite3.Connection) -> None:
        spy = Spy(con)
        query(spy)
        for sql, values in spy.statements:
            steps.extend(row[3] for row in con.execute("EXPLAIN QUERY PLAN " + sql, values))

    desk.store.read_now(look)
    for index in expected:
        assert any(index in step for step in steps), steps
    for step in steps:
        # Nothing but a partial index is walked from end to end.
        if re.match(r"SCAN (segment|message|event|inbound|mo_message|mo_part|smsc_id|ref)\b", step):
            assert "USING" in step, steps


async def test_giving_up_parts_goes_by_age(desk: Desk) -> None:
    statements: list[str] = []
    desk.con.set_trace_callback(statements.append)
    await desk.do(inbound.GiveUpPartsOp(START - 1, START - DAY))
    desk.con.set_trace_callback(None)
    looked = [s for s in statements if "mo_message" in s]
    assert len(looked) == 2
    for sql, index in zip(looked, ("mo_message_waiting", "mo_message_told"), strict=True):
        steps = [row[3] for row in desk.con.execute("EXPLAIN QUERY PLAN " + sql)]
        assert any(f"INDEX {index} (received_at<?)" in step for step in steps), steps
        assert not any(step.startswith("SCAN") for step in steps), steps


async def test_recovery_goes_by_what_is_submitting(desk: Desk) -> None:
    statements: list[str] = []
    mid = await desk.submit(state=S.SUBMITTING)
    desk.con.execute("UPDATE segment SET epoch = 0 WHERE message_id = ?", (mid,))
    desk.con.set_trace_callback(statements.append)
    assert desk.store.recover({}) == {"acme": 1}
    desk.con.set_trace_callback(None)
    for sql in [s for s in statements if "state = 2" in s]:
        steps = [row[3] for row in desk.con.execute("EXPLAIN QUERY PLAN " + sql)]
        assert any("segment_submitting" in step for step in steps), steps


@pytest.mark.parametrize("events", [100, 3000])
async def test_where_events_since_a_time_begin_is_found_by_seeks(desk: Desk, events: int) -> None:
    con = desk.con
    con.executemany(
        "INSERT INTO event VALUES (1, ?, ?, 'receipt', 1, zeroblob(200))", [(seq, seq) for seq in range(1, events + 1)]
    )
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    con.set_progress_handler(step, 10)
    found = queries.first_since(con, 1, events // 3)
    con.set_progress_handler(None, 0)
    assert found == events // 3
    assert steps < 100  # of ten instructions: a walk over 3000 rows has more than a thousand
