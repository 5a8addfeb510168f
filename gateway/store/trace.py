"""What happened to a message beyond the usual: what its history shows besides the times that `segment` keeps.

An attempt that a carrier refused or did not answer, a receipt that changed nothing, another carrier: each is a row. A
message that goes as it should has none. So that no carrier that refuses a thing for days fills the disk, a message has
a bounded number of them; after that a last row counts what is not kept, with the time of the latest.

The kinds, and what ``detail`` has (times are ms since 1970, statuses numbers):

| kind | detail |
| --- | --- |
| `retry` | a refusal for now: `status`, `due` (when it may go again), `bind`, `written` |
| `refused` | a refusal for good: `status`, `bind`, `written` |
| `doubt` | written, perhaps, and not answered: `cause` (`timeout`, `lost`, `restart`), `resent`, `bind`, `written` |
| | the same after a restart, which knows neither of the last two: `claimed`; and after a restore (`restore`) |
| `late` | an answer after its time: `status`, `id` (smsc_message_id), `bind` |
| `receipt` | one that did not end its segment: `outcome`, `receipt_state`, `error`, `id` |
| `resend` | an operator had it sent once more |
| `sent` | an attempt that was accepted, before the message went elsewhere: `status`, `id`, `bind`, `written`, `came` |
| `rerouted` | taken to another carrier: `to`, `cause` |
| `quiet` | put off by quiet hours: `due` |
| `query` | a query_sm: `status`, `receipt_state`, `error` |
| `more` | a number: so many are not kept |
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

import msgspec

from gateway.store.hot import ACCEPTED, LAST_TRACE, PUT_TRACE, Row

MOST: Final = 50
"""Traces that are kept of a message."""
MORE: Final = "more"


class Trace(NamedTuple):
    """One; ``at`` is when it was stored, in ms. ``part`` 0: of the message as a whole."""

    message_id: int
    part: int
    at: int
    kind: str
    carrier: str
    detail: dict[str, Any] | None


_encoder: Final = msgspec.json.Encoder()


def write(con: sqlite3.Connection, traces: list[Trace]) -> int:
    """Writes the traces of a burst; returns how many were beyond the bound and are only counted."""
    last: dict[int, int] = {
        mid: number or 0
        for mid, number in LAST_TRACE.fetch(con, [(mid,) for mid in {t.message_id: None for t in traces}])
    }
    rows: list[Row] = []
    beyond: dict[int, tuple[int, int]] = {}
    for t in traces:
        number = last[t.message_id] = min(last[t.message_id] + 1, MOST + 1)
        if number > MOST:
            beyond[t.message_id] = (beyond.get(t.message_id, (0, 0))[0] + 1, t.at)
            continue
        detail = _encoder.encode(t.detail).decode() if t.detail else None
        rows.append((t.message_id, number, t.part, t.at, t.kind, t.carrier, detail))
    rows += [(mid, MOST + 1, 0, at, MORE, "", str(count)) for mid, (count, at) in beyond.items()]
    PUT_TRACE.run(con, rows)
    return sum(count for count, _ in beyond.values())


def accepted(con: sqlite3.Connection, ids: list[int], now: int) -> list[Trace]:
    """Traces of what `segment` says of accepted attempts, for messages whose segments are about to be made anew."""
    found: list[Trace] = []
    for mid, part, carrier, bind, written_at, sent_at, raw in ACCEPTED.fetch(con, [(mid,) for mid in ids]):
        detail = {"status": 0, "id": raw, "bind": bind, "written": written_at, "came": sent_at}
        found.append(Trace(mid, part, now, "sent", carrier, detail))
    return found


def read(con: sqlite3.Connection, message_id: int) -> list[Trace]:
    """The traces of a message in their order; the detail of the one that counts is ``{"count": n}``."""
    found: list[Trace] = []
    for part, at, kind, carrier, detail in con.execute(
        "SELECT part, at, kind, carrier, detail FROM trace WHERE message_id = ? ORDER BY id", (message_id,)
    ):
        known = msgspec.json.decode(detail) if detail is not None else None
        found.append(Trace(message_id, part, at, kind, carrier, {"count": known} if kind == MORE else known))
    return found
