"""What was sent and received, summed up for an invoice: by app, carrier, country, status, class and number.

It is seen from the records while there are some. Who removes records has `keep_messages` and `keep_inbound` sum them up
first, by the day (UTC), in the same transaction: so each message is in one of both, and the sum is the same as before.

A read is a page of a bounded number of messages. How much was summed up in the time that is asked for is told with each
page: where that changed between the first and the last, records were removed meanwhile, and the pages do not add up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, get_args

from gateway.model import CLASSES, STATE_WORDS, State, id_floor, id_ms, message_state
from gateway.sms.kinds import country_of_number
from gateway.store.balance import share
from gateway.store.hot import Row, Values

By = Literal["day", "month", "app", "carrier", "number", "country", "class", "status"]
"""What usage is told apart by."""
BY: Final[tuple[By, ...]] = get_args(By)
DAY_MS: Final = 86_400_000
PAGE: Final = 10_000
"""Messages of a page."""
KEPT_PAGE: Final = 5_000
"""Rows of what was summed up, after which a page ends with its day."""

OUT: Final = "out"
IN: Final = "in"
PARTIAL: Final = "partial"
RECEIVED: Final = "received"
"""Status of inbound messages: whole, or with parts missing."""


class Key(NamedTuple):
    """What a row of usage is of; an empty text where there is none."""

    day: int  # since 1970
    direction: str
    app: str
    carrier: str
    number: str
    country: str
    klass: str
    status: str


class Sums:
    """Messages, segments, and segments that the carrier took (or brought)."""

    __slots__ = ("accepted", "messages", "segments")

    def __init__(self) -> None:
        self.messages = 0
        self.segments = 0
        self.accepted = 0

    def add(self, messages: int, segments: int, accepted: int) -> None:
        """Adds some."""
        self.messages += messages
        self.segments += segments
        self.accepted += accepted


# --- records ----------------------------------------------------------------------------------------------------------

_MESSAGE: Final = "m.id, m.app, m.number, m.peer, m.class, m.parts, m.air"
_SEGMENT: Final = "s.state, s.done_at, s.sent_at, s.receipt_state, s.carrier, s.part"
_OUT_PAGE: Final = (
    f"SELECT {_MESSAGE}, {_SEGMENT} FROM (SELECT * FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?) m"
    " CROSS JOIN segment s ON s.message_id = m.id ORDER BY m.id, s.part"
)
_OUT_OF: Final = Values(
    f"WITH v(mid) AS (VALUES {{values}}) SELECT {_MESSAGE}, {_SEGMENT} FROM v CROSS JOIN message m ON m.id = v.mid"
    " CROSS JOIN segment s ON s.message_id = m.id ORDER BY m.id, s.part",
    1,
)
_INBOUND: Final = "i.id, i.carrier, i.number, i.peer, i.parts, i.complete"
_IN_PAGE: Final = f"SELECT {_INBOUND} FROM inbound i WHERE i.id >= ? AND i.id < ? ORDER BY i.id LIMIT ?"
_IN_OF: Final = Values(
    f"WITH v(mid) AS (VALUES {{values}}) SELECT {_INBOUND} FROM v CROSS JOIN inbound i ON i.id = v.mid", 1
)

Told = tuple[int, Key, int, int]
"""id, key, segments, segments accepted"""

_first: Final = itemgetter(0)
_countries: dict[str, str] = {}
_MOST_COUNTRIES: Final = 65_536


def _country(peer: str) -> str:
    """The country of a phone, or nothing.

    Its first digits tell it: four behind +1, at most five behind +44, fewer elsewhere. All of a million phones would
    take minutes.
    """
    beginning = peer[:6] if peer.startswith("+1") else peer[:9]
    found = _countries.get(beginning)
    if found is None:
        if len(_countries) >= _MOST_COUNTRIES:
            _countries.clear()
        found = _countries[beginning] = country_of_number(peer) or ""
    return found


def _out(rows: Iterable[Row]) -> Iterator[Told]:
    for mid, group in groupby(rows, _first):
        segments = list(group)
        _, app, number, peer, klass, parts, air, *_, carrier, _ = segments[0]
        air = parts if air is None else air
        status = segments[0][7] if len(segments) == 1 else message_state([(row[7], row[8]) for row in segments])
        accepted = sum([share(air, parts, row[12]) for row in segments if _taken(*row[7:11])])
        key = Key(_day(mid), OUT, app, carrier, number, _country(peer), CLASSES[klass], STATE_WORDS[status])
        yield mid, key, air, accepted


def _taken(state: int, done_at: int | None, sent_at: int | None, receipt_state: int | None) -> bool:
    """Whether a carrier has a segment: it said so, or its receipt does."""
    return sent_at is not None or receipt_state is not None or state in _WITH_CARRIER


_WITH_CARRIER: Final = (State.SENT, State.DELIVERED, State.UNDELIVERED)


def _in(rows: Iterable[Row]) -> Iterator[Told]:
    for mid, carrier, number, peer, parts, complete in rows:
        status = RECEIVED if complete else PARTIAL
        yield mid, Key(_day(mid), IN, "", carrier, number, _country(peer), "", status), parts, parts


def _day(mid: int) -> int:
    return id_ms(mid) // DAY_MS


# --- kept -------------------------------------------------------------------------------------------------------------

ADD_USAGE: Final = Values(
    "INSERT INTO usage (day, direction, app, carrier, number, country, class, status, messages, segments, accepted)"
    " VALUES {values} ON CONFLICT (day, direction, app, carrier, number, country, class, status) DO UPDATE SET"
    " messages = messages + excluded.messages, segments = segments + excluded.segments,"
    " accepted = accepted + excluded.accepted",
    11,
)


def keep_messages(con: sqlite3.Connection, ids: Iterable[tuple[int]]) -> None:
    """Sums up messages of ours that are removed in this same transaction; called before they are."""
    # In pieces of the statement, each of which has the segments of a message together.
    _keep(con, _out(_OUT_OF.fetch(con, sorted(set(ids)))))


def keep_inbound(con: sqlite3.Connection, ids: Iterable[tuple[int]]) -> None:
    """The same of inbound messages."""
    _keep(con, _in(_IN_OF.fetch(con, sorted(set(ids)))))


def _keep(con: sqlite3.Connection, told: Iterator[Told]) -> None:
    sums: dict[Key, Sums] = {}
    for _, key, segments, accepted in told:
        sums.setdefault(key, Sums()).add(1, segments, accepted)
    ADD_USAGE.run(con, [(*key, s.messages, s.segments, s.accepted) for key, s in sums.items()])


# --- read -------------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """Sums of what was asked to be told apart: ``of`` has the values of that, in its order."""

    direction: str
    of: tuple[str, ...]
    messages: int
    segments: int
    accepted: int


class Page(NamedTuple):
    """A part of the usage; ``following`` is where the next begins, None after the last.

    ``kept``: messages of the time that was asked for of which there are no records any more.
    """

    lines: list[Line]
    following: str | None
    kept: int


FIRST: Final = "kept:0"


def page(con: sqlite3.Connection, days: tuple[int, int], by: tuple[By, ...], after: str, limit: int = PAGE) -> Page:
    """What is in the part that begins at ``after``: first what was summed up, then messages out, then in.

    ``days`` are the first and the last, since 1970. Raises ValueError for another ``after`` than `FIRST` or what was
    given as ``following``.
    """
    where, _, place = after.partition(":")
    at = int(place)
    alone = not con.in_transaction  # else in the one thread of a test
    if alone:
        con.execute("BEGIN")
    try:
        if where == "kept":
            told, following = _kept(con, max(at, days[0]), days[1])
        elif where == OUT:
            told, following = _records(con, days, at, limit, out=True)
        elif where == IN:
            told, following = _records(con, days, at, limit, out=False)
        else:
            raise ValueError(after)
        kept = con.execute("SELECT coalesce(sum(messages), 0) FROM usage WHERE day BETWEEN ? AND ?", days).fetchone()[0]
    finally:
        if alone:
            con.execute("COMMIT")
    return Page(_lines(told, by), following, kept)


_Counted = Iterable[tuple[Key, int, int, int]]


def _kept(con: sqlite3.Connection, day: int, last: int) -> tuple[_Counted, str | None]:
    """Whole days of what was summed up, as many as have about `KEPT_PAGE` rows."""
    found: list[tuple[Key, int, int, int]] = []
    while day <= last and len(found) < KEPT_PAGE:
        row = con.execute("SELECT min(day) FROM usage WHERE day >= ? AND day <= ?", (day, last)).fetchone()
        if row[0] is None:
            return found, f"{OUT}:0"
        day = row[0]
        for *key, messages, segments, accepted in con.execute(
            "SELECT day, direction, app, carrier, number, country, class, status, messages, segments, accepted"
            " FROM usage WHERE day = ?",
            (day,),
        ):
            found.append((Key(*key), messages, segments, accepted))
        day += 1
    return found, f"kept:{day}" if day <= last else f"{OUT}:0"


def _records(
    con: sqlite3.Connection, days: tuple[int, int], at: int, limit: int, *, out: bool
) -> tuple[_Counted, str | None]:
    low, high = max(at, id_floor(days[0] * DAY_MS)), id_floor((days[1] + 1) * DAY_MS)
    rows = con.execute(_OUT_PAGE if out else _IN_PAGE, (low, high, limit))
    told = list(_out(rows) if out else _in(rows))
    following: str | None = None if not out else f"{IN}:0"
    if len(told) >= limit:
        following = f"{OUT if out else IN}:{told[-1][0] + 1}"
    return [(key, 1, segments, accepted) for _, key, segments, accepted in told], following


def _lines(told: _Counted, by: tuple[By, ...]) -> list[Line]:
    sums: dict[tuple[str, tuple[str, ...]], Sums] = {}
    shown: dict[Key, tuple[str, tuple[str, ...]]] = {}
    for key, messages, segments, accepted in told:
        of = shown.get(key)
        if of is None:
            of = shown[key] = (key.direction, tuple([_VALUES[one](key) for one in by]))
        sums.setdefault(of, Sums()).add(messages, segments, accepted)
    return [Line(*of, s.messages, s.segments, s.accepted) for of, s in sums.items()]


def day_text(day: int) -> str:
    """A day since 1970 as 2026-11-22."""
    return date.fromordinal(_EPOCH + day).isoformat()


_EPOCH: Final = 719_163  # the ordinal of 1970-01-01
_VALUES: Final[dict[By, Any]] = {
    "day": lambda key: day_text(key.day),
    "month": lambda key: day_text(key.day)[:7],
    "app": lambda key: key.app,
    "carrier": lambda key: key.carrier,
    "number": lambda key: key.number,
    "country": lambda key: key.country,
    "class": lambda key: key.klass,
    "status": lambda key: key.status,
}
