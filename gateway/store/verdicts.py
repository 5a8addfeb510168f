"""What is asked of the database before messages are stored: whether each of them may be sent at all.

A check looks at all messages of a burst that are no duplicates, with one statement for the burst, and refuses some. It
is asked in the transaction that stores the others, so that what it has seen is so when they are stored: nothing is
between it and, say, a STOP. What was refused leaves no row, nor does its ``ref``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx


class Verdict(NamedTuple):
    """Why a message is not stored: a reason of `gateway.model.REASONS`, and what there is to say beside it.

    ``retry_after`` in seconds: not now, but later. ``cap``: the prefix whose cap it was.
    """

    reason: str
    detail: str | None = None
    field: str | None = None
    retry_after: float | None = None
    cap: str | None = None


Check = Callable[["Tx", "list[NewMessage]"], bool]
"""Sets ``refused`` of the messages that may not be sent, and returns whether there is one. What an earlier check
refused is not shown to it."""


def judge(tx: Tx, messages: list[NewMessage]) -> list[NewMessage]:
    """Asks all checks; returns the messages that none of them refused."""
    for check in tx.checks:
        if check(tx, messages):
            messages = [m for m in messages if m.refused is None]
    return messages
