"""The written forms of a carrier's message ids, and how the form of each carrier is learnt from its receipts.

A carrier may write the id of its response in hexadecimal and that of its receipt in decimal, or the other way round;
case, leading zeros and blanks are folded away in every form. Which form a carrier has is set, or learnt: a receipt
whose peer agrees with exactly one recent segment, over all forms, is evidence for the form that found it.

- Learnt after 20 pieces of evidence in a row for one form and none for another. From then on only this form is looked
  for at first, and no other one settles anything for a minute (see `gateway.store.matching`).
- Or by the look of the ids, where small ids to one phone leave no evidence of that kind: 8 with letters make a side
  hexadecimal, 40 without any make it decimal, as long as no match speaks for another form.
- Un-learnt by 3 pieces of evidence for other forms with fewer than 100 matches of the learnt one between them: a
  single stray id does not count, a carrier that changed its ways does. What is learnt again needs twice as many as
  the time before, at most 640, so a carrier that mixes its forms comes to rest as not learnt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import msgspec

from gateway.store.carrier_state import put, stored

Form = Literal["same", "hex_to_decimal", "decimal_to_hex"]
"""What a receipt's id is in terms of the response's: the response's form first."""
FORMS: Final[tuple[Form, ...]] = get_args(Form)

LEARN_AFTER: Final = 20
LEARN_AT_MOST: Final = 640
UNLEARN_AFTER: Final = 3
FORGIVEN_AFTER: Final = 100
LETTERS: Final = 8
PLAIN: Final = 40
LONGEST_NUMBER: Final = 40
"""Digits of an id that is read as a number; a longer one has only its own form."""

STATE_KEY: Final = "message_id_form"
"""The key in ``carrier_state``."""

_HEXADECIMAL: Final = frozenset("0123456789abcdef")


def fold(raw: str) -> str:
    """The form under which an id is stored: no case, no leading zeros, no blanks around it."""
    return raw.strip().lower().lstrip("0") or "0"


def key_in(form: Form, raw: str) -> str | None:
    """The folded id of the response that a receipt's id ``raw`` means in a form; None when it is none in that form."""
    key = fold(raw)
    if form == "same":
        return key
    if len(key) > LONGEST_NUMBER:
        return None
    if form == "hex_to_decimal":
        return f"{int(key):x}" if key.isascii() and key.isdigit() else None
    return str(int(key, 16)) if _HEXADECIMAL.issuperset(key) else None


def keys_of(raw: str) -> dict[str, tuple[Form, ...]]:
    """The folded ids of responses that a receipt's id may mean, each with the forms in which it does."""
    found: dict[str, tuple[Form, ...]] = {}
    for form in FORMS:
        key = key_in(form, raw)
        if key is not None:
            found[key] = (*found.get(key, ()), form)
    return found


def other_forms(raw: str) -> tuple[str, ...]:
    """The folded forms that ``raw`` may have on the other side: decimal read as hexadecimal and back."""
    key = fold(raw)
    return tuple(other for other in keys_of(raw) if other != key)


def _looks(counts: tuple[int, int], key: str) -> tuple[int, int]:
    if len(key) > LONGEST_NUMBER or not _HEXADECIMAL.issuperset(key):
        return counts
    return (counts[0], counts[1] + 1) if key.isdigit() else (counts[0] + 1, counts[1])


def _base_of(counts: tuple[int, int]) -> int | None:
    if counts[0] >= LETTERS:
        return 16
    return 10 if counts[1] >= PLAIN and not counts[0] else None


class Known(msgspec.Struct, omit_defaults=True):
    """What is known of one carrier's form; stored as JSON in ``carrier_state``."""

    learnt: Form | None = None
    row: int = 0  # evidence in a row for `candidate` while nothing is learnt
    candidate: Form | None = None
    needed: int = LEARN_AFTER
    against: int = 0  # evidence for other forms, since it was learnt or last forgiven
    since: int = 0  # matches in the learnt form since the last of these
    seen: dict[Form, int] = msgspec.field(default_factory=dict)  # matches by form, from the first one on
    # Ids that could be numbers, by side, with letters and without, while nothing was learnt yet.
    responses: tuple[int, int] = (0, 0)
    receipts: tuple[int, int] = (0, 0)

    def copy(self) -> Known:
        """One that can be changed without this one."""
        known: Known = msgspec.structs.replace(self)
        known.seen = dict(self.seen)
        return known

    def matched(self, form: Form, count: int = 1) -> bool:
        """Receipts were matched in a form that alone explains them; returns whether that changes what is learnt."""
        self.seen[form] = self.seen.get(form, 0) + count
        if self.learnt is None:
            self.row = self.row + count if form == self.candidate else count
            self.candidate = form
            if self.row < self.needed:
                return False
            self.learnt, self.row, self.candidate, self.against, self.since = form, 0, None, 0, 0
            return True
        if form == self.learnt:
            self.since += count
            return False
        return self.contradicted()

    def looked(self, receipts: Iterable[str], responses: Iterable[str]) -> bool:
        """Takes the look of folded ids into account; returns whether a form is learnt from it."""
        if self.learnt is not None or self.needed != LEARN_AFTER:
            return False
        for key in receipts:
            self.receipts = _looks(self.receipts, key)
        for key in responses:
            self.responses = _looks(self.responses, key)
        sides = _base_of(self.responses), _base_of(self.receipts)
        if None in sides:
            return False
        form: Form = "same" if sides[0] == sides[1] else "hex_to_decimal" if sides[0] == 16 else "decimal_to_hex"
        if any(count for other, count in self.seen.items() if other != form):
            return False
        self.learnt, self.row, self.candidate, self.against, self.since = form, 0, None, 0, 0
        return True

    def contradicted(self) -> bool:
        """A receipt is explained by another form alone; returns whether what was learnt is given up."""
        self.against = 1 if self.since >= FORGIVEN_AFTER else self.against + 1
        self.since = 0
        if self.learnt is None or self.against < UNLEARN_AFTER:
            return False
        self.learnt, self.row, self.candidate = None, 0, None
        self.against = 0
        self.needed = min(2 * self.needed, LEARN_AT_MOST)
        return True


class View(msgspec.Struct, frozen=True):
    """A carrier's form as `status` shows it.

    ``source`` is ``set``, ``learnt`` or ``learning``; ``seen`` counts matches by form, ``against`` receipts that only
    another form explains.
    """

    form: Form | None
    source: Literal["set", "learnt", "learning"]
    seen: dict[Form, int]
    against: int


class Forms:
    """The forms of all carriers: what is set, and what is learnt. Changed when a transaction is committed."""

    def __init__(self) -> None:
        self.fixed: Mapping[str, Form] = {}  # by carrier, where it is set; replaced as a whole
        self.known: dict[str, Known] = {}
        self.retry: set[str] = set()  # carriers whose parked receipts are to be tried again
        self.soon: set[str] = set()  # the same of what came in the last minute, while no form is known
        self.dirty: set[str] = set()  # carriers of which more is known than is stored

    def load(self, con: sqlite3.Connection) -> None:
        """Reads what earlier runs learnt; a value that cannot be read is forgotten: it is learnt anew."""
        found = stored(con, STATE_KEY, Known)
        self.known |= {carrier: known for carrier, known in found.items() if known is not None}

    def configure(self, fixed: Mapping[str, Form]) -> None:
        """Takes over what is set; where that changed, what is parked is looked at again."""
        before = self.fixed
        self.fixed = fixed
        self.retry |= {name for name in {*before, *fixed} if before.get(name) != fixed.get(name)}

    def lead(self, carrier: str) -> Form | None:
        """The form that a carrier's ids have, as set or learnt."""
        fixed = self.fixed.get(carrier)
        if fixed is not None:
            return fixed
        known = self.known.get(carrier)
        return known.learnt if known is not None else None

    def view(self, carrier: str) -> View:
        """What `status` shows."""
        known = self.known.get(carrier) or Known()
        fixed = self.fixed.get(carrier)
        if fixed is not None:
            return View(fixed, "set", dict(known.seen), known.against)
        return View(known.learnt, "learnt" if known.learnt else "learning", dict(known.seen), known.against)


class FormsChange:
    """The forms as a transaction under way sees them: copies of what it changes."""

    __slots__ = ("_base", "_changed", "_kept", "_turned", "soon", "turns")

    def __init__(self, base: Forms) -> None:
        self._base = base
        self._changed: dict[str, Known] = {}
        self._kept: set[str] = set()
        self._turned: set[str] = set()
        self.soon: set[str] = set()
        self.turns = 0  # times that a form was learnt or given up

    def fixed(self, carrier: str) -> bool:
        """Whether a carrier's form is set."""
        return carrier in self._base.fixed

    def lead(self, carrier: str) -> Form | None:
        """The form that a carrier's ids have, as set or learnt by now."""
        changed = self._changed.get(carrier)
        if changed is None or carrier in self._base.fixed:
            return self._base.lead(carrier)
        return changed.learnt

    def matched(self, carrier: str, form: Form, count: int = 1) -> None:
        """Counts matches that one form alone explains, or that were found in the leading form."""
        if self._of(carrier).matched(form, count) and not self.fixed(carrier):
            self._turn(carrier)

    def looked(self, carrier: str, receipts: Iterable[str], responses: Iterable[str]) -> None:
        """Takes the look of receipts' ids, and of the ids of responses that they may mean, into account; all folded."""
        if self.lead(carrier) is None and self._of(carrier).looked(receipts, responses):
            self._turn(carrier)

    def contradicted(self, carrier: str) -> None:
        """Counts a receipt that only a form other than the leading one explains."""
        if self._of(carrier).contradicted() and not self.fixed(carrier):
            self._turn(carrier)

    def _turn(self, carrier: str) -> None:
        self._turned.add(carrier)
        self.turns += 1

    def _of(self, carrier: str) -> Known:
        known = self._changed.get(carrier)
        if known is None:
            base = self._base.known.get(carrier)
            known = self._changed[carrier] = base.copy() if base is not None else Known()
        return known

    def write_turned(self, con: sqlite3.Connection) -> None:
        """Stores what was learnt or given up in this transaction."""
        if self._turned:
            self._write(con, self._turned)

    def write_all(self, con: sqlite3.Connection) -> None:
        """Stores evidence that is not stored yet, which is not worth a row each time."""
        self._write(con, self._base.dirty | self._changed.keys())

    def _write(self, con: sqlite3.Connection, carriers: set[str]) -> None:
        for carrier in carriers:
            put(con, carrier, STATE_KEY, self._changed.get(carrier) or self._base.known[carrier])
        self._kept |= carriers

    def commit(self) -> None:
        """The transaction is committed: this is known from now on."""
        base = self._base
        if self._changed:
            base.known.update(self._changed)
            base.dirty |= self._changed.keys()
        base.dirty -= self._kept
        base.retry |= self._turned
        base.soon |= self.soon
