"""What people agreed to, were asked, and agree to no more, as it is read."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from gateway.store.consents import Asked


class Held(NamedTuple):
    """A row of the list, with what the record says of it."""

    peer: str
    klass: int
    scope: str
    at: int
    how: str
    change_id: int
    who: str | None
    opt_in: str | None
    version: str | None
    wording: str | None
    number: str | None
    message_id: int | None
    text: str | None


class Change(NamedTuple):
    """A row of the record."""

    id: int
    peer: str
    klass: int
    scope: str
    change: str
    at: int
    how: str
    who: str | None
    opt_in: str | None
    version: str | None
    wording: str | None
    number: str | None
    message_id: int | None
    text: str | None


_HELD: Final = (
    "SELECT c.peer, c.class, c.scope, c.at, c.how, c.change_id, r.who, r.opt_in, w.version, w.text, r.number,"
    " r.message_id, r.text FROM consent c LEFT JOIN consent_change r ON r.id = c.change_id"
    " LEFT JOIN consent_wording w ON w.key = r.wording"
)


def held_by(con: sqlite3.Connection, peer: str) -> list[Held]:
    """What a peer agreed to."""
    return [Held(*row) for row in con.execute(f"{_HELD} WHERE c.peer = ? ORDER BY c.class, c.scope", (peer,))]


def listed(con: sqlite3.Connection, after: tuple[str, int, str], limit: int) -> list[Held]:
    """A page of all, in the order of peer, class and scope, from behind ``after``."""
    rows = con.execute(
        f"{_HELD} WHERE (c.peer, c.class, c.scope) > (?, ?, ?) ORDER BY c.peer, c.class, c.scope LIMIT ?",
        (*after, limit),
    )
    return [Held(*row) for row in rows]


def asked_of(con: sqlite3.Connection, peer: str, now: int) -> list[Asked]:
    """What a peer was asked, and may still reply YES to."""
    rows = con.execute(
        "SELECT peer, number, opt_in, at, until, classes, scope, wording FROM consent_asked WHERE peer = ?"
        " AND until > ? ORDER BY number, opt_in",
        (peer, now),
    )
    return [Asked.of(row) for row in rows]


def record(
    con: sqlite3.Connection, *, peer: str | None = None, low: int = 0, high: int = 1 << 62, limit: int
) -> list[Change]:
    """Changes of a peer, or of all, whose ids are from ``low`` to below ``high``, the newest first."""
    where, given = ("r.peer = ? AND ", [peer]) if peer is not None else ("", [])
    rows = con.execute(
        "SELECT r.id, r.peer, r.class, r.scope, r.change, r.at, r.how, r.who, r.opt_in, w.version, w.text, r.number,"
        " r.message_id, r.text FROM consent_change r LEFT JOIN consent_wording w ON w.key = r.wording"
        f" WHERE {where}r.id >= ? AND r.id < ? ORDER BY r.id DESC LIMIT ?",
        (*given, low, high, limit),
    )
    return [Change(*row) for row in rows]
