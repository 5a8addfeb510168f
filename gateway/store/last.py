"""The last message that an application had us send to a peer: what a reply is probably about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model import CLASSES, id_ms
from gateway.store.hot import Values
from gateway.store.optedout import PASSES

FORWARD: Final = "forward"
REPLY: Final = "reply"
"""Doors of messages that follow from inbound ones. They answer for nobody, and are not what a person replies to."""

LOOKED_THROUGH: Final = 200
"""Messages to a peer, the newest first, among which that of a number is looked for: a bound on the rows read."""

SELECT_LAST: Final = Values(
    "WITH v(i, number, peer) AS (VALUES {values}) SELECT v.i, m.id, m.app, m.class, m.meta, m.ref FROM v"
    " CROSS JOIN message m ON m.id = (SELECT l.id FROM (SELECT id, number, door FROM message WHERE peer = v.peer"
    f" ORDER BY id DESC LIMIT {LOOKED_THROUGH}) l WHERE l.number = v.number"
    f" AND coalesce(l.door, '') NOT IN ('{FORWARD}', '{REPLY}', '{PASSES}') ORDER BY l.id DESC LIMIT 1)",
    3,
)


SELECT_FORWARDED: Final = Values(
    "WITH v(i, number, peer) AS (VALUES {values}) SELECT v.i, m.id, m.meta FROM v CROSS JOIN message m ON m.id IN"
    " (SELECT l.id FROM (SELECT id, number, door FROM message WHERE peer = v.peer ORDER BY id DESC"
    f" LIMIT {LOOKED_THROUGH}) l WHERE l.number = v.number AND l.door = '{FORWARD}') ORDER BY m.id",
    3,
)


class LastSent(NamedTuple):
    """A message of ours: ``id`` as it is stored, ``klass`` a word of `CLASSES`, ``at`` in ms since 1970."""

    id: int
    app: str
    klass: str
    meta: dict[str, Any]
    ref: str | None
    at: int


def last_sent(con: sqlite3.Connection, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LastSent]:
    """The last message of each pair (number, peer) that has one; one statement for all pairs of a burst."""
    wanted = list(dict.fromkeys(pairs))
    found: dict[tuple[str, str], LastSent] = {}
    for i, mid, app, klass, meta, ref in SELECT_LAST.fetch(con, [(i, *pair) for i, pair in enumerate(wanted)]):
        found[wanted[i]] = LastSent(mid, app, CLASSES[klass], _object(meta), ref, id_ms(mid))
    return found


def forwarded(con: sqlite3.Connection, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Of whom messages were forwarded from the number to the peer of each pair: (phone, ms since 1970), in order."""
    wanted = list(dict.fromkeys(pairs))
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for i, mid, meta in SELECT_FORWARDED.fetch(con, [(i, *pair) for i, pair in enumerate(wanted)]):
        if isinstance(peer := _object(meta).get("peer"), str):
            found[wanted[i]] = (*found.get(wanted[i], ()), (peer, id_ms(mid)))
    return found


def _object(meta: str | None) -> dict[str, Any]:
    if meta is None:
        return {}
    try:
        value = msgspec.json.decode(meta)
    except msgspec.DecodeError:
        return {}  # a damaged row says nothing of whom the person answers
    return value if isinstance(value, dict) else {}
