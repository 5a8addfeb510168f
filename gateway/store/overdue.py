"""Sent segments whose receipt is overdue: found in the order of their messages, and settled by what query_sm says.

No index and no row is kept for them: a carrier's rounds walk along the primary key, each so far behind the clock as its
turn asks, and only where each stands is stored. So a restart goes on where it was, and a table of millions costs a walk
over each row once a round.
"""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Final, NamedTuple

from gateway.store.carrier_state import put, stored
from gateway.store.hot import FACTS
from gateway.store.matching import Match, ReceiptIn
from gateway.store.receipts import settle
from gateway.store.tx import Op, Tx

STATE_KEY: Final = "queried"
"""The key in ``carrier_state``: a JSON array of message ids, for each round the one up to which it has asked."""


class Overdue(NamedTuple):
    """A segment to ask for; ``sent_at`` in ms."""

    message_id: int
    part: int
    smsc_message_id: str
    number: str
    sent_at: int


def overdue(
    con: sqlite3.Connection, carrier: str, after: int, before: int, limit: int
) -> tuple[list[Overdue], int | None]:
    """Sent segments of a carrier that wait for a receipt, of messages with an id above ``after`` and below ``before``.

    At most ``limit`` segments of any state are looked at; beside them the id to go on from, None at the end.
    """
    last, seen = con.execute(
        "SELECT max(message_id), count(*) FROM (SELECT message_id FROM segment WHERE message_id > ? AND message_id < ?"
        " ORDER BY message_id LIMIT ?)",
        (after, before, limit),
    ).fetchone()
    if last is None:
        return [], None
    rows = con.execute(
        "SELECT s.message_id, s.part, s.smsc_message_id, m.number, s.sent_at FROM segment s"
        " JOIN message m ON m.id = s.message_id WHERE s.message_id > ? AND s.message_id <= ? AND s.state = 3"
        " AND s.carrier = ? AND s.done_at IS NULL AND s.smsc_message_id != '' AND m.receipt > 0"
        " ORDER BY s.message_id, s.part",
        (after, last, carrier),
    ).fetchall()
    return [Overdue(*row) for row in rows], last if seen == limit else None


def rounds(con: sqlite3.Connection, carrier: str) -> list[int]:
    """Where the rounds of a carrier stand, as `RoundsOp` stored them; empty when it never did."""
    return stored(con, STATE_KEY, list[int]).get(carrier) or []


class RoundsOp(Op):
    """Stores where the rounds of a carrier stand."""

    __slots__ = ("carrier", "rounds")
    order: ClassVar[int] = 92
    name: ClassVar[str] = "rounds"

    def __init__(self, carrier: str, rounds: list[int]) -> None:
        super().__init__()
        self.carrier = carrier
        self.rounds = rounds

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 200

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            put(tx.con, op.carrier, STATE_KEY, op.rounds)


class QueriedOp(Op):
    """What a carrier answered of one segment; ``receipt`` None: it said no state. It settles as a receipt does."""

    __slots__ = ("asked", "carrier", "receipt", "status")
    order: ClassVar[int] = 61
    name: ClassVar[str] = "queried"

    def __init__(self, carrier: str, asked: Overdue, status: int, receipt: ReceiptIn | None) -> None:
        super().__init__()
        self.carrier = carrier
        self.asked = asked
        self.status = status
        self.receipt = receipt

    @property
    def weight(self) -> tuple[int, int]:
        return 3, 600

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        found: list[tuple[ReceiptIn, Match]] = []
        for op in ops:
            asked: Overdue = op.asked
            receipt: ReceiptIn | None = op.receipt
            detail = {
                "status": op.status,
                "receipt_state": receipt.receipt_state if receipt is not None else None,
                "error": receipt.error if receipt is not None else None,
            }
            tx.trace(asked.message_id, asked.part, "query", op.carrier, detail)
            if receipt is None or receipt.state is None:
                continue
            # The answer is for the attempt that was asked for: not for one that a later response told of.
            row = tx.con.execute(
                f"SELECT {FACTS}, 0, s.smsc_message_id, s.part, s.state, s.done_at, s.sent_at, s.carrier IS NOT ?"
                " FROM segment s JOIN message m ON m.id = s.message_id"
                " WHERE s.message_id = ? AND s.part = ? AND s.smsc_message_id = ?",
                (op.carrier, asked.message_id, asked.part, asked.smsc_message_id),
            ).fetchone()
            if row is not None:
                found.append((receipt, Match(*row)))
        settle(tx, found)
