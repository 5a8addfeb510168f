"""Reads: a few connections of their own, in threads of their own, never the writer's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import trio

from gateway.store.database import Database

_T = TypeVar("_T")

READERS: Final = 3


class Reader:
    """Runs read functions, each with a connection for itself. ``inline`` runs them in the calling thread."""

    def __init__(self, database: Database, *, inline: bool = False) -> None:
        self._database = database
        self._inline = inline or database.path is None
        self._limiter = trio.CapacityLimiter(READERS)
        self._idle: list[sqlite3.Connection] = []

    async def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """The result of ``query(connection)``; the query is short (paged), so that no snapshot holds up the WAL."""
        if self._inline:
            await trio.lowlevel.checkpoint()
            return self._with_connection(query) if self._database.path is not None else query(self._database.connect())
        return await trio.to_thread.run_sync(partial(self._with_connection, query), limiter=self._limiter)

    def _with_connection(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        con = self._idle.pop() if self._idle else self._database.connect(read_only=True)
        try:
            return query(con)
        finally:
            self._idle.append(con)

    def close(self) -> None:
        """Closes the connections; no read may be under way."""
        while self._idle:
            self._idle.pop().close()
