"""Opt-outs of a set of numbers go along with a number that comes to another set.

Who wrote STOP to a number is not written to from it because the configuration has a new name for its set, or another
set for it. What is stored is the name of the set, so its rows are copied for the set where the number is now; the old
one keeps them, for the numbers that are still in it. The sets are remembered by number, so that a start sees what was
changed while nothing ran.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from gateway.model import id_floor
from gateway.store.database import transaction
from gateway.store.forgotten import erased_since
from gateway.store.info import note, noted
from gateway.store.tx import Op, Tx

SETS: Final = "number_sets"
"""Key in ``store_info``: the scope of its set by each number that there ever was, as JSON."""
PAGE: Final = 5000
"""Rows of the list that are looked at in one transaction."""
MARGIN: Final = 60_000
"""Milliseconds before a moment that count as after it, for a clock that stepped back since."""

Sets = Mapping[str, str]
"""The scope of its set by number."""
Moves = tuple[tuple[str, str], ...]
"""From which set to which one."""

_decoder: Final = msgspec.json.Decoder(dict[str, str])


def known_sets(con: sqlite3.Connection) -> dict[str, str]:
    """The sets as they were seen last."""
    found = noted(con, SETS)
    return _decoder.decode(found) if found is not None else {}


def moves(before: Sets, now: Sets) -> Moves:
    """The sets that numbers left, each with the one that they came to."""
    return tuple(sorted({(before[n], scope) for n, scope in now.items() if before.get(n, scope) != scope}))


def carry(con: sqlite3.Connection, wanted: Moves, after: str) -> tuple[int, str | None]:
    """Copies what a page of the list holds, behind the peer ``after``.

    Returns how many rows came to be, and the peer to go on behind (None: that was the last page).
    """
    row = con.execute(
        "SELECT max(peer), count(*) FROM (SELECT peer FROM optout WHERE peer > ? ORDER BY peer LIMIT ?)", (after, PAGE)
    ).fetchone()
    last, rows = row
    if not rows:
        return 0, None
    before = con.total_changes
    for old, new in wanted:
        con.execute(
            "INSERT INTO optout (peer, scope, at, how, message_id, keyword) SELECT peer, ?, at, how, message_id,"
            " keyword FROM optout WHERE peer > ? AND peer <= ? AND scope = ? ON CONFLICT DO NOTHING",
            (new, after, last, old),
        )
    return con.total_changes - before, last if rows == PAGE else None


def carry_since(con: sqlite3.Connection, wanted: Moves, since: int) -> int:
    """Copies what was recorded from ``since`` (ms) on, whenever it was; returns how many rows came to be.

    So are those of who was erased since: their record went, and their name may be in a page that was copied before.
    """
    before = con.total_changes
    names = erased_since(con, "main", since - MARGIN) if wanted else ()
    for old, new in wanted:
        con.executemany(
            "INSERT INTO optout (peer, scope, at, how, message_id, keyword) SELECT peer, ?, at, how, message_id,"
            " keyword FROM optout WHERE peer = ? AND scope = ? ON CONFLICT DO NOTHING",
            [(new, name, old) for name in names],
        )
        con.execute(
            "INSERT INTO optout (peer, scope, at, how, message_id, keyword) SELECT o.peer, ?, o.at, o.how,"
            " o.message_id, o.keyword FROM (SELECT DISTINCT peer FROM optout_change WHERE id >= ?) c"
            " CROSS JOIN optout o ON o.peer = c.peer WHERE o.scope = ? ON CONFLICT DO NOTHING",
            (new, id_floor(since - MARGIN), old),
        )
    return con.total_changes - before


def keep(con: sqlite3.Connection, sets: Sets) -> None:
    """Remembers the sets. A number that is not configured any more keeps the one that it had."""
    before = known_sets(con)
    after = {**before, **sets}
    if after != before:
        note(con, SETS, msgspec.json.encode(after).decode())


def carry_all(con: sqlite3.Connection, sets: Sets) -> int:
    """Copies all that is to go along, and remembers the sets; for the start, before anything is sent."""
    wanted = moves(known_sets(con), sets)
    copied, after = 0, "" if wanted else None
    while after is not None:
        with transaction(con):
            rows, after = carry(con, wanted, after)
        copied += rows
    with transaction(con):
        keep(con, sets)
    return copied


class CarryOp(Op):
    """A page of it, behind the peer ``behind``, while all goes on; or all that was recorded from ``since`` (ms) on.

    ``copied`` rows came to be, and of pages it goes on behind ``next``, unless that is None. ``sets`` are remembered.
    """

    __slots__ = ("behind", "copied", "next", "sets", "since", "wanted")
    order: ClassVar[int] = 71
    name: ClassVar[str] = "carry"

    def __init__(
        self, wanted: Moves, *, behind: str | None = None, since: int | None = None, sets: Sets | None = None
    ) -> None:
        super().__init__()
        self.wanted = wanted
        self.behind = behind
        self.since = since
        self.sets = sets
        self.copied = 0
        self.next: str | None = None

    @property
    def weight(self) -> tuple[int, int]:
        return PAGE, 50 * PAGE

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            if op.behind is not None:
                op.copied, op.next = carry(tx.con, op.wanted, op.behind)
            if op.since is not None:
                op.copied += carry_since(tx.con, op.wanted, op.since)
            if op.sets is not None:
                keep(tx.con, op.sets)
