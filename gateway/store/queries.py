"""Reads of messages, queues and events, each paged or bounded."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from gateway.model import CLASSES, STATE_WORDS, IdText, State, id_floor, id_ms, is_final, message_state
from gateway.store.ends import rfc3339 as rfc3339

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


_LAST_ID: Final = (1 << 63) - 1


def queued_oldest(con: sqlite3.Connection) -> dict[str, int]:
    """For each carrier the creation time (ms) of the oldest message that waits: one seek for each unit."""
    oldest: dict[str, int] = {}
    unit: Row = ("", -1, "", -1)
    while True:
        row = con.execute(
            "SELECT carrier, lane, app, rank, message_id FROM segment WHERE state = 1"
            " AND (carrier, lane, app, rank, message_id) > (?, ?, ?, ?, ?)"
            " ORDER BY carrier, lane, app, rank, message_id LIMIT 1",
            (*unit, _LAST_ID),
        ).fetchone()
        if row is None:
            return {carrier: id_ms(low) for carrier, low in oldest.items()}
        *unit, low = row
        oldest[row[0]] = min(low, oldest.get(row[0], low))


QUEUED_COLUMNS: Final = (
    "m.id, m.app, m.number, m.peer, m.class, m.body, m.encoding, m.options, m.scheme, m.concat_ref, m.parts, m.receipt,"
    " m.expires_at"
)


def queued(
    con: sqlite3.Connection, unit: QueueUnit, after: int, limit: int
) -> tuple[list[tuple[Row, list[Row]]], int | None]:
    """Messages of a unit that wait, oldest first, after the id ``after``, and the id to go on from (None: no more).

    Each is its `QUEUED_COLUMNS` and its queued segments as (part, due_at, attempts, in_doubt). One that is cancelled
    while this reads is left out, so a page may hold less than ``limit`` and still not be the last.
    """
    ids = con.execute(
        "SELECT DISTINCT message_id FROM segment WHERE state = 1 AND carrier = ? AND lane = ? AND app = ? AND rank = ?"
        " AND message_id > ? ORDER BY message_id LIMIT ?",
        (unit.carrier, unit.lane, unit.app, unit.rank, after, limit),
    ).fetchall()
    return _with_segments(con, [i for (i,) in ids]), ids[-1][0] if len(ids) >= limit else None


def queued_by_id(con: sqlite3.Connection, ids: list[int]) -> list[tuple[Row, list[Row]]]:
    """The same for messages whose ids are known, for instance those whose time has come."""
    return _with_segments(con, ids)


def _with_segments(con: sqlite3.Connection, ids: list[int]) -> list[tuple[Row, list[Row]]]:
    if not ids:
        return []
    marks = ",".join("?" * len(ids))
    messages = con.execute(f"SELECT {QUEUED_COLUMNS} FROM message m WHERE m.id IN ({marks})", ids).fetchall()
    segments: dict[int, list[Row]] = {}
    for mid, *rest in con.execute(
        "SELECT message_id, part, due_at, attempts, in_doubt, carrier, lane, rank FROM segment"
        f" WHERE message_id IN ({marks}) AND state = 1 ORDER BY message_id, part",
        ids,
    ):
        segments.setdefault(mid, []).append(tuple(rest))
    return [(row, segments[row[0]]) for row in sorted(messages) if row[0] in segments]


def due_scheduled(con: sqlite3.Connection, now: int, limit: int = 500) -> list[int]:
    """Ids of scheduled messages whose time has come."""
    rows = con.execute(
        "SELECT DISTINCT message_id FROM segment WHERE state = 0 AND due_at <= ? ORDER BY due_at LIMIT ?",
        (now, limit),
    ).fetchall()
    return [i for (i,) in rows]


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
            " WHERE s.message_id >= ? AND s.message_id < ? AND s.state = 3 AND m.receipt = 1",
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


def counts_by_state(con: sqlite3.Connection) -> dict[str, int]:
    """Segments that are at work, by state word: scheduled, queued, submitting, in_doubt."""
    out: dict[str, int] = {}
    for state in (State.SCHEDULED, State.QUEUED, State.SUBMITTING, State.IN_DOUBT):
        # The literal lets SQLite use the partial index of that state.
        out[state.word] = con.execute(f"SELECT count(*) FROM segment WHERE state = {int(state)}").fetchone()[0]
    return out


def doubtful(con: sqlite3.Connection, carrier: str, limit: int = 500) -> list[tuple[int, int]]:
    """Held segments in doubt of a carrier."""
    return con.execute(
        "SELECT message_id, part FROM segment WHERE state = 4 AND carrier = ? ORDER BY message_id LIMIT ?",
        (carrier, limit),
    ).fetchall()


# --- messages as users see them ---------------------------------------------------------------------------------------

_MESSAGE: Final = (
    "id, app, number, peer, class, body, meta, ref, encoding, options, scheme, concat_ref, parts, receipt, expires_at"
)
_SEGMENT: Final = (
    "message_id, part, carrier, state, attempts, in_doubt, due_at, status, reason, error, receipt_state,"
    " smsc_message_id, sent_at, done_at"
)


class View:
    """How messages are shown: ids as text, states as words, flags by age."""

    def __init__(self, id_text: IdText, no_receipt_after_ms: int) -> None:
        self.id_text = id_text
        self.no_receipt_after_ms = no_receipt_after_ms

    def message(self, row: Row, segments: list[Row], now: int, *, with_text: bool) -> dict[str, Any]:
        """A message as the socket's ``message`` method returns it."""
        mid, app, number, peer, klass, body, meta, ref, encoding, _, _, _, parts, receipt, expires_at = row
        state = message_state((s[3], s[13]) for s in segments)
        ended = is_final(state, bool(receipt))
        bad = [s for s in segments if s[3] > State.DELIVERED]
        cause = min(bad, key=lambda s: s[13] or 0) if bad else segments[-1]
        sent = [s[12] for s in segments if s[12] is not None]
        reason = cause[8] if ended else None
        if state == State.SENT and receipt and sent and now - max(sent) >= self.no_receipt_after_ms:
            reason = "no_receipt"
        elif state == State.IN_DOUBT:
            reason = "in_doubt"
        done = [s[13] for s in segments if s[13] is not None]
        shown: dict[str, Any] = {
            "id": self.id_text.format(mid),
            "app": app,
            "ref": ref,
            "from": number,
            "to": peer,
            "class": CLASSES[klass],
            "encoding": encoding,
            "state": state.word,
            "reason": reason,
            "carrier": segments[0][2],
            "segments": parts,
            "created_at": rfc3339(id_ms(mid)),
            "sent_at": rfc3339(min(sent)) if sent else None,
            "done_at": rfc3339(max(done)) if ended and done else None,
            "expires_at": rfc3339(expires_at),
            "meta": msgspec.Raw(meta.encode()) if meta is not None else None,
            "parts": [self._part(s) for s in segments],
        }
        if with_text:
            if encoding == "binary":
                shown["data"] = body.hex()
            else:
                shown["text"] = body.decode()
        return shown

    @staticmethod
    def _part(s: Row) -> dict[str, Any]:
        return {
            "part": s[1],
            "state": STATE_WORDS[s[3]],
            "smsc_message_id": s[11],
            "command_status": s[7],
            "receipt_state": s[10],
            "error_code": s[9],
            "attempts": s[4],
            "in_doubt": s[5],
            "sent_at": rfc3339(s[12]) if s[12] is not None else None,
            "done_at": rfc3339(s[13]) if s[13] is not None else None,
        }

    def messages(
        self, con: sqlite3.Connection, ids: list[int], now: int, *, app: str | None, with_text: bool
    ) -> dict[int, dict[str, Any]]:
        """Messages by stored id; ``app`` None sees all, another only its own."""
        marks = ",".join("?" * len(ids))
        rows = con.execute(f"SELECT {_MESSAGE} FROM message WHERE id IN ({marks})", ids).fetchall()
        if app is not None:
            rows = [row for row in rows if row[1] == app]
        segments: dict[int, list[Row]] = {}
        for segment in con.execute(
            f"SELECT {_SEGMENT} FROM segment WHERE message_id IN ({marks}) ORDER BY message_id, part", ids
        ):
            segments.setdefault(segment[0], []).append(segment)
        return {
            row[0]: self.message(row, segments[row[0]], now, with_text=with_text) for row in rows if row[0] in segments
        }


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for; times in ms, ``before`` is a stored id to page on."""

    peer: str | None = None
    number: str | None = None
    app: str | None = None
    state: str | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None
    before: int | None = None
    limit: int = 50


SCAN_ROWS: Final = 20_000
"""Messages that one page of a search looks at, at most: a search for a rare state pages on instead of hanging."""

_BY_INDEX: Final = {
    State.SCHEDULED: "state = 0",
    State.QUEUED: "state = 1",
    State.SUBMITTING: "state = 2",
    State.IN_DOUBT: "state = 4",
}
_FAILED: Final = {State.UNDELIVERED, State.EXPIRED, State.FAILED, State.REJECTED}


def search_ids(con: sqlite3.Connection, search: Search) -> tuple[list[int], int | None]:
    """Stored ids of messages that match, newest first, and where to go on (``before`` of the next page) or None."""
    where: list[str] = []
    values: list[Any] = []
    for column, value in (("peer", search.peer), ("number", search.number), ("app", search.app)):
        if value is not None:
            where.append(f"m.{column} = ?")
            values.append(value)
    if search.since is not None:
        where.append("m.id >= ?")
        values.append(id_floor(search.since))
    if search.until is not None:
        where.append("m.id < ?")
        values.append(id_floor(search.until))
    if search.before is not None:
        where.append("m.id < ?")
        values.append(search.before)
    state = State[search.state.upper()] if search.state is not None else None
    if state in _BY_INDEX:
        # Few rows are in these states, whatever the size of the table: start from them.
        where.append(f"m.id IN (SELECT message_id FROM segment WHERE {_BY_INDEX[state]})")
    elif state in _FAILED:
        where.append("m.id IN (SELECT message_id FROM segment WHERE state IN (6, 7, 8, 9))")
    condition = " AND ".join(where) or "1"
    found: list[int] = []
    seen = 0
    last: int | None = None
    cursor = con.execute(
        f"SELECT m.id FROM message m WHERE {condition} ORDER BY m.id DESC LIMIT ?", (*values, SCAN_ROWS)
    )
    for (mid,) in cursor:
        seen += 1
        last = mid
        if state is None and search.reason is None:
            found.append(mid)
        else:
            segments = con.execute(
                "SELECT state, done_at, reason FROM segment WHERE message_id = ? ORDER BY part", (mid,)
            ).fetchall()
            if state is not None and message_state((s[0], s[1]) for s in segments) != state:
                continue
            if search.reason is not None and all(s[2] != search.reason for s in segments):
                continue
            found.append(mid)
        if len(found) >= search.limit:
            break
    more = len(found) >= search.limit or seen >= SCAN_ROWS
    return found, last if more else None


EVENT_SCAN: Final = 20_000


def message_events(con: sqlite3.Connection, message_id: int) -> list[Row]:
    """Events told of a message: (stream, seq, at, kind, payload).

    Events are in order of time within a stream, so the search starts where the message was made and looks at a bounded
    number from there.
    """
    created = id_ms(message_id)
    out: list[Row] = []
    for (stream,) in con.execute("SELECT id FROM stream").fetchall():
        low, high = con.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), -1) FROM event WHERE stream = ?", (stream,)
        ).fetchone()
        while low < high:
            middle = (low + high) // 2
            row = con.execute(
                "SELECT at FROM event WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1", (stream, middle)
            ).fetchone()
            if row[0] < created:
                low = middle + 1
            else:
                high = middle
        out += con.execute(
            "SELECT stream, seq, at, kind, payload FROM (SELECT * FROM event WHERE stream = ? AND seq >= ? ORDER BY seq"
            " LIMIT ?) WHERE subject = ?",
            (stream, low, EVENT_SCAN, message_id),
        ).fetchall()
    return out


# --- streams ----------------------------------------------------------------------------------------------------------


def cursors(con: sqlite3.Connection) -> dict[int, tuple[int, list[int]]]:
    """Where each stream stands: acked, and sequence numbers done beyond."""
    return {
        stream: (acked, msgspec.json.decode(sparse) if sparse else [])
        for stream, acked, sparse in con.execute("SELECT stream, acked, sparse FROM cursor")
    }


def stream_page(con: sqlite3.Connection, stream: int, after: int, limit: int) -> list[Row]:
    """Events of a stream after a sequence number: (seq, at, kind, subject, payload)."""
    return con.execute(
        "SELECT seq, at, kind, subject, payload FROM event WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (stream, after, limit),
    ).fetchall()


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
