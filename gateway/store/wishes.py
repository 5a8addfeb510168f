"""What operators want of carriers: to be paused or drained, until they say otherwise. It holds over restarts."""

from __future__ import annotations

import sqlite3
from typing import Any, ClassVar, Final, Literal

import msgspec

from gateway.store.carrier_state import forget, put, stored
from gateway.store.tx import Op, Tx

STATE_KEY: Final = "wish"
"""The key in ``carrier_state``."""


class Wish(msgspec.Struct, frozen=True):
    """``pause``: nothing is written; ``drain``: and the binds are unbound. ``at`` is ms, ``reason`` the operator's."""

    wish: Literal["pause", "drain"]
    at: int
    reason: str | None = None


class WishOp(Op):
    """Stores what is wanted of a carrier from now on; None: that it runs."""

    __slots__ = ("carrier", "wish")
    order: ClassVar[int] = 90
    name: ClassVar[str] = "wish"

    def __init__(self, carrier: str, wish: Wish | None) -> None:
        super().__init__()
        self.carrier = carrier
        self.wish = wish

    @property
    def weight(self) -> tuple[int, int]:
        return 1, 100

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            if op.wish is None:
                forget(tx.con, op.carrier, STATE_KEY)
            else:
                put(tx.con, op.carrier, STATE_KEY, op.wish)


def wishes(con: sqlite3.Connection) -> dict[str, Wish]:
    """What is wanted, by carrier. A value that cannot be read holds the carrier: that errs on the quiet side."""
    unread = Wish("pause", 0, "what was stored of it cannot be read")
    return {carrier: wish or unread for carrier, wish in stored(con, STATE_KEY, Wish).items()}
