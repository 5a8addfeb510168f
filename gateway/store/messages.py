"""Messages as users see them: one by one, by a search in pages, and with the events that told of them."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model import CLASSES, STATE_WORDS, IdText, State, id_floor, id_ms, is_final, message_state
from gateway.store.ends import rfc3339
from gateway.store.hot import Row
from gateway.store.queries import first_since

_MESSAGE: Final = (
    "id, app, number, peer, class, body, meta, ref, encoding, options, scheme, concat_ref, parts, receipt, expires_at"
)
_SEGMENT: Final = (
    "message_id, part, carrier, state, attempts, in_doubt, due_at, status, reason, error, receipt_state,"
    " smsc_message_id, sent_at, done_at"
)


class _Ends(NamedTuple):
    """What of a segment decides the reason of its message."""

    state: int
    done_at: int | None
    reason: str | None
    sent_at: int | None


def _reason(state: State, receipt: bool, segments: list[_Ends], overdue_before: int, *, over: bool) -> str | None:
    """Why a message is at its end, or what is to be known of one that waits; ``overdue_before`` (ms): see `Search`.

    ``over``: its validity is.
    """
    if state > State.DELIVERED:
        return min((s for s in segments if s.state > State.DELIVERED), key=lambda s: s.done_at or 0).reason
    if is_final(state, receipt):
        return next((s.reason for s in reversed(segments) if s.state == State.DELIVERED), segments[-1].reason)
    if state == State.IN_DOUBT:
        # Past its validity nothing sends it again: unless a late answer or receipt comes, it waits for an operator.
        return "validity_over" if over else "in_doubt"
    if state == State.SENT and max(s.sent_at or 0 for s in segments) <= overdue_before:
        return "no_receipt"
    return None


class Held(NamedTuple):
    """Segments in doubt that wait for a late answer, a receipt or an operator; and those that nothing sends again."""

    segments: int = 0
    past_validity: int = 0


def held_in_doubt(con: sqlite3.Connection, now: int) -> dict[str, Held]:
    """By carrier what is in doubt; ``now`` in ms."""
    return {
        carrier: Held(segments, past)
        for carrier, segments, past in con.execute(
            "SELECT carrier, count(*), sum(expires_at <= ?) FROM segment WHERE state = 4 GROUP BY carrier", (now,)
        )
    }


class View:
    """How messages are shown: ids as text, states as words, flags by age."""

    def __init__(self, id_text: IdText, no_receipt_after_ms: int) -> None:
        self.id_text = id_text
        self.no_receipt_after_ms = no_receipt_after_ms

    def message(self, row: Row, segments: list[Row], now: int, *, with_text: bool) -> dict[str, Any]:
        """A message as the socket's ``message`` method returns it."""
        mid, app, number, peer, klass, body, meta, ref, encoding, _, _, _, parts, receipt, expires_at = row
        state = message_state((s[3], s[13]) for s in segments)
        sent = [s[12] for s in segments if s[12] is not None]
        due = [s[6] for s in segments if s[3] == State.SCHEDULED and s[6] is not None]
        ends = [_Ends(s[3], s[13], s[8], s[12]) for s in segments]
        reason = _reason(state, bool(receipt), ends, now - self.no_receipt_after_ms, over=expires_at <= now)
        done_at = None
        if is_final(state, bool(receipt)):
            # A bad end is that of its first part; a good one, of its last.
            bad = [e.done_at for e in ends if e.state > State.DELIVERED and e.done_at is not None]
            done_at = min(bad) if bad else max((e.done_at for e in ends if e.done_at is not None), default=None)
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
            "send_at": rfc3339(min(due)) if due else None,
            "sent_at": rfc3339(min(sent)) if sent else None,
            "done_at": rfc3339(done_at) if done_at is not None else None,
            "expires_at": rfc3339(expires_at),
            "meta": msgspec.Raw(meta.encode()) if meta is not None else None,
            "parts": [self._part(s) for s in segments],
        }
        if with_text:
            # Null where retention took it.
            if encoding == "binary":
                shown["data"] = body.hex() if body is not None else None
            else:
                shown["text"] = body.decode() if body is not None else None
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
    """What to look for; times in ms, ``before`` is a stored id to page on.

    ``reason`` is the one that a message is shown with; what was sent at ``overdue_before`` or earlier and has no
    receipt has the reason `no_receipt`, what is in doubt and not valid any more at ``now`` has `validity_over`.
    """

    peer: str | None = None
    number: str | None = None
    app: str | None = None
    state: str | None = None
    reason: str | None = None
    overdue_before: int = 0
    now: int = 0
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
    if state is None and search.reason in ("in_doubt", "validity_over"):
        state = State.IN_DOUBT
    if state in _BY_INDEX:
        # Few rows are in these states, whatever the size of the table: start from them.
        where.append(f"m.id IN (SELECT message_id FROM segment WHERE {_BY_INDEX[state]})")
    elif state in _FAILED:
        # As the index has it: see `segment_failed`.
        where.append("m.id IN (SELECT message_id FROM segment WHERE state BETWEEN 6 AND 9)")
    condition = " AND ".join(where) or "1"
    found: list[int] = []
    seen = 0
    last: int | None = None
    cursor = con.execute(
        f"SELECT m.id, m.receipt, m.expires_at FROM message m WHERE {condition} ORDER BY m.id DESC LIMIT ?",
        (*values, SCAN_ROWS),
    )
    for mid, receipt, expires_at in cursor:
        seen += 1
        last = mid
        if state is None and search.reason is None:
            found.append(mid)
        else:
            rows = con.execute(
                "SELECT state, done_at, reason, sent_at FROM segment WHERE message_id = ? ORDER BY part", (mid,)
            ).fetchall()
            if not rows:
                continue
            segments = [_Ends(*row) for row in rows]
            found_state = message_state((s.state, s.done_at) for s in segments)
            if state is not None and found_state != state:
                continue
            over = expires_at <= search.now
            if search.reason is not None and search.reason != _reason(
                found_state, bool(receipt), segments, search.overdue_before, over=over
            ):
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
        low = first_since(con, stream, created)
        out += con.execute(
            "SELECT stream, seq, at, kind, payload FROM (SELECT * FROM event WHERE stream = ? AND seq >= ? ORDER BY seq"
            " LIMIT ?) WHERE subject = ?",
            (stream, low, EVENT_SCAN, message_id),
        ).fetchall()
    return out
