"""Messages out: their segments, the carriers' ids of them, receipts that wait, and what happened on the way."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text, text

from gateway.store.schema.base import Big, metadata

message = Table(
    "message",
    metadata,
    Column("id", Big, primary_key=True),
    Column("app", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("class", SmallInteger, nullable=False),
    Column("body", LargeBinary),  # text as UTF-8, or the octets of a binary message
    Column("meta", Text),  # JSON as the app gave it
    Column("ref", Text),
    Column("encoding", Text, nullable=False),  # resolved: gsm7, ucs2, latin1, binary
    Column("options", Text),  # JSON of what is seldom there: flash, udh, tlvs, alphabet, validity ...
    Column("scheme", Text, nullable=False),
    Column("concat_ref", Integer, nullable=False),
    Column("parts", SmallInteger, nullable=False),
    Column("receipt", SmallInteger, nullable=False),
    Column("expires_at", Big, nullable=False),
    Column("door", Text),  # which way it came in: socket ...
    Column("route", Text),  # name of the route that chose its carrier; null: its number's own carrier
    Column("tried", Text),  # JSON array of the carriers that refused it, or said that it failed, in this order
    Column("air", SmallInteger),  # segments on the air where those are not its parts: the carrier does the cutting
    Column("charged", SmallInteger),  # segments taken from its app's balance; null: it has none
    Index("message_peer", "peer", "id"),
)

segment = Table(
    "segment",
    metadata,
    Column("message_id", Big, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("app", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("rank", SmallInteger, nullable=False),  # 9 - priority: rises with what may wait
    Column("shard", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("in_doubt", SmallInteger, nullable=False),  # how many times its outcome was unknown
    Column("due_at", Big),
    Column("expires_at", Big, nullable=False),
    Column("status", Integer),  # the last command_status
    Column("reason", Text),
    Column("error", Text),  # the carrier's own error code from the receipt
    Column("receipt_state", SmallInteger),
    Column("smsc_message_id", Text),
    Column("sent_at", Big),
    Column("done_at", Big),
    Column("bind", Text),  # of the attempt that was answered last
    Column("written_at", Big),  # when its submit_sm was handed to the session; until that was answered, when claimed
    Column("carrier_done_at", Big),  # when the carrier says that it came to its end, by the dates of its receipt
    PrimaryKeyConstraint("message_id", "part"),
    sqlite_with_rowid=False,
)
# Partial indexes: each costs a write only for the rows in that state, so a message that passes straight through
# touches one of them, twice.
Index(
    "segment_queued",
    segment.c.carrier,
    segment.c.lane,
    segment.c.app,
    segment.c.rank,
    segment.c.message_id,
    segment.c.state,  # always 1, and with it the index answers alone: a walk over a million is four times faster
    sqlite_where=text("state = 1"),
    postgresql_where=text("state = 1"),
)
Index(
    "segment_due",
    segment.c.due_at,
    sqlite_where=text("state = 0"),
    postgresql_where=text("state = 0"),
)
Index(
    "segment_expiring",
    segment.c.expires_at,
    sqlite_where=text("state IN (0, 1)"),
    postgresql_where=text("state IN (0, 1)"),
)
Index(
    "segment_submitting",
    segment.c.carrier,
    segment.c.epoch,
    sqlite_where=text("state = 2"),
    postgresql_where=text("state = 2"),
)
Index(
    "segment_doubt",
    segment.c.carrier,
    segment.c.message_id,
    sqlite_where=text("state = 4"),
    postgresql_where=text("state = 4"),
)
Index(
    "segment_held",  # sent, and its negative receipt is held: another carrier may follow (`store.undelivered`)
    segment.c.message_id,
    segment.c.due_at,
    sqlite_where=text("state = 3 AND reason IS NOT NULL"),
    postgresql_where=text("state = 3 AND reason IS NOT NULL"),
)
Index(
    "segment_failed",
    segment.c.done_at,
    # Not IN (6, 7, 8, 9): of more than two values SQLite makes a table, anew in every statement that changes a state.
    sqlite_where=text("state BETWEEN 6 AND 9"),
    postgresql_where=text("state BETWEEN 6 AND 9"),
)

smsc_id = Table(
    "smsc_id",
    metadata,
    # A bucket is six hours: the random keys of a carrier's ids stay within a small, recent part of the tree.
    Column("bucket", Integer, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("key", Text, nullable=False),  # the id folded: case and leading zeros gone
    Column("message_id", Big, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("raw", Text, nullable=False),
    # A carrier that starts counting anew gives an id twice; both rows stay and the peer tells them apart.
    PrimaryKeyConstraint("bucket", "carrier", "key", "message_id", "part"),
    sqlite_with_rowid=False,
)

ref = Table(
    "ref",
    metadata,
    Column("bucket", Integer, nullable=False),  # a day
    Column("app", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("message_id", Big, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("bucket", "app", "ref"),
    sqlite_with_rowid=False,
)

parked_receipt = Table(
    "parked_receipt",
    metadata,
    Column("id", Big, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("key", Text, nullable=False),  # folded as in smsc_id
    Column("receipt", LargeBinary, nullable=False),  # JSON of what `store.receipts` needs to apply it later
    Index("parked_receipt_key", "carrier", "key"),
)

# What happened to a segment beyond the usual: attempts that were refused or not answered, receipts that changed
# nothing, other carriers. What went as it should leaves its times in `segment`, and no row here.
trace = Table(
    "trace",
    metadata,
    Column("message_id", Big, nullable=False),
    Column("id", Big, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("at", Big, nullable=False),
    Column("kind", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("detail", Text),  # JSON
    PrimaryKeyConstraint("message_id", "id"),
    sqlite_with_rowid=False,
)
