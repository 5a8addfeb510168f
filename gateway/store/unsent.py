"""What waits for a person: found, and ended, in the transaction of their STOP, however much is stored of them.

As a rule it is found by the messages of that person, of which there are few. Of one with many the walk begins with the
oldest message that waits for anybody, or goes through what waits instead where that is less: a phone to which a million
messages were sent would else hold the writer for seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from gateway.model import State
from gateway.store.ends import End, end_segments
from gateway.store.hot import Row, Values
from gateway.store.queries import queued_oldest_id
from gateway.store.tx import Ended, Tx

FEW: Final = 2000
"""Messages of a person that are looked through one by one: some 5 ms."""
NEAR: Final = 20_000
"""Segments that wait, for whomever, that are looked through one by one: some 30 ms."""

_COLUMNS: Final = "m.id, m.app, m.number, m.peer, m.class, m.door, s.carrier, s.state"
_STATES: Final = (State.SCHEDULED, State.QUEUED)

COUNT_STORED: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT v.peer, (SELECT count(*) FROM"
    f" (SELECT 1 FROM message m WHERE m.peer = v.peer LIMIT {FEW + 1})) FROM v",
    1,
)
# By the messages of each. The + keeps SQLite from walking the whole queue.
SELECT_UNSENT: Final = Values(
    f"WITH v(peer) AS (VALUES {{values}}) SELECT {_COLUMNS} FROM v"
    " CROSS JOIN message m ON m.peer = v.peer CROSS JOIN segment s ON s.message_id = m.id"
    f" WHERE +s.state IN ({', '.join(str(int(state)) for state in _STATES)})",
    1,
)
SELECT_SINCE: Final = {
    state: Values(
        f"WITH v(peer, low) AS (VALUES {{values}}) SELECT {_COLUMNS} FROM v"
        " CROSS JOIN message m ON m.peer = v.peer AND m.id >= v.low CROSS JOIN segment s ON s.message_id = m.id"
        f" WHERE +s.state = {int(state)}",
        2,
    )
    for state in _STATES
}
# By what waits: the indexes hold that alone.
_INDEX: Final = {State.SCHEDULED: "segment_due", State.QUEUED: "segment_queued"}
COUNT_WAITING: Final = {
    state: "SELECT count(*) FROM (SELECT 1 FROM segment INDEXED BY"
    f" {_INDEX[state]} WHERE state = {int(state)} LIMIT {NEAR + 1})"
    for state in _STATES
}
SELECT_WAITING: Final = {
    state: Values(
        f"WITH v(peer) AS (VALUES {{values}}) SELECT {_COLUMNS} FROM segment s INDEXED BY {_INDEX[state]}"
        f" CROSS JOIN message m ON m.id = s.message_id WHERE s.state = {int(state)} AND m.peer IN (SELECT peer FROM v)",
        1,
    )
    for state in _STATES
}


class Unsent(NamedTuple):
    """A segment that is scheduled or queued, and its message."""

    id: int
    app: str
    number: str
    peer: str
    klass: int
    door: str | None
    carrier: str
    state: int


def unsent(con: sqlite3.Connection, peers: Collection[str]) -> list[Unsent]:
    """What is scheduled for these people, queued, or waits for another attempt."""
    asked = [(peer,) for peer in peers]
    many = [(peer,) for peer, stored in COUNT_STORED.fetch(con, asked) if stored > FEW]
    few = [row for row in asked if row not in many] if many else asked
    found = SELECT_UNSENT.fetch(con, few)
    for state in _STATES if many else ():
        found += _of_many(con, many, state)
    return [Unsent(*row) for row in found]


def _of_many(con: sqlite3.Connection, peers: list[Row], state: State) -> list[Row]:
    if con.execute(COUNT_WAITING[state]).fetchone()[0] <= NEAR:
        return SELECT_WAITING[state].fetch(con, peers)
    if state == State.QUEUED:
        low = queued_oldest_id(con)
    else:
        low = con.execute("SELECT min(message_id) FROM segment INDEXED BY segment_due WHERE state = 0").fetchone()[0]
    return SELECT_SINCE[state].fetch(con, [(peer, low or 0) for (peer,) in peers])


def end_unsent(tx: Tx, found: Iterable[Unsent], reason: str) -> int:
    """Ends the messages of these segments for ``reason``; returns how many. The queues let go of them after that."""
    waiting: dict[int, tuple[str, str]] = {}
    queued: dict[int, int] = {}
    for one in found:
        waiting[one.id] = (one.app, one.carrier)
        queued[one.id] = queued.get(one.id, 0) + (one.state == State.QUEUED)
    end_segments(tx, [End(mid, 0, State.REJECTED, reason, low=State.SCHEDULED, high=State.QUEUED) for mid in waiting])
    tx.ended += [Ended(mid, app, carrier, queued[mid]) for mid, (app, carrier) in waiting.items()]
    return len(waiting)
