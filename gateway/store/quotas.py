"""How much an app or a number may send in a second, a day, a month, a year, and to one phone in a day (`quota`).

Segments are counted by app or number and period in the transaction that stores the messages: one row for each, which
says what was sent in the period that it was used in last. So a restart forgets nothing, and what is refused is not
counted. A burst that a quota is for costs one read, and a row for each count in it; what went to a phone is read from
the messages themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.model import id_floor
from gateway.policy.periods import PERIODS, Period, Periods
from gateway.settings import Settings
from gateway.settings.carrier.forms import zone_of
from gateway.settings.quotas import Quota
from gateway.store.hot import Row, Values
from gateway.store.optedout import PASSES
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

QUOTA_EXCEEDED: Final = "quota_exceeded"
"""The reason with which a message is refused."""
PER_PEER_DAY: Final = "per_peer_day"
MOST_MESSAGES: Final = 5000
"""Messages to one phone, of anybody, that are looked at for what went there in a day: the newest ones."""

SELECT_USE: Final = Values(
    "WITH v(subject, period) AS (VALUES {values}) SELECT u.subject, u.period, u.start, u.segments FROM v"
    " CROSS JOIN quota_use u ON u.subject = v.subject AND u.period = v.period",
    2,
)
PUT_USE: Final = Values(
    "INSERT INTO quota_use (subject, period, start, segments) VALUES {values}"
    " ON CONFLICT (subject, period) DO UPDATE SET start = excluded.start, segments = excluded.segments",
    4,
)
# What went to a phone since an id: by an app, or from a number.
SELECT_TO_PEER: Final = Values(
    "WITH v(i, peer, since, app, number) AS (VALUES {values}) SELECT v.i, sum(coalesce(m.air, m.parts)) FROM v"
    " CROSS JOIN message m ON m.peer = v.peer AND m.id >= max(v.since, coalesce((SELECT n.id FROM message n"
    f" WHERE n.peer = v.peer ORDER BY n.id DESC LIMIT 1 OFFSET {MOST_MESSAGES - 1}), 0))"
    " WHERE (m.app = v.app OR v.app IS NULL) AND (m.number = v.number OR v.number IS NULL) GROUP BY v.i",
    5,
)


class Limit(NamedTuple):
    """One of the quotas: ``most`` segments of an app or a number (``app:NAME``, ``number:NUMBER``) in a period."""

    subject: str
    period: Period
    most: int


class PeerLimit(NamedTuple):
    """The same of what goes to one phone in a day."""

    subject: str
    most: int
    app: str | None
    number: str | None


class Of(NamedTuple):
    """The quotas of one app or number."""

    limits: tuple[Limit, ...]
    peer: PeerLimit | None


Key = tuple[str, Period]
"""subject, period"""


class Quotas:
    """A meter (`gateway.store.meters`) by the quotas of a configuration.

    The gateway's own messages count for their number. What passes the block of an opt-out passes this too: the answer
    to a STOP is owed.
    """

    def __init__(self, settings: Settings) -> None:
        self._periods = Periods(zone_of(settings.quotas.zone))
        self._apps: dict[str, Of] = {}
        self._numbers: dict[str, Of] = {}
        for app in settings.apps:
            if app.quota is not None and (of := _of(app.quota, f"app:{app.name}", app=app.name)) is not None:
                self._apps[app.name] = of
        for number in settings.numbers:
            if number.quota is not None:
                of = _of(number.quota, f"number:{number.number}", number=number.number)
                if of is not None:
                    self._numbers[number.number] = of
        # Of the burst under way:
        self._tx: Tx
        self._limits: dict[int, tuple[Limit, ...]] = {}
        self._peers: dict[int, list[PeerLimit]] = {}
        self._starts: dict[Key, int] = {}
        self._used: dict[Key, int] = {}
        self._counted: set[Key] = set()
        self._to_peer: dict[tuple[str, str], int] = {}

    def begin(self, tx: Tx, messages: list[NewMessage]) -> bool:
        """Reads what was sent by the apps and from the numbers of these messages."""
        self._limits, self._peers = {}, {}
        apps, numbers = self._apps, self._numbers
        for m in messages:
            app, number = apps.get(m.app), numbers.get(m.number)
            if app is None and number is None:
                continue
            limits: tuple[Limit, ...] = ()
            for of in (app, number):
                if of is None:
                    continue
                limits += of.limits
                if of.peer is not None:
                    self._peers.setdefault(m.id, []).append(of.peer)
            self._limits[m.id] = limits
        if not self._limits:
            return False
        self._tx = tx
        self._read_use(tx)
        self._to_peer = {}
        if self._peers:
            self._read_peers(tx, messages)
        return True

    def _read_use(self, tx: Tx) -> None:
        now, of = tx.now, self._periods.of
        self._counted = set()
        self._starts = {}
        for limits in self._limits.values():
            for subject, period, _ in limits:
                if (subject, period) not in self._starts:
                    self._starts[subject, period] = of(period, now).start
        self._used = dict.fromkeys(self._starts, 0)
        for subject, period, start, segments in SELECT_USE.fetch(tx.con, list(self._starts)):
            # A clock that stepped back over midnight does not begin the day before anew.
            if self._starts[subject, period] <= start <= of(period, now).end:
                self._starts[subject, period] = start
                self._used[subject, period] = segments

    def _read_peers(self, tx: Tx, messages: list[NewMessage]) -> None:
        wanted: dict[tuple[str, str], PeerLimit] = {}
        for m in messages:
            for limit in self._peers.get(m.id, ()):
                wanted[limit.subject, m.peer] = limit
        since = id_floor(self._periods.of("day", tx.now).start)
        rows: list[Row] = [
            (i, peer, since, limit.app, limit.number) for i, ((_, peer), limit) in enumerate(wanted.items())
        ]
        keys = list(wanted)
        self._to_peer = dict.fromkeys(keys, 0)
        for i, segments in SELECT_TO_PEER.fetch(tx.con, rows):
            self._to_peer[keys[i]] = segments

    def over(self, m: NewMessage) -> Verdict | None:
        """Whether it is over one of the quotas of its app or its number."""
        if m.door == PASSES:
            return None
        for subject, period, most in self._limits.get(m.id, ()):
            if self._used[subject, period] + m.air > most:
                return self._refused(m, subject, period, most)
        for limit in self._peers.get(m.id, ()):
            if self._to_peer[limit.subject, m.peer] + m.air > limit.most:
                return self._refused(m, limit.subject, PER_PEER_DAY, limit.most)
        return None

    def _refused(self, m: NewMessage, subject: str, quota: str, most: int) -> Verdict:
        tx = self._tx
        tx.count(f"quota:{quota}:{subject}")
        period: Period = "day" if quota == PER_PEER_DAY else _PERIOD[quota]
        to = " to one phone" if quota == PER_PEER_DAY else ""
        who = subject.partition(":")[2]
        field = "to" if to else "from" if subject.startswith("number:") else None
        if m.air > most:
            return Verdict(QUOTA_EXCEEDED, f"{quota}: {m.air} segments, and {who} has {most} a {period}{to}", field)
        wait = max(1, self._periods.of(period, tx.now).end - tx.now) / 1000
        left = most - (self._to_peer[subject, m.peer] if to else self._used[subject, period])
        said = f"{quota}: of the {most} segments a {period} that {who} has{to} {max(0, left)} are left"
        return Verdict(QUOTA_EXCEEDED, said, field, wait)

    def take(self, m: NewMessage) -> None:
        """Counts it for all of its quotas."""
        for subject, period, _ in self._limits.get(m.id, ()):
            self._used[subject, period] += m.air
            self._counted.add((subject, period))
        for limit in self._peers.get(m.id, ()):
            self._to_peer[limit.subject, m.peer] += m.air

    def write(self, tx: Tx) -> None:
        """Writes the counts that changed."""
        rows: list[Row] = [(*key, self._starts[key], self._used[key]) for key in sorted(self._counted)]
        PUT_USE.run(tx.con, rows)


_PERIOD: Final[dict[str, Period]] = {period: period for period in PERIODS}


def _of(quota: Quota, subject: str, *, app: str | None = None, number: str | None = None) -> Of | None:
    most: dict[Period, int] = {"second": quota.second, "day": quota.day, "month": quota.month, "year": quota.year}
    limits = tuple([Limit(subject, period, n) for period, n in most.items() if n])
    peer = PeerLimit(subject, quota.per_peer_day, app, number) if quota.per_peer_day else None
    return Of(limits, peer) if limits or peer is not None else None


def quotas(settings: Settings) -> list[tuple[str, str]]:
    """All that a configuration sets: whose (``app:NAME``, ``number:NUMBER``), and the name of each."""
    owners: list[tuple[str, Quota | None]] = [(f"app:{app.name}", app.quota) for app in settings.apps]
    owners += [(f"number:{number.number}", number.quota) for number in settings.numbers]
    return [(of, name) for of, quota in owners if quota is not None for name, most in quota if most]


def quotas_of(settings: Settings) -> Quotas | None:
    """The meter of a configuration, None where it sets no quota."""
    return Quotas(settings) if quotas(settings) else None
