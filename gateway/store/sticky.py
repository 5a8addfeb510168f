"""Pairs that are held on another carrier than the one that their route would give them first."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Final

from gateway.store.hot import Values
from gateway.store.tx import Op, Tx

StickyRow = tuple[str, str, str, int]
"""number, peer, carrier, and when it was last used (ms)."""

PUT_STICKY: Final = Values(
    "INSERT OR FAIL INTO sticky (number, peer, carrier, at) VALUES {values}"
    " ON CONFLICT (number, peer) DO UPDATE SET carrier = excluded.carrier, at = excluded.at",
    4,
)
AGED: Final = 1000
"""Rows that age away in one turn."""


DELETE_STICKY: Final = Values(
    "WITH v(number, peer) AS (VALUES {values}) DELETE FROM sticky WHERE (number, peer) IN (SELECT number, peer FROM v)",
    2,
)


class StickyOp(Op):
    """Pairs that are held on a carrier, as rows of the table, and pairs that are not any more."""

    __slots__ = ("gone", "rows")
    order: ClassVar[int] = 12
    name: ClassVar[str] = "sticky"

    def __init__(self, rows: list[StickyRow], gone: list[tuple[str, str]]) -> None:
        super().__init__()
        self.rows = rows
        self.gone = gone

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.rows) + len(self.gone), 80 * len(self.rows)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        put_sticky(tx, [row for op in ops for row in op.rows])
        gone = [pair for op in ops for pair in op.gone]
        if gone:
            DELETE_STICKY.run(tx.con, gone)


def put_sticky(tx: Tx, rows: list[StickyRow]) -> None:
    """Writes pairs; the last one holds where a pair comes twice, as a statement may not touch a row twice."""
    PUT_STICKY.run(tx.con, list({row[:2]: row for row in rows}.values()))


class AgeStickyOp(Op):
    """Pairs that were last used before ``before`` (ms) are forgotten, a bounded number at a time."""

    __slots__ = ("before", "gone")
    order: ClassVar[int] = 91
    name: ClassVar[str] = "age_sticky"

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before
        self.gone = 0

    @property
    def weight(self) -> tuple[int, int]:
        return AGED, 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.gone = tx.con.execute(
                "DELETE FROM sticky WHERE (number, peer) IN (SELECT number, peer FROM sticky WHERE at < ? LIMIT ?)",
                (op.before, AGED),
            ).rowcount


def sticky_pairs(con: sqlite3.Connection, most: int) -> list[StickyRow]:
    """The pairs used last, at most so many, oldest first; for the start."""
    rows = con.execute("SELECT number, peer, carrier, at FROM sticky ORDER BY at DESC LIMIT ?", (most,)).fetchall()
    return rows[::-1]
