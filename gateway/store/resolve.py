"""What comes (back) to the queue: scheduled messages, and those in doubt by an operator or by a late refusal."""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple

from gateway.model import State
from gateway.store.ends import End, end_left_over, end_segments
from gateway.store.hot import Values
from gateway.store.optedout import covered
from gateway.store.tx import Op, Tx

DUE: Final = Values(
    "WITH v(mid) AS (VALUES {values}) UPDATE segment SET state = 1, due_at = NULL FROM v"
    " WHERE message_id = v.mid AND state = 0",
    1,
)


class _MessagesOp(Op):
    """Of messages as a whole, by their ids."""

    __slots__ = ("ids",)

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.ids), 50 * len(self.ids)


class DueOp(_MessagesOp):
    """Scheduled messages whose time has come: their segments are queued, or end where they may not be sent any more.

    A STOP ended them already, but not what came to be within an opt-out by other settings.
    """

    __slots__ = ()
    order: ClassVar[int] = 15
    name: ClassVar[str] = "due"

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        ids = [mid for op in ops for mid in op.ids]
        DUE.run(tx.con, [(mid,) for mid in ids])
        if stopped := covered(tx, ids):
            end_segments(tx, [End(mid, 0, State.REJECTED, reason, low=1, high=1) for mid, reason in stopped.items()])


class ResendOp(_MessagesOp):
    """Segments in doubt that an operator wants to be sent once more; parts that were accepted are not.

    ``changed`` are the messages that had such a segment and will be sent, ``expired`` those whose validity is over,
    ``stopped`` those that may not be sent, and why: they stay as they are. One that is at a bad end already ends with
    it.
    """

    __slots__ = ("changed", "expired", "stopped")
    order: ClassVar[int] = 32
    name: ClassVar[str] = "resend"

    def __init__(self, ids: list[int]) -> None:
        super().__init__(ids)
        self.changed: set[int] = set()
        self.expired: set[int] = set()
        self.stopped: dict[int, str] = {}  # and why

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.changed, op.expired = set(), set()
            for mid in op.ids:
                if tx.con.execute(
                    f"UPDATE segment SET state = {int(State.QUEUED)}, due_at = NULL WHERE message_id = ?"
                    f" AND state = {int(State.IN_DOUBT)} AND expires_at > ?",
                    (mid, tx.now),
                ).rowcount:
                    op.changed.add(mid)
                    tx.trace(mid, 0, "resend", "")
                elif tx.con.execute(
                    f"SELECT 1 FROM segment WHERE message_id = ? AND state = {int(State.IN_DOUBT)}", (mid,)
                ).fetchone():
                    op.expired.add(mid)
            op.stopped = covered(tx, op.changed)
            end_left_over(tx, list(op.changed))
            op.changed.difference_update(op.stopped)


class Untaken(NamedTuple):
    """A submit that had been given up as in doubt, and that the carrier refused for now after all."""

    message_id: int
    part: int
    status: int


class UntakenOp(Op):
    """Late refusals for now: that attempt was certainly not taken, so its doubt is gone.

    Held segments of which at most ``allowed`` attempts are still in doubt go back to the queue; ``back`` are their
    messages. A copy that is queued or on its way goes on, with one doubt less.
    """

    __slots__ = ("allowed", "back", "bind", "carrier", "untaken")
    order: ClassVar[int] = 19  # after the doubt of its burst
    must: ClassVar[bool] = True
    name: ClassVar[str] = "untaken"

    def __init__(self, carrier: str, untaken: list[Untaken], allowed: int, bind: str | None = None) -> None:
        super().__init__()
        self.carrier = carrier
        self.untaken = untaken
        self.allowed = allowed
        self.bind = bind
        self.back: set[int] = set()

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.untaken), 100 * len(self.untaken)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.back = set()
            for u in op.untaken:
                key = u.message_id, u.part
                row = tx.con.execute(
                    "SELECT state, in_doubt FROM segment WHERE message_id = ? AND part = ? AND carrier = ?",
                    (*key, op.carrier),
                ).fetchone()
                if row is None or not row[1] or not State.QUEUED <= row[0] <= State.IN_DOUBT or row[0] == State.SENT:
                    continue
                state, left = row[0], row[1] - 1
                if state == State.IN_DOUBT and left <= op.allowed:
                    state = State.QUEUED
                    op.back.add(u.message_id)
                tx.con.execute(
                    "UPDATE segment SET in_doubt = ?, status = ?, state = ?, due_at = NULL"
                    " WHERE message_id = ? AND part = ?",
                    (left, u.status, int(state), *key),
                )
                tx.trace(*key, "late", op.carrier, {"status": u.status, "bind": op.bind})
            end_left_over(tx, list(op.back))
