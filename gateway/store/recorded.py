"""Consent that somebody records in a person's place: given, or withdrawn.

What was given at an earlier time than it is recorded does not count where the person opted out after that, or withdrew
such consent: an old list that is imported once more gives nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from gateway.model import id_floor
from gateway.store.consents import ConsentChanges, Outcome, Source
from gateway.store.hot import Values
from gateway.store.tx import Op

if TYPE_CHECKING:
    from gateway.store.tx import Tx

# When somebody opted out of what; the newest of each scope.
SELECT_OUT: Final = Values(
    "WITH v(peer, since) AS (VALUES {values}) SELECT o.peer, o.scope, max(o.id) FROM v"
    " CROSS JOIN optout_change o ON o.peer = v.peer AND o.id >= v.since WHERE o.change = 'optout'"
    " GROUP BY o.peer, o.scope",
    2,
)
# When somebody withdrew what; the latest of each class and scope.
SELECT_WITHDRAWN: Final = Values(
    "WITH v(peer, since) AS (VALUES {values}) SELECT c.peer, c.class, c.scope, max(c.at) FROM v"
    " CROSS JOIN consent_change c ON c.peer = v.peer AND c.at > v.since WHERE c.change = 'withdrawn'"
    " GROUP BY c.peer, c.class, c.scope",
    2,
)


class ConsentChange(NamedTuple):
    """What an operator or an app records: whether a peer agrees to classes in a scope (withdrawn with None: in any)."""

    peer: str
    classes: tuple[int, ...]
    scope: str | None
    granted: bool
    source: Source


class ConsentOp(Op):
    """Changes that somebody records. ``outcomes`` says what became of each."""

    __slots__ = ("changes", "outcomes", "tell")
    order: ClassVar[int] = 68  # before what came in with it
    name: ClassVar[str] = "consent"

    def __init__(self, changes: list[ConsentChange], *, tell: bool = True) -> None:
        super().__init__()
        self.changes = changes
        self.tell = tell
        self.outcomes: list[Outcome] = []

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.changes), 400 * len(self.changes)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        asked: list[ConsentChange] = [c for op in ops for c in op.changes]
        changes = ConsentChanges(tx, [c.peer for c in asked])
        earlier = [c for c in asked if c.granted and c.source.at is not None]
        out, withdrawn = _out_since(tx, earlier), _withdrawn_since(tx, earlier)
        for op in ops:
            op.outcomes = []
            for c in op.changes:
                if not c.granted:
                    scopes = None if c.scope is None else (c.scope,)
                    outcome = changes.withdraw(c.peer, c.classes, scopes, c.source, tell=op.tell)
                elif c.source.at is not None and _was_out(tx, out.get(c.peer, ()), c.scope, c.source.at):
                    outcome = "opted_out"
                elif c.source.at is not None and _was_withdrawn(tx, withdrawn.get(c.peer, ()), c):
                    outcome = "withdrawn"
                else:
                    outcome = changes.grant(c.peer, c.classes, c.scope, c.source, tell=op.tell)
                op.outcomes.append(outcome)
        changes.write()


def _earliest(changes: Iterable[ConsentChange]) -> dict[str, int]:
    """By peer, when (ms) the first of these consents was given."""
    since: dict[str, int] = {}
    for c in changes:
        at = c.source.at or 0
        since[c.peer] = min(at, since.get(c.peer, at))
    return since


def _out_since(tx: Tx, changes: list[ConsentChange]) -> dict[str, list[tuple[str, int]]]:
    """By peer, the scopes that it opted out of since the consent that is recorded now, and the last record of each."""
    found: dict[str, list[tuple[str, int]]] = {}
    since = [(peer, id_floor(at)) for peer, at in _earliest(changes).items()]
    for peer, scope, record in SELECT_OUT.fetch(tx.con, since):
        found.setdefault(peer, []).append((scope, record))
    return found


def _was_out(tx: Tx, out: Iterable[tuple[str, int]], scope: str | None, at: int) -> bool:
    return any(record >= id_floor(at) and _overlap(tx, scope, other) for other, record in out)


def _withdrawn_since(tx: Tx, changes: list[ConsentChange]) -> dict[str, list[tuple[int, str, int]]]:
    """By peer, the classes and scopes of which it withdrew consent after that one was given, and when (ms)."""
    found: dict[str, list[tuple[int, str, int]]] = {}
    for peer, klass, scope, at in SELECT_WITHDRAWN.fetch(tx.con, list(_earliest(changes).items())):
        found.setdefault(peer, []).append((klass, scope, at))
    return found


def _was_withdrawn(tx: Tx, withdrawn: Iterable[tuple[int, str, int]], c: ConsentChange) -> bool:
    given = c.source.at or 0
    return any(klass in c.classes and at > given and _overlap(tx, c.scope, scope) for klass, scope, at in withdrawn)


def _overlap(tx: Tx, scope: str | None, other: str) -> bool:
    if scope is None:
        return False
    # Which numbers an app sends from is for the configuration to say, and that changes.
    within = tx.consents.within
    return "app:" in (scope[:4], other[:4]) or within(scope, (other,)) or within(other, (scope,))
