"""How much goes to numbers that begin alike, against traffic that only somebody else earns from (`[[caps]]`).

Segments are counted by app and prefix in the transaction that stores the messages, in steps of five minutes, so that a
restart forgets nothing and what is refused is not counted. A burst that a cap is for costs one read, and one row for
each app and prefix in it; others cost a look at their peers, and where no caps are configured nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.store.hot import Row, Values
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

PREFIX_CAP: Final = "prefix_cap"
"""The reason with which a message is refused."""
STEP_MS: Final = 300_000
STEPS: Final = 13
"""Steps that count: the one under way and the twelve before it, so that no hour has more than the cap."""

SELECT_USE: Final = Values(
    "WITH v(app, prefix, step) AS (VALUES {values}) SELECT u.app, u.prefix, sum(u.segments), min(u.step) FROM v"
    " CROSS JOIN prefix_use u ON u.app = v.app AND u.prefix = v.prefix AND u.step >= v.step GROUP BY u.app, u.prefix",
    3,
)
ADD_USE: Final = Values(
    "INSERT INTO prefix_use (app, prefix, step, segments) VALUES {values}"
    " ON CONFLICT (app, prefix, step) DO UPDATE SET segments = segments + excluded.segments",
    4,
)

Key = tuple[str, str]
"""app, prefix"""
_NONE: Final[dict[Key, int]] = {}


class Caps:
    """A meter (`gateway.store.meters`) by the caps of a configuration, of which there are some.

    What rules send by themselves is not looked at: it has bounds of its own, and follows from what came in.
    """

    def __init__(self, settings: Settings) -> None:
        self._prefixes = tuple({cap.prefix for cap in settings.caps})
        self._caps = [(cap.prefix, cap.per_hour, frozenset(cap.apps)) for cap in settings.caps]
        self._of_app: dict[str, dict[str, int]] = {}
        self._cleared = 0
        # Of the burst under way:
        self._tx: Tx
        self._now = 0
        self._found: dict[Key, tuple[int, int]] = {}
        self._touched: dict[int, dict[Key, int]] = {}
        self._added: dict[Key, int] = {}

    def begin(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Reads what was sent to the prefixes of these messages, where one has a cap."""
        self._touched = {m.id: of for m in messages if m.peer.startswith(self._prefixes) and (of := self._keys(m))}
        if not self._touched:
            return False
        self._tx = tx
        self._now = tx.now // STEP_MS
        first = self._now - STEPS + 1
        keys = dict.fromkeys(key for of in self._touched.values() for key in of)
        wanted: list[Row] = [(*key, first) for key in keys]
        self._found = {(app, prefix): (used, since) for app, prefix, used, since in SELECT_USE.fetch(tx.con, wanted)}
        self._added = {}
        return True

    def over(self, m: NewMessage) -> Verdict | None:
        """Whether it is over one of its caps."""
        for key, most in self._touched.get(m.id, _NONE).items():
            used, since = self._found.get(key, (0, self._now))
            if used + self._added.get(key, 0) + m.air > most:
                self._tx.count(f"prefix_cap:{key[1]}")
                return _verdict(key, most, m.air, (since + STEPS) * STEP_MS - self._tx.now)
        return None

    def take(self, m: NewMessage) -> None:
        """Counts it for its caps."""
        for key in self._touched.get(m.id, _NONE):
            self._added[key] = self._added.get(key, 0) + m.air

    def write(self, tx: Tx) -> None:
        """Adds what was let pass, and removes what is too old to count."""
        ADD_USE.run(tx.con, [(*key, self._now, segments) for key, segments in self._added.items()])
        if self._cleared != self._now:
            tx.con.execute("DELETE FROM prefix_use WHERE step < ?", (self._now - STEPS + 1,))
            self._cleared = self._now

    def _keys(self, m: NewMessage) -> dict[Key, int]:
        """The caps that a message counts for, each by its app and prefix, with the most of an hour."""
        caps = self._of_app.get(m.app)
        if caps is None:
            caps = {}
            for prefix, most, apps in self._caps:
                if m.app != OWN_APP and (not apps or m.app in apps):
                    caps[prefix] = min(most, caps.get(prefix, most))
            self._of_app[m.app] = caps  # apps are of the configuration
        return {(m.app, prefix): most for prefix, most in caps.items() if m.peer.startswith(prefix)}


def _verdict(key: Key, most: int, segments: int, wait_ms: int) -> Verdict:
    app, prefix = key
    said = f"{app} has had its {most} segments of an hour to numbers that begin with {prefix}"
    if segments > most:
        said = f"{segments} segments, and {app} has {most} an hour to {prefix}"
        return Verdict(PREFIX_CAP, said, "to", cap=prefix)
    return Verdict(PREFIX_CAP, said, "to", max(1.0, wait_ms / 1000), prefix)
