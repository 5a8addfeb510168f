"""Streams of events: numbered without gaps, opened and closed, acknowledged, tried again; nothing of a failed burst."""

from __future__ import annotations

import pytest

from gateway.model import State
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.events import AckOp, CloseStreamOp, OpenStreamOp, RetryOp
from gateway.store.inbound import InboundOp
from gateway.store.streams import HANDLER, SUBSCRIPTION, StreamInfo
from gateway.store.submits import SubmitOp
from tests.support.inbound import single
from tests.support.stores import NUMBER, Desk

S = State


async def tell(desk: Desk, *texts: str) -> None:
    await desk.do(InboundOp([single(text) for text in texts]))


async def end(desk: Desk, **given: object) -> None:
    mid = await desk.submit(**given)
    await desk.do(EndOp([End(mid, 0, S.CANCELLED, "cancelled", high=1)]))


def seqs(desk: Desk, stream: int) -> list[int]:
    rows = desk.store.read_now(lambda con: queries.stream_page(con, stream, 0, 1000))
    return [row[0] for row in rows]


# --- opened and closed ------------------------------------------------------------------------------------------------


async def test_a_stream_is_made_once_and_changed_after(desk: Desk) -> None:
    first = OpenStreamOp(SUBSCRIPTION, "app", "default")
    await desk.do(first)
    assert first.created
    assert first.info == StreamInfo(1, "subscription", "app", "default", None, frozenset({"inbound", "receipt"}))
    again = OpenStreamOp(SUBSCRIPTION, "app", "default", numbers=frozenset({NUMBER}), events=frozenset({"receipt"}))
    await desk.do(again)
    assert not again.created
    assert again.info == StreamInfo(1, "subscription", "app", "default", frozenset({NUMBER}), frozenset({"receipt"}))
    assert desk.store.streams.find(SUBSCRIPTION, "app", "default") == again.info
    assert desk.rows("SELECT id, numbers, events FROM stream") == [(1, f'["{NUMBER}"]', '["receipt"]')]


async def test_a_new_stream_and_an_old_one_in_one_millisecond(desk: Desk) -> None:
    ops = [OpenStreamOp(SUBSCRIPTION, "app", name) for name in ("a", "a", "b")]
    await desk.do(*ops)
    assert [op.created for op in ops] == [True, False, True]
    assert len({op.info.id for op in ops if op.info is not None}) == 2


async def test_names_belong_to_kinds_and_apps(desk: Desk) -> None:
    ids = [
        await desk.open("x", app="a"),
        await desk.open("x", app="b"),
        await desk.open("y", app="a"),
        await desk.open("x", app="", kind=HANDLER),
    ]
    assert len(set(ids)) == 4
    streams = desk.store.streams
    found = [
        streams.find(SUBSCRIPTION, "a", "x"),
        streams.find(SUBSCRIPTION, "b", "x"),
        streams.find(SUBSCRIPTION, "a", "y"),
        streams.find(HANDLER, "", "x"),
    ]
    assert [info.id for info in found if info is not None] == ids
    assert streams.find(SUBSCRIPTION, "b", "y") is None
    assert streams.find(HANDLER, "", "y") is None
    assert [info.id for info in streams.handlers()] == [ids[3]]


async def test_streams_are_there_after_a_start(filed: Desk) -> None:
    await filed.open("é\"'", numbers=frozenset({NUMBER, "INFO"}), events=frozenset({"inbound"}))
    await filed.open("crm", app="", kind=HANDLER)
    before = dict(filed.store.streams.by_id)
    await filed.restart()
    assert filed.store.streams.by_id == before


async def test_a_closed_stream_takes_all_that_is_its_own(desk: Desk) -> None:
    stream, other = await desk.open("a"), await desk.open("b")
    await tell(desk, "1", "2", "3")
    await desk.do(AckOp([(stream, 1, []), (other, 1, [])]))
    await desk.do(RetryOp([(stream, 2, 1, 0, "x"), (other, 2, 1, 0, "x")], []))
    await desk.do(CloseStreamOp(stream))
    for table in ("event", "cursor", "retry"):
        assert {row[0] for row in desk.rows(f"SELECT stream FROM {table}")} == {other}, table
    assert desk.store.streams.find(SUBSCRIPTION, "app", "a") is None
    await tell(desk, "4")
    assert seqs(desk, other) == [1, 2, 3, 4]
    assert seqs(desk, stream) == []
    # what was on its way for it is not stored for nobody
    await desk.do(AckOp([(stream, 3, [])]), RetryOp([(stream, 3, 1, 0, "x")], [(stream, 2)]))
    for table in ("event", "cursor", "retry"):
        assert {row[0] for row in desk.rows(f"SELECT stream FROM {table}")} == {other}, table


async def test_a_stream_s_number_is_never_given_again(filed: Desk) -> None:
    """It is in the ids of events that an app may know from before."""
    first = await filed.open("a")
    await filed.do(CloseStreamOp(first))
    second = await filed.open("a")
    await filed.do(CloseStreamOp(second))
    await filed.restart()
    third = await filed.open("b")
    assert first < second < third


@pytest.mark.parametrize("close_first", [True, False])
async def test_a_stream_that_is_closed_and_opened_in_one_burst_lives(desk: Desk, close_first: bool) -> None:
    old = await desk.open("a")
    await tell(desk, "1")
    opened = OpenStreamOp(SUBSCRIPTION, "app", "a")
    ops = [CloseStreamOp(old), opened]
    await desk.do(*(ops if close_first else reversed(ops)), InboundOp([single("2")]))
    assert opened.info is not None
    assert opened.created
    assert opened.info.id != old
    assert desk.store.streams.find(SUBSCRIPTION, "app", "a") == opened.info
    assert (seqs(desk, old), seqs(desk, opened.info.id)) == ([], [1])


async def test_events_of_the_burst_that_opens_a_stream_are_in_it(desk: Desk) -> None:
    await desk.do(InboundOp([single("1")]), OpenStreamOp(SUBSCRIPTION, "app", "late"))
    assert [e["text"] for e in desk.told("inbound")] == ["1"]


# --- who is told of ends ----------------------------------------------------------------------------------------------


async def test_ends_are_told_to_their_app_and_to_the_number_s_handlers(desk: Desk) -> None:
    desk.store.streams.configure({"app": None, "other": None}, {NUMBER: ("crm",)})
    default, other = await desk.open(), await desk.open(app="other")
    number = await desk.open("number", numbers=frozenset({NUMBER}))
    elsewhere = await desk.open("elsewhere", numbers=frozenset({"+15551230002"}))
    inbound = await desk.open("inbound", events=frozenset({"inbound"}))
    crm = await desk.open("crm", app="", kind=HANDLER)
    await end(desk)
    told = {e.stream for e in desk.events}
    assert told == {default, number, crm}
    assert not told & {other, elsewhere, inbound}


# --- numbered without gaps --------------------------------------------------------------------------------------------


async def test_each_stream_has_its_own_numbers(desk: Desk) -> None:
    a, b = await desk.open("a"), await desk.open("b", numbers=frozenset({"+15551230002"}))
    await tell(desk, "1", "2")
    await desk.do(InboundOp([single("3"), single("4", number="+15551230002")]))
    assert seqs(desk, a) == [1, 2, 3, 4]
    assert seqs(desk, b) == [1]
    assert [(e.stream, e.seq) for e in desk.events if e.stream == b] == [(b, 1)]


async def test_numbers_go_on_after_a_start(filed: Desk) -> None:
    stream = await filed.open()
    await tell(filed, "1", "2")
    await filed.restart()
    await tell(filed, "3")
    assert seqs(filed, stream) == [1, 2, 3]


async def test_numbers_go_on_where_all_events_are_gone(filed: Desk) -> None:
    """Acknowledged and purged: the cursor still knows how far it was."""
    stream = await filed.open()
    await tell(filed, "1", "2", "3")
    await filed.do(AckOp([(stream, 3, [])]))
    filed.con.execute("DELETE FROM event")
    await filed.restart()
    await tell(filed, "4")
    assert seqs(filed, stream) == [4]


async def test_a_failed_burst_takes_no_numbers(desk: Desk) -> None:
    stream = await desk.open()
    await tell(desk, "1")
    poison = desk.new(expires_at=1 << 70)
    errors = await desk.burst(InboundOp([single("2")]), SubmitOp([poison]), InboundOp([single("3"), single("4")]))
    assert [error is None for error in errors] == [True, False, True]
    assert seqs(desk, stream) == [1, 2, 3, 4]
    assert [e.seq for e in desk.events] == [1, 2, 3, 4]
    assert [e["text"] for e in desk.told("inbound")] == ["1", "2", "3", "4"]


async def test_a_stream_of_a_failed_burst_is_not_there(desk: Desk) -> None:
    await desk.open("kept")
    kept = desk.store.streams.find(SUBSCRIPTION, "app", "kept")
    assert kept is not None
    bad = OpenStreamOp(SUBSCRIPTION, "app", "bad\ud800")  # cannot be bound as UTF-8
    change = OpenStreamOp(SUBSCRIPTION, "app", "kept", events=frozenset({"receipt"}))
    close = CloseStreamOp(1 << 70)
    errors = await desk.burst(bad, change, close)
    assert [error is None for error in errors] == [False, True, False]
    assert [info.name for info in desk.store.streams.by_id.values()] == ["kept"]
    assert desk.store.streams.find(SUBSCRIPTION, "app", "kept") == change.info
    await tell(desk, "nobody")
    await end(desk)
    assert [(e.stream, e.seq, e.kind) for e in desk.events] == [(kept.id, 1, "receipt")]


async def test_events_are_handed_out_after_the_commit_and_in_order(desk: Desk) -> None:
    stream = await desk.open()
    seen: list[tuple[str, int]] = []

    def committed(events: list[object]) -> None:
        rows = seqs(desk, stream)
        seen.extend((f"{e.kind}", e.seq) for e in events)  # type: ignore[attr-defined]
        assert rows == [seq for _, seq in seen]

    desk.writer.on_events = committed  # type: ignore[assignment]
    first, second = await desk.submit(), await desk.submit()
    ends = EndOp([End(mid, 0, S.CANCELLED, "cancelled", high=1) for mid in (first, second)])
    await desk.do(InboundOp([single("1")]), ends, InboundOp([single("2")]))
    assert seen == [("receipt", 1), ("receipt", 2), ("inbound", 3), ("inbound", 4)]


# --- cursors ----------------------------------------------------------------------------------------------------------


async def test_cursors(desk: Desk) -> None:
    a, b = await desk.open("a"), await desk.open("b")
    assert desk.store.read_now(queries.cursors) == {}
    await desk.do(AckOp([(a, 1, [3, 4]), (b, 7, [])]), AckOp([(a, 4, [])]))
    assert desk.store.read_now(queries.cursors) == {a: (4, []), b: (7, [])}
    await desk.do(AckOp([(a, 4, [6, 9])]))
    assert desk.store.read_now(queries.cursors) == {a: (4, [6, 9]), b: (7, [])}
    await desk.do(AckOp([]), AckOp([(999, 1, [])]))
    assert set(desk.store.read_now(queries.cursors)) == {a, b}


async def test_a_burst_of_acknowledgements_is_one_row_for_each_stream(desk: Desk) -> None:
    stream = await desk.open()
    before = desk.con.total_changes
    await desk.do(*[AckOp([(stream, i, [])]) for i in range(1, 50)])
    assert desk.con.total_changes - before == 1
    assert desk.store.read_now(queries.cursors) == {stream: (49, [])}


async def test_a_large_sparse_cursor(desk: Desk) -> None:
    stream = await desk.open()
    sparse = list(range(2, 20_002))
    await desk.do(AckOp([(stream, 0, sparse)]))
    assert desk.store.read_now(queries.cursors) == {stream: (0, sparse)}


# --- failed deliveries ------------------------------------------------------------------------------------------------


async def test_retries(desk: Desk) -> None:
    a, b = await desk.open("a"), await desk.open("b")

    def retries(stream: int) -> dict[int, tuple[int, int | None, str]]:
        return desk.store.read_now(lambda con: queries.retries(con, stream))

    await desk.do(RetryOp([(a, 1, 1, 1000, "refused"), (a, 2, 1, 2000, "timeout"), (b, 1, 1, 5, "x")], []))
    await desk.do(RetryOp([(a, 1, 2, 4000, "refused")], []), RetryOp([(a, 1, 3, 9000, "503 é")], [(a, 2)]))
    assert retries(a) == {1: (3, 9000, "503 é")}
    assert retries(b) == {1: (1, 5, "x")}
    await desk.do(RetryOp([(a, 1, 9, None, "410")], []))
    assert retries(a) == {}, "a dead letter has no time and is not tried again"
    assert desk.rows("SELECT seq, attempts, due_at, error FROM retry WHERE stream = ?", a) == [(1, 9, None, "410")]
    await desk.do(RetryOp([(a, 5, 0, None, "too old"), (a, 6, 1, 3000, "x")], []))
    assert desk.store.read_now(lambda con: queries.dead_letters(con, a)) == 2
    assert desk.store.read_now(lambda con: queries.dead_letters(con, b)) == 0
    assert desk.store.read_now(lambda con: queries.dead_beyond(con, a, 0)) == [1, 5]
    assert desk.store.read_now(lambda con: queries.dead_beyond(con, a, 1)) == [5]
    await desk.do(RetryOp([], [(a, 1), (a, 77), (a, 6), (a, 5)]))
    assert (retries(a), retries(b)) == ({}, {1: (1, 5, "x")})


async def test_what_failed_and_then_came_through_in_one_burst_is_done(desk: Desk) -> None:
    stream = await desk.open()
    await desk.do(RetryOp([(stream, 1, 1, 1000, "x")], []), RetryOp([], [(stream, 1)]))
    assert desk.rows("SELECT count(*) FROM retry") == [(0,)]
