"""What an operator does to messages in doubt, and time to scheduled ones: both come back to the queue."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.model import State
from gateway.store.tx import Op, Tx


class _ToQueueOp(Op):
    """Segments of messages go from one state to `queued`; ``changed`` are the messages that had such a segment."""

    __slots__ = ("changed", "ids")
    source: ClassVar[State]
    traced: ClassVar[str | None] = None

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids
        self.changed: set[int] = set()

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.ids), 50 * len(self.ids)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.changed = set()
            for mid in op.ids:
                if tx.con.execute(
                    f"UPDATE segment SET state = {int(State.QUEUED)}, due_at = NULL WHERE message_id = ? AND state = ?",
                    (mid, int(cls.source)),
                ).rowcount:
                    op.changed.add(mid)
                    if cls.traced is not None:
                        tx.trace(mid, 0, cls.traced, "")


class DueOp(_ToQueueOp):
    """Scheduled messages whose time has come."""

    __slots__ = ()
    order: ClassVar[int] = 15
    name: ClassVar[str] = "due"
    source: ClassVar[State] = State.SCHEDULED


class ResendOp(_ToQueueOp):
    """Segments in doubt that an operator wants to be sent once more."""

    __slots__ = ()
    order: ClassVar[int] = 32
    name: ClassVar[str] = "resend"
    source: ClassVar[State] = State.IN_DOUBT
    traced: ClassVar[str | None] = "resend"
