"""All that is stored of a person is found by their phone, in short reads, and removed in small turns of the writer.

Whatever is killed in the middle is repeated: each step removes what it finds, and what is gone is not found. What they
opted out of comes first, in a transaction of its own, and stays under a name (`gateway.store.forgotten`).
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, ClassVar, Final

from gateway.model import State, id_ms
from gateway.store.forgotten import ERASED, draw_key, name_of
from gateway.store.forms import fold
from gateway.store.hot import Row, Values
from gateway.store.info import note
from gateway.store.last import FORWARD
from gateway.store.matching import smsc_bucket
from gateway.store.retention import PAGE, delete_events, delete_inbound, delete_messages, written_over
from gateway.store.submits import REF_BUCKET_MS
from gateway.store.tx import Op, Tx

SCANNED: Final = 2000
"""Rows of events or messages that one read looks through."""

_WITH_OWN_STEP: Final = frozenset({"message", "inbound", "mo_message", "optout", "peer"})
_SENDING: Final = f"{int(State.SCHEDULED)}, {int(State.QUEUED)}, {int(State.SUBMITTING)}"


def mentions(peer: str) -> re.Pattern[bytes]:
    """What a text holds that names this phone, and not one whose number only begins or ends so."""
    return re.compile(rb"(?<![\d+])" + re.escape(peer.encode()) + rb"(?!\d)")


# --- found ------------------------------------------------------------------------------------------------------------


def live(con: sqlite3.Connection, peer: str) -> dict[int, set[int]]:
    """States of the segments of messages to a phone that are not at their end, by message; sent ones are left out."""
    found: dict[int, set[int]] = {}
    for mid, state in con.execute(
        "SELECT m.id, s.state FROM message m CROSS JOIN segment s ON s.message_id = m.id"
        f" WHERE m.peer = ? AND +s.state IN ({_SENDING}, {int(State.IN_DOUBT)})",
        (peer,),
    ):
        found.setdefault(mid, set()).add(state)
    return found


def messages_of(con: sqlite3.Connection, peer: str, after: int) -> list[int]:
    """A page of messages to a phone."""
    rows = con.execute("SELECT id FROM message WHERE peer = ? AND id > ? ORDER BY id LIMIT ?", (peer, after, PAGE))
    return [mid for (mid,) in rows]


def inbound_of(con: sqlite3.Connection, peer: str) -> list[int]:
    """A page of messages from a phone."""
    return [m for (m,) in con.execute("SELECT id FROM inbound WHERE peer = ? LIMIT ?", (peer, PAGE))]


def events_naming(con: sqlite3.Connection, stream: int, peer: str, after: int) -> tuple[list[int], int | None]:
    """Events of a stream that name a phone, of the page behind ``after``; and where the next page begins."""
    rows = con.execute(
        "SELECT seq, CASE WHEN instr(payload, ?) THEN payload END FROM event WHERE stream = ? AND seq > ?"
        " ORDER BY seq LIMIT ?",
        (peer.encode(), stream, after, SCANNED),
    ).fetchall()
    return _naming(rows, peer)


def forwards_naming(con: sqlite3.Connection, peer: str, after: int) -> tuple[list[int], int | None]:
    """Messages by which rules sent on what a phone wrote, of the page behind ``after``; and where the next begins."""
    rows = con.execute(
        "SELECT id, CASE WHEN door = ? AND instr(meta, ?) THEN CAST(meta AS BLOB) END FROM message WHERE id > ?"
        " ORDER BY id LIMIT ?",
        (FORWARD, peer, after, SCANNED),
    ).fetchall()
    return _naming(rows, peer)


def parked_naming(con: sqlite3.Connection, peer: str, after: int) -> tuple[list[int], int | None]:
    """Receipts without a message that name a phone, of the page behind ``after``; and where the next begins."""
    rows = con.execute(
        "SELECT id, CASE WHEN instr(receipt, ?) THEN receipt END FROM parked_receipt WHERE id > ? ORDER BY id LIMIT ?",
        (peer.encode(), after, SCANNED),
    ).fetchall()
    return _naming(rows, peer)


def _naming(rows: list[Row], peer: str) -> tuple[list[int], int | None]:
    """Of rows (key, text or None) those whose text names the phone; and where the next page begins."""
    named = mentions(peer)
    found = [key for key, text in rows if text is not None and named.search(text)]
    return found, rows[-1][0] if len(rows) == SCANNED else None


# --- removed ----------------------------------------------------------------------------------------------------------

_SELECT_KEYS: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT s.message_id, s.part, s.carrier, s.smsc_message_id, s.sent_at FROM v"
    " CROSS JOIN segment s ON s.message_id = v.mid WHERE s.smsc_message_id IS NOT NULL AND s.sent_at IS NOT NULL",
    1,
)
# A row at a time, since SQLite walks whole buckets to find several.
_DELETE_KEY: Final = "DELETE FROM smsc_id WHERE bucket = ? AND carrier = ? AND key = ? AND message_id = ? AND part = ?"
_DELETE_REF: Final = "DELETE FROM ref WHERE bucket = ? AND app = ? AND ref = ?"
_SELECT_REFS: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT m.id, m.app, m.ref FROM v CROSS JOIN message m ON m.id = v.mid"
    " WHERE m.ref IS NOT NULL",
    1,
)
_SENDING_OF: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT DISTINCT v.mid FROM v CROSS JOIN segment s ON s.message_id = v.mid"
    f" WHERE s.state IN ({_SENDING})",
    1,
)
_BLANK: Final = Values("UPDATE message SET body = NULL, meta = NULL WHERE id IN (VALUES {values})", 1)
_DELETE_PARKED: Final = Values("DELETE FROM parked_receipt WHERE id IN (VALUES {values})", 1)
_DELETE_PARTS: Final = Values("DELETE FROM mo_part WHERE message_id IN (VALUES {values})", 1)
_DELETE_WAITING: Final = Values("DELETE FROM mo_message WHERE id IN (VALUES {values})", 1)


class ForgetOp(Op):
    """What is kept by the phone itself goes: all rows of tables that have one, but for messages and events.

    Opt-outs stay under its name. ``optouts``: how many; ``rows``: the others that went.
    """

    __slots__ = ("optouts", "peer", "rows")
    order: ClassVar[int] = 92
    name: ClassVar[str] = "forget"

    def __init__(self, peer: str) -> None:
        super().__init__()
        self.peer = peer
        self.optouts = 0
        self.rows = 0

    @property
    def weight(self) -> tuple[int, int]:
        return 20, 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        with written_over(tx.con):
            for op in ops:
                op._apply(tx)

    def _apply(self, tx: Tx) -> None:
        con, peer = tx.con, self.peer
        key = tx.forgotten = draw_key(con)
        con.execute(
            "INSERT INTO optout (peer, scope, at, how) SELECT ?, scope, at, how FROM optout WHERE peer = ?"
            " ON CONFLICT (peer, scope) DO UPDATE SET how = excluded.how WHERE excluded.how LIKE 'operator%'",
            (name_of(key, peer), peer),
        )
        note(con, ERASED + name_of(key, peer), str(tx.now))
        self.optouts = con.execute("DELETE FROM optout WHERE peer = ?", (peer,)).rowcount
        waiting = con.execute("SELECT id, units FROM mo_message WHERE peer = ?", (peer,)).fetchall()
        for _, units in waiting:
            tx.waiting.add(peer, -units)
            tx.waiting.marks -= units == 0
        ids: list[Row] = [(mid,) for mid, _ in waiting]
        self.rows = _DELETE_PARTS.run(con, ids) + _DELETE_WAITING.run(con, ids)
        con.execute("UPDATE peer SET same_as = NULL WHERE same_as = ?", (peer,))
        self.rows += con.execute("DELETE FROM peer WHERE address = ?", (peer,)).rowcount
        for table in by_phone(con):
            self.rows += con.execute(f"DELETE FROM {table} WHERE peer = ?", (peer,)).rowcount


def by_phone(con: sqlite3.Connection) -> list[str]:
    """The tables of this database that have a column ``peer``, but for those that go in steps of their own."""
    names = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return [
        name
        for name in names
        if name not in _WITH_OWN_STEP and any(row[1] == "peer" for row in con.execute(f"PRAGMA table_info({name})"))
    ]


class EraseOp(Op):
    """Messages ``ours``, inbound ones, forwards of these (only their texts) or parked receipts go; at most `PAGE`.

    Those of ours that are to be sent are left: ``gone`` says how many went.
    """

    __slots__ = ("gone", "ids", "what")
    order: ClassVar[int] = 93
    name: ClassVar[str] = "erase"

    def __init__(self, what: str, ids: list[int]) -> None:
        super().__init__()
        self.what = what
        self.ids = ids
        self.gone = 0

    @property
    def weight(self) -> tuple[int, int]:
        return 6 * len(self.ids), 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        with written_over(tx.con):
            for op in ops:
                op.gone = _ERASES[op.what](tx, [(mid,) for mid in op.ids])


def _messages(tx: Tx, ids: list[tuple[int]]) -> int:
    sending = {mid for (mid,) in _SENDING_OF.fetch(tx.con, ids)}
    ids = [row for row in ids if row[0] not in sending]
    keys: list[Row] = [
        (smsc_bucket(sent_at) + by, carrier, fold(raw), mid, part)
        for mid, part, carrier, raw, sent_at in _SELECT_KEYS.fetch(tx.con, ids)
        for by in (0, 1)
    ]
    tx.con.executemany(_DELETE_KEY, keys)
    refs: list[Row] = [
        (id_ms(mid) // REF_BUCKET_MS + by, app, ref)
        for mid, app, ref in _SELECT_REFS.fetch(tx.con, ids)
        for by in (0, 1)
    ]
    tx.con.executemany(_DELETE_REF, refs)
    delete_messages(tx, ids)
    return len(ids)


def _inbound(tx: Tx, ids: list[tuple[int]]) -> int:
    delete_inbound(tx, ids)
    return len(ids)


def _forwards(tx: Tx, ids: list[tuple[int]]) -> int:
    sending = {mid for (mid,) in _SENDING_OF.fetch(tx.con, ids)}
    return _BLANK.run(tx.con, [row for row in ids if row[0] not in sending])


def _parked(tx: Tx, ids: list[tuple[int]]) -> int:
    gone = _DELETE_PARKED.run(tx.con, ids)
    tx.parked -= gone
    return gone


_ERASES: Final = {"messages": _messages, "inbound": _inbound, "forwards": _forwards, "receipts": _parked}


class EraseEventsOp(Op):
    """Events of a stream go, done or set aside before. ``gone`` of them, of which ``dead`` were dead letters."""

    __slots__ = ("dead", "gone", "seqs", "stream")
    order: ClassVar[int] = 93
    name: ClassVar[str] = "erase_events"

    def __init__(self, stream: int, seqs: list[int]) -> None:
        super().__init__()
        self.stream = stream
        self.seqs = seqs
        self.gone = 0
        self.dead = 0

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.seqs), 0

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        with written_over(tx.con):
            for op in ops:
                keys = [(op.stream, seq) for seq in op.seqs]
                op.gone, op.dead = len(keys), delete_events(tx, keys, letters=True)
