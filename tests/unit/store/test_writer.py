"""The writer: bursts that gather while another is stored, their bounds, callbacks after the commit, the end."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import outcome
import pytest
import trio
import trio.testing

from gateway.model import State
from gateway.store.begun import Begun, InThread
from gateway.store.database import Database
from gateway.store.ends import End, EndOp
from gateway.store.events import AckOp
from gateway.store.inbound import InboundOp
from gateway.store.pending import LITTLE
from gateway.store.sends import ClaimOp
from gateway.store.store import Store
from gateway.store.submits import SubmitOp
from gateway.store.tx import Op
from gateway.store.writer import APART, PATIENCE
from tests.support.inbound import single
from tests.support.stores import Desk


class Gate:
    """Runs transactions in the test's thread, each when it is let through; counts them."""

    def __init__(self) -> None:
        self.started = 0
        self.open = trio.Event()
        self.open.set()

    async def __call__(self, function: Callable[[], object]) -> object:
        self.started += 1
        await self.open.wait()
        return function()

    def close(self) -> None:
        self.open = trio.Event()


async def gated(nursery: trio.Nursery, **options: object) -> tuple[Desk, Gate]:
    gate = Gate()
    desk = Desk(nursery, run_sync=gate, **options)
    await trio.testing.wait_all_tasks_blocked()
    return desk, gate


def count(desk: Desk) -> int:
    return int(desk.rows("SELECT count(*) FROM message")[0][0])


async def test_what_is_put_together_is_one_transaction(desk: Desk) -> None:
    bursts = desk.writer.stats.bursts
    await desk.do(*[SubmitOp([desk.new()]) for _ in range(20)])
    assert desk.writer.stats.bursts == bursts + 1
    assert count(desk) == 20


async def test_what_comes_during_a_transaction_is_the_next(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery)
    gate.close()
    nursery.start_soon(desk.do, SubmitOp([desk.new()]))
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(30):
        nursery.start_soon(desk.do, SubmitOp([desk.new()]))
    await trio.testing.wait_all_tasks_blocked()
    assert (gate.started, count(desk)) == (1, 0)
    gate.open.set()
    await desk.writer.flush()
    assert (gate.started, count(desk)) == (2, 31)
    await desk.close()


async def test_callbacks_come_after_the_commit_in_the_order_of_the_operations_but_submits_first(desk: Desk) -> None:
    calls: list[tuple[str, int, bool]] = []
    ops = [InboundOp([single("x")]), SubmitOp([desk.new()]), InboundOp([single("y")])]
    for i, op in enumerate(ops):
        desk.writer.put(
            op,
            lambda op, i=i: calls.append((op.name, i, desk.con.in_transaction)),
            lambda op, error: calls.append(("failed", 0, False)),
        )
    await desk.writer.flush()
    assert calls == [("submit", 1, False), ("inbound", 0, False), ("inbound", 2, False)]


async def test_do_calls_back_before_it_returns_and_before_events(desk: Desk) -> None:
    await desk.open()
    calls: list[str] = []
    desk.writer.on_events = lambda events: calls.append("events")
    desk.writer.on_counts = lambda counts: calls.append("counts")
    op = InboundOp([single("x")])
    assert await desk.writer.do(op, lambda op: calls.append("commit")) is op
    assert calls[0] == "commit"
    assert calls[-1] == "events"


Put = Callable[..., Awaitable[tuple[int, list[str]]]]


def putting(desk: Desk, gate: Gate) -> tuple[Put, list[str]]:
    """Puts operations: how many transactions began since, and what was stored in them; and what was since the last."""
    stored: list[str] = []

    async def put(*ops: Op) -> tuple[int, list[str]]:
        before = gate.started
        stored.clear()
        for op in ops:
            desk.writer.put(op, lambda op: stored.append(op.name))
        await trio.testing.wait_all_tasks_blocked()
        return gate.started - before, stored

    return put, stored


async def test_what_nobody_waits_for_is_stored_with_others_or_after_a_little_while(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    desk, gate = await gated(nursery)
    put, stored = putting(desk, gate)
    assert await put(AckOp([])) == (0, [])
    mock_clock.jump(PATIENCE / 2)
    assert await put(AckOp([])) == (0, [])
    mock_clock.jump(PATIENCE / 2)
    assert await put() == (1, ["ack", "ack"]), "it counts from the first of them"
    assert await put(AckOp([])) == (0, [])
    assert await put(SubmitOp([desk.new()])) == (1, ["submit", "ack"])
    assert await put(SubmitOp([desk.new()]), AckOp([])) == (1, ["submit", "ack"])
    gate.close()
    assert await put(SubmitOp([desk.new()])) == (1, [])
    assert await put(AckOp([])) == (0, [])
    gate.open.set()
    assert await put() == (0, ["submit"]), "nor is it a transaction of its own behind another"
    desk.writer.press()
    assert await put() == (1, ["ack"])
    assert await put(AckOp([])) == (0, [])
    await desk.writer.flush()
    assert stored == ["ack"]
    assert await put(AckOp([])) == (0, [])
    await desk.close()
    assert stored == ["ack"]


async def test_what_may_be_shared_waits_until_the_transaction_before_it_is_a_moment_ago(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    desk, gate = await gated(nursery)
    put, stored = putting(desk, gate)

    def shared() -> SubmitOp:
        op = SubmitOp([desk.new()])
        op.shared = True
        return op

    mock_clock.jump(1)
    assert await put(shared()) == (1, ["submit"]), "there was none of late"
    assert await put(shared()) == (0, [])
    mock_clock.jump(APART / 2)
    assert await put(shared()) == (0, [])
    mock_clock.jump(APART / 2)
    assert await put() == (1, ["submit", "submit"]), "it counts from the begin of that transaction"
    assert await put(shared()) == (0, [])
    assert await put(InboundOp([single("x")])) == (1, ["submit", "inbound"]), "who waits takes it along"
    assert await put(AckOp([])) == (0, [])
    assert await put(shared()) == (0, [])
    mock_clock.jump(APART)
    assert await put() == (1, ["submit", "ack"]), "what has longer goes with it"
    mock_clock.jump(APART)
    assert await put(AckOp([])) == (0, [])
    assert await put(shared()) == (1, ["submit", "ack"])
    mock_clock.jump(APART)
    gate.close()
    assert await put(InboundOp([single("y")])) == (1, [])
    assert await put(shared()) == (0, [])
    mock_clock.jump(APART)
    gate.open.set()
    assert await put() == (1, ["inbound", "submit"]), "a transaction that takes longer is followed at once"
    assert await put(shared()) == (0, [])
    await desk.writer.flush()
    assert stored == ["submit"]
    few = LITTLE // 2  # of two rows each
    assert await put(*[shared() for _ in range(few)]) == (0, [])
    assert await put(shared()) == (1, ["submit"] * (few + 1)), "so much is worth a transaction"
    assert await put(shared()) == (0, [])
    await desk.close()
    assert stored == ["submit"]


def test_what_is_put_before_it_runs_is_stored() -> None:
    """As by a start that finds dead letters behind what was acknowledged: there is no Trio yet."""
    store = Store("sqlite://", inline=True)
    stored: list[str] = []
    store.writer.put(AckOp([]), lambda op: stored.append(op.name))

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.writer.run)
            await trio.testing.wait_all_tasks_blocked()
            store.stop()

    trio.run(run)
    assert stored == ["ack"]
    store.close()


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_a_transaction_is_bounded_in_rows(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery, max_rows=10)
    for _ in range(25):
        desk.writer.put(SubmitOp([desk.new()]))  # two rows each
    assert desk.writer.full
    await desk.writer.flush()
    assert gate.started == 5
    assert count(desk) == 25
    assert not desk.writer.full
    await desk.close()


async def test_a_transaction_is_bounded_in_octets(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery, max_octets=100_000)
    for _ in range(20):
        desk.writer.put(SubmitOp([desk.new(body=b"x" * 24_000)]))
    assert desk.writer.full
    await desk.writer.flush()
    assert gate.started == 4
    assert not desk.writer.full
    await desk.close()


async def test_an_operation_larger_than_the_bound_goes_alone(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery, max_rows=10)
    desk.writer.put(SubmitOp([desk.new() for _ in range(50)]))
    desk.writer.put(SubmitOp([desk.new()]))
    await desk.writer.flush()
    assert (gate.started, count(desk)) == (2, 51)
    await desk.close()


async def test_intake_waits_for_room(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery, max_rows=10)
    gate.close()
    desk.writer.put(SubmitOp([desk.new()]))
    await trio.testing.wait_all_tasks_blocked()
    await desk.writer.room()  # the burst that gathers is empty
    for _ in range(5):
        desk.writer.put(SubmitOp([desk.new()]))
    passed: list[int] = []

    async def wait(number: int) -> None:
        await desk.writer.room()
        passed.append(number)

    for number in range(3):
        nursery.start_soon(wait, number)
    await trio.testing.wait_all_tasks_blocked()
    assert passed == []
    gate.open.set()
    await desk.writer.flush()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(passed) == [0, 1, 2]
    await desk.close()


async def test_the_log_of_the_database_is_back_pressure(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    size = [0]
    monkeypatch.setattr(Database, "wal_size", lambda self: size[0])
    desk = Desk(nursery, wal_limit=1000)
    await desk.submit()
    assert not desk.writer.full
    size[0] = 1001
    mock_clock.jump(1)
    await desk.submit()
    assert desk.writer.full, "what is under way is stored, nothing new is taken in"
    passed = trio.Event()

    async def wait() -> None:
        await desk.writer.room()
        passed.set()

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert not passed.is_set()
    size[0] = 10  # a checkpoint
    mock_clock.jump(1)
    desk.writer.check_disk()
    await trio.testing.wait_all_tasks_blocked()
    assert passed.is_set()
    await desk.close()


async def test_a_floor_of_free_disk(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    free = [1000]
    monkeypatch.setattr(Database, "free_disk", lambda self: free[0])
    desk = Desk(nursery, min_free_disk=500)
    await desk.submit()
    assert not desk.writer.disk_full
    free[0] = 499
    desk.writer.check_disk()
    assert not desk.writer.disk_full, "looked at once a second"
    mock_clock.jump(1)
    desk.writer.check_disk()
    assert desk.writer.disk_full
    await desk.submit()  # what was accepted is still stored
    free[0] = 500
    mock_clock.jump(1)
    await desk.submit()
    assert not desk.writer.disk_full
    await desk.close()


# --- cancelled, stopped, dead -----------------------------------------------------------------------------------------


async def test_a_cancelled_waiter_does_not_cancel_its_write(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery)
    gate.close()
    for during in (False, True):
        if during:  # the transaction with the operation is under way
            desk.writer.put(SubmitOp([desk.new()]))
        with trio.move_on_after(0) as scope:
            await desk.writer.do(SubmitOp([desk.new()]))
        assert scope.cancelled_caught
    assert count(desk) == 0
    gate.open.set()
    await desk.writer.flush()
    assert count(desk) == 3
    await desk.close()


async def test_a_transaction_under_way_is_not_cancelled_with_the_writer() -> None:
    gate = Gate()
    stored: list[int] = []
    async with trio.open_nursery() as nursery:
        desk = Desk(nursery, run_sync=gate)
        gate.close()
        desk.writer.put(SubmitOp([desk.new()]), lambda op: stored.append(count(desk)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            assert stored == []
            gate.open.set()
    assert stored == [1]
    desk.store.close()


class Steps:
    """Transactions that are carried out as they are begun, in the test's thread; who waits gets the result later."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.open = trio.Event()

    def begin(self, function: Callable[[], object]) -> Begun:
        self.seen.append("begun")
        return Step(self, outcome.capture(function))


class Step:
    def __init__(self, steps: Steps, result: outcome.Outcome[object]) -> None:
        self._steps = steps
        self._result = result

    async def wait(self) -> object:
        await self._steps.open.wait()
        self._steps.seen.append("ended")
        return self._result.unwrap()


async def test_the_next_transaction_begins_before_what_the_last_one_stored_is_told(nursery: trio.Nursery) -> None:
    steps = Steps()
    desk = Desk(nursery, begin=steps.begin)
    desk.writer.put(SubmitOp([desk.new()]), lambda _: steps.seen.append("first told"))
    await trio.testing.wait_all_tasks_blocked()

    def told(_: object) -> None:
        steps.seen.append("second told")
        desk.writer.put(SubmitOp([desk.new()]))

    desk.writer.put(SubmitOp([desk.new()]), told)
    steps.open.set()
    await desk.writer.flush()
    await trio.testing.wait_all_tasks_blocked()
    # What the second makes of it comes too late for a transaction that was begun before, and is not left lying.
    assert steps.seen == ["begun", "ended", "begun", "first told", "ended", "second told", "begun", "ended"]
    assert count(desk) == 3
    await desk.close()


async def test_what_was_begun_ends_before_a_defect_ends_the_writer() -> None:
    steps = Steps()

    def broken(_: object) -> None:
        raise RuntimeError("defect")

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="defect"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            desk = Desk(nursery, begin=steps.begin)
            desk.writer.put(SubmitOp([desk.new()]), broken)
            await trio.testing.wait_all_tasks_blocked()
            desk.writer.put(SubmitOp([desk.new()]))
            steps.open.set()
            await trio.sleep_forever()
    assert steps.seen == ["begun", "ended", "begun", "ended"]
    desk.store.close()


async def test_a_thread_s_result_is_got_by_who_waits_and_by_who_comes_after() -> None:
    gate = threading.Event()

    def wait() -> int:
        gate.wait(10)
        return threading.get_ident()

    begun = InThread(wait)
    with trio.move_on_after(0.001):  # does not end the waiting: a transaction under way is not cancelled
        gate.set()
        assert await begun.wait() != threading.get_ident()
    failing = InThread(lambda: 1 // 0)
    for _ in range(3):
        await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(ZeroDivisionError):
        await failing.wait()


async def test_a_stop_stores_all_that_was_put(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery, max_rows=10)
    gate.close()
    desk.writer.put(SubmitOp([desk.new()]))
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(30):
        desk.writer.put(SubmitOp([desk.new()]))
    desk.store.stop()
    gate.open.set()
    await desk._ended.wait()
    assert count(desk) == 31
    desk.store.close()


async def test_flush_waits_for_what_was_put_before(nursery: trio.Nursery) -> None:
    desk, gate = await gated(nursery)
    await desk.writer.flush()
    gate.close()
    desk.writer.put(SubmitOp([desk.new()]))
    flushed = trio.Event()

    async def flush() -> None:
        await desk.writer.flush()
        flushed.set()

    nursery.start_soon(flush)
    await trio.testing.wait_all_tasks_blocked()
    assert not flushed.is_set()
    gate.open.set()
    await trio.testing.wait_all_tasks_blocked()
    assert flushed.is_set()
    await desk.close()


async def test_the_death_of_the_writer_is_not_silent() -> None:
    """An error in a callback is a defect: the daemon ends, with what was committed on disk."""

    def broken(op: object) -> None:
        raise RuntimeError("defect")

    stores: list[Desk] = []
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="defect"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            desk = Desk(nursery)
            stores.append(desk)
            desk.writer.put(SubmitOp([desk.new()]), broken)
            await trio.sleep_forever()
    assert count(stores[0]) == 1
    stores[0].store.close()


async def test_the_store_ends_with_its_writer() -> None:
    store = Store("sqlite://", inline=True)
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            store.writer.put(ClaimOp([(1, 1)]), lambda op: 1 // 0)  # type: ignore[arg-type, return-value]
            await trio.sleep_forever()
    store.close()


async def test_a_store_runs_until_it_is_stopped(tmp_path: Path) -> None:
    """As the daemon has it: a file, the writer in a thread of its own, reads in others."""
    store = Store(f"sqlite:///{tmp_path}/s.db")
    threads: set[int] = set()
    helper = Desk.__new__(Desk)
    helper.store, helper.now = store, store.clock.now_ms()
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        op = SubmitOp([helper.new() for _ in range(100)])
        await store.writer.do(op, lambda op: threads.add(threading.get_ident()))
        assert threads == {threading.get_ident()}, "callbacks are in Trio's thread"
        read = await store.reader.read(
            lambda con: (con.execute("SELECT count(*) FROM message").fetchone(), threading.get_ident())
        )
        assert read[0] == (100,)
        assert read[1] != threading.get_ident()
        end = EndOp([End(m.id, 0, State.CANCELLED, "cancelled", high=1) for m in op.messages])
        store.writer.put(end)
        store.stop()
    assert len(end.changed) == 100
    store.close()
    store = Store(f"sqlite:///{tmp_path}/s.db")
    states = store.read_now(lambda con: con.execute("SELECT state, count(*) FROM segment GROUP BY state").fetchall())
    assert states == [(State.CANCELLED, 100)]
    store.close()
