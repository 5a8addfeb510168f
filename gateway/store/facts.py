"""What rules ask of the database about a message: who wrote, what went before, how much of it.

Asked for once for all messages of a burst, and only where a rule needs it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gateway.model import id_floor
from gateway.policy.decision import Decision, Facts, Last, Needs
from gateway.policy.optout import OptOuts
from gateway.settings.own import OWN_APP
from gateway.store.addressbook import lists_of
from gateway.store.hot import Values
from gateway.store.last import LastSent, forwarded, last_sent
from gateway.store.optedout import opted_out, out_after

if TYPE_CHECKING:
    from gateway.store.arrivals import Message
    from gateway.store.tx import Tx

Pair = tuple[str, str]
"""Number and peer."""
MOST_COUNTED: Final = 1000
"""Messages of a sender in a span that are counted; more count as so many."""

SELECT_COUNT: Final = Values(
    "WITH v(i, number, peer, since) AS (VALUES {values}) SELECT v.i, (SELECT count(*) FROM (SELECT 1 FROM inbound b"
    f" WHERE b.peer = v.peer AND b.id >= v.since AND b.number = v.number LIMIT {MOST_COUNTED})) FROM v",
    4,
)
_NO_LISTS: Final[frozenset[str]] = frozenset()


class RuleBook(Protocol):
    """The rules of a configuration: facts in, a decision out. Asked in the writer's thread."""

    def concerns(self, number: str) -> bool:
        """Whether a message to this number can be decided by any rule."""
        ...

    def needs(self, number: str) -> Needs:
        """Which facts of the database the rules for this number look at."""
        ...

    def decide(self, facts: Facts) -> Decision:
        """What is to become of a message."""
        ...


def facts_now(
    con: sqlite3.Connection, book: RuleBook, number: str, peer: str, text: str | None, at: int, optouts: OptOuts
) -> Facts:
    """What the rules would be told of such a message if it came at ``at`` (ms); for who only wants to know.

    ``opted_out`` is told in any case, and as it would be once the message is heeded, which is before rules are asked.
    """
    known = con.execute(
        "SELECT EXISTS (SELECT 1 FROM peer WHERE address = ?) OR EXISTS (SELECT 1 FROM message WHERE peer = ?)",
        (peer, peer),
    ).fetchone()[0]
    pair = (number, peer)
    found = _asked(con, book, [pair], at, optouts)
    facts = _fact(found, number, peer, text, at, complete=True, known=bool(known))
    return facts._replace(opted_out=out_after(con, optouts, number, peer, text))


def facts_of(tx: Tx, book: RuleBook, messages: list[Message], strangers: Collection[str]) -> list[Facts]:
    """Those of the messages of a burst, in their order. ``strangers``: the peers who were not known before it."""
    found = _asked(tx.con, book, [(m.number, m.peer) for m in messages], tx.now, tx.optouts)
    new = set(strangers)
    facts: list[Facts] = []
    for m in messages:
        facts.append(_fact(found, m.number, m.peer, m.text, tx.now, complete=m.complete, known=m.peer not in new))
        # What came before in the same burst counts too.
        new.discard(m.peer)
        for span in found.needs[m.number].spans:
            found.counts[(m.number, m.peer), span] += 1
    return facts


class _Asked(NamedTuple):
    """What the database was asked for pairs (number, peer): our last messages, and counts by pair and span (s).

    ``needs`` are by number; ``lists`` are those of peers, by the phone; ``forwarded`` of whom messages went on to the
    peer; ``out`` are the pairs whose peer opted out.
    """

    needs: dict[str, Needs]
    last: dict[Pair, LastSent]
    counts: dict[tuple[Pair, int], int]
    lists: dict[str, frozenset[str]]
    forwarded: dict[Pair, tuple[tuple[str, int], ...]]
    out: set[Pair]


def _asked(con: sqlite3.Connection, book: RuleBook, pairs: Iterable[Pair], now: int, optouts: OptOuts) -> _Asked:
    needs: dict[str, Needs] = {}
    wanted: list[Pair] = []
    spans: list[tuple[Pair, int]] = []
    listed: dict[str, None] = {}
    relayed: list[Pair] = []
    asked: list[Pair] = []
    for pair in dict.fromkeys(pairs):
        need = needs.get(pair[0])
        if need is None:
            need = needs[pair[0]] = book.needs(pair[0])
        if need.last:
            wanted.append(pair)
        spans += [(pair, span) for span in need.spans]
        if need.lists:
            listed[pair[1]] = None
        if need.forwarded:
            relayed.append(pair)
        if need.opted_out:
            asked.append(pair)
    rows = [(i, *pair, id_floor(now - span * 1000)) for i, (pair, span) in enumerate(spans)]
    counts = {spans[i]: count for i, count in SELECT_COUNT.fetch(con, rows)}
    lists = lists_of(con, listed) if listed else {}
    out = opted_out(con, optouts, OWN_APP, asked)
    return _Asked(needs, last_sent(con, wanted), counts, lists, forwarded(con, relayed) if relayed else {}, out)


def _fact(found: _Asked, number: str, peer: str, text: str | None, at: int, *, complete: bool, known: bool) -> Facts:
    pair = (number, peer)
    last = found.last.get(pair)
    return Facts(
        number,
        peer,
        text,
        at,
        complete=complete,
        known=known,
        last=None if last is None else Last(last.app, last.klass, last.meta, last.at),
        counts={span: found.counts[pair, span] for span in found.needs[number].spans},
        lists=found.lists.get(peer, _NO_LISTS),
        forwarded=found.forwarded.get(pair, ()),
        opted_out=pair in found.out,
    )
