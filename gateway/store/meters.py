"""What is counted as messages are stored, and refuses those that are over: caps, quotas, balances.

A message that one of them refuses is counted by none of them, so they are asked together, message by message, and each
writes what it counted when the burst is through. What they know is read once for the burst, in its transaction: nobody
comes between what was read and what is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx


class Meter(Protocol):
    """One of them. For each burst: `begin`, then for each message in order `over`, and `take` where nobody refused."""

    def begin(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Reads what it needs of the burst; returns whether it has to do with any of the messages."""

    def over(self, m: NewMessage) -> Verdict | None:
        """Why the message would be too much, after what was taken before."""

    def take(self, m: NewMessage) -> None:
        """Counts a message that is stored."""

    def write(self, tx: Tx) -> None:
        """Writes what was counted."""


class Metered:
    """The check (`gateway.store.verdicts`) by all of them. ``dry``: what they counted is not written."""

    def __init__(self, *meters: Meter, dry: bool = False) -> None:
        self.meters = meters
        self.dry = dry

    def __call__(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Refuses, in the order of the messages, what is too much for one of them; the others are counted by all."""
        meters = [meter for meter in self.meters if meter.begin(tx, messages)]
        if not meters:
            return False
        refused = False
        for m in messages:
            for meter in meters:
                if (verdict := meter.over(m)) is not None:
                    m.refused = verdict
                    refused = True
                    break
            else:
                for meter in meters:
                    meter.take(m)
        if not self.dry:
            for meter in meters:
                meter.write(tx)
        return refused
