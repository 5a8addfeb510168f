"""Methods for consent: who agreed to what, by whom that was recorded; given and withdrawn, imported, asked for."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

import msgspec
import trio

from gateway.doors.acts import operator
from gateway.doors.imports import Import
from gateway.doors.lookup import Lookup, moment, page_limit
from gateway.doors.scopes import note, record_window, scope_of
from gateway.model import CLASSES, id_ms
from gateway.outbound.intake import Intake, Outcome
from gateway.outbound.request import App, Refusal, Submit
from gateway.policy.optout import ALL
from gateway.settings.routes import MessageClass
from gateway.store.agreed import Change, Held, asked_of, held_by, listed, record
from gateway.store.consented import ASKS
from gateway.store.consents import Asked, How, Source, Wording
from gateway.store.ends import rfc3339
from gateway.store.optins import META, AskConsentOp
from gateway.store.optouts import Held as OptedOut
from gateway.store.optouts import held_by as opted_out_of
from gateway.store.recorded import ConsentChange, ConsentOp
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

LONGEST_TEXT: Final = 4000
LONGEST_VERSION: Final = 64
_SINCE: Final[dict[str, str]] = {
    "opted_out": "the person opted out after that",
    "withdrawn": "the person withdrew it after that",
}
"""Why a consent that was given earlier does not count."""

Given = Literal["web", "paper", "verbal"]
"""How a person gave it, where whoever records it says so."""


class ConsentsParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consents``: a page of all."""

    after: str = ""
    limit: int = 50


class ConsentParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consent``: what a phone agreed to."""

    peer: str


class ConsentSetParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consent_set``: a phone agrees to classes in a scope, or agrees no more; scope null: all, of an app its own."""

    peer: str
    granted: bool
    classes: list[MessageClass] = msgspec.field(default_factory=lambda: ["marketing"])
    scope: str | None = None
    how: Given | None = None
    at: str | None = None
    text: str | None = None
    version: str | None = None
    note: str | None = None


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One of ``consents_import``."""

    peer: str
    class_: str = msgspec.field(name="class", default="marketing")
    scope: str = ALL
    at: str | None = None
    how: str | None = None
    text: str | None = None
    version: str | None = None
    note: str | None = None


class ConsentsImportParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consents_import``: up to 500 at a time."""

    consents: list[Entry]


class ConsentChangesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consent_changes``: the record, of a phone or of all, the newest first."""

    peer: str | None = None
    since: str | None = None
    until: str | None = None
    before: str | None = None
    limit: int = 50


class ConsentAskParams(msgspec.Struct, forbid_unknown_fields=True):
    """``consent_ask``: a phone is asked by an opt-in of the configuration, from one of its numbers."""

    peer: str
    opt_in: str
    number: str | None = None


class Consents:
    """Reads and changes who agreed to what."""

    def __init__(self, store: Store, lookup: Lookup, intake: Intake) -> None:
        self._store = store
        self._lookup = lookup
        self._intake = intake
        self._asking: set[tuple[str, str, str]] = set()  # who is asked just now, from which number, by which opt-in

    async def consents(self, connection: Connection, params: ConsentsParams) -> object:
        """A page of all, in the order of phones, classes and scopes."""
        operator(connection.app)
        page_limit(params.limit)
        peer, klass, scope = (*params.after.split(" ", 2), "", "")[:3]
        after = (peer, CLASSES.index(klass) if klass in CLASSES else len(CLASSES), scope)
        found = await self._store.reader.read(partial(listed, after=after, limit=params.limit))
        following = None
        if len(found) == params.limit:
            following = f"{found[-1].peer} {CLASSES[found[-1].klass]} {found[-1].scope}"
        return {"consents": [{"peer": one.peer, **self._shown(one)} for one in found], "next": following}

    async def consent(self, connection: Connection, params: ConsentParams) -> object:
        """What a phone agreed to, and what it was asked; an app sees what concerns its own numbers."""
        return await self._standing(connection.app, self._lookup.address(params.peer) or params.peer)

    async def _standing(self, app: App, peer: str) -> dict[str, Any]:
        held, asked, out = await self._store.reader.read(partial(_looked_up, peer=peer, now=self._store.clock.now_ms()))
        if not app.admin:
            mine = self._store.writer.base.optouts.scopes_of(app.name)
            held = [one for one in held if one.scope in mine]
            asked = [one for one in asked if one.scope in mine]
            out = [one for one in out if one.scope in mine]
        return {
            "peer": peer,
            "consents": [self._shown(one) for one in held],
            "asked": [self._asked(one) for one in asked],
            "opted_out": bool(out),
        }

    async def consent_set(self, connection: Connection, params: ConsentSetParams) -> object:
        """Somebody records that a person agrees, or agrees no more."""
        app = connection.app
        peer = self._lookup.reachable(params.peer)
        scope = params.scope
        if scope is None and not app.admin:
            scope = f"app:{app.name}"
        elif scope is None and params.granted:
            scope = ALL
        if scope is not None:
            scope = scope_of(self._store.writer.base.optouts, self._lookup, app, scope)
        how: How = params.how or ("operator" if app.admin else "api")
        source = self._source(app, how, params.at, params.text, params.version, params.note)
        if not params.classes:
            raise Refusal("invalid_params", "one class or more", field="classes")
        classes = tuple(dict.fromkeys(CLASSES.index(word) for word in params.classes))
        op = ConsentOp([ConsentChange(peer, classes, scope, params.granted, source)])
        await self._store.writer.do(op)
        if (since := _SINCE.get(op.outcomes[0])) is not None:
            raise Refusal("opted_out" if op.outcomes[0] == "opted_out" else "invalid_params", since, field="at")
        return {"changed": op.outcomes[0] == "new", **await self._standing(app, peer)}

    async def consents_import(self, connection: Connection, params: ConsentsImportParams) -> object:
        """Many at once, of which no events are told; what cannot be taken is named by its place, and the others are."""
        operator(connection.app)
        entries = Import(params.consents, "consents", "consents")
        changes = entries.changes(partial(self._entry, connection.app))
        new = 0
        if changes:
            op = await self._store.writer.do(ConsentOp(changes, tell=False))
            new = op.outcomes.count("new")
            for at, outcome in enumerate(op.outcomes):
                if (since := _SINCE.get(outcome)) is not None:
                    entries.refuse(at, "at", since)
        return entries.answer(new=new)

    async def consent_changes(self, connection: Connection, params: ConsentChangesParams) -> object:
        """The record of what was asked, agreed to and withdrawn: when, how, by which message, in which words."""
        operator(connection.app)
        page_limit(params.limit)
        low, high = record_window(self._lookup, params.since, params.until, params.before)
        peer = self._lookup.address(params.peer)
        found = await self._store.reader.read(partial(record, peer=peer, low=low, high=high, limit=params.limit))
        following = self._lookup.shown(found[-1].id) if len(found) == params.limit else None
        return {"changes": [self._change(one) for one in found], "next": following}

    async def consent_ask(self, connection: Connection, params: ConsentAskParams) -> object:
        """A person is asked, and may reply YES within the time of the opt-in."""
        app = connection.app
        opt_in = self._store.writer.base.consents.opt_ins.get(params.opt_in)
        if opt_in is None:
            raise Refusal("not_found", "no such opt-in", field="opt_in")
        numbers = opt_in.numbers or tuple(self._store.writer.base.optouts.numbers)
        if params.number is not None:
            number = self._lookup.number(app, params.number)
            if number not in numbers:
                raise Refusal("invalid_params", "not a number of this opt-in", field="number")
        else:
            mine = [n for n in numbers if app.admin or app.numbers is None or n in app.numbers]
            if len(mine) != 1 and not opt_in.numbers:
                raise Refusal("invalid_params", "which number asks is to be said", field="number")
            if not mine:
                raise Refusal("not_allowed", "none of its numbers is yours", field="opt_in")
            number = mine[0]
        if opt_in.app is not None and not app.admin and opt_in.app != app.name:
            raise Refusal("not_allowed", "it is for another app", field="opt_in")
        if not self._store.streams.numbers.hears(number, self._store.clock.now_ms()):
            raise Refusal("number_held", "who replies to it is not heard", field="number")
        peer = self._lookup.reachable(params.peer)
        key = (peer, number, opt_in.name)
        if key in self._asking:
            raise Refusal("too_many", "the same person is being asked just now", field="peer")
        self._asking.add(key)
        try:
            outcome, until, sent = await self._ask(app, *key, opt_in.ask)
        finally:
            self._asking.discard(key)
        shown = rfc3339(until) if until is not None else None
        return {"peer": peer, "number": number, "outcome": outcome, "until": shown, "id": sent}

    async def _ask(
        self, app: App, peer: str, number: str, opt_in: str, text: str
    ) -> tuple[str, int | None, str | None]:
        """Asks where that may be: by a message of the app, which all bounds for its messages hold for.

        Returns what came of it, until when (ms) a YES counts, and the message. Raises Refusal.
        """
        looked = await self._store.writer.do(AskConsentOp(peer, number, opt_in))
        if looked.outcome in ("opted_out", "not_found"):
            raise Refusal(looked.outcome, field="peer" if looked.outcome == "opted_out" else "opt_in")
        if looked.outcome != "free":
            return looked.outcome, looked.until, None
        taken: list[Outcome] = []
        done = trio.Event()

        def told(outcomes: list[Outcome]) -> None:
            taken.extend(outcomes)
            done.set()

        request = Submit(to=peer, text=text, from_=number, meta={META: opt_in})
        self._intake.submit(app, [request], told, ASKS)
        await done.wait()
        if isinstance(taken[0], Refusal):
            raise taken[0]
        found = await self._store.reader.read(partial(asked_of, peer=peer, now=self._store.clock.now_ms()))
        mine = [one.until for one in found if (one.number, one.opt_in) == (number, opt_in)]
        return "asked", mine[0] if mine else None, taken[0].id  # they may have answered by now

    # --- reading of parameters ----------------------------------------------------------------------------------------

    def _source(
        self, app: App, how: How, at: str | None, text: str | None, version: str | None, said: str | None
    ) -> Source:
        when = moment(at, "at")
        if when is not None and when > self._store.clock.now_ms():
            raise Refusal("invalid_params", "at is not in the future", field="at")
        if text is not None and not 0 < len(text) <= LONGEST_TEXT:
            raise Refusal("invalid_params", f"text has 1 to {LONGEST_TEXT} characters", field="text")
        if version is not None and not 0 < len(version) <= LONGEST_VERSION:
            raise Refusal("invalid_params", f"version has 1 to {LONGEST_VERSION} characters", field="version")
        if version is not None and text is None:
            raise Refusal("invalid_params", "version is that of a text", field="version")
        wording = Wording(text, version) if text is not None else None
        return Source(how, app.name, text=note(said), at=when, wording=wording)

    def _entry(self, app: App, one: Entry) -> ConsentChange:
        peer = self._lookup.reachable(one.peer)
        scope = scope_of(self._store.writer.base.optouts, self._lookup, app, one.scope or ALL)
        if one.class_ not in CLASSES:
            raise Refusal("invalid_params", f"a class is {', '.join(CLASSES)}", field="class")
        if one.how is not None and one.how not in get_args(How):
            raise Refusal("invalid_params", f"how is {', '.join(get_args(Given))}", field="how")
        # The other ways, of a file that was written by export, are an import as any.
        how = cast(How, one.how) if one.how in get_args(Given) else "import"
        source = self._source(app, how, one.at, one.text, one.version, one.note)
        return ConsentChange(peer, (CLASSES.index(one.class_),), scope, True, source)

    # --- how they are shown -------------------------------------------------------------------------------------------

    def _shown(self, one: Held) -> dict[str, Any]:
        return {
            "class": CLASSES[one.klass],
            "scope": one.scope,
            "at": rfc3339(one.at),
            "how": one.how,
            "who": one.who,
            "opt_in": one.opt_in,
            "version": one.version,
            "text": one.wording,
            "number": one.number,
            "id": self._lookup.shown(one.message_id),
            "note": one.text,
        }

    def _asked(self, one: Asked) -> dict[str, Any]:
        return {
            "opt_in": one.opt_in,
            "number": one.number,
            "classes": [CLASSES[klass] for klass in one.classes],
            "scope": one.scope,
            "at": rfc3339(one.at),
            "until": rfc3339(one.until),
        }

    def _change(self, one: Change) -> dict[str, Any]:
        return {
            "id": self._lookup.shown(one.id),
            "recorded": rfc3339(id_ms(one.id)),
            "at": rfc3339(one.at),
            "peer": one.peer,
            "change": one.change,
            "class": CLASSES[one.klass],
            "scope": one.scope,
            "how": one.how,
            "who": one.who,
            "opt_in": one.opt_in,
            "version": one.version,
            "text": one.wording,
            "number": one.number,
            "message": self._lookup.shown(one.message_id),
            "note": one.text,
        }


def _looked_up(con: sqlite3.Connection, peer: str, now: int) -> tuple[list[Held], list[Asked], list[OptedOut]]:
    return held_by(con, peer), asked_of(con, peer, now), opted_out_of(con, peer)
