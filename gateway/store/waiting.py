"""How much of long inbound messages waits, counted in memory beside the rows, so that a bound is looked at for nothing.

A transaction changes a copy of its own, which takes the place of the counts when it is committed: one that is rolled
back leaves them as they were.
"""

from __future__ import annotations

import sqlite3
from typing import Final

UNIT_OCTETS: Final = 256


def units_of(octets: int) -> int:
    """What a part of so many octets, kept beside it included, counts for: one for every 256 begun.

    A short message of 140 octets (3GPP TS 23.040 §9.2.3.24), one septet an octet, is one; a message_payload of 64 KiB
    (SMPP 3.4 §5.3.2.32) is 256: a bound in parts is one in octets too.
    """
    return max(1, -(-octets // UNIT_OCTETS))


class Waiting:
    """Parts that wait, by peer and in all, and marks of messages that were told of.

    `units` and the values of `peers` are those of `units_of`; a peer of whom nothing waits is not in `peers`, so their
    number is bounded by what may wait in all.
    """

    __slots__ = ("marks", "peers", "units")

    def __init__(self) -> None:
        self.units = 0
        self.peers: dict[str, int] = {}
        self.marks = 0

    def load(self, con: sqlite3.Connection) -> None:
        """Counts what the database has."""
        self.peers = dict(con.execute("SELECT peer, sum(units) FROM mo_message WHERE units > 0 GROUP BY peer"))
        self.units = sum(self.peers.values())
        self.marks = con.execute("SELECT count(*) FROM mo_message WHERE units = 0").fetchone()[0]


class Change:
    """The counts as a transaction under way sees them."""

    __slots__ = ("_base", "changed", "marks", "units")

    def __init__(self, base: Waiting) -> None:
        self._base = base
        self.units = base.units
        self.marks = base.marks
        self.changed: dict[str, int] = {}  # by peer, what came and went in this transaction

    def of(self, peer: str) -> int:
        """What waits of a peer."""
        return self._base.peers.get(peer, 0) + self.changed.get(peer, 0)

    def add(self, peer: str, units: int) -> None:
        """More of a peer waits, or less."""
        self.units += units
        self.changed[peer] = self.changed.get(peer, 0) + units

    def commit(self) -> None:
        """The transaction is committed: the counts are these from now on."""
        base = self._base
        base.units = self.units
        base.marks = self.marks
        for peer, by in self.changed.items():
            now = base.peers.get(peer, 0) + by
            if now > 0:
                base.peers[peer] = now
            else:
                base.peers.pop(peer, None)
