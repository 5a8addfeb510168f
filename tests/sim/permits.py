"""The laws of who may be written to: opt-outs, consent, questions, and the answers that pass a block.

What is stored is known by triggers, once it is committed, in the order in which it was written; `gateway.clock` stands
still meanwhile. What a message has to change is what `tests.sim.book` says. From the moment in which a STOP is
acknowledged, or a withdrawal replied to, nothing that it is for is handed to any connection of any carrier, apart from
what answers. Writes of one moment are in no order.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import trio

from gateway.settings.own import OWN_APP
from gateway.store.consented import ASKS
from gateway.store.optedout import PASSES
from gateway.store.stops import ANSWERS
from tests.sim.book import STOPPED, Asked, Book, Due, Key, Phone
from tests.sim.line import Delivery

if TYPE_CHECKING:
    from tests.sim.ledger import Ledger, Message
    from tests.sim.permission import Entered, Said
    from tests.sim.world import World

_ROWS: Final = {
    # By kind: the table, what happens to it, and the values that are told.
    "o": ("optout", "INSERT", "new.peer, new.scope, new.how"),
    "ou": ("optout", "UPDATE", "new.peer, new.scope, new.how"),
    "od": ("optout", "DELETE", "old.peer, old.scope, NULL"),
    "ok": ("optout_change", "INSERT", "new.peer, new.message_id, new.change, new.scope"),
    "c": ("consent", "INSERT", "new.peer, new.class, new.scope, new.change_id"),
    "cu": ("consent", "UPDATE", "new.peer, new.class, new.scope, new.change_id"),
    "cd": ("consent", "DELETE", "old.peer, old.class, old.scope, NULL"),
    "ck": (
        "consent_change",
        "INSERT",
        "new.peer, new.message_id, new.change, new.class, new.scope, new.id, new.text, new.how",
    ),
    "a": ("consent_asked", "INSERT", "new.peer, new.number, new.opt_in, new.at, new.until, new.classes, new.scope"),
    "au": ("consent_asked", "UPDATE", "new.peer, new.number, new.opt_in, new.at, new.until, new.classes, new.scope"),
    "ad": ("consent_asked", "DELETE", "old.peer, old.number, old.opt_in, NULL, NULL, NULL, NULL"),
    "im": ("inbound", "INSERT", "new.peer, new.id, new.number, new.text"),
}
KINDS: Final = frozenset(_ROWS)
TRIGGERS: Final = "".join(
    f"CREATE TEMP TRIGGER sim_p_{kind} AFTER {event} ON main.{table}"
    f" BEGIN SELECT sim_permit('{kind}', {values}); END;\n"
    for kind, (table, event, values) in _ROWS.items()
)
NAMES: Final = tuple(f"sim_p_{kind}" for kind in _ROWS)


class _Burst:
    """What one transaction says of one phone; ``before`` as it was."""

    def __init__(self, before: Phone) -> None:
        self.before = before
        self.came: list[tuple[int, str, str]] = []  # id, number, text
        self.optouts: list[tuple[int | None, str, str]] = []  # of which message, what, scope
        self.consents: list[tuple[int | None, str, int, str, int]] = []  # and class, scope, id
        self.entered = False


class Permits:
    """What holds for each phone by the database, and what was written nevertheless."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.now_ms: Callable[[], int] = lambda: 0
        self.book: Book
        self._phones: dict[str, Phone] = defaultdict(Phone)
        self._bursts: dict[str, _Burst] = {}
        self._records: dict[tuple[str, int, str], int] = {}  # the last that granted
        self._due: dict[int, tuple[str, str, Due]] = {}  # by inbound message: number, peer, what follows
        self._either: set[int] = set()  # inbound messages stored with what an operator entered, before or after it
        self._answered: Counter[int] = Counter()
        self._messages: dict[str, list[Message]] = defaultdict(list)  # by peer, those that need consent
        self._since: dict[tuple[str, Any], float] = {}  # of an opt-out or a consent that is gone: when it was committed
        self._given: dict[tuple[str, Key], float] = {}  # since when a consent is on record
        self._told: dict[tuple[str, Any], float] = {}  # since when somebody was told so
        self._came: dict[tuple[str, str, str], list[float]] = defaultdict(list)  # when a text was stored
        self._noted: dict[str, float] = {}  # when what was entered was recorded
        self._of: dict[Delivery, tuple[Said, float]] = {}
        self._entries = 0

    # --- what people and apps do --------------------------------------------------------------------------------------

    def give(self, world: World, said: Said) -> None:
        """Has a carrier bring what somebody says."""
        delivery = Delivery(said.pdu(), f"{said.text} of {said.peer}", lambda: None)
        self._of[delivery] = said, trio.current_time()
        world.carriers[said.carrier].give(delivery)

    def enter(self, world: World, one: Entered) -> None:
        """Has an app ask for something, with a note by which the record of it is known."""
        self._entries += 1
        note = f"entry {self._entries}"
        if one.method == "consents_import":
            for entry in one.params["consents"]:
                entry["note"] = f"{note} {entry['peer']}"
        elif one.method != "consent_ask":
            one.params["note"] = note
        world.apps[one.app].ask(one.method, one.params, (one.params.get("peer"), note))

    def replied(self, peer: str | None, note: str) -> None:
        """An app was told that what it entered is done."""
        if peer is not None and note in self._noted:
            self._tell(peer, self._noted[note])

    def answered(self, delivery: Delivery | None) -> None:
        """The gateway hands the acknowledgement of something to a connection."""
        said, given = self._of.get(delivery, (None, 0.0)) if delivery is not None else (None, 0.0)
        if said is None:
            return
        stored = [at for at in self._came[said.peer, said.number, said.text] if at >= given]
        if not stored:
            self._ledger.broken("durable", f"{said.text} of {said.peer} is acknowledged and not stored")
        else:
            self._tell(said.peer, stored[0])

    def _tell(self, peer: str, committed: float) -> None:
        """Somebody knows of what was committed by then."""
        now = trio.current_time()
        for key, since in self._since.items():
            if key[0] == peer and since <= committed:
                self._told.setdefault(key, now)

    # --- the database -------------------------------------------------------------------------------------------------

    def watch(self, con: sqlite3.Connection, tell: Callable[[tuple[Any, ...]], None]) -> None:
        """Has a connection tell of its changes; they count when they are handed to `row`."""
        con.create_function("sim_permit", -1, lambda kind, *row: tell((kind, self.now_ms(), *row)))

    def row(self, kind: str, now: int, peer: str, *row: Any) -> None:
        """Something was written, in a transaction that is committed."""
        phone = self._phones[peer]
        burst = self._bursts.get(peer)
        if burst is None:
            burst = self._bursts[peer] = _Burst(phone.copy())
        {"o": self._out, "c": self._agreed, "a": self._asked}.get(kind[0], lambda *_: None)(
            kind, peer, phone, burst, row
        )
        if kind == "im":
            id, number, text = row
            burst.came.append((id, number, text or ""))
            self._came[peer, number, text or ""].append(trio.current_time())
        self._now = now

    def _out(self, kind: str, peer: str, phone: Phone, burst: _Burst, row: tuple[Any, ...]) -> None:
        if kind == "ok":
            mid, change, scope = row
            burst.optouts.append((mid, change, scope))
            burst.entered |= mid is None
            return
        scope, how = row
        key = (peer, scope)
        if how is None:
            phone.out.pop(scope, None)
            self._since.pop(key, None)
            self._told.pop(key, None)
        else:
            phone.out[scope] = how
            if kind == "o":
                self._since[key] = trio.current_time()
                self._ledger.counts["stops"] += 1

    def _agreed(self, kind: str, peer: str, phone: Phone, burst: _Burst, row: tuple[Any, ...]) -> None:
        if kind == "ck":
            mid, change, klass, scope, id, note, how = row
            burst.consents.append((mid, change, klass, scope, id))
            burst.entered |= how not in ("keyword", "near")
            self._ledger.counts[change] += 1
            if how not in ("keyword", "near") and note is not None:
                self._noted.setdefault(note, trio.current_time())
            return
        klass, scope, record = row
        key = (peer, (klass, scope))
        if record is None:
            phone.agreed.discard((klass, scope))
            self._given.pop(key, None)
            self._since[key] = trio.current_time()
        else:
            phone.agreed.add((klass, scope))
            self._given.setdefault(key, trio.current_time())
            self._since.pop(key, None)
            self._records[peer, klass, scope] = record
        self._told.pop(key, None)

    def _asked(self, kind: str, peer: str, phone: Phone, burst: _Burst, row: tuple[Any, ...]) -> None:
        number, opt_in, at, until, classes, scope = row
        if at is None:
            phone.asked.pop((number, opt_in), None)
        else:
            phone.asked[number, opt_in] = Asked(at, until, tuple(json.loads(classes)), scope)

    def committed(self) -> None:
        """The transaction is at its end."""
        bursts, self._bursts = self._bursts, {}
        for peer, burst in bursts.items():
            self._recorded(peer, burst)
            if burst.came:
                self._heeded(peer, burst)
            for message in self._messages.get(peer, ()):
                self.waits(message)

    def waits(self, message: Message) -> None:
        """A message may have come to wait, or its peer to agree to it no more."""
        if self._needs_consent(message) and not self._may(message) and (waiting := message.waiting):
            said = f"{waiting} wait for {message.peer}, who does not agree to it any more"
            self._ledger.broken("consent", said)

    def _recorded(self, peer: str, burst: _Burst) -> None:
        """Each change has one record, and each record is of a change."""
        phone, broken = self._phones[peer], self._ledger.broken
        agreed = set(burst.before.agreed)
        last: dict[Key, int] = {}
        for _, change, klass, scope, id in sorted(burst.consents, key=lambda one: one[-1]):
            key = (klass, scope)
            if change == "granted":
                agreed.add(key)
                last[key] = id
            elif change == "withdrawn":
                if key not in agreed:
                    broken("record", f"{peer} withdrew {key} without having agreed to it")
                agreed.discard(key)
        if agreed != phone.agreed:
            broken("record", f"{peer} agrees to {sorted(phone.agreed)}, by the record to {sorted(agreed)}")
        before, after = burst.before.out.keys(), phone.out.keys()
        changed = {(scope, "optout") for scope in after - before} | {(scope, "optin") for scope in before - after}
        if unrecorded := changed - {(scope, change) for _, change, scope in burst.optouts}:
            broken("record", f"{peer}: no record of {sorted(unrecorded)}")
        for key in phone.agreed & last.keys():
            if self._records[peer, *key] != last[key]:
                broken("record", f"the consent of {peer} to {key} names another record than the last")

    def _heeded(self, peer: str, burst: _Burst) -> None:
        """Each message did what it has to do, and nothing else."""
        model, now = burst.before, self._now
        for id, number, text in sorted(burst.came):
            due = self.book.heed(model, peer, number, text, id, now)
            self._due[id] = number, peer, due
            if burst.entered:
                self._either.add(id)
            found = sorted(one[1:4] for one in burst.consents if one[0] == id)
            wanted = sorted(due.consents)
            optouts = sorted(one[1:] for one in burst.optouts if one[0] == id)
            if (found != wanted or optouts != sorted(due.optouts)) and not burst.entered:
                said = f"{text!r} of {peer} to {number} made {optouts} {found}, and not {sorted(due.optouts)} {wanted}"
                self._ledger.broken("heed", said)
        phone = self._phones[peer]
        if burst.entered:
            return  # what an operator entered with it is in an order of its own
        if (phone.out, phone.agreed) != (model.out, model.agreed):
            self._ledger.broken("heed", f"{peer}: {phone.out} {phone.agreed}, and not {model.out} {model.agreed}")
        # What nobody answered in time is forgotten now and then.
        pending = [{k: a for k, a in one.asked.items() if a.until > now} for one in (phone, model)]
        if pending[0] != pending[1]:
            self._ledger.broken("heed", f"{peer} was asked {pending[0]}, and not {pending[1]}")

    # --- messages -----------------------------------------------------------------------------------------------------

    def stored(self, message: Message) -> None:
        """A message was stored, in a transaction that is committed."""
        if message.app == OWN_APP:
            if message.rule == ANSWERS:
                self._answer(message)
        elif self._needs_consent(message):
            self._messages[message.peer].append(message)
            if not self._may(message):
                self._ledger.broken("consent", f"<{message.label}> is accepted, and {message.peer} did not agree to it")

    def _answer(self, message: Message) -> None:
        self._answered[message.cause] += 1
        number, peer, due = self._due.get(message.cause, ("", "", Due()))
        said = f"{message.text!r} from {message.number} to {message.peer}"
        if self._answered[message.cause] > 1:
            self._ledger.broken("answer", f"{said} comes a second time")
        if message.cause in self._either:
            return
        if (number, peer, due.answer) != (message.number, message.peer, message.text):
            self._ledger.broken("answer", f"{said}, and not {due.answer!r} from {number} to {peer}")
        elif due.passes != (message.door == PASSES):
            self._ledger.broken("answer", f"{said} is of door {message.door}, and passes: {due.passes}")

    def _needs_consent(self, message: Message) -> bool:
        return message.klass in self.book.required and message.app != OWN_APP and message.door != ASKS

    def _may(self, message: Message) -> bool:
        """Whether its peer agreed to such."""
        agreed = self._phones[message.peer].agreed
        return any((message.klass, scope) in agreed for scope in self.book.scopes(message.app, message.number))

    def refused(self, params: dict[str, Any], app: str, asked_at: float) -> None:
        """A message of an app was refused for want of consent."""
        if "from" not in params:
            return
        klass = {"marketing": 2, "direct": 1}.get(params.get("class", ""), 0)
        for scope in self.book.scopes(app, params["from"]):
            if self._given.get((params["to"], (klass, scope)), trio.current_time()) < asked_at:
                self._ledger.broken("consent", f"refused, though {params['to']} agreed to it in {scope}")

    def written(self, message: Message, place: str) -> None:
        """A submit_sm is handed to a connection."""
        now = trio.current_time()
        peer, scopes = message.peer, self.book.scopes(message.app, message.number)
        told = [at for scope in scopes if (at := self._told.get((peer, scope))) is not None]
        if told and min(told) < now and message.door != PASSES:
            self._ledger.broken("optout", f"{place} is written to {peer}, whose STOP was acknowledged")
        if not self._needs_consent(message) or self._may(message):
            return
        keys = [(peer, (message.klass, scope)) for scope in scopes]
        gone = max((key for key in keys if key in self._since), key=lambda key: self._since[key], default=None)
        if gone is None or self._told.get(gone, now) < now:
            self._ledger.broken("consent", f"{place} is written to {peer}, who agrees to no such message")

    # --- rest ---------------------------------------------------------------------------------------------------------

    def at_rest(self, refused: set[int]) -> None:
        """Each answer was made, but for those whose phone opted out before; ``refused``: of which messages they were.

        And the one to a STOP is with the carrier once at most.
        """
        for id, (number, peer, due) in self._due.items():
            missed = due.answer is not None and not self._answered[id] and id not in self._either
            if missed and (due.passes or id not in refused):
                self._ledger.broken("answer", f"{peer} never got {due.answer!r} from {number}")
        for message in self._ledger.messages.values():
            if message.rule == ANSWERS and message.text == STOPPED:
                for segment in (*message.gone, *message.segments.values()):
                    if len(segment.arrivals) - segment.temporary > 1:
                        self._ledger.broken("answer", f"the answer to the STOP of {message.peer} is with it twice")
