"""The same text to the same phone a short while after: refused where its app says so (`same_text_within`).

What is compared is what is stored, after content policy, since that is what the person reads; a clause that only the
first message had makes no other text. A message that came to a bad end was not read, and may be sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model import BAD_ENDS, id_floor, id_ms
from gateway.settings import Settings
from gateway.store.hot import Row, Values
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

DUPLICATE_TEXT: Final = "duplicate_text"
"""The reason with which a message is refused."""
MOST_MESSAGES: Final = 1000
"""Messages to one phone, of anybody, that are looked at: the newest ones."""
_BAD: Final = ", ".join([str(int(state)) for state in sorted(BAD_ENDS)])

# The newest of the same.
SELECT_SAME: Final = Values(
    "WITH v(i, peer, since, app, body) AS (VALUES {values}) SELECT v.i, max(m.id) FROM v"
    " CROSS JOIN message m ON m.peer = v.peer AND m.id >= max(v.since, coalesce((SELECT n.id FROM message n"
    f" WHERE n.peer = v.peer ORDER BY n.id DESC LIMIT 1 OFFSET {MOST_MESSAGES - 1}), 0))"
    " CROSS JOIN segment s ON s.message_id = m.id AND s.part = 1"
    f" WHERE m.app = v.app AND m.body = v.body AND s.state NOT IN ({_BAD}) GROUP BY v.i",
    5,
)


Key = tuple[str, str, bytes]
"""app, peer, body"""


def _keys(m: NewMessage) -> tuple[Key, ...]:
    own = (m.app, m.peer, m.body)
    return (own,) if m.alike is None else (own, (m.app, m.peer, m.alike.encode()))


class SameText:
    """A meter (`gateway.store.meters`) by the spans of a configuration, of which there are some. It writes nothing."""

    def __init__(self, spans: dict[str, int]) -> None:
        self._spans = spans  # by app, in ms
        # Of the burst under way:
        self._now = 0
        self._before: dict[Key, int] = {}  # ids

    def begin(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Reads which of these texts went to the same phones a short while ago."""
        spans = self._spans
        keys = list(dict.fromkeys([key for m in messages if m.app in spans for key in _keys(m)]))
        if not keys:
            return False
        self._now = tx.now
        rows: list[Row] = [
            (i, peer, id_floor(tx.now - spans[app]), app, body) for i, (app, peer, body) in enumerate(keys)
        ]
        self._before = {keys[i]: found for i, found in SELECT_SAME.fetch(tx.con, rows)}
        return True

    def over(self, m: NewMessage) -> Verdict | None:
        """Whether it was sent before, or comes twice in this burst."""
        before = max([self._before.get(key, 0) for key in _keys(m)])
        if not before:
            return None
        span = self._spans[m.app]
        wait = max(1, id_ms(before) + span - self._now) / 1000
        return Verdict(DUPLICATE_TEXT, f"the same text went to this phone less than {span // 1000} s ago", "text", wait)

    def take(self, m: NewMessage) -> None:
        """Notes it for those behind it."""
        if m.app in self._spans:
            self._before[m.app, m.peer, m.body] = m.id

    def write(self, tx: Tx) -> None:
        """Nothing: what is stored is what is looked at."""


def same_text(settings: Settings) -> SameText | None:
    """The meter of a configuration, None where it sets no span."""
    spans = {app.name: int(app.same_text_within * 1000) for app in settings.apps if app.same_text_within}
    return SameText(spans) if spans else None
