"""Who opts out, and who opts in again: changed with all that follows from it, recorded, and read.

A change, the record of it, the ends of what waits for that person and the events that tell of it are one transaction.
After it nothing that is covered is queued, nor comes to be (`gateway.store.optedout`). What is claimed and not written
is taken back in memory, which is told by ``tx.stopped`` before anything else of the burst is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Final, Literal, NamedTuple

import msgspec

from gateway.store.consents import ConsentChanges, Source
from gateway.store.ends import rfc3339
from gateway.store.forgotten import key_of, name_of, with_names
from gateway.store.hot import Row, Values
from gateway.store.optedout import ENTERED, OPTED_OUT, PASSES, is_entered
from gateway.store.tx import Op, Stopped, Tx
from gateway.store.unsent import end_unsent, unsent

How = Literal["keyword", "near", "operator", "import"]
"""By whom: a keyword of theirs, something near one, or somebody for them. What an operator did, no keyword undoes.

Where the person said it and somebody entered it too, what is stored is ``operator+`` and how the person did: each is
undone by itself, so that an app that takes back what it entered does not take back a STOP.
"""
SELECT_HELD: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT o.peer, o.scope, o.how, o.at, o.message_id, o.keyword FROM v"
    " CROSS JOIN optout o ON o.peer = v.peer",
    1,
)
PUT_OPTOUT: Final = Values(
    "INSERT INTO optout (peer, scope, at, how, message_id, keyword) VALUES {values} ON CONFLICT (peer, scope)"
    " DO UPDATE SET at = excluded.at, how = excluded.how, message_id = excluded.message_id, keyword = excluded.keyword",
    6,
)
DELETE_OPTOUT: Final = Values(
    "WITH v(peer, scope) AS (VALUES {values}) DELETE FROM optout WHERE (peer, scope) IN (SELECT peer, scope FROM v)", 2
)
INSERT_CHANGE: Final = Values(
    "INSERT INTO optout_change (id, peer, scope, change, how, who, number, message_id, keyword, text) VALUES {values}",
    10,
)


class OptOutEvent(msgspec.Struct):
    """Payload of an ``optout``, ``optin`` or ``optout_suspected`` event.

    ``id`` and ``number`` are those of the message by which it came, null where somebody did it in their place, and
    ``text`` is that of the message. ``scopes`` are those that changed; of a suspicion none.
    """

    at: str
    id: str | None
    number: str | None
    peer: str
    how: str
    scopes: tuple[str, ...]
    keyword: str | None
    text: str | None
    who: str | msgspec.UnsetType = msgspec.UNSET


_encoder: Final = msgspec.json.Encoder()


# --- changed ----------------------------------------------------------------------------------------------------------


class Cause(NamedTuple):
    """What a change goes back to: how it came, and the message or whoever asked for it."""

    how: How
    who: str | None = None
    number: str | None = None
    message_id: int | None = None
    keyword: str | None = None
    text: str | None = None
    at: int | None = None  # ms, when it was, where it is told later


def _said(how: str) -> str:
    """How the person said it, empty where somebody entered it alone."""
    return how.removeprefix(ENTERED).lstrip("+")


def _both(one: str, other: str) -> str:
    """How it is where both hold; what the person said first is what they said."""
    said = _said(one) or _said(other)
    if not (is_entered(one) or is_entered(other)):
        return said
    return f"{ENTERED}+{said}" if said else ENTERED


class _Out(NamedTuple):
    """What is stored of a peer in a scope."""

    how: str
    at: int
    message_id: int | None
    keyword: str | None


def _merged(rows: Iterable[Row]) -> dict[tuple[str, str], _Out]:
    """Rows of `SELECT_HELD` by peer and scope: one may be under the phone, and another one under its name."""
    found: dict[tuple[str, str], _Out] = {}
    for peer, scope, *row in rows:
        one, other = _Out(*row), found.get((peer, scope))
        found[peer, scope] = one if other is None else other._replace(how=_both(other.how, one.how))
    return found


class Changes:
    """Changes of opt-outs in one transaction, in their order; `write` ends it."""

    def __init__(self, tx: Tx, peers: Iterable[str]) -> None:
        self._tx = tx
        self._held: dict[str, dict[str, _Out]] = {peer: {} for peer in peers}
        self.consents = ConsentChanges(tx, self._held)
        for (peer, scope), one in _merged(with_names(tx.con, tx.forgotten, SELECT_HELD, self._held)).items():
            self._held[peer][scope] = one
        self._changed: dict[tuple[str, str], None] = {}
        self._records: list[Row] = []
        self._stopped: dict[str, set[str]] = {}

    def held(self, peer: str) -> Collection[str]:
        """The scopes that a peer opted out of."""
        return self._held[peer].keys()

    def entered(self, peer: str, scopes: Iterable[str]) -> bool:
        """Whether somebody entered one of these scopes in the peer's place."""
        held = self._held[peer]
        return any(is_entered(held[scope].how) for scope in scopes if scope in held)

    def out(self, peer: str, scopes: Collection[str], cause: Cause, *, tell: bool = True) -> tuple[str, ...]:
        """A peer opts out; returns the scopes of which that is news. What it agreed to there ends in any case."""
        held = self._held[peer]
        new = tuple(scope for scope in scopes if scope not in held)
        for scope in scopes:
            before = held.get(scope)
            if before is None:
                after = _Out(cause.how, cause.at or self._tx.now, cause.message_id, cause.keyword)
            elif (how := _both(before.how, cause.how)) == before.how:
                continue
            elif cause.how == ENTERED:
                after = before._replace(how=how)
            else:  # kept for when the entry is undone; that they are out is no news
                self._set(peer, scope, _Out(how, before.at, cause.message_id, cause.keyword))
                continue
            self._set(peer, scope, after)
            self._record("optout", peer, scope, cause)
        if new:
            self._stopped.setdefault(peer, set()).update(new)
            self._tell("optout", peer, new, cause, tell)
        touched = self._tx.optouts.terms(cause.number).lifts if cause.number is not None else ()
        source = Source(cause.how, cause.who, cause.number, cause.message_id, cause.text, cause.at)
        self.consents.stopped(peer, scopes, touched, source, tell)
        return new

    def back(self, peer: str, scopes: Iterable[str], cause: Cause, *, tell: bool = True) -> tuple[str, ...]:
        """A peer opts in again; returns the scopes that held until now. What somebody entered only they undo."""
        held = self._held[peer]
        gone = []
        for scope in scopes:
            before = held.get(scope)
            if before is None or before.how == ENTERED != cause.how:
                continue
            if is_entered(before.how) and cause.how != ENTERED:
                self._set(peer, scope, _Out(ENTERED, before.at, None, None))
                continue
            self._set(peer, scope, None)
            gone.append(scope)
            self._record("optin", peer, scope, cause)
        if gone:
            self._tell("optin", peer, tuple(gone), cause, tell)
        return tuple(gone)

    def take_back(self, peer: str, scope: str, cause: Cause, *, tell: bool = True) -> bool:
        """Undoes what somebody entered, and nothing that the peer said; returns whether there was such."""
        before = self._held[peer].get(scope)
        if before is None or not is_entered(before.how):
            return False
        if not (said := _said(before.how)):
            return bool(self.back(peer, (scope,), cause, tell=tell))
        self._set(peer, scope, before._replace(how=said))
        self._record("optin", peer, scope, cause)
        return True

    def _set(self, peer: str, scope: str, row: _Out | None) -> None:
        self._changed[peer, scope] = None
        if row is None:
            del self._held[peer][scope]
        else:
            self._held[peer][scope] = row

    def suspect(self, peer: str, cause: Cause) -> None:
        """Something near a STOP came: told, and nothing is changed."""
        self._tell("optout_suspected", peer, (), cause, True)

    def write(self) -> None:
        """Writes them, and ends what waits for those who opted out."""
        con, changed = self._tx.con, list(self._changed)
        after = [(peer, scope, self._held[peer].get(scope)) for peer, scope in changed]
        DELETE_OPTOUT.run(con, [(peer, scope) for peer, scope, row in after if row is None])
        if (key := self._tx.forgotten) is not None:
            DELETE_OPTOUT.run(con, [(name_of(key, peer), scope) for peer, scope in changed])
        PUT_OPTOUT.run(
            con,
            [
                (peer, scope, row.at, row.how, row.message_id, row.keyword)
                for peer, scope, row in after
                if row is not None
            ],
        )
        INSERT_CHANGE.run(con, self._records)
        if self._stopped:
            _sweep(self._tx, self._stopped)
        self.consents.write()

    def _record(self, change: str, peer: str, scope: str, cause: Cause) -> None:
        tx = self._tx
        tx.count(f"{change}:{cause.how}")
        self._records.append(
            (tx.ids.next(), peer, scope, change, cause.how, cause.who, cause.number, cause.message_id, cause.keyword,
             cause.text)
        )  # fmt: skip

    def _tell(self, kind: str, peer: str, scopes: tuple[str, ...], cause: Cause, tell: bool) -> None:
        if kind == "optout_suspected":
            self._tx.count(kind)
        if not tell:
            return
        tx = self._tx
        streams = tx.streams.for_optout(kind, cause.number, scopes, tx.optouts.numbers_in)
        if streams:
            event = OptOutEvent(
                at=rfc3339(tx.now),
                id=tx.id_text.format(cause.message_id) if cause.message_id is not None else None,
                number=cause.number,
                peer=peer,
                how=cause.how,
                scopes=scopes,
                keyword=cause.keyword,
                text=cause.text,
                who=cause.who or msgspec.UNSET,
            )
            tx.emit(streams, kind, cause.message_id or 0, _encoder.encode(event))


def _sweep(tx: Tx, stopped: Mapping[str, set[str]]) -> int:
    """Ends what waits for these peers in these scopes: queued, scheduled, or for another attempt; returns how many.

    What is in doubt, and was to be sent once more, is held instead: its first attempt may have been taken.
    """
    scopes_of = tx.optouts.scopes
    found = [
        one
        for one in unsent(tx.con, stopped)
        if one.door != PASSES and not stopped[one.peer].isdisjoint(scopes_of(one.app, one.number))
    ]
    ended = end_unsent(tx, found, OPTED_OUT)
    tx.count("optout_ended", ended)
    tx.stopped += [Stopped(peer, frozenset(scopes)) for peer, scopes in stopped.items()]
    return ended


class OptOutChange(NamedTuple):
    """What an operator or an app asks for: a peer, a scope, and whether they are out of it from now on."""

    peer: str
    scope: str
    out: bool
    text: str | None = None
    at: int | None = None  # ms, when it was where it comes from
    entered: bool = False  # to undo only what was entered so, and nothing that the person said


class OptOutOp(Op):
    """Changes that somebody asks for in the place of a person. ``changed`` says of each whether it was news."""

    __slots__ = ("changed", "changes", "how", "tell", "who")
    order: ClassVar[int] = 69  # before what came in with it: who is entered now and writes START meanwhile is back
    name: ClassVar[str] = "optout"

    def __init__(self, changes: list[OptOutChange], *, how: How, who: str, tell: bool = True) -> None:
        super().__init__()
        self.changes = changes
        self.how: How = how
        self.who = who
        self.tell = tell
        self.changed: list[bool] = []

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.changes), 200 * len(self.changes)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        changes = Changes(tx, {c.peer: None for op in ops for c in op.changes})
        for op in ops:
            op.changed = []
            for c in op.changes:
                cause = Cause(op.how, op.who, text=c.text, at=c.at)
                if c.entered and not c.out:
                    op.changed.append(changes.take_back(c.peer, c.scope, cause, tell=op.tell))
                    continue
                change = changes.out if c.out else changes.back
                op.changed.append(bool(change(c.peer, (c.scope,), cause, tell=op.tell)))
        changes.write()


class RescopeOp(Op):
    """What waits for these peers ends where they opted out of it by the settings of now; ``ended`` is how many did."""

    __slots__ = ("ended", "peers")
    order: ClassVar[int] = 72
    name: ClassVar[str] = "rescope"

    def __init__(self, peers: list[str]) -> None:
        super().__init__()
        self.peers = peers
        self.ended = 0

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.peers), 50 * len(self.peers)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            held: dict[str, set[str]] = {}
            for peer, scope, *_ in with_names(tx.con, tx.forgotten, SELECT_HELD, op.peers):
                held.setdefault(peer, set()).add(scope)
            op.ended = _sweep(tx, held) if held else 0


# --- read -------------------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """A row of the list."""

    peer: str
    scope: str
    at: int
    how: str
    message_id: int | None
    keyword: str | None


class Change(NamedTuple):
    """A row of the record."""

    id: int
    peer: str
    scope: str
    change: str
    how: str
    who: str | None
    number: str | None
    message_id: int | None
    keyword: str | None
    text: str | None


def held_by(con: sqlite3.Connection, peer: str) -> list[Held]:
    """What a peer opted out of."""
    found = dict(sorted(_merged(with_names(con, key_of(con), SELECT_HELD, [peer])).items()))
    return [
        Held(peer, scope, one.at, one.how, one.message_id, one.keyword) for (_, scope), one in sorted(found.items())
    ]


def listed(con: sqlite3.Connection, after: tuple[str, str], limit: int) -> list[Held]:
    """A page of all, in the order of peer and scope, from behind ``after``."""
    rows = con.execute(
        "SELECT peer, scope, at, how, message_id, keyword FROM optout WHERE (peer, scope) > (?, ?)"
        " ORDER BY peer, scope LIMIT ?",
        (*after, limit),
    )
    return [Held(*row) for row in rows]


def record(
    con: sqlite3.Connection, *, peer: str | None = None, low: int = 0, high: int = 1 << 62, limit: int
) -> list[Change]:
    """Changes of a peer, or of all, whose ids are from ``low`` to below ``high``, the newest first."""
    where, given = ("peer = ? AND ", [peer]) if peer is not None else ("", [])
    rows = con.execute(
        "SELECT id, peer, scope, change, how, who, number, message_id, keyword, text FROM optout_change"
        f" WHERE {where}id >= ? AND id < ? ORDER BY id DESC LIMIT ?",
        (*given, low, high, limit),
    )
    return [Change(*row) for row in rows]
