"""What has to follow from a message that comes in, by the book (docs/compliance.md): opt-outs, questions, consent.

Written from what users are promised, and not from the code that keeps it. Texts are those that people of a simulation
write; whatever else comes in is a message as others are.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.model import id_ms

STOP, START, HELP, JOIN, NEWS, YES = "stop", "start", "help", "join", "news", "yes"
TEXTS: Final = {
    STOP: ("STOP", "stop.", "\u201cStop!\u201d", "Unsubscribe", "opt-out", "CANCEL"),
    START: ("START", "unstop"),
    HELP: ("HELP", "help!"),
    JOIN: ("JOIN", "Join!"),
    NEWS: ("news",),
    YES: ("YES", "Yes.", "si", "y"),
    "near": ("STOP NOW",),
}
"""What people write, by what it means."""
_MEANS: Final = {text: meaning for meaning, texts in TEXTS.items() for text in texts}
STOPPED: Final = "No more messages."
STARTED: Final = "Welcome back."
HELPED: Final = "Help is here."
AGREED: Final = "Subscribed."
MARKETING, DIRECT = 2, 1
"""Numbers of these classes (`gateway.model.CLASSES`)."""
SAID, ENTERED, BOTH = "keyword", "operator", "operator+keyword"
"""How an opt-out came: of the person, or of somebody in their place."""
Key = tuple[int, str]
"""A class, and the scope in which somebody agreed to it."""


class OptIn(NamedTuple):
    """An opt-in of a plan; ``scope`` is ``number``, ``set``, ``all`` or ``app:NAME``, ``within`` in ms."""

    name: str
    ask: str
    classes: tuple[int, ...]
    scope: str
    within: int


class Asked(NamedTuple):
    """Somebody was asked: when, until when a YES counts, and for what."""

    at: int
    until: int
    classes: tuple[int, ...]
    scope: str


class Phone:
    """What holds for a phone: opt-outs by their scopes, and how they came; what it agreed to; what it was asked."""

    def __init__(self) -> None:
        self.out: dict[str, str] = {}
        self.agreed: set[Key] = set()
        self.asked: dict[tuple[str, str], Asked] = {}  # by number and opt-in

    def copy(self) -> Phone:
        """One that is changed by itself."""
        other = Phone()
        other.out, other.agreed, other.asked = dict(self.out), set(self.agreed), dict(self.asked)
        return other


class Due:
    """What follows from one message: changes of opt-outs and of consent as they are recorded, and one answer."""

    def __init__(self) -> None:
        self.optouts: list[tuple[str, str]] = []
        self.consents: list[tuple[str, int, str]] = []
        self.answer: str | None = None
        self.passes = False  # also who opted out gets it


class Book:
    """The rules of a plan. ``sets`` by number, ``sending``: the apps that may send from it, the carriers' own answers.

    ``reach`` is how far a STOP goes, ``interval`` (ms) the time in which HELP and a keyword are answered once.
    """

    def __init__(
        self,
        *,
        sets: dict[str, str],
        sending: dict[str, tuple[str, ...]],
        reach: str,
        interval: int,
        silent: frozenset[str],
        opt_ins: dict[str, OptIn],
        required: frozenset[int],
    ) -> None:
        self._sets = sets
        self._sending = sending
        self._reach = reach
        self._interval = interval
        self._silent = silent  # numbers whose carrier answers
        self._opt_ins = opt_ins  # by their keywords
        self.required = required
        self._helped: dict[tuple[str, str], int] = {}

    def scopes(self, app: str, number: str) -> frozenset[str]:
        """The scopes that a message goes out in; what rules send is of all who may send from its number."""
        apps = (app,) if app in ("crm", "shop", "ops") else (app, *self._sending[number])
        return frozenset({"all", self._sets[number], f"number:{number}", *(f"app:{name}" for name in apps)})

    def lifts(self, number: str) -> frozenset[str]:
        """The scopes by which something from a number could be held back."""
        return frozenset({"all", self._sets[number], f"number:{number}", *(f"app:{a}" for a in self._sending[number])})

    def within(self, scope: str, others: frozenset[str]) -> bool:
        """Whether all of a scope is in one of the others."""
        kind, _, name = scope.partition(":")
        return "all" in others or scope in others or (kind == "number" and self._sets[name] in others)

    def _stops(self, number: str) -> frozenset[str]:
        own = f"number:{number}"
        return frozenset(
            {
                "number": {own},
                "set": {self._sets[number]},
                "app": {own, *(f"app:{name}" for name in self._sending[number])},
                "all": {"all"},
            }[self._reach]
        )

    # --- a message ----------------------------------------------------------------------------------------------------

    def heed(self, phone: Phone, peer: str, number: str, text: str, id: int, now: int) -> Due:
        """What a message has to do; ``phone`` is changed accordingly. Times in ms."""
        due = Due()
        meaning = _MEANS.get(text)
        if meaning == STOP:
            self._stop(phone, number, due)
        elif meaning == START:
            if self._back(phone, number, due) and self.lifts(number).isdisjoint(phone.out):
                due.answer = STARTED
        elif meaning == HELP:
            if self._helped.get((number, peer), 0) < now - self._interval:
                due.answer = HELPED
                due.passes = not self.lifts(number).isdisjoint(phone.out)
        elif meaning == YES:
            self._yes(phone, number, due, now)
        elif meaning in (JOIN, NEWS) and meaning in self._opt_ins:
            self._join(phone, number, self._opt_ins[meaning], due, now)
        if number in self._silent and meaning in (STOP, START, HELP):
            due.answer = None
        if meaning == HELP and due.answer is not None:
            self._helped[number, peer] = id_ms(id)
        return due

    def _stop(self, phone: Phone, number: str, due: Due) -> None:
        stops, lifts = self._stops(number), self.lifts(number)
        new = [scope for scope in stops if scope not in phone.out]
        phone.out |= {scope: SAID if phone.out.get(scope, SAID) == SAID else BOTH for scope in stops}
        due.optouts = [("optout", scope) for scope in new]
        if new:
            due.answer, due.passes = STOPPED, True
        for klass, scope in [key for key in phone.agreed if key[1] in lifts or self.within(key[1], stops)]:
            phone.agreed.discard((klass, scope))
            due.consents.append(("withdrawn", klass, scope))
        for key, asked in list(phone.asked.items()):
            if key[0] == number or asked.scope in lifts or self.within(asked.scope, stops):
                del phone.asked[key]

    def _back(self, phone: Phone, number: str, due: Due) -> bool:
        lifted = self.lifts(number)
        phone.out |= {scope: ENTERED for scope, how in phone.out.items() if how == BOTH and scope in lifted}
        gone = [scope for scope in lifted if phone.out.get(scope) == SAID]
        for scope in gone:
            del phone.out[scope]
        due.optouts = [("optin", scope) for scope in gone]
        return bool(gone)

    def _yes(self, phone: Phone, number: str, due: Due, now: int) -> None:
        pending = [(a.at, key) for key, a in phone.asked.items() if key[0] == number and a.until > now]
        if not pending:
            return
        key = max(pending)[1]
        asked = phone.asked.pop(key)
        self._back(phone, number, due)
        for klass in asked.classes:
            phone.agreed.add((klass, asked.scope))
            due.consents.append(("granted", klass, asked.scope))
        if self.lifts(number).isdisjoint(phone.out):
            due.answer = AGREED

    def _join(self, phone: Phone, number: str, opt_in: OptIn, due: Due, now: int) -> None:
        out = [phone.out[scope] for scope in self.lifts(number) if scope in phone.out]
        if not {ENTERED, BOTH}.isdisjoint(out):
            return
        scope = self.scope_of(opt_in, number)
        if not out and all(self._agreed(phone, klass, scope) for klass in opt_in.classes):
            return
        before = phone.asked.get((number, opt_in.name))
        if before is not None and before.until > now and now - before.at < self._interval:
            return
        phone.asked[number, opt_in.name] = Asked(now, now + opt_in.within, opt_in.classes, scope)
        due.consents = [("asked", klass, scope) for klass in opt_in.classes]
        due.answer, due.passes = opt_in.ask, bool(out)

    def _agreed(self, phone: Phone, klass: int, scope: str) -> bool:
        return any(of == klass and self.within(scope, frozenset({where})) for of, where in phone.agreed)

    def scope_of(self, opt_in: OptIn, number: str) -> str:
        """Where a YES holds that was asked for from a number."""
        return {"number": f"number:{number}", "set": self._sets[number]}.get(opt_in.scope, opt_in.scope)
