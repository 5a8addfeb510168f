"""What stops messages of ours that follow from inbound ones: loops, floods, and senders that nobody shall answer.

A forward is stopped by what it is (it would go back to its sender, or on to a number of ours) and by its rate, an
automatic reply by its sender and by the one before it. How often something was forwarded is counted in memory beside
the events that say so, and read from these at the start. A transaction changes counts of its own, which are taken over
when it is committed: one that is rolled back leaves them as they were.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.policy.decision import Forward, Target
from gateway.sms.address import kind_of
from gateway.store.hot import Values
from gateway.store.optedout import OPTED_OUT

HOUR_MS: Final = 3_600_000
LOOKED_BACK: Final = 5000
"""Forwards that are read at the start: whom they went to, and when."""
REMEMBERED: Final = 10_000
"""Pairs of a number, or a rule, and a target whose forwards are counted; they come from the configuration."""
FLOOD: Final = 1000
"""Messages of a pair within the time between two replies: past it there is no telling whether one was answered."""

REPLIED: Final = '"replied":true'
"""How the row of an inbound message says that it was answered; no text within JSON can read so."""


def select_answered(mark: str) -> Values:
    """Of pairs since an id how many messages came, and more than `FLOOD` where one of them is marked so in its row.

    Quotes within JSON's strings are escaped, so that the member is found and nothing else.
    """
    return Values(
        "WITH v(i, number, peer, since) AS (VALUES {values}) SELECT v.i,"
        f" (SELECT count(*) + {FLOOD} * coalesce(max(n.extra LIKE '%{mark}%'), 0) FROM (SELECT b.extra FROM inbound b"
        " WHERE b.peer = v.peer AND b.number = v.number AND b.id >= v.since ORDER BY b.id DESC"
        f" LIMIT {FLOOD}) n) FROM v",
        4,
    )


SELECT_REPLIED: Final = select_answered(REPLIED)


class Kept(msgspec.Struct):
    """What the start reads of an event that told a forward."""

    rule: str
    number: str
    to: str


class Guards:
    """How often something was forwarded. ``times``: by number and target, when (ms) within the last hour.

    ``turns``: by rule and target, a count that rises with each forward: who has the lowest is next.
    """

    __slots__ = ("serial", "times", "turns")

    def __init__(self) -> None:
        self.times: dict[tuple[str, str], deque[int]] = {}
        self.turns: dict[tuple[str, str], int] = {}
        self.serial = 0

    def load(self, con: sqlite3.Connection, stream: int, now: int) -> None:
        """Reads the last forwards of this stream."""
        rows = con.execute(
            "SELECT at, payload FROM event WHERE stream = ? ORDER BY seq DESC LIMIT ?", (stream, LOOKED_BACK)
        ).fetchall()
        change = Change(self)
        for at, payload in reversed(rows):
            try:
                kept = msgspec.json.decode(payload, type=Kept)
            except msgspec.DecodeError:
                continue  # a damaged event is for its reader to set aside
            change.forwarded(kept.rule, kept.number, kept.to, at if at > now - HOUR_MS else None)
        change.commit(now)


class Change:
    """The guards as a transaction under way sees them."""

    __slots__ = ("_base", "_replied", "_serial", "_times", "_turns")

    def __init__(self, base: Guards) -> None:
        self._base = base
        self._serial = base.serial
        self._times: dict[tuple[str, str], list[int]] = {}
        self._turns: dict[tuple[str, str], int] = {}
        self._replied: set[tuple[str, str]] = set()

    # --- forwards -----------------------------------------------------------------------------------------------------

    def targets(
        self,
        action: Forward,
        number: str,
        peer: str,
        now: int,
        ours: Collection[str],
        most: int,
        had: Collection[str],
        out: Collection[str] = (),
    ) -> tuple[list[Target], list[str]]:
        """Whom a forward goes to by its mode, and the causes by which it does not go to others.

        ``ours`` are our own numbers, ``most`` is how many forwards from a number to a target there may be in an hour,
        ``had`` are the phones that an earlier rule sends the same message to, ``out`` those of who opted out.
        """
        if peer in ours:
            return [], ["own_number"]
        chosen: list[Target] = []
        causes: list[str] = []
        for target in self._order(action):
            if target.phone in had:
                causes.append("had")
                if action.mode == "first":
                    break  # whom it is for has it
                continue
            cause = OPTED_OUT if target.phone in out else self._stopped(number, target.phone, peer, now, ours, most)
            if cause is not None:
                causes.append(cause)
                continue
            self.forwarded(action.rule, number, target.phone, now)
            chosen.append(target)
            if action.mode != "all":
                break
        return chosen, causes

    def _order(self, action: Forward) -> Sequence[Target]:
        if action.mode != "turn":
            return action.targets
        # Who is next is whoever had it longest ago: those on duty change, and a place in a list would skip people.
        return sorted(action.targets, key=lambda target: self._turn(action.rule, target.phone))

    def _turn(self, rule: str, phone: str) -> int:
        key = (rule, phone)
        mine = self._turns.get(key)
        return mine if mine is not None else self._base.turns.get(key, 0)

    def _stopped(self, number: str, phone: str, peer: str, now: int, ours: Collection[str], most: int) -> str | None:
        if phone == peer:
            return "to_sender"
        if phone in ours:
            return "own_number"
        key = (number, phone)
        within = self._base.times.get(key)
        count = len(self._times.get(key, ()))
        if within is not None:
            since = now - HOUR_MS
            while within and within[0] <= since:
                within.popleft()
            count += len(within)
        return "rate" if count >= most else None

    def forwarded(self, rule: str, number: str, phone: str, at: int | None) -> None:
        """A message goes to this target; ``at`` None: longer ago than counts."""
        self._serial += 1
        self._turns[rule, phone] = self._serial
        if at is not None:
            self._times.setdefault((number, phone), []).append(at)

    # --- replies ------------------------------------------------------------------------------------------------------

    def answer(self, number: str, peer: str, ours: Collection[str], held: Mapping[tuple[str, str], str]) -> str | None:
        """The cause by which this sender gets no automatic reply; None: it gets one, the only one of its burst.

        ``held`` are the pairs that get none just now, as `not_now` finds them.
        """
        if peer in ours:
            return "own_number"
        kind = kind_of(peer)
        if kind != "international":
            return kind
        pair = (number, peer)
        if pair in self._replied:
            return "interval"
        if pair in held:
            return held[pair]
        self._replied.add(pair)
        return None

    def commit(self, now: int) -> None:
        """The transaction is committed: the counts are these from now on."""
        base = self._base
        base.serial = self._serial
        base.turns.update(self._turns)
        for key, times in self._times.items():
            base.times.setdefault(key, deque()).extend(times)
        if len(base.times) > REMEMBERED:
            since = now - HOUR_MS
            base.times = {key: times for key, times in base.times.items() if times and times[-1] > since}
        if len(base.turns) > REMEMBERED:
            # Of targets that are long gone from the configuration: those that had no turn for the longest time.
            newest = sorted(base.turns.items(), key=lambda turn: turn[1])[-REMEMBERED // 2 :]
            base.turns = dict(newest)


def not_now(con: sqlite3.Connection, pairs: Iterable[tuple[str, str]], since: int) -> dict[tuple[str, str], str]:
    """Of pairs (number, peer), those whose peer gets no reply just now, and why.

    It was answered since the id ``since``, or floods us. One statement for a burst, and a bounded number of rows for
    each pair.
    """
    wanted = list(dict.fromkeys(pairs))
    held: dict[tuple[str, str], str] = {}
    for i, found in SELECT_REPLIED.fetch(con, [(i, *pair, since) for i, pair in enumerate(wanted)]):
        if found >= FLOOD:
            held[wanted[i]] = "interval" if found > FLOOD else "flood"
    return held
