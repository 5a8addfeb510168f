"""Receipts that a carrier floods the writer with wait in its line, and hold up neither doors nor other carriers.

What frees the window of a carrier that is far goes before all else, in groups.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from gateway.model import State
from gateway.store.ends import End
from gateway.store.events import AckOp
from gateway.store.pending import BESIDE, COMING, SHARE, Pending
from gateway.store.receipts import ReceiptOp
from gateway.store.sends import ClaimOp, ResponseOp, UnclaimOp
from gateway.store.submits import SubmitOp
from gateway.store.tx import Op
from gateway.store.writer import StoreUnavailableError
from tests.support.stores import DAY, Desk

READ = 100
"""Receipts in one operation, as of one read of a connection."""


class Bursts:
    """Runs transactions in the test's thread when they are let through, and keeps what was in each."""

    def __init__(self) -> None:
        self.kept: list[list[Op]] = []
        self.open = trio.Event()
        self.error: Exception | None = None

    async def __call__(self, function: Callable[[], object]) -> object:
        await self.open.wait()
        assert isinstance(function, partial)
        self.kept.append(list(function.args[0]))
        if self.error is not None:
            raise self.error
        return function()

    def receipts(self, carrier: str | None = None) -> list[int]:
        """How many of them were in each burst."""
        return [
            sum(len(op.receipts) for op in burst if isinstance(op, ReceiptOp) and carrier in (None, op.line))
            for burst in self.kept
        ]

    def submits(self) -> list[int]:
        """How many of these operations were in each burst."""
        return [sum(isinstance(op, SubmitOp) for op in burst) for burst in self.kept]


async def flooded(nursery: trio.Nursery, receipts: int, **options: Any) -> tuple[Desk, Bursts]:
    """A desk at which a first transaction is under way, and so many orphans of a carrier wait behind it."""
    bursts = Bursts()
    desk = Desk(nursery, run_sync=bursts, **options)
    desk.writer.put(SubmitOp([desk.new()]))
    await trio.testing.wait_all_tasks_blocked()
    for first in range(0, receipts, READ):
        desk.writer.put(orphans(desk, first, "flood"))
    return desk, bursts


def orphans(desk: Desk, first: int, carrier: str, count: int = READ) -> ReceiptOp:
    return ReceiptOp([desk.receipt(f"{9_000_000 + n}", carrier=carrier) for n in range(first, first + count)])


async def test_what_comes_behind_a_flood_is_in_the_next_burst_with_a_share_of_it(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 5000)
    desk.writer.put(SubmitOp([desk.new()]))
    bursts.open.set()
    await desk.writer.flush()
    assert bursts.submits()[1] == 1
    # Two rows each; the operation that reaches the share is taken whole.
    assert 0 < bursts.receipts()[1] < SHARE // 2 + READ
    assert sum(bursts.receipts()) == desk.counts["receipt_parked"] == 5000
    await desk.close()


async def test_a_flood_alone_goes_in_small_bursts_too(nursery: trio.Nursery) -> None:
    """What comes while one is stored waits for the end of that one."""
    desk, bursts = await flooded(nursery, 5000)
    bursts.open.set()
    await desk.writer.flush()
    assert max(bursts.receipts()) < SHARE // 2 + READ
    assert min(bursts.receipts()[1:]) >= READ
    await desk.close()


async def test_a_flood_does_not_close_the_doors(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 5000, max_rows=1000)
    assert not desk.writer.full
    with trio.fail_after(1):
        await desk.writer.room()
    for _ in range(500):
        desk.writer.put(SubmitOp([desk.new()]))
    assert desk.writer.full, "what comes in at a door has its bound"
    bursts.open.set()
    await desk.writer.flush()
    assert not desk.writer.full
    assert (desk.writer.pending.rows, desk.writer.pending.octets, len(desk.writer.pending)) == (0, 0, 0)
    await desk.close()


async def test_carriers_take_turns(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 3000)
    for n in range(3):
        desk.writer.put(orphans(desk, 20_000 + n, "quiet", 1))
    bursts.open.set()
    await desk.writer.flush()
    assert sum(bursts.receipts("quiet")[:4]) == 3, bursts.receipts("quiet")
    await desk.close()


async def test_receipts_of_a_carrier_keep_their_order(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 2000)
    bursts.open.set()
    await desk.writer.flush()
    raws = [r.raw for burst in bursts.kept for op in burst if isinstance(op, ReceiptOp) for r in op.receipts]
    assert raws == [f"{9_000_000 + n}" for n in range(2000)]
    await desk.close()


async def test_nothing_starves_in_its_line(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 500, max_rows=10)
    for _ in range(50):
        desk.writer.put(SubmitOp([desk.new()]))  # two rows each
    bursts.open.set()
    await desk.writer.flush()
    assert bursts.receipts() == [0] + 5 * [READ] + 5 * [0]
    assert bursts.submits() == [1] + 10 * [5]
    await desk.close()


async def test_a_busy_gateway_takes_as_many_rows_of_receipts_as_of_others(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 5000)
    for _ in range(1000):
        desk.writer.put(SubmitOp([desk.new()]))  # two rows each
    bursts.open.set()
    await desk.writer.flush()
    assert bursts.submits()[1] == bursts.receipts()[1] == 1000
    await desk.close()


async def test_flush_waits_for_what_is_in_lines_and_not_for_what_comes_later(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 1000)
    parked: list[int] = []

    async def flush() -> None:
        await desk.writer.flush()
        parked.append(desk.counts["receipt_parked"])

    nursery.start_soon(flush)
    await trio.testing.wait_all_tasks_blocked()
    for first in range(1000, 3000, READ):
        desk.writer.put(orphans(desk, first, "flood"))
    desk.writer.put(SubmitOp([desk.new()]))
    bursts.open.set()
    await trio.testing.wait_all_tasks_blocked()
    assert 1000 <= parked[0] < 1000 + SHARE // 2 + READ
    await desk.writer.flush()
    assert desk.counts["receipt_parked"] == 3000
    await desk.close()


async def test_a_stop_stores_what_is_in_lines(nursery: trio.Nursery) -> None:
    desk, bursts = await flooded(nursery, 3000)
    desk.store.stop()
    bursts.open.set()
    await desk._ended.wait()
    assert desk.counts["receipt_parked"] == 3000
    desk.store.close()


async def test_while_nothing_can_be_stored_a_flood_is_refused_in_whole_bursts(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Each waits for a try and its pause: in small bursts the last ones would wait for their refusal for minutes."""
    desk, bursts = await flooded(nursery, 0)
    bursts.open.set()
    await desk.writer.flush()
    bursts.error = sqlite3.OperationalError("disk I/O error")
    bursts.error.sqlite_errorcode = sqlite3.SQLITE_IOERR  # type: ignore[attr-defined]
    refused: list[int] = []
    all_refused = trio.Event()

    def refuse(op: ReceiptOp, error: Exception) -> None:
        assert isinstance(error, StoreUnavailableError)
        refused.append(len(bursts.kept))
        if len(refused) == 50:
            all_refused.set()

    for first in range(0, 5000, READ):
        desk.writer.put(orphans(desk, first, "flood"), lambda op: pytest.fail("stored"), refuse)
    with trio.fail_after(60):
        await all_refused.wait()
    assert len(set(refused)) <= 4, "tries"
    bursts.error = None
    await desk.submit()
    await desk.close()


def test_the_oldest_of_what_waits_and_of_what_was_taken() -> None:
    pending = Pending(10, 1000)
    assert pending.oldest() == pending.last + 1 == 1
    first, second = SubmitOp([]), SubmitOp([])
    second.line = "acme"
    pending.put(first)
    pending.put(second)
    assert (pending.oldest(), pending.last, len(pending)) == (1, 2, 2)
    taken = pending.take()
    assert taken == [first, second]
    assert (pending.oldest(), pending.oldest(taken), len(pending)) == (3, 1, 0)
    for op in reversed(taken):
        pending.put_back(op)
    assert (pending.oldest(), len(pending), pending.take()) == (1, 2, taken)


@pytest.mark.parametrize(("days", "found"), [(0, True), (3, True), (7, True), (8, False)])
async def test_an_id_is_searched_for_as_long_as_receipts_are_waited_for(desk: Desk, days: int, found: bool) -> None:
    mid = await desk.sent("77")
    await desk.sent("78", carrier="other")
    desk.now += days * DAY
    await desk.receive(desk.receipt("77"), desk.receipt("78"), desk.receipt("79", carrier="none"))
    assert desk.states(mid) == [State.DELIVERED if found else State.SENT]
    assert desk.counts["receipt_parked"] == 3 - found


# --- what frees the window of a carrier that is far -------------------------------------------------------------------


def answers(count: int, carrier: str = "far", group: int = 8) -> ResponseOp:
    """Answers of which so many are stored at once."""
    refused = [
        End(n, 1, State.FAILED, "rejected") for n in range(2 * count)
    ]  # two rows for each, as of an accepted one
    return ResponseOp(carrier, [], refused, [], None, group=group)


def waiting(*ops: Op) -> Pending:
    pending = Pending(5000, 1_000_000)
    for op in ops:
        pending.put(op)
    return pending


def much(rows: int = BESIDE) -> UnclaimOp:
    """What fills a burst."""
    return UnclaimOp([(n, 1) for n in range(rows)])


def test_a_window_that_was_answered_as_one_is_freed_in_groups_and_all_else_goes_between() -> None:
    groups = [answers(8) for _ in range(4)]
    claims = [ClaimOp([(n, 1)]) for n in range(8)]
    pending = waiting(*claims[:4], *groups)
    assert pending.take() == [groups[0]]
    assert pending.take() == claims[:4]
    assert pending.take() == [groups[1]]
    for claim in claims[4:]:
        pending.put(claim)
    assert pending.take() == claims[4:]
    assert [pending.take() for _ in range(2)] == [[groups[2]], [groups[3]]], "there is nothing else"
    assert (len(pending), pending.rows, pending.octets, pending.take()) == (0, 0, 0, [])


def test_a_group_may_come_in_pieces_and_is_kept_in_its_order() -> None:
    pieces = [answers(n) for n in (3, 4, 2, 1)]
    pending = waiting(*pieces)
    assert pending.take() == pieces[:2], "the last one would fit, but came behind another"
    assert pending.take() == pieces[2:]
    alone = answers(9)
    assert waiting(alone).take() == [alone], "the window of a carrier was changed by a reload"


def test_each_carrier_has_its_group() -> None:
    ops = [answers(8, carrier) for carrier in ("a", "a", "b", "c", "b")]
    pending = waiting(*ops)
    assert pending.take() == [ops[0], ops[2], ops[3]]
    assert pending.take() == [ops[1], ops[4]]


def test_much_else_goes_in_shares_and_all_that_came_meanwhile_behind_each() -> None:
    groups = [answers(8) for _ in range(6)]
    others = [much() for _ in range(3)]
    pending = waiting(*others, *groups[:2])
    assert pending.take() == groups[:1]
    assert pending.take() == others[:1]
    for op in groups[2:4]:
        pending.put(op)
    assert pending.take() == groups[1:4], "none waits for another large one"
    assert pending.take() == others[1:2]
    assert pending.take() == others[2:]
    pending.rest()
    for op in groups[4:]:
        pending.put(op)
    assert pending.take() == groups[4:5], "these did not wait for a large one"


async def test_what_waits_for_company_alone_is_a_rest_too(nursery: trio.Nursery) -> None:
    """Behind a large burst only what came while it was stored goes at once."""
    bursts = Bursts()
    desk = Desk(nursery, run_sync=bursts)
    desk.writer.put(much())
    await trio.testing.wait_all_tasks_blocked()
    desk.writer.put(AckOp([]))
    bursts.open.set()
    await trio.testing.wait_all_tasks_blocked()
    for op in (answers(8), answers(8)):
        desk.writer.put(op)
    await desk.writer.flush()
    assert [[op.name for op in burst] for burst in bursts.kept] == [["unclaim"], ["response"], ["ack"], ["response"]]
    await desk.close()


def test_bursts_are_large_again_when_nothing_has_freed_a_window_for_a_while() -> None:
    others = [much() for _ in range(COMING + 8)]
    pending = waiting(*others, group := answers(8))
    assert pending.take() == [group]
    assert [pending.take() for _ in range(COMING - 1)] == [[op] for op in others[: COMING - 1]]
    assert pending.take() == others[COMING - 1 :][: 5000 // BESIDE + 1]


async def test_claims_go_past_submits_and_past_nothing_else(desk: Desk) -> None:
    submits = [SubmitOp([desk.new() for _ in range(BESIDE // 2)]) for _ in range(2)]
    claims = [ClaimOp([(n, 1)]) for n in range(4)]
    copy = waiting(*submits, claims[1])
    assert copy.take() == [*submits, claims[1]], "no window waits"
    group, other = answers(8), much(1)
    pending = waiting(group, claims[0], submits[0], claims[1], submits[1], claims[2], other, claims[3])
    assert pending.take() == [group]
    assert pending.take() == [claims[0], submits[0], claims[1], claims[2]]
    assert [pending.take(), pending.take()] == [[submits[1]], [other, claims[3]]]
    assert (len(pending), pending.rows, pending.octets) == (0, 0, 0)


async def test_a_receipt_does_not_pass_an_answer_that_came_before_it(desk: Desk) -> None:
    groups = [answers(8) for _ in range(3)]
    receipts = [orphans(desk, n, carrier, 1) for n, carrier in enumerate(("near", "far", "near"))]
    pending = waiting(receipts[0], groups[0], receipts[1], groups[1], groups[2], receipts[2])
    assert pending.take() == [groups[0]]
    assert pending.take() == [receipts[0], receipts[1]]
    assert pending.take() == [groups[1]]
    assert pending.take() == [groups[2]], "it has to wait for that"
    assert pending.take() == [receipts[2]]


async def test_receipts_beside_a_window_have_their_turns(desk: Desk) -> None:
    flood = [orphans(desk, n, "flood") for n in range(0, 600, READ)]
    pending = waiting(*flood)
    taken: list[Op] = []
    for n in range(6):
        pending.put(answers(8))
        burst = pending.take()
        assert all(isinstance(op, ReceiptOp) == bool(n % 2) for op in burst)
        taken += burst if n % 2 else []
    assert taken == flood


def test_what_frees_windows_closes_no_door_and_is_all_tried_when_nothing_can_be_stored() -> None:
    groups = [answers(8) for _ in range(400)]
    pending = waiting(*groups)
    assert (pending.full, pending.rows, len(pending), pending.oldest()) == (False, 0, 400, 1)
    claim = ClaimOp([(1, 1)])
    pending.put(claim)
    taken = pending.take(whole=True)
    assert taken == [*groups, claim]
    for op in reversed(groups):
        pending.put_back(op)
    assert (pending.oldest(), pending.take(whole=True)) == (1, groups)
