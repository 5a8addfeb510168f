"""The writer: one task, one transaction for each burst, filled by all flows.

While a transaction runs in the writer's thread the next burst gathers, so the size of a burst follows the load: one
message on an idle gateway, hundreds on a busy one, and the cost of the sync to disk is shared by all in it. The next
transaction begins before those are told whose operations the last one stored: the thread need not wait for that.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, TypeVar

import trio

from gateway.log import logger
from gateway.model import Clock
from gateway.store.balance import give_back
from gateway.store.begun import Begin, Begun, InThread
from gateway.store.events import CloseStreamOp, OpenStreamOp
from gateway.store.pending import LITTLE, Pending
from gateway.store.reroute import Moved
from gateway.store.tx import Base, Ended, Live, Op, Stopped, Tx

_log = logger(component="store")
_OpT = TypeVar("_OpT", bound=Op)

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
CHECK_DISK_EVERY: Final = 1.0
PATIENCE: Final = 0.02
"""Seconds that what nobody waits for is held back, so that it is stored with others and costs no transaction."""
APART: Final = 0.004
"""Seconds between the begins of two small transactions, where nobody may be waiting for what is in the second."""
SHORTEST: Final = 0.0001
"""Seconds below which it makes no difference how long a transaction takes."""


class StoreUnavailableError(Exception):
    """The database could not be written just now; nothing of the operation is stored. ``reason`` is from REASONS."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Stats:
    """What the writer measures for the metrics."""

    __slots__ = ("bursts", "failures", "on_burst", "rows")

    def __init__(self) -> None:
        self.bursts = 0
        self.rows = 0
        self.failures = 0
        self.on_burst: Callable[[float, int], None] | None = None


class Burst(NamedTuple):
    """Operations that are being stored together."""

    operations: list[Op]
    begun: Begun
    at: float
    rows: int  # that were written before


class Writer:
    """Applies operations in bursts. `put` is for flows, with callbacks; `do` waits for one operation."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        base: Base,
        *,
        clock: Clock,
        begin: Begin = InThread,
        max_rows: int = 5000,
        max_octets: int = 8 << 20,
        min_free_disk: int = 0,
        free_disk: Callable[[], int] = lambda: 1 << 62,
        wal_limit: int = 256 << 20,
        wal_size: Callable[[], int] = lambda: 0,
    ) -> None:
        self._con = connection
        self.turns = threading.Lock()  # held by who uses the connection: a transaction, or a step of a backup
        self._base = base
        self._clock = clock
        self._begin = begin
        self.min_free_disk = min_free_disk
        self.wal_limit = wal_limit
        self._free_disk = free_disk
        self._wal_size = wal_size
        self.pending = Pending(max_rows, max_octets)
        self._wake = trio.Event()
        self._room = trio.Event()
        self._stopping = False
        self._idle = trio.Event()
        self._idle.set()
        self._stored = trio.Event()
        self._patience = 0.0  # until when operations wait for company (Trio's seconds)
        self._began = -math.inf  # when the last transaction did (Trio's seconds)
        self._company = 0  # rows that wait until it is a moment ago
        self._storing: list[Op] = []  # in the transaction under way
        self._turn = trio.Event()
        self.stats = Stats()
        self.took = 0.001  # seconds than which half of the small transactions of late took longer
        self.healthy = True
        self.disk_full = False
        self.wal_full = False
        self._disk_checked = -CHECK_DISK_EVERY
        self.on_events: Callable[[list[Live]], None] = _nobody
        self.on_counts: Callable[[dict[str, int]], None] = _nobody
        self.on_receipt_times: Callable[[dict[str, list[float]]], None] = _nobody
        self.on_moved: Callable[[list[Moved]], None] = _nobody
        self.on_stopped: Callable[[list[Stopped], list[Ended]], None] = _nobody_at_all
        self.on_first: Callable[[], None] = _nothing  # after the callbacks of those that come first

    @property
    def base(self) -> Base:
        """What transactions share."""
        return self._base

    @property
    def full(self) -> bool:
        """Whether the gathering burst is at its bound: intake waits for `room` then."""
        return self.pending.full or self.wal_full

    async def room(self) -> None:
        """Waits until there is room in the gathering burst."""
        while self.full:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()

    def put(
        self,
        op: _OpT,
        on_commit: Callable[[_OpT], None] | None = None,
        on_fail: Callable[[_OpT, Exception], None] | None = None,
    ) -> None:
        """Adds an operation to the gathering burst. Exactly one of the callbacks is called, in Trio's thread.

        The operation is carried out even when whoever put it is cancelled.
        """
        op.on_commit = on_commit
        op.on_fail = on_fail
        pending = self.pending
        if not op.patient and not op.shared:
            self._wake.set()
        else:
            if not pending.patient:
                self._patience = math.inf  # counts from when `run` sees it: a start puts operations before that
                self._wake.set()
            if op.shared:
                self._company += op.weight[0]
                until = self._began + APART if self._company <= LITTLE else 0.0
                if until < self._patience:
                    self._patience = until
                    self._wake.set()
        pending.put(op)
        self._idle = self._idle if not self._idle.is_set() else trio.Event()

    async def do(self, op: _OpT, on_commit: Callable[[_OpT], None] | None = None) -> _OpT:
        """Puts an operation and waits for its commit; raises what made it fail."""
        done = trio.Event()
        failure: list[Exception] = []

        def commit(committed: _OpT) -> None:
            if on_commit is not None:
                on_commit(committed)
            done.set()

        def fail(_: _OpT, error: Exception) -> None:
            failure.append(error)
            done.set()

        self.put(op, commit, fail)
        await done.wait()
        if failure:
            raise failure[0]
        return op

    def press(self) -> None:
        """Has what waits for company stored now: somebody waits for it."""
        self._patience = 0.0
        self._wake.set()

    async def flush(self) -> None:
        """Waits until everything that was put before is stored, whatever comes in meanwhile.

        A database that cannot be written is not waited for: then it returns at the first try that fails.
        """
        target = self.pending.last
        self.press()
        while self.healthy and not self._idle.is_set() and self.pending.oldest(self._storing) <= target:
            await self._turn.wait()

    async def told(self) -> None:
        """Waits, where messages may just be moving to other carriers, until those who are told of that know it.

        What was read before may show them where they go, and memory does not know yet that they come.
        """
        if any(op.after for op in self._storing):
            await self._turn.wait()

    async def stored(self) -> None:
        """Waits for the next burst to be stored."""
        await self._stored.wait()

    def stop(self) -> None:
        """Ends `run` once all that was put is stored, or could not be."""
        self._stopping = True
        self._wake.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The writer's task, until `stop`. A transaction under way is never cancelled."""
        task_status.started()
        pause = FIRST_PAUSE
        begun: Burst | None = None
        while True:
            if begun is None:
                if not self.pending:
                    self._idle.set()
                    self.pending.rest()
                    if self._stopping:
                        return
                    self._wake = trio.Event()
                    await self._wake.wait()
                    continue
                if not self._pressing():
                    self.pending.rest()
                    self._wake = trio.Event()
                    with trio.move_on_at(self._patience):
                        await self._wake.wait()
                    continue
                begun = self._next()
            burst, begun = begun, None
            self._storing = burst.operations
            with trio.CancelScope(shield=True):
                try:
                    tx = await self._committed(burst)
                except Exception as error:
                    failed = await self._not_committed(burst.operations, error)
                else:
                    failed = False
                    self._recovered()
                    if self._pressing():
                        begun = self._next()
                    try:
                        self._finish(burst.operations, tx)
                    except BaseException:
                        if begun is not None:  # nobody shall close the database before that
                            with suppress(Exception):
                                await begun.begun.wait()
                        raise
            self._storing = []
            self._turn.set()
            self._turn = trio.Event()
            if failed and self._stopping:
                # The next start finds it: a response as doubt, an acknowledgement as an event that is told again.
                _log.error("not_stored_at_stop", operations=len(self.pending))
                return
            if failed:
                with trio.CancelScope(shield=self._stopping):
                    await trio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE

    def _pressing(self) -> bool:
        """Whether something waits that is to be stored now."""
        pending = self.pending
        if pending.pressing:
            return True
        now = trio.current_time()
        if self._patience == math.inf:
            self._patience = now + PATIENCE
        return bool(pending) and (self._stopping or now >= self._patience)

    def _next(self) -> Burst:
        """Begins to store what gathered."""
        self._look_at_disk()
        return self._store(self._take())

    def _store(self, operations: list[Op]) -> Burst:
        begun = self._begin(partial(self._transaction, operations))
        self._began = trio.current_time()
        return Burst(operations, begun, self._began, self.stats.rows)

    async def _committed(self, burst: Burst) -> Tx:
        tx = await burst.begun.wait()
        if self.stats.rows - burst.rows <= LITTLE:
            longer = trio.current_time() - burst.at > self.took
            self.took = max(SHORTEST, self.took * (1.1 if longer else 0.9))
        assert isinstance(tx, Tx)
        return tx

    def _take(self) -> list[Op]:
        burst = self.pending.take(whole=not self.healthy)
        self._company = 0
        if not self.full and not self._room.is_set():
            self._room.set()
        return burst

    def _look_at_disk(self) -> None:
        now = trio.current_time()
        if now - self._disk_checked < CHECK_DISK_EVERY:
            return
        self._disk_checked = now
        self.wal_full = self._wal_size() > self.wal_limit
        low = self._free_disk() < self.min_free_disk
        if low != self.disk_full:
            self.disk_full = low
            if low:
                _log.error("disk_full", floor=self.min_free_disk)
            else:
                _log.info("disk_free_again")

    def check_disk(self) -> None:
        """Looks at free disk and the size of the log now and then, also when nothing is written."""
        self._look_at_disk()
        if not self.full and not self._room.is_set():
            self._room.set()

    async def _not_committed(self, operations: list[Op], error: Exception) -> bool:
        """What comes of a burst that could not be stored; whether the database refused it, so that the next waits."""
        if not _of_the_environment(error):
            _log.error("burst_failed", error=repr(error), operations=len(operations), exc_info=error)
            return await self._one_by_one(operations)
        self._give_back(operations, self._refused(error))
        return True

    async def _one_by_one(self, burst: list[Op]) -> bool:
        # One operation cannot be stored, and nobody else shall suffer for it: each on its own.
        for i, op in enumerate(burst):
            try:
                tx = await self._committed(self._store([op]))
            except Exception as error:
                if _of_the_environment(error):
                    self._give_back(burst[i:], self._refused(error))
                    return True
                self.stats.failures += 1
                _log.error("operation_failed", operation=op.name, error=repr(error), exc_info=True)
                if op.on_fail is not None:
                    op.on_fail(op, error)
            else:
                self._finish([op], tx)
        return False

    def _transaction(self, burst: list[Op]) -> Tx:
        """Runs in the writer's thread."""
        with self.turns:
            return self._transact(burst)

    def _transact(self, burst: list[Op]) -> Tx:
        started = time.perf_counter()
        kinds: dict[type[Op], list[Op]] = {}
        for op in burst:
            kinds.setdefault(type(op), []).append(op)
        con = self._con
        tx = Tx(con, self._clock.now_ms(), self._base)
        before = con.total_changes
        con.execute("BEGIN IMMEDIATE")
        try:
            for kind in sorted(kinds, key=_order):
                kind.apply(tx, kinds[kind])
            if tx.unused:
                give_back(tx, tx.unused)
            tx.write_traces()
            tx.write_events()
            con.execute("COMMIT")
        except BaseException:
            if con.in_transaction:
                con.execute("ROLLBACK")
            if OpenStreamOp in kinds or CloseStreamOp in kinds:
                self._base.streams.load(con)
            raise
        tx.committed(self._base)
        rows = con.total_changes - before
        self.stats.bursts += 1
        self.stats.rows += rows
        if self.stats.on_burst is not None:
            self.stats.on_burst(time.perf_counter() - started, rows)
        return tx

    def _finish(self, burst: list[Op], tx: Tx) -> None:
        rest: list[Op] = []
        late: list[Op] = []
        if tx.stopped:
            # Before anything of this burst goes out, and before the STOP is acknowledged.
            self.on_stopped(tx.stopped, tx.ended)
        for op in burst:
            if op.on_commit is None:
                continue
            if op.first:
                op.on_commit(op)
            else:
                (late if op.after else rest).append(op)
        self.on_first()
        for op in (*rest, *late):
            assert op.on_commit is not None
            op.on_commit(op)
        if tx.moved:
            self.on_moved(tx.moved)
        if tx.counts:
            self.on_counts(tx.counts)
        if tx.receipt_times:
            self.on_receipt_times(tx.receipt_times)
        if tx.events:
            self.on_events(tx.events)
        if tx.stopped:
            self.on_stopped([], [])
        self._stored.set()
        self._stored = trio.Event()

    def _refused(self, error: Exception) -> StoreUnavailableError:
        self.stats.failures += 1
        if self.healthy:
            self.healthy = False
            _log.error("store_unavailable", error=str(error))
        return StoreUnavailableError("store_unavailable", str(error))

    def _recovered(self) -> None:
        if not self.healthy:
            self.healthy = True
            _log.info("store_available_again")

    def _give_back(self, burst: list[Op], error: StoreUnavailableError) -> None:
        # What has to be stored (a response, a receipt's acknowledgement by us) stays at the head, in its order.
        for op in reversed(burst):
            if op.must:
                self.pending.put_back(op)
        self._patience = 0.0  # what waited once has its turn at the next try
        for op in burst:
            if not op.must and op.on_fail is not None:
                op.on_fail(op, error)


_ENVIRONMENT: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
    }
)


def _of_the_environment(error: Exception) -> bool:
    """Whether the disk or the database as a whole is at fault, not one of the operations."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF in _ENVIRONMENT


def _order(kind: type[Op]) -> int:
    return kind.order


def _nobody(_: object) -> None:
    return None


def _nobody_at_all(_: object, __: object) -> None:
    return None


def _nothing() -> None:
    return None
