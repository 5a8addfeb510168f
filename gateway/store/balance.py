"""What apps that pay in advance have left: taken as messages are stored, given back for what no carrier took.

A message takes its segments once, as many as were on the air when it was planned, wherever it goes later; that number
is on its row. A segment that ends without having been with a carrier gives its share back, in the transaction that ends
it: refused for good, cancelled, rejected, or not sent within its validity. What may have been taken is not given back.
The balance is the sum of its entries; those of messages are summed up by the hour, so that a busy app has two an hour.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from gateway.settings import Settings
from gateway.store.hot import Values
from gateway.store.tx import Op, Tx
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage

BALANCE_EXHAUSTED: Final = "balance_exhausted"
"""The reason with which a message is refused."""
HOUR_MS: Final = 3_600_000
LAST: Final = (1 << 62, "")
"""Before this, as time and kind, all entries are."""
MOST: Final = 1_000_000_000_000
"""Segments that are added or taken off at once, at most."""

Kind = Literal["added", "taken", "refunded"]

SELECT_BALANCE: Final = Values(
    "WITH v(app) AS (VALUES {values}) SELECT b.app, b.segments FROM v CROSS JOIN balance b ON b.app = v.app", 1
)
ADD_BALANCE: Final = Values(
    "INSERT INTO balance (app, segments) VALUES {values}"
    " ON CONFLICT (app) DO UPDATE SET segments = segments + excluded.segments",
    2,
)
ADD_ENTRY: Final = Values(
    "INSERT INTO balance_entry (app, at, kind, segments) VALUES {values}"
    " ON CONFLICT (app, at, kind) DO UPDATE SET segments = segments + excluded.segments",
    4,
)
SELECT_CHARGED: Final = Values(
    "WITH v(mid, part) AS (VALUES {values}) SELECT m.app, v.part, m.charged, m.parts FROM v"
    " CROSS JOIN message m ON m.id = v.mid WHERE m.charged IS NOT NULL",
    2,
)


def share(charged: int, parts: int, part: int) -> int:
    """What one segment (from 1) has of what its message took: on the air a stored segment may be several, or none."""
    return charged // parts + (part <= charged % parts)


# --- messages ---------------------------------------------------------------------------------------------------------


class Balances:
    """A meter (`gateway.store.meters`) for the apps that pay in advance, of which there are some."""

    def __init__(self, apps: frozenset[str]) -> None:
        self._apps = apps
        # Of the burst under way:
        self._left: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def begin(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Reads what the apps of these messages have left."""
        apps = self._apps.intersection([m.app for m in messages])
        if not apps:
            return False
        self._left = dict.fromkeys(sorted(apps), 0) | dict(SELECT_BALANCE.fetch(tx.con, [(app,) for app in apps]))
        self._taken = {}
        return True

    def over(self, m: NewMessage) -> Verdict | None:
        """Whether it takes more than its app has left."""
        left = self._left.get(m.app)
        if left is None or m.air <= left:
            return None
        return Verdict(BALANCE_EXHAUSTED, f"{m.air} segment{'s'[: m.air != 1]}, and {m.app} has {left} left")

    def take(self, m: NewMessage) -> None:
        """Takes its segments."""
        if m.app in self._left:
            m.charged = m.air
            self._left[m.app] -= m.air
            self._taken[m.app] = self._taken.get(m.app, 0) + m.air

    def write(self, tx: Tx) -> None:
        """Writes what was taken."""
        _change(tx, "taken", {app: -segments for app, segments in self._taken.items()})


def balances_of(settings: Settings) -> Balances | None:
    """The meter of a configuration, None where nobody pays in advance."""
    apps = frozenset([app.name for app in settings.apps if app.prepaid])
    return Balances(apps) if apps else None


def give_back(tx: Tx, ended: list[tuple[int, int]]) -> None:
    """Gives back what these segments, (message_id, part), took: each ended in this transaction, and no carrier has it.

    Of messages that took nothing nothing is given back.
    """
    back: dict[str, int] = {}
    for app, part, charged, parts in SELECT_CHARGED.fetch(tx.con, ended):
        back[app] = back.get(app, 0) + share(charged, parts, part)
    _change(tx, "refunded", {app: segments for app, segments in back.items() if segments})


def _change(tx: Tx, kind: Kind, by: dict[str, int]) -> None:
    if not by:
        return
    hour = tx.now - tx.now % HOUR_MS
    ADD_BALANCE.run(tx.con, list(by.items()))
    ADD_ENTRY.run(tx.con, [(app, hour, kind, segments) for app, segments in by.items()])


# --- changed by hand, and read ----------------------------------------------------------------------------------------


class BalanceOp(Op):
    """Somebody adds segments to an app's balance, or (less than nothing) takes some off; ``left`` is what it has then.

    Each is an entry of its own.
    """

    __slots__ = ("app", "left", "note", "segments", "who")
    order: ClassVar[int] = 5  # who waits for it can be served in the same burst
    name: ClassVar[str] = "balance"

    def __init__(self, app: str, segments: int, who: str, note: str | None) -> None:
        super().__init__()
        self.app = app
        self.segments = segments
        self.who = who
        self.note = note
        self.left = 0

    @property
    def weight(self) -> tuple[int, int]:
        return 2, 200

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            at = tx.now
            while True:  # no two of one app have the same time
                found = tx.con.execute(
                    "INSERT INTO balance_entry (app, at, kind, segments, who, note) VALUES (?, ?, 'added', ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (op.app, at, op.segments, op.who, op.note),
                )
                if found.rowcount:
                    break
                at += 1
            ADD_BALANCE.run(tx.con, [(op.app, op.segments)])
            ((_, op.left),) = SELECT_BALANCE.fetch(tx.con, [(op.app,)])


class Standing(NamedTuple):
    """The balance of an app, and the sums that it is of; all in segments."""

    app: str
    left: int
    added: int
    taken: int
    refunded: int


class Entry(NamedTuple):
    """One entry; ``at`` in ms, for what was taken and given back the hour."""

    at: int
    kind: Kind
    segments: int
    who: str | None
    note: str | None


def any_balance(con: sqlite3.Connection) -> bool:
    """Whether there are balances, and so messages that may have taken something."""
    return bool(con.execute("SELECT EXISTS (SELECT 1 FROM balance)").fetchone()[0])


def left_of(con: sqlite3.Connection) -> dict[str, int]:
    """What each app has left."""
    return dict(con.execute("SELECT app, segments FROM balance").fetchall())


def standings(con: sqlite3.Connection, app: str | None = None) -> list[Standing]:
    """The balances of all apps that have one, or of one."""
    rows = con.execute(
        "SELECT b.app, b.segments, sum(CASE e.kind WHEN 'added' THEN e.segments ELSE 0 END),"
        " -sum(CASE e.kind WHEN 'taken' THEN e.segments ELSE 0 END),"
        " sum(CASE e.kind WHEN 'refunded' THEN e.segments ELSE 0 END)"
        " FROM balance b CROSS JOIN balance_entry e ON e.app = b.app WHERE b.app = ? OR ? IS NULL GROUP BY b.app",
        (app, app),
    ).fetchall()
    return [Standing(*row) for row in rows]


def entries(con: sqlite3.Connection, app: str, before: tuple[int, str], limit: int) -> list[Entry]:
    """Entries of an app, the newest first, before one with this time and kind."""
    rows = con.execute(
        "SELECT at, kind, segments, who, note FROM balance_entry WHERE app = ? AND (at, kind) < (?, ?)"
        " ORDER BY at DESC, kind DESC LIMIT ?",
        (app, *before, limit),
    ).fetchall()
    return [Entry(*row) for row in rows]
