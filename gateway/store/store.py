"""The store as the daemon holds it: database, writer, reader, streams, and the care of the write-ahead log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from gateway.log import logger
from gateway.model import Clock, IdSource, IdText, State, id_ms
from gateway.settings.own import FORWARDS
from gateway.store import queries
from gateway.store.backup import Backup
from gateway.store.balance import any_balance, give_back
from gateway.store.begun import Awaited, Begin, InThread
from gateway.store.database import (
    Database,
    StoreError,
    checkpoint,
    cut_log,
    install_number,
    next_epoch,
    transaction,
)
from gateway.store.ends import end_left_over
from gateway.store.forgotten import key_of
from gateway.store.hot import SELECT_SEGMENT
from gateway.store.reader import Reader
from gateway.store.streams import HANDLER, Streams
from gateway.store.tx import Base, Tuning, Tx
from gateway.store.writer import Writer

_log = logger(component="store")

_T = TypeVar("_T")

CHECKPOINT_EVERY: Final = 0.5
CHECKPOINT_FROM: Final = 4 << 20
"""Octets of log from which a checkpoint is worth its reads."""


class Store:
    """Opens the database and takes the epoch; `run` keeps the writer and the checkpoints going.

    ``database``: one that is open already, in place of the one at ``url``. Raises StoreError when it cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        node: int = 0,
        synchronous: str = "full",
        max_rows: int = 5000,
        max_octets: int = 8 << 20,
        min_free_disk: int = 0,
        wal_limit: int = 256 << 20,
        tuning: Tuning | None = None,
        begin: Begin | None = None,
        inline: bool = False,
        database: Database | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.database = database or Database(url, synchronous=synchronous)
        con: sqlite3.Connection | None = None
        try:
            con = self.database.connect()
            self._con = con
            self.epoch = next_epoch(con, node)
            self.id_text = IdText(install_number(con))
            highest = con.execute(
                "SELECT max(coalesce((SELECT max(id) FROM message), 0), coalesce((SELECT max(id) FROM inbound), 0),"
                " coalesce((SELECT max(id) FROM parked_receipt), 0), coalesce((SELECT max(id) FROM mo_message), 0),"
                " coalesce((SELECT max(id) FROM optout_change), 0))"
            ).fetchone()[0]
            self.ids = IdSource(self.clock, node, after=highest)
            self.streams = Streams()
            self.streams.load(con)
            parked = con.execute("SELECT count(*) FROM parked_receipt").fetchone()[0]
            base = Base(self.epoch, self.ids, self.id_text, self.streams, tuning or Tuning(), parked)
            base.waiting.load(con)
            base.forms.load(con)
            base.forgotten = key_of(con)
            base.charges = any_balance(con)
            forwards = self.streams.find(HANDLER, "", FORWARDS)
            if forwards is not None:
                base.guards.load(con, forwards.id, self.clock.now_ms())
        except sqlite3.Error as error:
            self._close_early(con)
            raise StoreError(f"cannot open the database {self.database.path}: {error}") from error
        except BaseException:
            self._close_early(con)
            raise
        self._inline = inline
        self.writer = Writer(
            con,
            base,
            clock=self.clock,
            begin=begin or (partial(Awaited, _inline) if inline else InThread),
            max_rows=max_rows,
            max_octets=max_octets,
            min_free_disk=min_free_disk,
            free_disk=self.database.free_disk,
            wal_limit=wal_limit,
            wal_size=self.database.wal_size,
        )
        self.reader = Reader(self.database, inline=inline)

    def recover(self, policies: dict[str, bool]) -> dict[str, int]:
        """Puts what an earlier epoch left as `submitting` in doubt, before anything is sent.

        ``policies`` says for each carrier whether such segments are sent again (each at most once more) or held; for a
        carrier that is not configured any more they are held. Returns how many by carrier.
        """
        con = self._con
        found: dict[str, int] = {}
        with transaction(con):
            left = con.execute(
                "SELECT carrier, message_id, part, written_at FROM segment WHERE state = 2 AND epoch < ?",
                (self.epoch,),
            ).fetchall()
            for carrier, *_ in left:
                found[carrier] = found.get(carrier, 0) + 1
            for carrier in found:
                con.execute(
                    f"UPDATE segment SET state = CASE WHEN ? AND in_doubt = 0 THEN {int(State.QUEUED)}"
                    f" ELSE {int(State.IN_DOUBT)} END, in_doubt = in_doubt + 1, due_at = NULL"
                    " WHERE state = 2 AND carrier = ? AND epoch < ?",
                    (policies.get(carrier, False), carrier, self.epoch),
                )
            tx = Tx(con, self.clock.now_ms(), self.writer.base)
            end_left_over(tx, [mid for _, mid, *_ in left])
            states = SELECT_SEGMENT.fetch(con, [(mid, part) for _, mid, part, _ in left])
            resent = {(mid, part) for mid, part, state, _ in states if state == State.QUEUED}
            for carrier, mid, part, claimed in left:
                # What found a free slot was claimed as it was taken in, and has no time of its own for that.
                since = {"claimed": claimed if claimed is not None else id_ms(mid)}
                tx.trace(mid, part, "doubt", carrier, {"cause": "restart", "resent": (mid, part) in resent, **since})
            if tx.unused:
                give_back(tx, tx.unused)
            tx.write_traces()
        return found

    def read_now(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """A read in the calling thread, for the start, before anything else runs."""
        return query(self._con)

    def backup(self, path: Path, *, rate: int) -> Backup:
        """A copy of the database to be made at ``path``, at most ``rate`` octets a second; see `copy`."""
        return Backup(path, self.writer.turns, rate=rate, room=self.writer.min_free_disk)

    async def cut_log(self) -> bool:
        """Moves all of the log into the database and empties it; whether nobody was in the way for too long."""
        if self.database.path is None:
            return True
        if self._inline:
            return cut_log(self.database, self.writer.turns)
        return await trio.to_thread.run_sync(cut_log, self.database, self.writer.turns)

    async def copy(self, backup: Backup) -> None:
        """Makes it, beside all that goes on; it ends early by `Backup.stop` alone. Raises BackupError, StoppedError."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(backup.run, self._con, self.clock.now_ms(), limiter=trio.CapacityLimiter(1))

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until `stop`; an error of the writer ends the daemon."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._checkpoints)
            task_status.started()
            await self.writer.run()
            nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """Lets `run` end when everything that was put is stored."""
        self.writer.stop()

    async def _checkpoints(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        con: sqlite3.Connection | None = None
        limiter = trio.CapacityLimiter(1)
        try:
            while True:
                await trio.sleep(CHECKPOINT_EVERY)
                self.writer.check_disk()
                size = self.database.wal_size()
                if size < CHECKPOINT_FROM:
                    continue
                if con is None:
                    con = self.database.connect()
                move = partial(checkpoint, con, self.writer.turns, size, self.writer.wal_limit)
                try:
                    if self._inline:
                        move()
                    else:
                        await trio.to_thread.run_sync(move, limiter=limiter)
                except sqlite3.Error as error:
                    _log.warning("checkpoint_failed", error=str(error))
        finally:
            if con is not None:
                con.close()

    def _close_early(self, con: sqlite3.Connection | None) -> None:
        if con is not None:
            con.close()
        self.database.close()

    def close(self) -> None:
        """Closes the database and gives up its lock; `run` has ended."""
        self.reader.close()
        if self.database.path is not None:
            self._con.close()
        self.database.close()


async def _inline(function: Callable[[], object]) -> object:
    await trio.lowlevel.checkpoint()
    return function()


__all__ = ["Store", "queries"]
