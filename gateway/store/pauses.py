"""Handlers whose receivers said that they want no more: that holds over restarts, so that these do not hammer them."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Final, NamedTuple

from gateway.store.tx import Op, Tx


class Pause(NamedTuple):
    """``at``: since when; ``tried``: the last probe (both ms); ``target``: what was paused, as `Pusher.target` says."""

    at: int
    tried: int
    error: str
    target: str


_PUT: Final = (
    "INSERT INTO handler_pause (stream, at, tried, error, target) VALUES (?, ?, ?, ?, ?) ON CONFLICT (stream)"
    " DO UPDATE SET at = excluded.at, tried = excluded.tried, error = excluded.error, target = excluded.target"
)


class PauseOp(Op):
    """A handler's stream is paused from now on, or still; None: it is not."""

    __slots__ = ("pause", "stream")
    order: ClassVar[int] = 83
    must: ClassVar[bool] = True
    name: ClassVar[str] = "pause"

    def __init__(self, stream: int, pause: Pause | None) -> None:
        super().__init__()
        self.stream = stream
        self.pause = pause

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 200

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            if op.pause is not None:
                tx.con.execute(_PUT, (op.stream, *op.pause))
            else:
                tx.con.execute("DELETE FROM handler_pause WHERE stream = ?", (op.stream,))


def pauses(con: sqlite3.Connection) -> dict[int, Pause]:
    """Those that are paused, by stream."""
    rows = con.execute("SELECT stream, at, tried, error, target FROM handler_pause")
    return {stream: Pause(at, tried, error, target) for stream, at, tried, error, target in rows}
