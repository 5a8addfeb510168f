"""Who agreed to what: given and withdrawn with all that follows from it, and recorded.

A change, the record of it, the ends of what waits and was agreed to no more, and the events that tell of it are one
transaction, as for opt-outs (`gateway.store.optouts`). A STOP withdraws what it is for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from gateway.model import CLASSES
from gateway.policy.consent import NO_CONSENT, wording
from gateway.settings.consent import OptIn
from gateway.settings.own import OWN_APP
from gateway.store.consented import ASKS
from gateway.store.ends import rfc3339
from gateway.store.hot import Row, Values
from gateway.store.tx import Stopped
from gateway.store.unsent import Unsent, end_unsent, unsent

if TYPE_CHECKING:
    from gateway.store.tx import Tx

How = Literal["keyword", "near", "web", "paper", "verbal", "api", "operator", "import"]
"""By what it came: a word of theirs, or what somebody recorded: as it says, or by who that was."""
Outcome = Literal["new", "same", "opted_out", "withdrawn"]
"""Whether a change was one; ``opted_out``: the person wanted no messages any more after that consent; ``withdrawn``:
it agreed no more."""

SELECT_HELD: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT c.peer, c.class, c.scope, c.at FROM v"
    " CROSS JOIN consent c ON c.peer = v.peer",
    1,
)
PUT_CONSENT: Final = Values(
    "INSERT INTO consent (peer, class, scope, at, how, change_id) VALUES {values} ON CONFLICT (peer, class, scope)"
    " DO UPDATE SET at = excluded.at, how = excluded.how, change_id = excluded.change_id",
    6,
)
DELETE_CONSENT: Final = Values(
    "WITH v(peer, class, scope) AS (VALUES {values}) DELETE FROM consent WHERE (peer, class, scope) IN"
    " (SELECT peer, class, scope FROM v)",
    3,
)
INSERT_CONSENT_CHANGE: Final = Values(
    "INSERT INTO consent_change (id, peer, class, scope, change, at, how, who, opt_in, wording, number, message_id,"
    " text) VALUES {values}",
    13,
)
PUT_WORDING: Final = Values(
    "INSERT INTO consent_wording (key, version, text) VALUES {values} ON CONFLICT DO NOTHING", 3
)
SELECT_ASKED: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT a.peer, a.number, a.opt_in, a.at, a.until, a.classes, a.scope, a.wording"
    " FROM v CROSS JOIN consent_asked a ON a.peer = v.peer",
    1,
)
PUT_ASKED: Final = Values(
    "INSERT INTO consent_asked (peer, number, opt_in, at, until, classes, scope, wording) VALUES {values}"
    " ON CONFLICT (peer, number, opt_in) DO UPDATE SET at = excluded.at, until = excluded.until,"
    " classes = excluded.classes, scope = excluded.scope, wording = excluded.wording",
    8,
)
DELETE_ASKED: Final = Values(
    "WITH v(peer, number, opt_in) AS (VALUES {values}) DELETE FROM consent_asked WHERE (peer, number, opt_in) IN"
    " (SELECT peer, number, opt_in FROM v)",
    3,
)
FORGET_ASKED: Final = (
    "DELETE FROM consent_asked WHERE (peer, number, opt_in) IN"
    " (SELECT peer, number, opt_in FROM consent_asked WHERE until < ? LIMIT ?)"
)
FORGOTTEN: Final = 100
"""Of those who never answered, how many are forgotten at most when others are asked."""
Key = tuple[int, str]
"""Class and scope."""


class ConsentEvent(msgspec.Struct):
    """Payload of a ``consent`` event.

    ``id`` and ``number`` are those of the message by which it came, null where somebody recorded it; ``text`` is that
    of the message, or a note.
    """

    at: str
    id: str | None
    number: str | None
    peer: str
    change: Literal["granted", "withdrawn"]
    classes: tuple[str, ...]
    scopes: tuple[str, ...]
    how: str
    opt_in: str | None
    version: str | None
    text: str | None
    who: str | msgspec.UnsetType = msgspec.UNSET


_encoder: Final = msgspec.json.Encoder()


class Wording(NamedTuple):
    """What somebody agreed to, in which version of the text."""

    text: str
    version: str | None = None

    @property
    def key(self) -> bytes:
        """By which it is stored, once for all."""
        return wording(self.text, self.version)


class Source(NamedTuple):
    """What a change of consent goes back to; ``at`` (ms) where it was earlier than it is recorded."""

    how: How
    who: str | None = None
    number: str | None = None
    message_id: int | None = None
    text: str | None = None
    at: int | None = None
    opt_in: str | None = None
    wording: Wording | None = None
    key: bytes | None = None  # of a wording that is stored already


class Asked(NamedTuple):
    """Somebody who was asked, by which opt-in, from which number; until when (ms) a YES counts, and for what."""

    peer: str
    number: str
    opt_in: str
    at: int
    until: int
    classes: tuple[int, ...]
    scope: str
    wording: bytes

    @classmethod
    def of(cls, row: Row) -> Asked:
        """Of its stored row."""
        peer, number, opt_in, at, until, classes, scope, key = row
        return cls(peer, number, opt_in, at, until, tuple(msgspec.json.decode(classes)), scope, key)


class ConsentChanges:
    """Changes of consents in one transaction, in their order; `write` ends it. Nothing is read before it is needed."""

    def __init__(self, tx: Tx, peers: Iterable[str]) -> None:
        self._tx = tx
        self._peers = list(dict.fromkeys(peers))
        self._known: dict[str, dict[Key, int]] | None = None
        self._waiting: dict[str, dict[tuple[str, str], Asked]] | None = None
        self._put: dict[tuple[str, int, str], Row] = {}
        self._gone: dict[tuple[str, int, str], None] = {}
        self._ask: dict[tuple[str, str, str], Asked] = {}
        self._asked_gone: dict[tuple[str, str, str], None] = {}
        self._records: list[Row] = []
        self._wordings: dict[bytes, Wording] = {}
        self._withdrawn: dict[str, set[Key]] = {}

    @property
    def _held(self) -> dict[str, dict[Key, int]]:
        if self._known is None:
            self._known = {peer: {} for peer in self._peers}
            for peer, klass, scope, at in SELECT_HELD.fetch(self._tx.con, [(peer,) for peer in self._peers]):
                self._known[peer][klass, scope] = at
        return self._known

    @property
    def _pending(self) -> dict[str, dict[tuple[str, str], Asked]]:
        if self._waiting is None:
            self._waiting = {peer: {} for peer in self._peers}
            for row in SELECT_ASKED.fetch(self._tx.con, [(peer,) for peer in self._peers]):
                asked = Asked.of(row)
                self._waiting[asked.peer][asked.number, asked.opt_in] = asked
        return self._waiting

    # --- asked, and answered ------------------------------------------------------------------------------------------

    def agreed(self, peer: str, classes: Iterable[int], scope: str) -> bool:
        """Whether a peer agreed to all of these classes in a scope, or in one that it is within."""
        held, within = self._held[peer], self._tx.consents.within
        return all(any(of == klass and within(scope, (where,)) for of, where in held) for klass in classes)

    def pending(self, peer: str, number: str) -> list[Asked]:
        """What a peer was asked from a number, and may reply YES to, the newest first."""
        now = self._tx.now
        found = [one for (asked_from, _), one in self._pending[peer].items() if asked_from == number]
        # Of two in the same ms always the same one is the newest, also after a restart.
        return sorted([one for one in found if one.until > now], key=lambda one: (one.at, one.opt_in), reverse=True)

    @staticmethod
    def classes_of(opt_in: OptIn) -> tuple[int, ...]:
        """The classes of an opt-in by their numbers."""
        return tuple(CLASSES.index(word) for word in opt_in.classes)

    def ask(self, peer: str, number: str, opt_in: OptIn, source: Source) -> Asked:
        """A peer is asked from a number. The message that asks is for who calls this."""
        tx = self._tx
        said = Wording(opt_in.ask, opt_in.version)
        classes = self.classes_of(opt_in)
        scope = tx.consents.scope_of(opt_in, number)
        until = tx.now + int(opt_in.within * 1000)
        asked = Asked(peer, number, opt_in.name, tx.now, until, classes, scope, said.key)
        self._pending[peer][number, opt_in.name] = asked
        self._ask[peer, number, opt_in.name] = asked
        self._asked_gone.pop((peer, number, opt_in.name), None)
        source = source._replace(opt_in=opt_in.name, wording=said, number=number)
        for klass in classes:
            self._record("asked", peer, klass, scope, source)
        return asked

    def answered(self, asked: Asked, opt_in: OptIn, source: Source) -> None:
        """They replied YES, to what they were asked: it may read otherwise by now."""
        self._forget(asked)
        said = Wording(opt_in.ask, opt_in.version)
        now = said if said.key == asked.wording else None
        source = source._replace(opt_in=opt_in.name, number=asked.number, wording=now, key=asked.wording)
        self.grant(asked.peer, asked.classes, asked.scope, source)

    def _forget(self, asked: Asked) -> None:
        key = (asked.peer, asked.number, asked.opt_in)
        del self._pending[asked.peer][key[1:]]
        self._ask.pop(key, None)
        self._asked_gone[key] = None

    # --- given, and withdrawn -----------------------------------------------------------------------------------------

    def grant(self, peer: str, classes: Sequence[int], scope: str, source: Source, *, tell: bool = True) -> Outcome:
        """A peer agrees to messages of these classes in a scope. What it agreed to before is recorded once more."""
        held = self._held[peer]
        at = self._tx.now if source.at is None else source.at
        new = []
        for klass in classes:
            before = held.get((klass, scope))
            known = source.how == "import" if source.at is None else before is not None and at <= before
            if before is not None and known:
                continue  # said at an earlier time, or in a list
            if before is None:
                new.append(klass)
            held[klass, scope] = at
            self._gone.pop((peer, klass, scope), None)
            record = self._record("granted", peer, klass, scope, source)
            self._put[peer, klass, scope] = (peer, klass, scope, at, source.how, record)
        if new:
            self._tell("granted", peer, new, (scope,), source, tell)
        return "new" if new else "same"

    def withdraw(
        self, peer: str, classes: Collection[int], scopes: Collection[str] | None, source: Source, *, tell: bool = True
    ) -> Outcome:
        """A peer agrees no more to these classes in these scopes (None: in any), nor to what is within one of them."""
        within = self._tx.consents.within
        gone = [
            (klass, scope)
            for klass, scope in self._held[peer]
            if klass in classes and (scopes is None or within(scope, scopes))
        ]
        for asked in list(self._pending[peer].values()):
            if not set(asked.classes).isdisjoint(classes) and (scopes is None or within(asked.scope, scopes)):
                self._forget(asked)
        return self._withdraw(peer, gone, source, tell)

    def stopped(self, peer: str, scopes: Collection[str], touched: Collection[str], source: Source, tell: bool) -> None:
        """A peer opted out of scopes: what it agreed to within them ends, and what reaches beyond and was ``touched``.

        So does what it was asked from the number that it wrote to.
        """
        within = self._tx.consents.within
        ends = [key for key in self._held[peer] if key[1] in touched or within(key[1], scopes)]
        for asked in list(self._pending[peer].values()):
            if asked.number == source.number or asked.scope in touched or within(asked.scope, scopes):
                self._forget(asked)
        self._withdraw(peer, ends, source, tell)

    def _withdraw(self, peer: str, gone: list[Key], source: Source, tell: bool) -> Outcome:
        for klass, scope in gone:
            del self._held[peer][klass, scope]
            self._put.pop((peer, klass, scope), None)
            self._gone[peer, klass, scope] = None
            self._record("withdrawn", peer, klass, scope, source)
        if not gone:
            return "same"
        self._withdrawn.setdefault(peer, set()).update(gone)
        classes, scopes = sorted({klass for klass, _ in gone}), tuple(sorted({scope for _, scope in gone}))
        self._tell("withdrawn", peer, classes, scopes, source, tell)
        return "new"

    # --- written ------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Writes them, and ends what waits and was agreed to no more."""
        con = self._tx.con
        DELETE_CONSENT.run(con, list(self._gone))
        PUT_CONSENT.run(con, list(self._put.values()))
        DELETE_ASKED.run(con, list(self._asked_gone))
        if self._ask:
            con.execute(FORGET_ASKED, (self._tx.now, FORGOTTEN))
            rows: list[Row] = [
                (*one[:5], msgspec.json.encode(one.classes).decode(), *one[6:]) for one in self._ask.values()
            ]
            PUT_ASKED.run(con, rows)
        PUT_WORDING.run(con, [(key, one.version, one.text) for key, one in self._wordings.items()])
        INSERT_CONSENT_CHANGE.run(con, self._records)
        required = self._tx.consents.required
        ended = {peer: of for peer, keys in self._withdrawn.items() if (of := {k for k in keys if k[0] in required})}
        if ended:
            self._sweep(ended)

    def _sweep(self, withdrawn: dict[str, set[Key]]) -> None:
        """Ends what waits for these peers, and was agreed to by nothing but this."""
        tx = self._tx
        found: list[Unsent] = []
        for one in unsent(tx.con, withdrawn):
            if one.app == OWN_APP or one.door == ASKS:
                continue
            keys = {(one.klass, scope) for scope in tx.optouts.scopes(one.app, one.number)}
            if not keys.isdisjoint(withdrawn[one.peer]) and keys.isdisjoint(self._held[one.peer]):
                found.append(one)
        tx.count("consent_ended", end_unsent(tx, found, NO_CONSENT))
        # What is claimed goes back to the queue, and what of it was agreed to by something else is sent after all.
        tx.stopped += [Stopped(peer, frozenset(scope for _, scope in keys)) for peer, keys in withdrawn.items()]

    def _record(self, change: str, peer: str, klass: int, scope: str, source: Source) -> int:
        tx = self._tx
        tx.count(f"consent:{change}:{source.how}")
        record = tx.ids.next()
        key = source.key
        if source.wording is not None:
            key = source.wording.key
            self._wordings[key] = source.wording
        at = tx.now if source.at is None else source.at
        self._records.append(
            (record, peer, klass, scope, change, at, source.how, source.who, source.opt_in, key, source.number,
             source.message_id, source.text)
        )  # fmt: skip
        return record

    def _tell(
        self,
        change: Literal["granted", "withdrawn"],
        peer: str,
        classes: Iterable[int],
        scopes: tuple[str, ...],
        source: Source,
        tell: bool,
    ) -> None:
        tx = self._tx
        streams = tx.streams.for_optout("consent", source.number, scopes, tx.optouts.numbers_in) if tell else ()
        if streams:
            event = ConsentEvent(
                at=rfc3339(tx.now),
                id=tx.id_text.format(source.message_id) if source.message_id is not None else None,
                number=source.number,
                peer=peer,
                change=change,
                classes=tuple(CLASSES[klass] for klass in classes),
                scopes=scopes,
                how=source.how,
                opt_in=source.opt_in,
                version=source.wording.version if source.wording is not None else None,
                text=source.text,
                who=source.who or msgspec.UNSET,
            )
            tx.emit(streams, "consent", source.message_id or 0, _encoder.encode(event))
