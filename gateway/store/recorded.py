"""Consent that somebody records in a person's place: given, or withdrawn.

What was given at an earlier time than it is recorded does not count where the person opted out after that.
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
        out = _out_since(tx, [c for c in asked if c.granted and c.source.at is not None])
        for op in ops:
            op.outcomes = []
            for c in op.changes:
                if not c.granted:
                    scopes = None if c.scope is None else (c.scope,)
                    outcome = changes.withdraw(c.peer, c.classes, scopes, c.source, tell=op.tell)
                elif c.source.at is not None and _was_out(tx, out.get(c.peer, ()), c.scope, c.source.at):
                    outcome = "opted_out"
                else:
                    outcome = changes.grant(c.peer, c.classes, c.scope, c.source, tell=op.tell)
                op.outcomes.append(outcome)
        changes.write()


def _out_since(tx: Tx, changes: list[ConsentChange]) -> dict[str, list[tuple[str, int]]]:
    """By peer, the scopes that it opted out of since the consent that is recorded now, and the last record of each."""
    since: dict[str, int] = {}
    for c in changes:
        floor = id_floor(c.source.at or 0)
        since[c.peer] = min(floor, since.get(c.peer, floor))
    found: dict[str, list[tuple[str, int]]] = {}
    for peer, scope, record in SELECT_OUT.fetch(tx.con, list(since.items())):
        found.setdefault(peer, []).append((scope, record))
    return found


def _was_out(tx: Tx, out: Iterable[tuple[str, int]], scope: str | None, at: int) -> bool:
    within = tx.consents.within
    for other, record in out:
        if record < id_floor(at) or scope is None:
            continue
        # Which numbers an app sends from is for the configuration to say, and that changes.
        if "app:" in (scope[:4], other[:4]) or within(scope, (other,)) or within(other, (scope,)):
            return True
    return False
