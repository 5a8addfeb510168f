"""What a carrier far away takes is its window in each round trip, with next to nothing lost between two of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from gateway.carrier.distance import RoundTrip
from gateway.store.sends import ResponseOp
from gateway.store.tx import Op
from tests.support.daemons import gateway
from tests.support.smsc import Smsc, Submitted, peers

WINDOW = 50
TRANSACTION, ROW = 0.001, 20e-6
"""Seconds that a transaction takes, and each row in it: those of a busy machine."""


class Slow:
    """The store's executor: a transaction takes its time, and is kept."""

    def __init__(self) -> None:
        self.bursts: list[list[Op]] = []

    async def __call__(self, function: Callable[[], object]) -> object:
        assert isinstance(function, partial)
        burst: list[Op] = list(function.args[0])
        self.bursts.append(burst)
        await trio.sleep(TRANSACTION + ROW * sum(op.weight[0] for op in burst))
        return function()

    def answers(self) -> list[int]:
        """How many were in each burst, where there were any."""
        counts = [sum(len(op.sent) for op in burst if isinstance(op, ResponseOp)) for burst in self.bursts]
        return [count for count in counts if count]


class Far:
    """Answers each submit after a round trip, and sends its receipt."""

    def __init__(self, round_trip: float) -> None:
        self.round_trip = round_trip
        self._due: deque[tuple[float, Submitted]] = deque()
        self._came = trio.Event()

    def __call__(self, submit: Submitted) -> None:
        self._due.append((submit.at + self.round_trip, submit))
        self._came.set()

    async def run(self, smsc: Smsc) -> None:
        while True:
            await self._came.wait()
            self._came = trio.Event()
            while self._due:
                await trio.sleep_until(self._due[0][0])
                ready: list[Submitted] = []
                while self._due and self._due[0][0] <= trio.current_time():
                    ready.append(self._due.popleft()[1])
                for submit in ready:
                    smsc.respond(submit)
                for submit in ready:
                    smsc.receipt(submit)


async def played(round_trip: float, messages: int) -> tuple[Slow, list[float]]:
    """Transactions, and when each submit came, of a job that fills the window throughout."""
    store, far = Slow(), Far(round_trip)
    async with gateway(run_sync=store, carrier=f"window = {WINDOW}", answer=far) as g, trio.open_nursery() as nursery:
        nursery.start_soon(far.run, g.smsc)
        app = await g.connect()
        await app.submits([{"to": p, "text": "x"} for p in peers(messages)])
        await g.smsc.came(messages)
        await g.until(lambda: not g.segments("1", "state != 5"))
        nursery.cancel_scope.cancel()
    return store, [s.at for s in g.smsc.submits]


def a_second(times: list[float]) -> float:
    """Submits, once the window is spread out: from one to the next of a slot it is a round trip and what is lost."""
    settled = times[len(times) // 2 :]
    cycles = [after - before for before, after in zip(settled, settled[WINDOW:], strict=False)]
    return WINDOW * len(cycles) / sum(cycles)


def group_of(round_trip: float) -> int:
    """How many answers are stored at once."""
    trip = RoundTrip()
    trip.took(round_trip, 1.0)
    return trip.group(WINDOW, TRANSACTION)


async def test_at_least_95_percent_of_the_window_in_each_round_trip(autojump_clock: MockClock) -> None:
    store, times = await played(0.05, 1000)
    assert a_second(times) >= 0.95 * WINDOW / 0.05
    assert max(store.answers()[20:]) <= group_of(0.05) + 1  # 0.05 s are a little less in floats


async def test_it_is_the_groups_that_do_it(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RoundTrip, "group", lambda self, window, transaction: 0)
    store, times = await played(0.05, 1000)
    assert a_second(times) < 0.95 * WINDOW / 0.05
    assert max(store.answers()) == WINDOW


async def test_answers_of_a_carrier_that_is_near_are_stored_as_they_come(autojump_clock: MockClock) -> None:
    store, _ = await played(0.002, 500)
    assert not any(op.group for burst in store.bursts for op in burst)
    assert max(store.answers()) == WINDOW


async def at_busy_doors(messages: int) -> tuple[float, float, int]:
    """Seconds until so many messages were stored that came faster, submits a second and receipts until then."""
    store, far = Slow(), Far(0.02)
    async with gateway(run_sync=store, carrier=f"window = {WINDOW}", answer=far) as g, trio.open_nursery() as nursery:
        nursery.start_soon(far.run, g.smsc)
        app = await g.connect()
        lines = [app.request("submit", {"to": p, "text": "x"})[1] for p in peers(messages)]
        await app.write(b"".join(lines[: 3 * WINDOW]))
        await g.smsc.came(WINDOW + 1)
        began, before = trio.current_time(), len(g.smsc.submits)
        for first in range(3 * WINDOW, messages, 50):
            await app.write(b"".join(lines[first : first + 50]))
            await trio.sleep(0.001)
        await g.until(lambda: len(g.segments("1")) == messages)
        took = trio.current_time() - began
        submits = len(g.smsc.submits) - before
        receipts = len(g.segments("1", "state = 5"))
        nursery.cancel_scope.cancel()
    return took, submits / took, receipts


async def test_at_busy_doors_neither_they_nor_the_window_nor_receipts_wait_for_long(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    took, submits, receipts = await at_busy_doors(2500)
    assert receipts > took * submits - 2 * WINDOW, "what was sent is told of soon"
    monkeypatch.setattr(RoundTrip, "group", lambda self, window, transaction: 0)
    without, fewer, _ = await at_busy_doors(2500)
    assert submits > 2 * fewer
    assert took < 1.5 * without, "much of that is the work on what was sent meanwhile"
