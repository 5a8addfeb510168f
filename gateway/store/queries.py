"""Reads of queues and streams, each paged or bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model import State, id_floor, id_ms, message_state
from gateway.store.forgotten import by_name, key_of
from gateway.store.optedout import SELECT_OPTOUT

Row = tuple[Any, ...]


class QueueUnit(msgspec.Struct, frozen=True):
    """What is kept in order by itself: an app's messages of one priority in one lane of a carrier."""

    carrier: str
    lane: int
    app: str
    rank: int


def queue_units(con: sqlite3.Connection) -> list[tuple[QueueUnit, int]]:
    """All units with something queued, and how many segments; one walk over the partial index."""
    rows = con.execute(
        "SELECT carrier, lane, app, rank, count(*) FROM segment WHERE state = 1 GROUP BY carrier, lane, app, rank"
    ).fetchall()
    return [(QueueUnit(*row[:4]), row[4]) for row in rows]


class QueueLine(NamedTuple):
    """What waits for a carrier of one app in one lane; ``oldest`` is the id of the message that waits longest."""

    carrier: str
    lane: int
    app: str
    segments: int
    oldest: int


def queue_lines(con: sqlite3.Connection) -> list[QueueLine]:
    """What waits, by carrier, lane and app: a seek for each unit, and each line counted by itself.

    That is half of the time of grouping them: 0.2 s for a million segments.
    """
    oldest: dict[tuple[str, int, str], int] = {}
    for carrier, lane, app, _, low in _units(con):
        key = (carrier, lane, app)
        oldest[key] = min(low, oldest.get(key, low))
    counted = "SELECT count(*) FROM segment WHERE state = 1 AND carrier = ? AND lane = ? AND app = ?"
    return [QueueLine(*key, con.execute(counted, key).fetchone()[0], low) for key, low in oldest.items()]


_LAST_ID: Final = (1 << 63) - 1


def queued_oldest(con: sqlite3.Connection) -> dict[str, int]:
    """For each carrier the creation time (ms) of the oldest message that waits: one seek for each unit."""
    oldest: dict[str, int] = {}
    for carrier, _, _, _, low in _units(con):
        oldest[carrier] = min(low, oldest.get(carrier, low))
    return {carrier: id_ms(low) for carrier, low in oldest.items()}


def queued_oldest_id(con: sqlite3.Connection) -> int | None:
    """The lowest id of a message that waits, whatever for; None: nothing does."""
    return min((low for *_, low in _units(con)), default=None)


def _units(con: sqlite3.Connection) -> Iterator[Row]:
    """Units with something queued, with the lowest id of each: (carrier, lane, app, rank, message_id)."""
    unit: Row = ("", -1, "", -1)
    while True:
        row = con.execute(
            "SELECT carrier, lane, app, rank, message_id FROM segment WHERE state = 1"
            " AND (carrier, lane, app, rank, message_id) > (?, ?, ?, ?, ?)"
            " ORDER BY carrier, lane, app, rank, message_id LIMIT 1",
            (*unit, _LAST_ID),
        ).fetchone()
        if row is None:
            return
        unit = row[:4]
        yield row


SCANNED: Final = 5000
"""Messages of a unit that are looked at in one read for those of a number."""


def queued_from(
    con: sqlite3.Connection, unit: QueueUnit, after: int, numbers: frozenset[str]
) -> tuple[list[tuple[int, str]], int | None]:
    """Messages of a unit (id, number) that wait, none of them in doubt, and are from these numbers of ours.

    ``after`` is the id after which is looked; the second result is the one to go on from (None: no more). One page of
    `SCANNED` rows takes 10 ms, whatever the numbers.
    """
    rows = con.execute(
        "SELECT q.message_id, m.number, q.in_doubt FROM (SELECT message_id, max(in_doubt) AS in_doubt"
        " FROM segment WHERE state = 1 AND carrier = ? AND lane = ? AND app = ? AND rank = ? AND message_id > ?"
        f" GROUP BY message_id ORDER BY message_id LIMIT {SCANNED}) q CROSS JOIN message m ON m.id = q.message_id",
        (unit.carrier, unit.lane, unit.app, unit.rank, after),
    ).fetchall()
    found = [(mid, number) for mid, number, in_doubt in rows if number in numbers and not in_doubt]
    return found, rows[-1][0] if len(rows) >= SCANNED else None


def queued_opted_out(
    con: sqlite3.Connection, unit: QueueUnit, after: int
) -> tuple[list[tuple[str, str, str, str]], int | None]:
    """Of messages of a unit that wait those whose peer opted out of anything: app, number, peer, and a scope of that.

    ``after`` and the second result as of `queued_from`.
    """
    rows = con.execute(
        "SELECT q.message_id, m.app, m.number, m.peer, o.scope FROM (SELECT DISTINCT message_id FROM segment"
        " WHERE state = 1 AND carrier = ? AND lane = ? AND app = ? AND rank = ? AND message_id > ?"
        f" ORDER BY message_id LIMIT {SCANNED}) q CROSS JOIN message m ON m.id = q.message_id"
        " LEFT JOIN optout o ON o.peer = m.peer",
        (unit.carrier, unit.lane, unit.app, unit.rank, after),
    ).fetchall()
    last = rows[-1][0] if len({row[0] for row in rows}) >= SCANNED else None
    return _out_of(con, [row[1:] for row in rows]), last


def claimed_opted_out(con: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    """The same of messages that are claimed, of which there are a few windows full."""
    rows = con.execute(
        "SELECT m.app, m.number, m.peer, o.scope FROM (SELECT DISTINCT message_id FROM segment WHERE state = 2) q"
        " CROSS JOIN message m ON m.id = q.message_id LEFT JOIN optout o ON o.peer = m.peer"
    ).fetchall()
    return _out_of(con, rows)


def _out_of(con: sqlite3.Connection, rows: list[Row]) -> list[tuple[str, str, str, str]]:
    """Rows of app, number, peer and a scope, without those that have no scope, and with those of who was erased."""
    found = [row for row in rows if row[3] is not None]
    if (key := key_of(con)) is not None:
        held: dict[str, list[str]] = {}
        for peer, scope in by_name(con, key, SELECT_OPTOUT, {row[2]: None for row in rows}):
            held.setdefault(peer, []).append(scope)
        stored = {row[:3]: None for row in rows}
        found += [(app, number, peer, scope) for app, number, peer in stored for scope in held.get(peer, ())]
    return found


def due_scheduled(con: sqlite3.Connection, now: int, limit: int = 500) -> list[int]:
    """Ids of scheduled messages whose time has come."""
    rows = con.execute(
        "SELECT DISTINCT message_id FROM segment WHERE state = 0 AND due_at <= ? ORDER BY due_at LIMIT ?",
        (now, limit),
    ).fetchall()
    return [i for (i,) in rows]


def senders_of(con: sqlite3.Connection, ids: list[int]) -> list[tuple[int, str, str]]:
    """Those of these messages of which no carrier has or had a part, with the app and the number that each is from."""
    marks = ", ".join("?" * len(ids))
    return con.execute(
        f"SELECT m.id, m.app, m.number FROM message m WHERE m.id IN ({marks}) AND NOT EXISTS (SELECT 1 FROM segment s"
        " WHERE s.message_id = m.id AND (s.state > 1 OR s.in_doubt > 0))",
        ids,
    ).fetchall()


def expired_unsent(con: sqlite3.Connection, now: int, limit: int = 500) -> list[tuple[int, int]]:
    """Segments (message_id, part) that wait past their validity."""
    return con.execute(
        "SELECT message_id, part FROM segment WHERE state IN (0, 1) AND expires_at <= ? LIMIT ?", (now, limit)
    ).fetchall()


def sent_without_receipt(con: sqlite3.Connection, low: int, high: int) -> int:
    """How many messages created from ``low`` to ``high`` (ms) are sent, asked for a receipt and have none."""
    return int(
        con.execute(
            "SELECT count(DISTINCT s.message_id) FROM segment s JOIN message m ON m.id = s.message_id"
            " WHERE s.message_id >= ? AND s.message_id < ? AND s.state = 3 AND s.done_at IS NULL"
            " AND m.receipt > 0",
            (id_floor(low), id_floor(high)),
        ).fetchone()[0]
    )


def states(con: sqlite3.Connection, ids: list[int]) -> dict[int, str]:
    """The state words of messages."""
    marks = ",".join("?" * len(ids))
    found: dict[int, list[tuple[int, int | None]]] = {}
    for mid, state, done_at in con.execute(
        f"SELECT message_id, state, done_at FROM segment WHERE message_id IN ({marks}) ORDER BY message_id, part",
        ids,
    ):
        found.setdefault(mid, []).append((state, done_at))
    return {mid: message_state(segments).word for mid, segments in found.items()}


class Original(NamedTuple):
    """What a request under a used `ref` is told of the message that is stored under it."""

    state: str
    number: str
    peer: str
    encoding: str
    segments: int  # on the air: where the carrier does the cutting, one part is stored


def originals(con: sqlite3.Connection, ids: list[int]) -> dict[int, Original]:
    """Messages as `submit` answered for them, by id."""
    marks = ",".join("?" * len(ids))
    words = states(con, ids)
    rows = con.execute(
        f"SELECT id, number, peer, encoding, coalesce(air, parts) FROM message WHERE id IN ({marks})", ids
    )
    return {row[0]: Original(words[row[0]], *row[1:]) for row in rows if row[0] in words}


def counts_by_state(con: sqlite3.Connection) -> dict[str, int]:
    """Segments that are at work, by state word: scheduled, queued, submitting, in_doubt."""
    out: dict[str, int] = {}
    for state in (State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.IN_DOUBT):
        # The literal lets SQLite use the partial index of that state.
        out[state.word] = con.execute(f"SELECT count(*) FROM segment WHERE state = {int(state)}").fetchone()[0]
    return out


def doubtful(con: sqlite3.Connection, carrier: str, after: int = 0, limit: int = 500) -> list[int]:
    """Messages with held segments in doubt of a carrier, after the id ``after``, oldest first."""
    rows = con.execute(
        "SELECT DISTINCT message_id FROM segment WHERE state = 4 AND carrier = ? AND message_id > ?"
        " ORDER BY message_id LIMIT ?",
        (carrier, after, limit),
    ).fetchall()
    return [i for (i,) in rows]


def in_doubt(con: sqlite3.Connection, ids: list[int]) -> dict[int, tuple[bool, int, str]]:
    """Of those messages that there are: whether a segment is in doubt, when the validity ends (ms), and the carrier."""
    marks = ",".join("?" * len(ids))
    rows = con.execute(
        "SELECT message_id, max(state = 4), max(expires_at), max(carrier) FROM segment"
        f" WHERE message_id IN ({marks}) GROUP BY message_id",
        ids,
    ).fetchall()
    return {mid: (bool(doubt), expires_at, carrier) for mid, doubt, expires_at, carrier in rows}


# --- streams ----------------------------------------------------------------------------------------------------------


def cursors(con: sqlite3.Connection) -> dict[int, tuple[int, list[int]]]:
    """Where each stream stands: acked, and sequence numbers done beyond."""
    rows = con.execute("SELECT stream, acked, sparse FROM cursor")
    return {stream: (acked, _beyond(sparse)) for stream, acked, sparse in rows}


def cursor_of(con: sqlite3.Connection, stream: int) -> tuple[int, frozenset[int]]:
    """The same of one stream; one that has none stands at its beginning."""
    row = con.execute("SELECT acked, sparse FROM cursor WHERE stream = ?", (stream,)).fetchone()
    return (row[0], frozenset(_beyond(row[1]))) if row is not None else (0, frozenset())


def _beyond(sparse: str | None) -> list[int]:
    return _numbers.decode(sparse) if sparse else []


_numbers: Final = msgspec.json.Decoder(list[int])


def stream_page(con: sqlite3.Connection, stream: int, after: int, limit: int) -> list[Row]:
    """Events of a stream after a sequence number: (seq, at, kind, subject, payload)."""
    return con.execute(
        "SELECT seq, at, kind, subject, payload FROM event WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (stream, after, limit),
    ).fetchall()


def first_since(con: sqlite3.Connection, stream: int, ms: int) -> int:
    """The sequence number at which to look for events told since ``ms``; events are in order of time in a stream."""
    # Each a seek of its own: asked for both at once, SQLite reads the whole stream.
    low, high = con.execute(
        "SELECT coalesce((SELECT min(seq) FROM event WHERE stream = ?1), 0),"
        " coalesce((SELECT max(seq) FROM event WHERE stream = ?1), -1)",
        (stream,),
    ).fetchone()
    while low < high:
        middle = (low + high) // 2
        row = con.execute(
            "SELECT at FROM event WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1", (stream, middle)
        ).fetchone()
        if row[0] < ms:
            low = middle + 1
        else:
            high = middle
    return int(low)


def retries(con: sqlite3.Connection, stream: int) -> dict[int, tuple[int, int | None, str]]:
    """Failed deliveries of a stream that are tried again, by sequence number: attempts, due_at (ms), error."""
    return {
        seq: (attempts, due_at, error)
        for seq, attempts, due_at, error in con.execute(
            "SELECT seq, attempts, due_at, error FROM retry WHERE stream = ? AND due_at IS NOT NULL", (stream,)
        )
    }


def dead_beyond(con: sqlite3.Connection, stream: int, acked: int) -> list[int]:
    """Dead letters that the cursor does not know of yet: a crash came between the two records."""
    rows = con.execute(
        "SELECT seq FROM retry WHERE stream = ? AND seq > ? AND due_at IS NULL", (stream, acked)
    ).fetchall()
    return [seq for (seq,) in rows]


def dead_letters(con: sqlite3.Connection, stream: int) -> int:
    """How many events of a stream were set aside."""
    return int(con.execute("SELECT count(*) FROM retry WHERE stream = ? AND due_at IS NULL", (stream,)).fetchone()[0])
