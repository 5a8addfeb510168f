"""The hot statements: one statement per kind per burst, over a list of VALUES.

sqlite3 gives up the interpreter lock at every step of a statement, so an `executemany` of 64 rows beside a busy thread
took 37 ms where one statement with 64 rows takes under one. A statement is therefore written for 1, 2, 4 ... 256 rows,
each prepared once and kept by the connection; a burst of 77 runs as 64 + 8 + 4 + 1.

Those that write for every message are OR FAIL. Where a row cannot be stored, what the statement did before it is then
not taken back by itself, for which SQLite would first copy each page that it touches; the transaction is, as a whole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec

from gateway.log import logger

_log = logger(component="store")
Row = tuple[Any, ...]
T = TypeVar("T")
MAX_CHUNK: Final = 256
ALIKE: Final = 8
"""So many rows of which most values are the same are worth a statement of their own, that is given these once."""


class Values:
    """One statement over rows of ``columns`` values: ``{values}`` in its text becomes ``(?,?),(?,?)...``.

    ``shared`` values stand before them, the same for all rows. With ``{rows}`` instead each row opens with them:
    ``(?1,?2,?,?),(?1,?2,?,?)...``, and they are bound once.
    """

    __slots__ = ("_sql", "columns", "shared", "text")

    def __init__(self, text: str, columns: int, shared: int = 0) -> None:
        self.text = text
        self.columns = columns
        self.shared = shared
        row = "(" + ",".join("?" * columns) + ")"
        opened = "(" + ",".join([*(f"?{i}" for i in range(1, shared + 1)), *"?" * columns]) + ")"
        size = 1
        self._sql: dict[int, str] = {}
        while size <= MAX_CHUNK:
            self._sql[size] = text.replace("{values}", ",".join([row] * size)).replace(
                "{rows}", ",".join([opened] * size)
            )
            size *= 2

    def sql(self, rows: int = 1) -> str:
        """The statement for a number of rows that is a power of two, at most `MAX_CHUNK`."""
        return self._sql[rows]

    def run(self, con: sqlite3.Connection, rows: Sequence[Row], shared: Row = ()) -> int:
        """Runs it over ``rows``; returns the number of rows that were changed."""
        # Not Cursor.rowcount: sqlite3 leaves that at -1 for a statement that opens with WITH.
        before = con.total_changes
        for size, part in _chunks(rows):
            con.execute(self._sql[size], [*shared, *chain.from_iterable(part)])
        return con.total_changes - before

    def fetch(self, con: sqlite3.Connection, rows: Sequence[Row], shared: Row = ()) -> list[Row]:
        """Runs it over ``rows`` and returns all result rows."""
        out: list[Row] = []
        for size, part in _chunks(rows):
            out += con.execute(self._sql[size], [*shared, *chain.from_iterable(part)]).fetchall()
        return out

    def gather(self, con: sqlite3.Connection, rows: Sequence[Row], decode: Callable[[bytes | str], list[T]]) -> list[T]:
        """Runs a statement that makes one JSON array of its result over ``rows``, and returns what ``decode`` reads.

        A row of a result is a step: this is one for all of them. Not for octets, which JSON has not. The array comes
        as a blob: of a text that is none sqlite3 would make an error with all of it inside.

        What is damaged holds up nothing else. Octets that are no text are read with U+FFFD in their place; what cannot
        be read even so is left out, and logged with the values that were asked for.
        """
        out: list[T] = []
        for _, part in _chunks(rows):
            try:
                out += decode(self._gathered(con, part))
            except DAMAGE as error:
                if not is_damage(error):
                    raise
                for row in part:
                    out += self._alone(con, row, decode)
        return out

    def _gathered(self, con: sqlite3.Connection, part: Sequence[Row]) -> bytes:
        found: bytes = con.execute(self._sql[len(part)], list(chain.from_iterable(part))).fetchone()[0]
        return found

    def _alone(self, con: sqlite3.Connection, row: Row, decode: Callable[[bytes | str], list[T]]) -> list[T]:
        try:
            return decode(self._gathered(con, [row]).decode("utf-8", "replace"))
        except DAMAGE as error:
            if not is_damage(error):
                raise
            _log.error("row_damaged", asked=row, error=str(error))
            return []


DAMAGE: Final = (sqlite3.OperationalError, msgspec.DecodeError, UnicodeDecodeError)


def is_damage(error: Exception) -> bool:
    """Whether a row is to blame: a blob in the place of a text, a text in that of a number, octets that are no text."""
    # "JSON cannot hold BLOB values", which has no code of its own: a wrong statement has the same.
    return not isinstance(error, sqlite3.Error) or "BLOB" in str(error)


def _chunks(rows: Sequence[Row]) -> Iterable[tuple[int, Sequence[Row]]]:
    at, left = 0, len(rows)
    while left:
        size = MAX_CHUNK if left >= MAX_CHUNK else 1 << (left.bit_length() - 1)
        yield size, rows[at : at + size]
        at += size
        left -= size


def run_alike(con: sqlite3.Connection, alike: dict[Row, list[Row]], together: Values, each: Values) -> int:
    """Runs a statement over rows by what they share: where many do by the one that is given this once.

    ``each`` takes a row and what it shares behind it. Returns the number of rows that were changed.
    """
    changed = 0
    rest: list[Row] = []
    for shared, rows in alike.items():
        if len(rows) >= ALIKE:
            changed += together.run(con, rows, shared)
        else:
            rest += [(*row, *shared) for row in rows]
    return changed + each.run(con, rest)


INSERT_MESSAGE: Final = Values(
    "INSERT OR FAIL INTO message (id, app, number, peer, class, body, meta, ref, encoding, options, scheme, concat_ref,"
    " parts, receipt, expires_at, door, route, air, charged) VALUES {values}",
    19,
)

INSERT_SEGMENT: Final = Values(
    "INSERT OR FAIL INTO segment (message_id, part, carrier, app, lane, rank, shard, state, epoch, attempts, in_doubt,"
    " due_at, expires_at) VALUES {values}",
    13,
)

# The same of messages that are alike: a value costs its time in each row, a null no less. Two thirds of what the above
# cost together, and less than that for those with neither meta nor ref.
INSERT_ALIKE: Final = Values(
    "INSERT OR FAIL INTO message (app, class, options, scheme, receipt, door, route,"
    " id, number, peer, body, encoding, concat_ref, parts, expires_at) VALUES {rows}",
    8,
    shared=7,
)

INSERT_ALIKE_NOTED: Final = Values(INSERT_ALIKE.text.replace("expires_at)", "expires_at, meta, ref)"), 10, shared=7)

INSERT_SEGMENTS_ALIKE: Final = Values(
    "INSERT OR FAIL INTO segment (carrier, app, lane, rank, state, epoch, attempts, in_doubt, due_at,"
    " message_id, part, shard, expires_at) VALUES {rows}",
    4,
    shared=9,
)

SELECT_REF: Final = Values(
    "WITH b(bucket) AS (VALUES (?), (?), (?), (?)), v(app, ref) AS (VALUES {values})"
    " SELECT r.bucket, r.app, r.ref, r.message_id, r.digest FROM v"
    " CROSS JOIN ref r ON r.bucket IN (SELECT bucket FROM b) AND r.app = v.app AND r.ref = v.ref",
    2,
    shared=4,
)

INSERT_REF: Final = Values(
    "INSERT OR FAIL INTO ref (bucket, app, ref, message_id, digest) VALUES {values} ON CONFLICT DO NOTHING", 5
)

INSERT_TOLD: Final = Values(
    "INSERT OR FAIL INTO told (peer, number, message_id) VALUES {values} ON CONFLICT (peer, number)"
    " DO UPDATE SET message_id = excluded.message_id",
    3,
)

# Claims: only what still waits, and with this carrier, is claimed; a message cancelled, settled or moved meanwhile is
# not.
CLAIM: Final = Values(
    "WITH v(mid, part, epoch, carrier, at) AS (VALUES {values}) UPDATE OR FAIL segment SET state = 2, epoch = v.epoch,"
    " attempts = attempts + 1, due_at = NULL, written_at = v.at FROM v"
    " WHERE message_id = v.mid AND segment.part = v.part AND state = 1"
    " AND segment.carrier = coalesce(v.carrier, segment.carrier)",
    5,
)

# The same of one part of messages of one carrier: the first, but for long ones.
CLAIM_ALIKE: Final = Values(
    "UPDATE OR FAIL segment SET state = 2, epoch = ?2, attempts = attempts + 1, due_at = NULL, written_at = ?4"
    " WHERE part = ?1 AND carrier = coalesce(?3, carrier) AND state = 1 AND message_id IN ({values})",
    1,
    shared=4,
)

# The same, telling which: a third dearer, for bursts in which not all could be claimed.
CLAIM_TOLD: Final = Values(CLAIM.text + " RETURNING message_id, part, carrier", 5)

UNCLAIM: Final = Values(
    "WITH v(mid, part) AS (VALUES {values}) UPDATE segment SET state = 1, attempts = attempts - 1,"
    " written_at = NULL FROM v"
    " WHERE message_id = v.mid AND segment.part = v.part AND state = 2",
    2,
)

SELECT_SEGMENT: Final = Values(
    "WITH v(mid, part) AS (VALUES {values}) SELECT s.message_id, s.part, s.state, s.in_doubt FROM v"
    " CROSS JOIN segment s ON s.message_id = v.mid AND s.part = v.part",
    2,
)

# A positive response: sent, unless a receipt or an operator was faster. done_at only where `sent` is the end.
SENT: Final = Values(
    "WITH v(mid, part, smsc, written, at, done, bind) AS (VALUES {values}) UPDATE OR FAIL segment SET"
    " state = CASE WHEN state <= 4 THEN 3 ELSE state END, smsc_message_id = v.smsc, sent_at = v.at,"
    " done_at = coalesce(done_at, v.done), status = 0, due_at = NULL, bind = v.bind, written_at = v.written"
    " FROM v WHERE message_id = v.mid AND segment.part = v.part",
    7,
)

# The same of those that came together.
SENT_ALIKE: Final = Values(
    "UPDATE OR FAIL segment SET state = CASE WHEN state <= 4 THEN 3 ELSE state END, sent_at = ?,"
    " done_at = coalesce(done_at, ?), status = 0, due_at = NULL, bind = ?, smsc_message_id = v.column3,"
    " written_at = v.column4 FROM (VALUES {values}) v WHERE message_id = v.column1 AND segment.part = v.column2",
    4,
    shared=3,
)

INSERT_SMSC_ID: Final = Values(
    "INSERT OR FAIL INTO smsc_id (bucket, carrier, key, message_id, part, raw) VALUES {values} ON CONFLICT DO NOTHING",
    6,
)

# A temporary refusal: back to the queue, due later.
RETRY: Final = Values(
    "WITH v(mid, part, status, due) AS (VALUES {values}) UPDATE segment SET state = 1, status = v.status,"
    " due_at = v.due FROM v WHERE message_id = v.mid AND segment.part = v.part AND state = 2",
    4,
)

# Written, and no answer: once more where the policy allows it and it was not in doubt before, else held.
DOUBT: Final = Values(
    "WITH v(mid, part, resend) AS (VALUES {values}) UPDATE segment SET"
    " state = CASE WHEN v.resend AND in_doubt = 0 THEN 1 ELSE 4 END, in_doubt = in_doubt + 1, due_at = NULL"
    " FROM v WHERE message_id = v.mid AND segment.part = v.part AND state = 2",
    3,
)

# In doubt, and not to be sent again: its validity is over.
HOLD: Final = Values(
    "WITH v(mid, part) AS (VALUES {values}) UPDATE segment SET state = 4, due_at = NULL FROM v"
    " WHERE message_id = v.mid AND segment.part = v.part AND state IN (0, 1, 2) AND in_doubt > 0",
    2,
)

# Sent, and no receipt of its own is waited for any more.
SETTLE: Final = Values(
    "WITH v(mid, part, at) AS (VALUES {values}) UPDATE segment SET done_at = v.at"
    " FROM v WHERE message_id = v.mid AND segment.part = v.part AND state = 3 AND done_at IS NULL",
    3,
)

# An end of a segment; `low` to `high` are the states that it may end from.
END: Final = Values(
    "WITH v(mid, part, state, at, status, reason, error, receipt_state, low, high, told) AS (VALUES {values})"
    " UPDATE OR FAIL segment SET state = v.state, done_at = v.at, status = coalesce(v.status, segment.status),"
    " reason = v.reason, error = v.error, due_at = NULL,"
    " receipt_state = coalesce(v.receipt_state, segment.receipt_state), carrier_done_at = v.told"
    " FROM v WHERE message_id = v.mid AND segment.part = v.part AND segment.state BETWEEN v.low AND v.high",
    11,
)

# The same of segments that end alike, which is half the work of `END`: nothing is made to be joined.
END_ALIKE: Final = Values(
    "UPDATE OR FAIL segment SET state = ?2, done_at = ?3, status = coalesce(?4, status), reason = ?5, error = ?6,"
    " due_at = NULL, receipt_state = coalesce(?7, receipt_state), carrier_done_at = ?10"
    " WHERE segment.part = ?1 AND segment.state BETWEEN ?8 AND ?9 AND message_id IN ({values})",
    1,
    shared=10,
)

# What `gateway.store.ends.Facts` has.
FACTS: Final = "m.id, m.app, m.number, m.peer, m.ref, m.parts, m.receipt, m.meta"

SELECT_MESSAGE_FACTS: Final = Values(
    f"WITH v(mid) AS (VALUES {{values}}) SELECT CAST(json_group_array(json_array({FACTS})) AS BLOB) FROM v"
    " CROSS JOIN message m ON m.id = v.mid",
    1,
)

# By message in the order asked for, its parts in theirs: that of the primary key.
SELECT_PARTS: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT CAST(json_group_array(json_array(s.message_id, s.part,"
    " json_array(s.state, s.done_at, s.reason, s.error, s.in_doubt, s.carrier))) AS BLOB)"
    " FROM v CROSS JOIN segment s ON s.message_id = v.mid",
    1,
)

# What `gateway.store.matching.Match` has.
MATCH_RECEIPT: Final = Values(
    f"WITH v(i, bucket, carrier, key) AS (VALUES {{values}}) SELECT CAST(json_group_array(json_array({FACTS}, v.i,"
    " d.raw, d.part, s.state, s.done_at, s.sent_at, s.carrier IS NOT v.carrier)) AS BLOB) FROM v CROSS JOIN smsc_id d"
    " ON d.bucket = v.bucket AND d.carrier = v.carrier AND d.key = v.key"
    " CROSS JOIN segment s ON s.message_id = d.message_id AND s.part = d.part"
    " CROSS JOIN message m ON m.id = d.message_id",
    4,
)

INSERT_PARKED: Final = Values("INSERT OR FAIL INTO parked_receipt (id, carrier, key, receipt) VALUES {values}", 4)

MATCH_PARKED: Final = Values(
    "WITH v(i, carrier, key) AS (VALUES {values}) SELECT v.i, p.id, p.receipt FROM v CROSS JOIN parked_receipt p"
    " ON p.carrier = v.carrier AND p.key = v.key ORDER BY p.id",
    3,
)

DELETE_PARKED: Final = Values(
    "WITH v(id) AS (VALUES {values}) DELETE FROM parked_receipt WHERE id IN (SELECT id FROM v)", 1
)

SELECT_MO_MESSAGE: Final = Values(
    "WITH v(i, peer, number, ref, total) AS (VALUES {values}) SELECT v.i, m.id, m.units, m.told FROM v"
    " CROSS JOIN mo_message m ON m.peer = v.peer AND m.number = v.number AND m.ref = v.ref AND m.total = v.total",
    5,
)

PUT_MO_MESSAGE: Final = Values(
    "INSERT OR FAIL INTO mo_message (id, peer, number, ref, total, units, received_at, told) VALUES {values}"
    " ON CONFLICT (id) DO UPDATE SET units = excluded.units, received_at = excluded.received_at, told = excluded.told",
    8,
)

SELECT_MO_PART: Final = Values(
    "WITH v(i, id) AS (VALUES {values}) SELECT v.i, p.part, p.data, p.data_coding, p.scheme, p.carrier, p.received_at,"
    " p.extra FROM v CROSS JOIN mo_part p ON p.message_id = v.id",
    2,
)

PUT_MO_PART: Final = Values(
    "INSERT OR FAIL INTO mo_part (message_id, part, data, data_coding, scheme, carrier, received_at, extra)"
    " VALUES {values}"
    " ON CONFLICT (message_id, part) DO UPDATE SET data = excluded.data, data_coding = excluded.data_coding,"
    " scheme = excluded.scheme, carrier = excluded.carrier, received_at = excluded.received_at,"
    " extra = excluded.extra",
    8,
)

DELETE_MO_PARTS: Final = Values(
    "WITH v(id) AS (VALUES {values}) DELETE FROM mo_part WHERE message_id IN (SELECT id FROM v)", 1
)

INSERT_INBOUND: Final = Values(
    "INSERT OR FAIL INTO inbound (id, carrier, number, peer, text, data, encoding, parts, complete, extra)"
    " VALUES {values}",
    10,
)

INSERT_EVENT: Final = Values("INSERT OR FAIL INTO event (stream, seq, at, kind, subject, payload) VALUES {values}", 6)

PUT_CURSOR: Final = Values(
    "INSERT INTO cursor (stream, acked, sparse) VALUES {values}"
    " ON CONFLICT (stream) DO UPDATE SET acked = excluded.acked, sparse = excluded.sparse",
    3,
)

PUT_RETRY: Final = Values(
    "INSERT INTO retry (stream, seq, attempts, due_at, error) VALUES {values} ON CONFLICT (stream, seq)"
    " DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error",
    5,
)

DELETE_RETRY: Final = Values(
    "WITH v(stream, seq) AS (VALUES {values}) DELETE FROM retry WHERE (stream, seq) IN (SELECT stream, seq FROM v)",
    2,
)

ACCEPTED: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT s.message_id, s.part, s.carrier, s.bind, s.written_at, s.sent_at,"
    " s.smsc_message_id FROM v CROSS JOIN segment s ON s.message_id = v.mid WHERE s.sent_at IS NOT NULL",
    1,
)

# Where the numbers of a message's traces stand; null: it has none.
LAST_TRACE: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT v.mid, (SELECT max(t.id) FROM trace t WHERE t.message_id = v.mid) FROM v",
    1,
)

# Only the row that counts what is not kept is ever there already.
PUT_TRACE: Final = Values(
    "INSERT INTO trace (message_id, id, part, at, kind, carrier, detail) VALUES {values}"
    " ON CONFLICT (message_id, id) DO UPDATE SET at = excluded.at,"
    " detail = CAST(CAST(trace.detail AS INTEGER) + CAST(excluded.detail AS INTEGER) AS TEXT)",
    7,
)

ALL: Final = {name: value for name, value in globals().items() if isinstance(value, Values)}
