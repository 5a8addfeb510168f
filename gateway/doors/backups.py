"""The method `backup`: a copy of the database on the daemon's host, told of as it grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from gateway.doors.acts import operator
from gateway.log import logger
from gateway.outbound.request import Refusal
from gateway.store.backup import RATE, Backup, BackupError, StoppedError
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

_log = logger(component="store")

TELL_EVERY: Final = 1.0
"""Seconds between two words on how far it is."""
FASTEST: Final = 100_000


class BackupParams(msgspec.Struct, forbid_unknown_fields=True):
    """``backup``: to a new file, by its whole path; at most ``rate`` MiB a second."""

    file: str
    rate: int = RATE >> 20


class Backups:
    """Makes copies, one at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running = False

    async def backup(self, connection: Connection, params: BackupParams) -> object:
        """Begins one; `backup` notifications follow, and `backup_ended`. It ends with the connection."""
        operator(connection.app)
        path = Path(params.file)
        if not path.is_absolute() or "\0" in params.file or path.name in ("", ".."):
            raise Refusal("invalid_params", "the whole path of a new file, on the daemon's host", field="file")
        if not 1 <= params.rate <= FASTEST:
            raise Refusal("invalid_params", f"rate is 1 to {FASTEST} MiB a second", field="rate")
        if self._store.database.path is None:
            raise Refusal("backup_failed", "this database is in memory")
        if self._running:
            raise Refusal("too_many", "a backup is being made")
        self._running = True
        try:
            backup = self._store.backup(path, rate=params.rate << 20)
            await trio.to_thread.run_sync(backup.open)
        except BaseException as error:
            self._running = False
            if isinstance(error, BackupError):
                raise Refusal("backup_failed", str(error), field="file") from None
            raise
        _log.info("backup_begun", file=params.file)
        connection.pump(lambda: self._run(connection, backup))
        return {"file": params.file}

    async def _run(self, connection: Connection, backup: Backup) -> None:
        started = trio.current_time()
        error: str | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell, connection, backup)
                try:
                    await self._store.copy(backup)
                except BackupError as failed:
                    error = str(failed)
                except StoppedError:
                    error = "the connection that asked for it is gone, or the daemon stops"
                nursery.cancel_scope.cancel()
            seconds = round(trio.current_time() - started, 3)
            if error is None:
                _log.info("backup_made", file=str(backup.path), octets=backup.total, seconds=seconds)
            else:
                _log.error("backup_failed", file=str(backup.path), error=error)
            ended = {"error": error, "octets": backup.octets, "seconds": seconds}
            connection.tell("backup_ended", ended)
        finally:
            self._running = False


async def _tell(connection: Connection, backup: Backup) -> None:
    try:
        while True:
            await trio.sleep(TELL_EVERY)
            connection.tell("backup", {"octets": backup.octets, "total": backup.total})
    finally:
        backup.stop()
