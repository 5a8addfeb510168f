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
from gateway.store.ends import End, Facts, announce, end_segments
from gateway.store.hot import Row, Values
from gateway.store.queries import queued_oldest_id
from gateway.store.tx import Ended, Tx

FEW: Final = 2000
"""Messages of a person that are looked through one by one: some 5 ms."""
NEAR: Final = 20_000
"""Segments that wait, for whomever, that are looked through one by one: some 30 ms."""

# The meta of a message may be large, and it has many segments.
_COLUMNS: Final = (
    "m.id, m.app, m.number, m.peer, m.class, m.door, m.ref, m.parts, m.receipt,"
    " CASE s.part WHEN 1 THEN m.meta END, s.carrier, s.part, s.state, s.in_doubt"
)
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
END_WHOLE: Final = Values(
    f"WITH v(mid, at, reason) AS (VALUES {{values}}) UPDATE segment SET state = {int(State.REJECTED)}, done_at = v.at,"
    " reason = v.reason, error = NULL, due_at = NULL FROM v WHERE message_id = v.mid",
    3,
)


class Unsent(NamedTuple):
    """A segment that is scheduled or queued, and its message."""

    id: int
    app: str
    number: str
    peer: str
    klass: int
    door: str | None
    ref: str | None
    parts: int
    receipt: int
    meta: str | None  # of part 1 alone
    carrier: str
    part: int
    state: int
    in_doubt: int


def unsent(con: sqlite3.Connection, peers: Collection[str]) -> list[Unsent]:
    """What is scheduled for these people, queued, or waits for another attempt."""
    asked = [(peer,) for peer in peers]
    many = [(peer,) for peer, stored in COUNT_STORED.fetch(con, asked) if stored > FEW]
    few = [row for row in asked if row not in many] if many else asked
    found = SELECT_UNSENT.fetch(con, few)
    for state in _STATES if many else ():
        found += _of_many(con, many, state)
    return list(map(Unsent._make, found))


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
    waiting: dict[int, list[Unsent]] = {}
    for one in found:
        waiting.setdefault(one.id, []).append(one)
    # Of most of them nothing was ever sent. A phone may have ten thousand, and the writer has to be quick about it.
    whole = {mid: of for mid, of in waiting.items() if len(of) == of[0].parts and not any(one.in_doubt for one in of)}
    _end_whole(tx, whole, reason)
    others = [mid for mid in waiting if mid not in whole]
    end_segments(tx, [End(mid, 0, State.REJECTED, reason, low=State.SCHEDULED, high=State.QUEUED) for mid in others])
    tx.ended += [
        Ended(mid, of[0].app, of[0].carrier, sum([one.state == State.QUEUED for one in of]))
        for mid, of in waiting.items()
    ]
    return len(waiting)


def _end_whole(tx: Tx, messages: dict[int, list[Unsent]], reason: str) -> None:
    """Ends messages of which all segments wait for their first attempt: `end_segments` without a look at each."""
    END_WHOLE.run(tx.con, [(mid, tx.now, reason) for mid in messages])
    for mid, of in messages.items():
        one = of[0] if of[0].part == 1 else next(each for each in of if each.part == 1)
        announce(
            tx,
            Facts(mid, one.app, one.number, one.peer, one.ref, one.parts, one.receipt, one.meta),
            State.REJECTED,
            reason,
            None,
        )
        if tx.charges:
            tx.unused += [(mid, each.part) for each in of]
