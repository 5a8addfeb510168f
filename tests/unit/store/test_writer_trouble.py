"""A poisonous operation harms nobody else; a database in trouble refuses, loses nothing, and comes back by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from gateway.model import State
from gateway.store.ends import End, EndOp
from gateway.store.events import AckOp, OpenStreamOp, RetryOp
from gateway.store.inbound import GiveUpPartsOp, InboundOp
from gateway.store.receipts import ReceiptOp
from gateway.store.resolve import DueOp, ResendOp
from gateway.store.sends import ClaimOp, DoubtOp, ResponseOp, Sent, UnclaimOp
from gateway.store.submits import SubmitOp
from gateway.store.tx import Op
from gateway.store.writer import StoreUnavailableError
from tests.support.inbound import single
from tests.support.stores import Desk

S = State
HUGE = 1 << 70  # no database takes it: OverflowError


def count(desk: Desk) -> int:
    return int(desk.rows("SELECT count(*) FROM message")[0][0])


# --- one operation is at fault ----------------------------------------------------------------------------------------


POISONS: dict[str, Callable[[Desk], Op]] = {
    "a number too large": lambda d: SubmitOp([d.new(expires_at=HUGE)]),
    "a lone surrogate": lambda d: SubmitOp([d.new(meta='"\ud800"')]),
    "an id that is there": lambda d: SubmitOp([d.new(id=1), d.new(id=1)]),
    "an id that is there, after others that are stored": lambda d: SubmitOp([d.new(id=i % 99) for i in range(100)]),
    "a null where none may be": lambda d: SubmitOp([d.new(number=None)]),
    "of another kind": lambda d: InboundOp([single("x", peer=object())]),
    "a response": lambda d: ResponseOp("acme", [Sent(HUGE, 1, "x", 0, True)], [], [], None),
    "a receipt": lambda d: ReceiptOp([d.receipt("x\ud800")]),
}


@pytest.mark.parametrize("poison", POISONS)
async def test_a_poisonous_operation_is_set_aside_alone(desk: Desk, poison: str) -> None:
    bad = POISONS[poison](desk)
    waiting = await desk.submit()
    claim = ClaimOp([(waiting, 1)])
    errors = await desk.burst(SubmitOp([desk.new()]), InboundOp([single("a")]), bad, claim, SubmitOp([desk.new()]))
    assert [error is None for error in errors] == [True, True, False, True, True]
    assert not isinstance(errors[2], StoreUnavailableError)
    assert count(desk) == 3
    assert set(claim.claimed) == {(waiting, 1)}
    assert desk.writer.healthy
    assert desk.writer.stats.failures == 1
    await desk.submit()


async def test_a_poisonous_operation_that_has_to_be_stored_is_not_tried_for_ever(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    poison = ResponseOp("acme", [Sent(HUGE, 1, "x", 0, True)], [], [], None)
    good = ResponseOp("acme", [Sent(mid, 1, "y", 0, True)], [], [], None)
    assert poison.must
    errors = await desk.burst(poison, good)
    assert isinstance(errors[0], OverflowError)
    assert errors[1] is None
    assert desk.states(mid) == [S.SENT]
    await desk.writer.flush()


async def test_do_raises_what_made_it_fail(desk: Desk) -> None:
    with pytest.raises(OverflowError):
        await desk.writer.do(SubmitOp([desk.new(expires_at=HUGE)]))
    await desk.writer.do(SubmitOp([desk.new()]))


async def test_an_operation_without_callbacks_may_fail(desk: Desk) -> None:
    desk.writer.put(SubmitOp([desk.new(expires_at=HUGE)]))
    await desk.submit()
    assert count(desk) == 1


# --- the database is at fault -----------------------------------------------------------------------------------------


def broken(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("injected")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "INJECTED"
    return error


class Trouble:
    """Runs transactions; while there is an error to raise, raises it: before, or in the place of the commit."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.tries = 0

    async def __call__(self, function: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            self.tries += 1
            raise self.error
        return function()


CODES = {
    name: getattr(sqlite3, "SQLITE_" + name)
    for name in (
        "FULL", "IOERR", "IOERR_FSYNC", "BUSY", "BUSY_SNAPSHOT", "LOCKED", "READONLY", "CANTOPEN", "CORRUPT", "NOMEM",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
async def test_an_error_of_the_database_refuses_and_keeps(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, name: str
) -> None:
    trouble = Trouble()
    desk = Desk(nursery, run_sync=trouble)
    await desk.open()
    mids = [await desk.submit(state=S.SUBMITTING) for _ in range(3)]
    trouble.error = broken(CODES[name])
    stored: list[str] = []
    kept = [ResponseOp("acme", [Sent(mid, 1, f"{mid}", desk.now, True)], [], [], None) for mid in mids]
    for i, op in enumerate(kept):
        desk.writer.put(op, lambda op, i=i: stored.append(f"response {i}"), lambda op, error: stored.append("failed"))
    refused = SubmitOp([desk.new()]), ReceiptOp([desk.receipt(f"{mids[0]}")]), InboundOp([single("x")])
    errors = await desk.burst(*refused)
    for error in errors:
        assert isinstance(error, StoreUnavailableError)
        assert error.reason == "store_unavailable"
    assert not desk.writer.healthy
    assert stored == []
    # later ones are refused as well, in bounded time, and those that are kept are tried again
    tries = trouble.tries
    with pytest.raises(StoreUnavailableError):
        await desk.writer.do(SubmitOp([desk.new()]))
    assert trouble.tries > tries
    trouble.error = None
    with trio.fail_after(5):  # promise 6: serving within 5 s after it clears
        while not desk.writer.healthy:
            await desk.writer.stored()
    assert stored == ["response 0", "response 1", "response 2"]
    assert [desk.states(mid) for mid in mids] == [[S.SENT]] * 3
    assert count(desk) == 3
    assert desk.rows("SELECT count(*) FROM inbound") == [(0,)]
    await desk.submit()
    await desk.close()


async def test_what_has_to_be_stored_keeps_its_order_before_what_came_later(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    trouble = Trouble()
    desk = Desk(nursery, run_sync=trouble)
    stream = await desk.open()
    trouble.error = broken(sqlite3.SQLITE_IOERR)
    stored: list[int] = []
    for i in range(5):
        for j in range(4):
            op = AckOp([(stream, i * 4 + j, [])])
            desk.writer.put(op, lambda op: stored.append(op.rows[0][1]))
            desk.writer.put(InboundOp([single("x")]))
        await trio.sleep(0.3)
    trouble.error = None
    await trio.sleep(5)
    assert stored == list(range(20))
    assert desk.rows("SELECT acked FROM cursor") == [(19,)]
    await desk.close()


async def test_tries_are_spaced(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    trouble = Trouble()
    desk = Desk(nursery, run_sync=trouble)
    stream = await desk.open()
    trouble.error = broken(sqlite3.SQLITE_FULL)
    desk.writer.put(AckOp([(stream, 1, [])]))
    await trio.sleep(60)
    assert 50 <= trouble.tries <= 80
    trouble.error = None
    await trio.sleep(1.1)
    assert desk.rows("SELECT acked FROM cursor") == [(1,)]
    assert desk.writer.healthy
    await desk.close()


def test_which_operations_have_to_be_stored() -> None:
    """What we know and nobody will tell us again; all else is asked for again by who asked."""
    must: set[type[Op]] = {ResponseOp, DoubtOp, UnclaimOp, AckOp, RetryOp}
    others: set[type[Op]] = {
        SubmitOp,
        ClaimOp,
        ReceiptOp,
        InboundOp,
        EndOp,
        DueOp,
        ResendOp,
        OpenStreamOp,
        GiveUpPartsOp,
    }
    assert {kind for kind in must | others if kind.must} == must


# --- real trouble -----------------------------------------------------------------------------------------------------


async def test_a_full_disk(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, tmp_path: Any) -> None:
    """SQLite's own SQLITE_FULL, in the middle of a burst: nothing of it is stored, and later all goes on."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    pages = desk.con.execute("PRAGMA page_count").fetchone()[0]
    desk.con.execute(f"PRAGMA max_page_count = {pages + 4}")
    answered: list[str] = []
    desk.writer.put(
        ResponseOp("acme", [Sent(mid, 1, "a", desk.now, True)], [], [], None), lambda op: answered.append("stored")
    )
    errors = await desk.burst(*[SubmitOp([desk.new(body=b"x" * 3000)]) for _ in range(50)])
    assert all(isinstance(error, StoreUnavailableError) for error in errors)
    assert count(desk) == 1
    assert desk.events == []
    desk.con.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    await trio.sleep(1)
    assert answered == ["stored"]
    assert desk.states(mid) == [S.SENT]
    for _ in range(50):
        await desk.submit(body=b"x" * 3000)
    assert desk.con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    await desk.close()


async def test_a_locked_database(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, tmp_path: Any) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    stream = await desk.open()
    desk.con.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    desk.writer.put(AckOp([(stream, 3, [])]))
    (error,) = await desk.burst(SubmitOp([desk.new()]))
    assert isinstance(error, StoreUnavailableError)
    assert "locked" in str(error)
    other.execute("ROLLBACK")
    other.close()
    await trio.sleep(1)
    assert desk.rows("SELECT acked FROM cursor") == [(3,)]
    assert desk.writer.healthy
    await desk.close()


async def test_a_read_only_database(desk: Desk) -> None:
    mid = await desk.submit()
    desk.con.execute("PRAGMA query_only = ON")
    errors = await desk.burst(ClaimOp([(mid, 1)]), EndOp([End(mid, 0, S.CANCELLED, "cancelled")]))
    assert all(isinstance(error, StoreUnavailableError) for error in errors)
    desk.con.execute("PRAGMA query_only = OFF")
    assert await desk.claim((mid, 1)) == {(mid, 1)}


async def test_numbers_of_events_are_not_used_up_by_trouble(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    desk = Desk(nursery)
    stream = await desk.open()
    desk.con.execute("PRAGMA query_only = ON")
    assert all(await desk.burst(InboundOp([single("a")]), InboundOp([single("b")])))
    desk.con.execute("PRAGMA query_only = OFF")
    await desk.do(InboundOp([single("c")]))
    assert [(e.stream, e.seq) for e in desk.events] == [(stream, 1)]
    await desk.close()


async def test_trouble_while_poison_is_being_isolated(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The burst failed by an operation, and the disk fills up while each is stored on its own."""
    left = [2]

    async def run(function: Callable[[], object]) -> object:
        await trio.lowlevel.checkpoint()
        left[0] -= 1
        if left[0] == 0:
            raise broken(sqlite3.SQLITE_FULL)
        return function()

    desk = Desk(nursery, run_sync=run)
    stream = await desk.open()
    left[0] = 4  # the burst, the first alone, the poison alone, then trouble
    ack = AckOp([(stream, 7, [])])
    errors = await desk.burst(
        SubmitOp([desk.new()]), SubmitOp([desk.new(expires_at=HUGE)]), SubmitOp([desk.new()]), ack
    )
    assert errors[0] is None
    assert isinstance(errors[1], OverflowError)
    assert isinstance(errors[2], StoreUnavailableError)
    assert errors[3] is None
    assert count(desk) == 1
    assert desk.rows("SELECT acked FROM cursor") == [(7,)]
    await desk.close()
