"""Messages that go to another carrier: in one transaction their segments are made anew there, still unsent.

Before it they are queued on the old carrier, after it on the new one, whatever happens in between. A message goes only
while none of its segments is accepted or in doubt; after a negative receipt only when each of them ended so. Whether
and where to is for the planner to say, which knows the routes; it is asked in the writer's thread, so that what it
decides on is what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

import msgspec

from gateway.model import State
from gateway.store.ends import End, end_segments, end_unwanted
from gateway.store.hot import INSERT_SEGMENT, Row, Values
from gateway.store.sticky import StickyRow, put_sticky
from gateway.store.trace import accepted
from gateway.store.tx import Op, Tx

Cause = Literal["down", "drained", "refused", "receipt", "order"]
"""Why: the carrier is down, or drained; it refused; its receipt was negative; or to stay behind one that went."""
CAUSES: Final[tuple[Cause, ...]] = ("down", "drained", "refused", "receipt", "order")
FOLLOWERS: Final = 500
"""Messages of one pair that are looked for behind one that goes, in one turn."""

SELECT_MESSAGES: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT m.id, m.app, m.number, m.peer, m.class, m.body, m.encoding, m.options,"
    " m.scheme, m.concat_ref, m.parts, m.receipt, m.expires_at, m.route, m.tried FROM v"
    " CROSS JOIN message m ON m.id = v.mid",
    1,
)
SELECT_SEGMENTS: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT s.message_id, s.part, s.carrier, s.lane, s.rank, s.shard, s.state,"
    " s.in_doubt, s.done_at, s.reason, s.error, s.receipt_state FROM v CROSS JOIN segment s ON s.message_id = v.mid"
    " ORDER BY s.message_id, s.part",
    1,
)
DELETE_SEGMENTS: Final = Values(
    "WITH v(mid) AS (VALUES {values}) DELETE FROM segment WHERE message_id IN (SELECT mid FROM v)", 1
)
UPDATE_MESSAGE: Final = Values(
    "WITH v(mid, body, encoding, options, scheme, ref, parts, receipt, route, tried) AS (VALUES {values})"
    " UPDATE message SET body = v.body, encoding = v.encoding, options = v.options, scheme = v.scheme,"
    # As many as before on the air, for a carrier that does the cutting.
    " air = CASE v.scheme WHEN 'payload' THEN coalesce(air, message.parts) END,"
    " concat_ref = v.ref, parts = v.parts, receipt = v.receipt, route = v.route, tried = v.tried"
    " FROM v WHERE id = v.mid",
    10,
)


class Part(NamedTuple):
    """A segment as it is stored."""

    part: int
    state: int
    in_doubt: int
    done_at: int | None
    reason: str | None
    error: str | None
    receipt_state: int | None


class Candidate:
    """A message that may go to another carrier. ``tried`` are carriers that refused it, or said that it failed."""

    __slots__ = (
        "app",
        "body",
        "carrier",
        "concat_ref",
        "encoding",
        "expires_at",
        "id",
        "klass",
        "lane",
        "number",
        "options",
        "parts",
        "peer",
        "rank",
        "receipt",
        "route",
        "scheme",
        "segments",
        "shard",
        "tried",
    )

    def __init__(self, row: Row, segments: list[Row]) -> None:
        self.id: int = row[0]
        self.app: str = row[1]
        self.number: str = row[2]
        self.peer: str = row[3]
        self.klass: int = row[4]
        self.body: bytes = row[5]
        self.encoding: str = row[6]
        self.options: str | None = row[7]
        self.scheme: str = row[8]
        self.concat_ref: int = row[9]
        self.parts: int = row[10]
        self.receipt: int = row[11]  # `gateway.model.Receipts`
        self.expires_at: int = row[12]
        self.route: str | None = row[13]
        self.tried: tuple[str, ...] = tuple(msgspec.json.decode(row[14])) if row[14] else ()
        first = segments[0]
        self.carrier: str = first[2]
        self.lane: int = first[3]
        self.rank: int = first[4]
        self.shard: int = first[5]
        self.segments = [Part(s[1], *s[6:]) for s in segments]

    @property
    def pair(self) -> tuple[str, str]:
        """The number and the peer."""
        return self.number, self.peer

    @property
    def unsent(self) -> bool:
        """Whether certainly none of its segments is with the carrier, and none under way."""
        return all(s.state == State.QUEUED and not s.in_doubt for s in self.segments)


class Plan(NamedTuple):
    """What a message is to be on another carrier."""

    carrier: str
    route: str
    sticky: bool  # its pair is remembered there
    body: bytes
    encoding: str
    options: str | None
    scheme: str
    concat_ref: int
    parts: int
    receipt: int


class Planner(Protocol):
    """Says where a message may go. Called in the writer's thread. ``receipts``: whether any may go after a receipt."""

    @property
    def receipts(self) -> bool: ...

    def plan(self, message: Candidate, cause: Cause, now: int, target: str | None = None) -> Plan | None:
        """The message as it would be on the next carrier of its route (``target``: on this one), or None: it stays."""


class Moved(NamedTuple):
    """A message that went, for the queues in memory. ``before`` and ``after``: segments that wait there and here."""

    id: int
    app: str
    number: str
    peer: str
    lane: int
    rank: int
    source: str
    target: str
    cause: Cause
    before: int
    after: int
    sticky: bool


def candidates(tx: Tx, ids: Iterable[int]) -> list[Candidate]:
    """Messages with their segments, in the order of their ids."""
    keys = [(i,) for i in sorted(set(ids))]
    if not keys:
        return []
    segments: dict[int, list[Row]] = {}
    for row in SELECT_SEGMENTS.fetch(tx.con, keys):
        segments.setdefault(row[0], []).append(row)
    rows = sorted(SELECT_MESSAGES.fetch(tx.con, keys))
    return [Candidate(row, segments[row[0]]) for row in rows if row[0] in segments]


def move(tx: Tx, going: list[tuple[Candidate, Plan]], cause: Cause) -> list[Moved]:
    """Makes the segments of messages anew on other carriers, queued; what the old attempt left is in the trace."""
    if tx.asks:  # or it might go to a queue that was looked through already
        stopped = end_unwanted(tx, [c.id for c, _ in going])
        going = [(c, p) for c, p in going if c.id not in stopped]
    segments: list[Row] = []
    messages: list[Row] = []
    sticky: list[StickyRow] = []
    out: list[Moved] = []
    for c, p in going:
        for part in range(1, p.parts + 1):
            segments.append(
                (c.id, part, p.carrier, c.app, c.lane, c.rank, c.shard, int(State.QUEUED), 0, 0, 0, None, c.expires_at)
            )
        tried = (*c.tried, c.carrier) if cause in ("refused", "receipt") else c.tried
        known = (c.body, c.encoding, c.options, c.scheme, c.concat_ref, c.parts, c.receipt, c.route, c.tried)
        if known != (p.body, p.encoding, p.options, p.scheme, p.concat_ref, p.parts, p.receipt, p.route, tried):
            packed = msgspec.json.encode(tried).decode() if tried else None
            messages.append(
                (c.id, p.body, p.encoding, p.options, p.scheme, p.concat_ref, p.parts, p.receipt, p.route, packed)
            )
        if p.sticky:
            sticky.append((c.number, c.peer, p.carrier, tx.now))
        waited = sum(s.state == State.QUEUED for s in c.segments)
        out.append(
            Moved(c.id, c.app, c.number, c.peer, c.lane, c.rank, c.carrier, p.carrier, cause, waited, p.parts, p.sticky)
        )
        tx.trace(c.id, 0, "rerouted", c.carrier, {"to": p.carrier, "cause": cause})
    if cause == "receipt":
        tx.traces += accepted(tx.con, [c.id for c, _ in going], tx.now)
    DELETE_SEGMENTS.run(tx.con, [(c.id,) for c, _ in going])
    INSERT_SEGMENT.run(tx.con, segments)
    UPDATE_MESSAGE.run(tx.con, messages)
    put_sticky(tx, sticky)
    return out


class Refused(NamedTuple):
    """Why a message is taken from its carrier: the answer to one of its parts."""

    part: int
    status: int
    reason: str


class Unit(NamedTuple):
    """A page of a carrier's queue: messages of a lane, app and rank after an id."""

    lane: int
    app: str
    rank: int
    after: int
    limit: int


class RerouteOp(Op):
    """Takes messages from a carrier: those of a page, those named, or those of pairs (number, peer, after an id).

    With each message that goes, those behind it between the same number and peer go too, so that the order is kept.
    ``refused`` says for messages that the carrier refused what they end with where no other takes them. Afterwards
    ``moved`` are those that went, ``last`` is the id that a page went to, ``more`` whether there are others after it.
    """

    __slots__ = ("carrier", "cause", "context", "ids", "last", "more", "moved", "pairs", "refused", "unit")
    order: ClassVar[int] = 45
    after: ClassVar[bool] = True  # what it takes may have been stored in the same burst, and be queued in memory first
    must: ClassVar[bool] = True
    name: ClassVar[str] = "reroute"

    def __init__(
        self,
        carrier: str,
        cause: Cause,
        *,
        unit: Unit | None = None,
        ids: Iterable[int] = (),
        pairs: Iterable[tuple[str, str, int, str]] = (),
        refused: dict[int, Refused] | None = None,
        context: Any = None,
    ) -> None:
        super().__init__()
        self.carrier = carrier
        self.cause: Cause = cause
        self.unit = unit
        self.ids = list(ids)
        self.pairs = list(pairs)  # number, peer, after this id, and the carrier that they follow to
        self.refused = refused or {}
        self.context = context
        self.moved: list[Moved] = []
        self.last = 0
        self.more = False

    @property
    def weight(self) -> tuple[int, int]:
        messages = len(self.ids) + len(self.pairs) + (self.unit.limit if self.unit is not None else 0)
        return 4 * messages, 500 * messages

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op._apply(tx)

    def _apply(self, tx: Tx) -> None:
        self.moved, self.last, self.more = [], 0, False
        planner = tx.planner
        ids = list(self.ids)
        if self.unit is not None:
            ids += self._page(tx, self.unit)
        pairs: dict[tuple[str, str], tuple[int, str]] = {}
        for number, peer, after, target in self.pairs:
            pairs[number, peer] = (after, target)
        going: list[tuple[Candidate, Plan]] = []
        here: set[int] = set()
        for c in candidates(tx, ids):
            plan = None
            if c.carrier == self.carrier:
                here.add(c.id)
            if planner is not None and c.carrier == self.carrier and c.unsent:
                plan = planner.plan(c, self.cause, tx.now)
            if plan is None:
                continue
            going.append((c, plan))
            if plan.sticky and c.pair not in pairs:
                # All of a pair leave a carrier together: a page of one app would else have later ones of another app
                # follow it, and these pass their own earlier ones, which are in a page that is still to come.
                pairs[c.pair] = (0 if self.unit is not None else c.id, plan.carrier)
        self.moved += move(tx, going, self.cause)
        self._follow(tx, planner, pairs)
        went = {m.id for m in self.moved}
        queued = int(State.QUEUED)
        ends = [
            End(mid, r.part, State.FAILED, r.reason, status=r.status, low=queued, high=queued)
            for mid, r in self.refused.items()
            if mid in here and mid not in went
        ]
        end_segments(tx, ends)

    def _page(self, tx: Tx, unit: Unit) -> list[int]:
        rows = tx.con.execute(
            "SELECT DISTINCT message_id FROM segment WHERE state = 1 AND carrier = ? AND lane = ? AND app = ?"
            " AND rank = ? AND message_id > ? ORDER BY message_id LIMIT ?",
            (self.carrier, *unit),
        ).fetchall()
        self.last = rows[-1][0] if rows else 0
        self.more = len(rows) >= unit.limit
        return [row[0] for row in rows]

    def _follow(self, tx: Tx, planner: Planner | None, pairs: dict[tuple[str, str], tuple[int, str]]) -> None:
        """What waits behind messages that went, between the same number and peer, goes after them."""
        behind: dict[int, str] = {}
        # The + keeps SQLite from the index of what is queued, which it would walk as a whole for each pair.
        for (number, peer), (after, target) in pairs.items():
            for (mid,) in tx.con.execute(
                "SELECT DISTINCT m.id FROM message m CROSS JOIN segment s ON s.message_id = m.id WHERE m.peer = ?"
                " AND m.id > ? AND m.number = ? AND +s.state = 1 AND s.carrier = ? ORDER BY m.id LIMIT ?",
                (peer, after, number, self.carrier, FOLLOWERS),
            ):
                behind[mid] = target
        going: list[tuple[Candidate, Plan]] = []
        for c in candidates(tx, behind):
            if planner is not None and c.unsent:
                plan = planner.plan(c, "order", tx.now, behind[c.id])
                if plan is not None:
                    going.append((c, plan))
        self.moved += move(tx, going, "order")
