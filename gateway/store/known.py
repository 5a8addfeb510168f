"""What is asked of the database before a message can be planned: facts about its peer, of many peers at once.

Each kind of fact is one statement for a burst, whoever asks; nothing is written. What is asked rides in the writer's
burst and is read after all else in it, so that it knows of what was put before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from enum import IntFlag
from typing import Any, ClassVar, Final

from gateway.model import BAD_ENDS
from gateway.policy.room import LASTING, Room
from gateway.store.hot import Values
from gateway.store.peers import known_fields
from gateway.store.tx import Op, Tx

MOST_THREADS: Final = 16
"""Threads of one peer that are looked at, the newest ones: a phone may write to any number of ours."""


class Need(IntFlag):
    """Kinds of facts; those of a request are added up."""

    THREADS = 1
    FIELDS = 2
    TOLD = 4
    ROOM = 8


class Used:
    """What was counted for the quotas of some numbers, the same for all peers of a burst: number, period, start (ms) of
    the period that it was sent in, segments. ``room`` is what is left by that, when somebody has asked."""

    __slots__ = ("numbers", "room", "rows")

    def __init__(self, numbers: frozenset[str], rows: list[tuple[str, str, int, int]]) -> None:
        self.numbers = numbers
        self.rows = rows
        self.room: Room | None = None


class Known:
    """What is known of a peer; what was not asked for is empty.

    ``threads`` are the numbers of ours that it wrote to, the one that it wrote to last first; ``zone`` and ``language``
    are those noted of it; ``told`` are the numbers of ours from which it was told how to stop their marketing; ``used``
    is what the numbers sent of their quotas.
    """

    __slots__ = ("language", "threads", "told", "used", "zone")

    def __init__(self) -> None:
        self.threads: tuple[str, ...] = ()
        self.zone: str | None = None
        self.language: str | None = None
        self.told: set[str] = set()
        self.used: Used | None = None


NOTHING: Final = Known()
"""Of who was not asked about. Nothing is to be noted in it."""

# Each with the id of the last message that came in it.
THREADS_OF: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT t.peer, t.number, t.first_at,"
    " (SELECT max(i.id) FROM inbound i WHERE i.peer = t.peer AND i.number = t.number) FROM v"
    " CROSS JOIN thread t ON t.peer = v.peer AND t.first_at >= coalesce((SELECT n.first_at FROM thread n"
    f" WHERE n.peer = v.peer ORDER BY n.first_at DESC LIMIT 1 OFFSET {MOST_THREADS - 1}), 0)",
    1,
)


def _threads(con: sqlite3.Connection, peers: list[str], known: dict[str, Known]) -> None:
    found: dict[str, list[tuple[int, int, str]]] = {}
    for peer, number, first_at, last in THREADS_OF.fetch(con, [(peer,) for peer in peers]):
        # Without messages, as when they were purged: after those that have some, the one made last first.
        found.setdefault(peer, []).append((last or 0, first_at, number))
    for peer, threads in found.items():
        threads.sort(reverse=True)
        known[peer].threads = tuple([number for _, _, number in threads])


# What waits counts, and what was purged since; what ended without reaching the phone told nobody.
TOLD_OF: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT t.peer, t.number FROM v CROSS JOIN told t ON t.peer = v.peer"
    " LEFT JOIN segment s ON s.message_id = t.message_id AND s.part = 1"
    f" WHERE s.state IS NULL OR s.state NOT IN ({', '.join([str(int(state)) for state in sorted(BAD_ENDS)])})",
    1,
)


def _fields(con: sqlite3.Connection, peers: list[str], known: dict[str, Known]) -> None:
    for peer, noted in known_fields(con, peers).items():
        known[peer].zone, known[peer].language = noted


def _told(con: sqlite3.Connection, peers: list[str], known: dict[str, Known]) -> None:
    for peer, number in TOLD_OF.fetch(con, [(peer,) for peer in peers]):
        known[peer].told.add(number)


USED_OF: Final = Values(
    "WITH v(number) AS (VALUES {values}) SELECT v.number, u.period, u.start, u.segments FROM v"
    f" CROSS JOIN quota_use u ON u.subject = 'number:' || v.number AND u.period IN ({str(LASTING)[1:-1]})",
    1,
)


def _used(con: sqlite3.Connection, numbers: frozenset[str]) -> Used:
    found = USED_OF.fetch(con, [(number,) for number in sorted(numbers)])
    return Used(numbers, [(number, period, start, segments) for number, period, start, segments in found])


Read = Callable[[sqlite3.Connection, list[str], dict[str, Known]], None]
"""Writes one kind of fact of these peers, each of which has its place in the dict."""

READS: Final[dict[Need, Read]] = {Need.THREADS: _threads, Need.FIELDS: _fields, Need.TOLD: _told}


def ask(
    con: sqlite3.Connection, wanted: Iterable[tuple[str, int]], numbers: frozenset[str] = frozenset()
) -> dict[str, Known]:
    """What is known of peers, by peer: of each the kinds of facts that are wanted of it.

    ``numbers`` are those whose room is wanted, of all that want it.
    """
    needs: dict[str, int] = {}
    for peer, need in wanted:
        needs[peer] = needs.get(peer, 0) | need
    known = {peer: Known() for peer in needs}
    for kind, read in READS.items():
        peers = [peer for peer, need in needs.items() if need & kind]
        if peers:
            read(con, peers, known)
    if numbers:
        used = _used(con, numbers)
        for peer, need in needs.items():
            if need & Need.ROOM:
                known[peer].used = used
    return known


class AskOp(Op):
    """Asks for facts: ``wanted`` are peers with the kinds of what is wanted (`Need`), ``numbers`` those whose room is,
    ``known`` is the answer.

    All of one burst share what is known of a peer, so that one who plans a message may note it for the next.
    """

    __slots__ = ("context", "known", "numbers", "octets", "wanted")
    order: ClassVar[int] = 99  # after what the same burst brings, which counts
    name: ClassVar[str] = "ask"

    def __init__(
        self,
        wanted: list[tuple[str, int]],
        octets: int,
        context: Any = None,
        numbers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.wanted = wanted
        self.numbers = numbers
        self.octets = octets
        self.context = context
        self.known: dict[str, Known] = {}

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.wanted), self.octets

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        numbers = frozenset().union(*[op.numbers for op in ops])
        known = ask(tx.con, [one for op in ops for one in op.wanted], numbers)
        for op in ops:
            op.known = known
