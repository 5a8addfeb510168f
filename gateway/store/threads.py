"""What is noted of threads, the pairs of our number and a peer: what was read, what needs attention, whose they are.

What came in is unread beyond the last message that somebody read, and what we sent answers what needed attention: both
are seen when a thread is read (`gateway.store.conversation`), so that messages write nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from gateway.store.hot import Values
from gateway.store.tx import Op, Tx

NEEDS_ATTENTION: Final = Values(
    "WITH v(number, peer, id) AS (VALUES {values}) UPDATE thread SET attention = v.id FROM v"
    " WHERE thread.number = v.number AND thread.peer = v.peer",
    3,
)


def need_attention(tx: Tx, urgent: Mapping[tuple[str, str], int]) -> None:
    """Marks pairs (number, peer) for the sake of an inbound message, by its stored id."""
    NEEDS_ATTENTION.run(tx.con, [(*pair, message_id) for pair, message_id in urgent.items()])


class ThreadOp(Op):
    """What somebody says of a thread; what is None stays as it is.

    ``read_up_to``: everything up to this stored id was read. ``attention``: whether it needs attention. ``assigned``:
    to whom, where ``""`` gives it back to the number's owner. ``found`` says afterwards whether there is such a thread.
    """

    __slots__ = ("assigned", "attention", "found", "number_", "peer", "read_up_to")
    order: ClassVar[int] = 72  # after the messages of the same burst, which count
    name: ClassVar[str] = "thread"

    def __init__(
        self,
        number: str,
        peer: str,
        *,
        read_up_to: int | None = None,
        attention: bool | None = None,
        assigned: str | None = None,
    ) -> None:
        super().__init__()
        self.number_ = number
        self.peer = peer
        self.read_up_to = read_up_to
        self.attention = attention
        self.assigned = assigned
        self.found = False

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 200

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op._apply(tx)

    def _apply(self, tx: Tx) -> None:
        con, pair = tx.con, (self.number_, self.peer)
        self.found = con.execute("SELECT 1 FROM thread WHERE number = ? AND peer = ?", pair).fetchone() is not None
        where = "WHERE number = ? AND peer = ?"
        if self.read_up_to is not None:
            # Nothing is read before it came, whatever id was given.
            con.execute(
                f"UPDATE thread SET read_up_to = max(read_up_to, min(?, coalesce({_LAST}, 0))) {where}",
                (self.read_up_to, *pair),
            )
        if self.attention is not None:
            con.execute(f"UPDATE thread SET attention = {_LAST if self.attention else 'NULL'} {where}", pair)
        if self.assigned is not None:
            con.execute(f"UPDATE thread SET assigned = ? {where}", (self.assigned or None, *pair))


_LAST: Final = (
    "(SELECT i.id FROM inbound i WHERE i.peer = thread.peer AND i.number = thread.number ORDER BY i.id DESC LIMIT 1)"
)
