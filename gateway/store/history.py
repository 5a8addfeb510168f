"""The whole history of a message, in the order of time: how it came in, what was made of it, every attempt, its end.

What went as it should is in `message` and `segment`, everything else in `trace`; both are put together here. Each entry
has ``at`` (RFC 3339), ``what`` and, where it is of one segment, ``part``; docs/socket.md lists the others.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

from gateway.model import STATE_WORDS, State, id_ms
from gateway.store.ends import rfc3339
from gateway.store.hot import Row
from gateway.store.messages import message_events
from gateway.store.queries import cursor_of
from gateway.store.streams import Streams
from gateway.store.trace import Trace, read

Entry = dict[str, Any]

_IN_ORDER: Final = (
    "accepted", "claimed", "submit_sm", "submit_sm_resp", "in_doubt", "resend", "rerouted", "quiet", "query", "receipt",
    "ended",
)  # fmt: skip
_ORDER: Final = {name: place for place, name in enumerate(_IN_ORDER)}
"""Of entries of the same millisecond."""
_TIMES: Final = ("due", "written", "came", "done")
"""Members of a trace's detail that are times in ms."""


class History:
    """Reads histories; ``streams`` names those who are told."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def read(self, con: sqlite3.Connection, message_id: int) -> list[Entry]:
        """The entries of a message that there is."""
        found = [self._accepted(con, message_id)]
        segments = con.execute(
            "SELECT part, carrier, bind, written_at, sent_at, smsc_message_id, state, done_at, reason, error, status,"
            " receipt_state, carrier_done_at FROM segment WHERE message_id = ? ORDER BY part",
            (message_id,),
        ).fetchall()
        for segment in segments:
            found += _of_segment(message_id, segment)
        for trace in read(con, message_id):
            found += _of_trace(trace)
        found += [self._event(con, row) for row in message_events(con, message_id)]
        found.sort(key=lambda entry: (entry["at"], _ORDER.get(entry["what"], len(_ORDER)), entry.get("part") or 0))
        for entry in found:
            entry["at"] = rfc3339(entry["at"])
        return found

    @staticmethod
    def _accepted(con: sqlite3.Connection, message_id: int) -> Entry:
        row = con.execute(
            "SELECT app, door, route, tried, encoding, scheme, parts, receipt, options, expires_at, ref"
            " FROM message WHERE id = ?",
            (message_id,),
        ).fetchone()
        app, door, route, tried, encoding, scheme, parts, receipt, options, expires_at, ref = row
        entry: Entry = {
            "at": id_ms(message_id),
            "what": "accepted",
            "app": app,
            "door": door,
            "ref": ref,
            "segments": parts,
            "encoding": encoding,
            "scheme": scheme,
            "receipt": bool(receipt),
            "route": route,
            "expires_at": rfc3339(expires_at),
        }
        if tried is not None:
            entry["tried"] = msgspec.Raw(tried.encode())
        if options is not None:
            entry["options"] = msgspec.Raw(options.encode())
        return entry

    def _event(self, con: sqlite3.Connection, row: Row) -> Entry:
        stream, seq, at, kind, _ = row
        info = self._streams.by_id.get(stream)
        return {
            "at": at,
            "what": "event",
            "event": kind,
            "event_id": f"{stream}-{seq}",
            "to": None if info is None else info.kind,
            "name": None if info is None else info.name,
            "app": None if info is None else info.app,
            **told(con, stream, seq),
        }


def told(con: sqlite3.Connection, stream: int, seq: int) -> Entry:
    """What became of an event: `acknowledged`, `waiting`, `retrying` with the last error, `dead`."""
    retry = con.execute(
        "SELECT attempts, due_at, error FROM retry WHERE stream = ? AND seq = ?", (stream, seq)
    ).fetchone()
    if retry is not None:
        attempts, due_at, error = retry
        known: Entry = {"status": "dead" if due_at is None else "retrying", "attempts": attempts, "error": error}
        return known if due_at is None else known | {"due": rfc3339(due_at)}
    acked, beyond = cursor_of(con, stream)
    return {"status": "acknowledged" if seq <= acked or seq in beyond else "waiting"}


def _of_segment(message_id: int, row: Row) -> list[Entry]:
    part, carrier, bind, written_at, sent_at, smsc_id, state, done_at, reason, error, status, receipt_state, told_at = (
        row
    )
    found: list[Entry] = []
    of: Entry = {"part": part, "carrier": carrier}
    if state == State.SUBMITTING:
        # Written or about to be: which of them is known with the answer, and with it when that was.
        found.append({"at": id_ms(message_id) if written_at is None else written_at, "what": "claimed", **of})
    if sent_at is not None:
        if written_at is not None:
            found.append({"at": written_at, "what": "submit_sm", **of, "bind": bind})
        found.append({"at": sent_at, "what": "submit_sm_resp", **of, "bind": bind, "status": 0, "id": smsc_id})
    if done_at is None or state == State.SENT:
        return found
    if receipt_state is not None:
        told = {"receipt_state": receipt_state, "error": error, "id": smsc_id}
        if told_at is not None:
            told["carrier_done_at"] = rfc3339(told_at)
        found.append({"at": done_at, "what": "receipt", **of, **told, "outcome": "settled"})
    ended: Entry = {"at": done_at, "what": "ended", **of, "state": STATE_WORDS[state], "reason": reason}
    if status:
        ended["status"] = status
    return [*found, ended]


def _of_trace(trace: Trace) -> list[Entry]:
    """Most are one entry; an attempt that failed is two: the submit_sm out, and what came of it."""
    detail = dict(trace.detail or {})
    of: Entry = {"part": trace.part or None, "carrier": trace.carrier or None}
    found: list[Entry] = []
    claimed = detail.pop("claimed", None)
    if claimed is not None:
        found.append({"at": claimed, "what": "claimed", **of})
    written = detail.pop("written", None)
    if written is not None:
        found.append({"at": written, "what": "submit_sm", **of, "bind": detail.get("bind")})
    at = detail.pop("came", trace.at)
    for name in _TIMES:
        if isinstance(detail.get(name), int):
            detail[name] = rfc3339(detail[name])
    what = _WHAT.get(trace.kind, trace.kind)
    if trace.kind == "late":
        detail["late"] = True
    return [*found, {"at": at, "what": what, **of, **detail}]


_WHAT: Final = {
    "retry": "submit_sm_resp",
    "refused": "submit_sm_resp",
    "late": "submit_sm_resp",
    "sent": "submit_sm_resp",
    "doubt": "in_doubt",
    "more": "not_kept",
}
"""What a kind of trace is to those who read the history; the others have the same name."""
