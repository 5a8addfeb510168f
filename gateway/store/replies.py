"""What people answered: each inbound message attributed to what we sent last to that peer from that number.

A message of ours counts from when its first segment was accepted (what was scheduled is not answered before), and what
rules sent is not what a person replies to. The report goes through messages in and out in the order of their ids, a
bounded piece at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model import CLASSES, State, id_floor, id_ms
from gateway.store.hot import Row
from gateway.store.last import FORWARD, LOOKED_THROUGH, REPLY

INBOUND_ROWS: Final = 2000
MESSAGE_ROWS: Final = 10_000
"""Messages in and out that one page looks at, at most."""
CANDIDATES: Final = 20
"""The last messages of a pair by when they were submitted, of which the one that was sent last is answered."""
MOST_VALUES: Final = 1000
"""Values that a page tells apart; the others are counted together."""
LONGEST_VALUE: Final = 200
_GONE_OUT: Final = ", ".join(str(int(s)) for s in (State.IN_DOUBT, State.DELIVERED, State.UNDELIVERED))

Key = Callable[[str, int, str | None, str], str | None]
"""What a message counts under, by its app, class, meta and number; None where it has no such value."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the report: messages from ``since`` to ``until`` (ms) with ids above ``after``.

    ``within`` (ms): a message that came later is no reply any more. ``numbers`` None: all; ``app`` None: of all apps.
    """

    since: int
    until: int
    within: int
    after: int = 0
    numbers: frozenset[str] | None = None
    app: str | None = None


class Count(msgspec.Struct):
    """Messages sent, replies to messages, and how long after in all (ms)."""

    sent: int = 0
    replies: int = 0
    waited: int = 0


class Replies(NamedTuple):
    """By value; what is under None has no such value. ``others`` are what was too many to tell apart.

    ``unasked`` came in and answers nothing. ``next``: the id to go on after, or None at the end.
    """

    counts: dict[str | None, Count]
    others: Count
    unasked: int
    next: int | None


def key_of(by: str, campaign_of: Callable[[str], str | None]) -> Key:
    """What ``by`` names: ``app``, ``class``, ``number``, ``campaign``, ``template`` or ``meta.NAME``.

    A campaign is the member of `meta` of that name, else that of the number (``campaign_of``). Raises ValueError for
    another.
    """
    match by:
        case "app":
            return lambda app, klass, meta, number: app
        case "class":
            return lambda app, klass, meta, number: CLASSES[klass]
        case "number":
            return lambda app, klass, meta, number: number
        case "campaign":
            return lambda app, klass, meta, number: _or(_member(meta, "campaign"), campaign_of, number)
        case "template":
            return lambda app, klass, meta, number: _member(meta, "template")
    name = by.removeprefix("meta.")
    if name == by or not name:
        raise ValueError("by is app, class, number, campaign, template or meta.NAME")
    return lambda app, klass, meta, number: _member(meta, name)


def _or(value: str | None, other: Callable[[str], str | None], given: str) -> str | None:
    return value if value is not None else other(given)


def _member(meta: str | None, name: str) -> str | None:
    if meta is None:
        return None
    try:
        value = msgspec.json.decode(meta).get(name)
    except (msgspec.DecodeError, AttributeError):
        return None
    if value is None:
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:LONGEST_VALUE]


# Who answers has it, also where its response never came: then it was sent when it was written.
_SENT: Final = (
    f"(SELECT min(coalesce(s.sent_at, CASE WHEN s.state IN ({_GONE_OUT}) THEN"
    f" coalesce(s.written_at, s.message_id / {id_floor(1)}) END)) FROM segment s WHERE s.message_id = m.id)"
)
_ANSWERED: Final = (
    f"SELECT c.app, c.class, c.meta, c.sent FROM (SELECT m.id, m.app, m.class, m.meta, {_SENT} AS sent FROM"
    " (SELECT * FROM (SELECT id, app, class, meta, number, door FROM message WHERE peer = ? AND id < ?"
    f" ORDER BY id DESC LIMIT {LOOKED_THROUGH}) l WHERE l.number = ?"
    f" AND coalesce(l.door, '') NOT IN ('{FORWARD}', '{REPLY}') ORDER BY l.id DESC LIMIT {CANDIDATES}) m) c"
    " WHERE c.sent <= ? ORDER BY c.sent DESC, c.id DESC LIMIT 1"
)


def replies(con: sqlite3.Connection, asked: Asked, key: Key) -> Replies:
    """One page of the report."""
    low, high = max(asked.after, id_floor(asked.since) - 1), id_floor(asked.until)
    between = (low, high)
    came = con.execute(
        "SELECT id, number, peer FROM inbound WHERE id > ? AND id < ? ORDER BY id LIMIT ?", (*between, INBOUND_ROWS)
    ).fetchall()
    went = con.execute(
        f"SELECT m.id, m.number, m.app, m.class, m.meta, {_SENT}, m.door FROM message m WHERE m.id > ? AND m.id < ?"
        " ORDER BY m.id LIMIT ?",
        (*between, MESSAGE_ROWS),
    ).fetchall()
    # As far as both were read.
    full = [rows[-1][0] for rows, most in ((came, INBOUND_ROWS), (went, MESSAGE_ROWS)) if len(rows) == most]
    end = min(full, default=None)
    tally = _Tally(key)
    for mid, number, app, klass, meta, sent, door in went:
        if end is not None and mid > end:
            break
        if sent is not None and door not in (FORWARD, REPLY) and _of(asked, number) and asked.app in (None, app):
            tally.of((app, klass, meta, number)).sent += 1
    unasked = 0
    for mid, number, peer in came:
        if (end is not None and mid > end) or not _of(asked, number):
            continue
        at = id_ms(mid)
        found = con.execute(_ANSWERED, (peer, mid, number, at)).fetchone()
        if found is None or at - found[3] > asked.within:
            unasked += 1
        elif asked.app in (None, found[0]):
            count = tally.of((*found[:3], number))
            count.replies += 1
            count.waited += at - found[3]
    return Replies(tally.counts, tally.others, unasked, end)


def _of(asked: Asked, number: str) -> bool:
    return asked.numbers is None or number in asked.numbers


class _Tally:
    """Counts by value, of which there may be many."""

    def __init__(self, key: Key) -> None:
        self.counts: dict[str | None, Count] = {}
        self.others = Count()
        self._key = key
        self._known: dict[Row, Count] = {}

    def of(self, message: tuple[Any, ...]) -> Count:
        """The count of a message's value (app, class, meta, number)."""
        known = self._known.get(message)
        if known is None:
            value = self._key(*message)
            if value not in self.counts and len(self.counts) >= MOST_VALUES:
                known = self.others
            else:
                known = self.counts.setdefault(value, Count())
            if len(self._known) < MOST_VALUES:
                self._known[message] = known
        return known
