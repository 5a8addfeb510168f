"""Threads: the pairs of our number and a peer. What came in is counted as unread, until somebody says that it was read.

Inbound messages write one row for each pair of a burst. What we send writes none: it is found by its peer, and whether
it answers what needed attention is seen when a thread is read (`gateway.store.conversation`).
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from gateway.store.hot import Values
from gateway.store.tx import Op, Tx

PUT_THREAD: Final = Values(
    "INSERT INTO thread (number, peer, first_at, last_in, unread, attention) VALUES {values}"
    " ON CONFLICT (number, peer) DO UPDATE SET last_in = excluded.last_in, unread = thread.unread + excluded.unread,"
    " attention = coalesce(excluded.attention, thread.attention)",
    6,
)


class Touched:
    """The threads of inbound messages that are being stored."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], tuple[int, int, int | None]] = {}  # last id, how many, the urgent one's id

    def add(self, number: str, peer: str, message_id: int, *, urgent: bool = False) -> None:
        """A message to ``number`` with this stored id; one that is urgent needs attention."""
        key = (number, peer)
        known = self._pairs.get(key)
        if known is None:
            self._pairs[key] = (message_id, 1, message_id if urgent else None)
        else:
            self._pairs[key] = (message_id, known[1] + 1, message_id if urgent else known[2])

    def write(self, tx: Tx) -> None:
        """Writes a row for each pair."""
        now = tx.now
        rows = [(*pair, now, last, count, urgent) for pair, (last, count, urgent) in self._pairs.items()]
        PUT_THREAD.run(tx.con, rows)


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
        row = con.execute("SELECT last_in, unread FROM thread WHERE number = ? AND peer = ?", pair).fetchone()
        self.found = row is not None
        if row is None:
            return
        last_in, unread = row
        if self.read_up_to is not None and unread:
            # What was read before is not counted again: what is unread are always the last ones.
            later = con.execute(
                "SELECT count(*) FROM (SELECT 1 FROM inbound WHERE peer = ? AND number = ? AND id > ? LIMIT ?)",
                (self.peer, self.number_, self.read_up_to, unread),
            ).fetchone()[0]
            con.execute("UPDATE thread SET unread = ? WHERE number = ? AND peer = ?", (later, *pair))
        if self.attention is not None:
            con.execute(
                "UPDATE thread SET attention = ? WHERE number = ? AND peer = ?",
                (last_in if self.attention else None, *pair),
            )
        if self.assigned is not None:
            con.execute("UPDATE thread SET assigned = ? WHERE number = ? AND peer = ?", (self.assigned or None, *pair))
