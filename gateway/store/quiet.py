"""Messages that wait are put off: quiet hours began at the phones that they are for."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Final

from gateway.store.hot import Values
from gateway.store.tx import Op, Tx

# What was cancelled, claimed or taken to another carrier meanwhile is not. With coalesce() each is found by its key:
# else the index of all that waits for a carrier would be walked through for each of them.
PUT_OFF: Final = Values(
    "WITH v(mid, due, carrier) AS (VALUES {values}) UPDATE segment SET state = 0, due_at = v.due FROM v"
    " WHERE message_id = v.mid AND state = 1 AND segment.carrier = coalesce(v.carrier, segment.carrier)"
    " RETURNING message_id, due_at, segment.carrier",
    3,
)


class PutOffOp(Op):
    """Queued messages are scheduled: ``rows`` are (message_id, due_at in ms)."""

    __slots__ = ("carrier", "rows")
    order: ClassVar[int] = 44  # before those of a carrier are taken elsewhere
    must: ClassVar[bool] = True  # memory has let go of them
    name: ClassVar[str] = "put_off"

    def __init__(self, rows: list[tuple[int, int]], carrier: str) -> None:
        super().__init__()
        self.rows = rows
        self.carrier = carrier

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.rows), 100 * len(self.rows)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        found = PUT_OFF.fetch(tx.con, [(mid, due, op.carrier) for op in ops for mid, due in op.rows])
        for mid, due, carrier in dict.fromkeys(found):
            tx.trace(mid, 0, "quiet", carrier, {"due": due})


def kinds_of(con: sqlite3.Connection, ids: list[int]) -> dict[int, tuple[int, str | None]]:
    """Class and stored options of messages, by id."""
    marks = ",".join("?" * len(ids))
    found = con.execute(f"SELECT id, class, options FROM message WHERE id IN ({marks})", ids).fetchall()
    return {row[0]: (row[1], row[2]) for row in found}
