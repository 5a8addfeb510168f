"""The tables, once for every dialect (SQLAlchemy Core). `hot` holds the statements of the hot path over them.

Times are milliseconds since 1970; ids are the rising 63-bit ids of `gateway.model`; states are `State` numbers.
``shard`` and ``epoch`` are there from the first migration, so that several nodes can share one database later.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

metadata: Final = MetaData()

# SQLite makes INTEGER PRIMARY KEY the row's own address; PostgreSQL needs BIGINT for 63 bits.
Big: Final = BigInteger().with_variant(Integer, "sqlite")

store_info = Table(
    "store_info",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("kind", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("node", SmallInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("until", Big, nullable=False),
    PrimaryKeyConstraint("kind", "carrier", "shard"),
    sqlite_with_rowid=False,
)

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
    sqlite_where=text("state IN (6, 7, 8, 9)"),
    postgresql_where=text("state IN (6, 7, 8, 9)"),
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

# A long inbound message of which parts wait (units > 0), or only the mark of one that was told of, for late copies.
# Who belongs together: TS 23.040 §9.2.3.24.8, whichever bind, carrier and scheme a part came by.
mo_message = Table(
    "mo_message",
    metadata,
    Column("id", Big, primary_key=True),
    Column("peer", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("ref", Integer, nullable=False),
    Column("total", SmallInteger, nullable=False),
    Column("units", Integer, nullable=False),  # what its waiting parts count for: `store.waiting.units_of`
    Column("received_at", Big, nullable=False),  # when the last part came that waits, or the message was told of
    Column("told", LargeBinary, nullable=False),  # which parts were told of, as `store.long.Long` writes it
    Index("mo_message_key", "peer", "number", "ref", "total", unique=True),
)
Index(
    "mo_message_waiting",
    mo_message.c.received_at,
    sqlite_where=text("units > 0"),
    postgresql_where=text("units > 0"),
)
Index(
    "mo_message_peer",
    mo_message.c.peer,
    mo_message.c.received_at,
    sqlite_where=text("units > 0"),
    postgresql_where=text("units > 0"),
)
Index(
    "mo_message_told",
    mo_message.c.received_at,
    sqlite_where=text("units = 0"),
    postgresql_where=text("units = 0"),
)

mo_part = Table(
    "mo_part",
    metadata,
    Column("message_id", Big, nullable=False),  # of mo_message
    Column("part", SmallInteger, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("received_at", Big, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("data_coding", SmallInteger, nullable=False),
    Column("extra", Text),  # JSON of what else is needed to put it together: header elements, flags, TLVs ...
    PrimaryKeyConstraint("message_id", "part"),
    sqlite_with_rowid=False,
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", Big, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("text", Text),
    Column("data", LargeBinary),
    Column("encoding", Text, nullable=False),
    Column("parts", SmallInteger, nullable=False),
    Column("complete", SmallInteger, nullable=False),
    Column("extra", Text),  # JSON of what is seldom there: flags, header elements, ports, TLVs, missing parts
    Index("inbound_pair", "peer", "number", "id"),
)

# A thread is a pair (our number, peer). It has a row once the peer wrote. Its messages are found by `inbound_pair` and
# `message_peer`, so that neither those that come in nor those that are sent write a row here.
thread = Table(
    "thread",
    metadata,
    Column("number", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("first_at", Big, nullable=False),
    Column("read_up_to", Big, nullable=False),  # id of the last inbound message that was read; 0: none was
    Column("attention", Big),  # id of the inbound message for which it needs attention
    Column("assigned", Text),  # to whom by hand; null: the number's owner
    PrimaryKeyConstraint("number", "peer"),
    Index("thread_peer", "peer", "first_at"),  # which numbers of ours a peer wrote to
    sqlite_with_rowid=False,
)

peer = Table(
    "peer",
    metadata,
    Column("address", Text, primary_key=True, nullable=False),
    Column("created_at", Big, nullable=False),
    Column("name", Text),
    Column("fields", Text),  # JSON object of texts
    Column("lists", Text),  # JSON array of names
    Column("same_as", Text),  # the address that has the record of this person, where there are several
    Index(
        "peer_same_as",
        "same_as",
        sqlite_where=text("same_as IS NOT NULL"),
        postgresql_where=text("same_as IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

stream = Table(
    "stream",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # subscription or handler
    Column("app", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("numbers", Text),  # JSON array, or null for all
    Column("events", Text, nullable=False),  # JSON array of event kinds
    Column("created_at", Big, nullable=False),
    Index("stream_name", "kind", "app", "name", unique=True),
    # The id of an ended stream is not given again: it is part of the ids of its events, which apps remember.
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("stream", Integer, nullable=False),
    Column("seq", Big, nullable=False),
    Column("at", Big, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Big, nullable=False),  # the message or the inbound message that it tells of
    Column("payload", LargeBinary, nullable=False),
    PrimaryKeyConstraint("stream", "seq"),
    sqlite_with_rowid=False,
)

cursor = Table(
    "cursor",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("acked", Big, nullable=False),
    Column("sparse", Text),  # JSON array of sequence numbers done beyond acked
)

retry = Table(
    "retry",
    metadata,
    Column("stream", Integer, nullable=False),
    Column("seq", Big, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Big),  # null: dead letter
    Column("error", Text, nullable=False),
    Column("replayed_at", Big),  # when it was put back to be delivered once more: its age counts from then
    PrimaryKeyConstraint("stream", "seq"),
    sqlite_with_rowid=False,
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

# Pairs that are held on another carrier than the one that their route would give them first.
sticky = Table(
    "sticky",
    metadata,
    Column("number", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("at", Big, nullable=False),
    PrimaryKeyConstraint("number", "peer"),
    sqlite_with_rowid=False,
)

# Handlers whose receivers want no more events: since when, the last try, what they said, which address that was.
handler_pause = Table(
    "handler_pause",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("at", Big, nullable=False),
    Column("tried", Big, nullable=False),
    Column("error", Text, nullable=False),
    Column("target", Text, nullable=False),
)

# Segments by app and beginning of the number, in steps of five minutes, where a cap is set (`store.caps`).
prefix_use = Table(
    "prefix_use",
    metadata,
    Column("app", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("segments", Big, nullable=False),
    PrimaryKeyConstraint("app", "prefix", "step"),
    sqlite_with_rowid=False,
)

# Segments of an app (``app:NAME``) or a number (``number:NUMBER``) in the period that it sent in last, where a quota is
# set (`store.quotas`).
quota_use = Table(
    "quota_use",
    metadata,
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),  # second, day, month or year
    Column("start", Big, nullable=False),  # ms, when that period began
    Column("segments", Big, nullable=False),
    PrimaryKeyConstraint("subject", "period"),
    sqlite_with_rowid=False,
)

# What apps that pay in advance have left, and what it comes of: the sum of its entries (`store.balance`).
balance = Table(
    "balance",
    metadata,
    Column("app", Text, primary_key=True, nullable=False),
    Column("segments", Big, nullable=False),
    sqlite_with_rowid=False,
)

balance_entry = Table(
    "balance_entry",
    metadata,
    Column("app", Text, nullable=False),
    Column("at", Big, nullable=False),  # ms; of what was taken and given back the hour
    Column("kind", Text, nullable=False),  # added, taken or refunded
    Column("segments", Big, nullable=False),  # less than nothing where they went off the balance
    Column("who", Text),  # the app of whoever added them
    Column("note", Text),
    PrimaryKeyConstraint("app", "at", "kind"),
    sqlite_with_rowid=False,
)

# What the records that are not kept any more said, summed up by the day (UTC), so that an invoice outlives them
# (`store.usage`). Empty text stands for nothing, so that it can be part of the key.
usage = Table(
    "usage",
    metadata,
    Column("day", Integer, nullable=False),  # days since 1970
    Column("direction", Text, nullable=False),  # out or in
    Column("app", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("messages", Big, nullable=False),
    Column("segments", Big, nullable=False),
    Column("accepted", Big, nullable=False),  # segments that the carrier took
    PrimaryKeyConstraint("day", "direction", "app", "carrier", "number", "country", "class", "status"),
    sqlite_with_rowid=False,
)

# What is remembered of a carrier over a restart: that an operator paused it, the form of its message ids ...
carrier_state = Table(
    "carrier_state",
    metadata,
    Column("carrier", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("carrier", "key"),
    sqlite_with_rowid=False,
)

# Who is not written to any more. A scope says from where: ``all``, ``set:NAME``, ``number:NUMBER`` or ``app:NAME``; one
# seek by peer finds all of them, whatever a message would go out as. Asked in the transaction, never a cache.
optout = Table(
    "optout",
    metadata,
    Column("peer", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("how", Text, nullable=False),  # keyword, near, operator or import
    Column("message_id", Big),  # the inbound message that asked for it
    Column("keyword", Text),
    PrimaryKeyConstraint("peer", "scope"),
    sqlite_with_rowid=False,
)

# Every change of it, never changed itself. Its ids lead with the time, as those of messages do.
optout_change = Table(
    "optout_change",
    metadata,
    Column("id", Big, primary_key=True),
    Column("peer", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("change", Text, nullable=False),  # optout or optin
    Column("how", Text, nullable=False),
    Column("who", Text),  # the app of whoever asked for it, where it was no message
    Column("number", Text),  # of ours that the message was for
    Column("message_id", Big),
    Column("keyword", Text),
    Column("text", Text),  # of the message, or the operator's note
    Index("optout_change_peer", "peer", "id"),
)

# Who agreed to messages of which class, in which scope (as of `optout`). One seek by peer and class finds all scopes.
consent = Table(
    "consent",
    metadata,
    Column("peer", Text, nullable=False),
    Column("class", SmallInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("at", Big, nullable=False),  # ms, when it was given
    Column("how", Text, nullable=False),  # keyword, web, paper, verbal, api, operator or import
    Column("change_id", Big, nullable=False),  # the record of it
    PrimaryKeyConstraint("peer", "class", "scope"),
    sqlite_with_rowid=False,
)

# Every change of it, and every time that it was asked for, never changed itself. Its ids lead with the time.
consent_change = Table(
    "consent_change",
    metadata,
    Column("id", Big, primary_key=True),
    Column("peer", Text, nullable=False),
    Column("class", SmallInteger, nullable=False),
    Column("scope", Text, nullable=False),
    Column("change", Text, nullable=False),  # asked, granted or withdrawn
    Column("at", Big, nullable=False),  # ms, when it was; earlier than the id where it was recorded later
    Column("how", Text, nullable=False),
    Column("who", Text),  # the app of whoever recorded it, where it was no message
    Column("opt_in", Text),
    Column("wording", LargeBinary),  # key of `consent_wording`: what was agreed to
    Column("number", Text),  # of ours that the message was for, or that it was asked from
    Column("message_id", Big),
    Column("text", Text),  # of the message, or the note of whoever recorded it
    Index("consent_change_peer", "peer", "id"),
)

# What people agreed to, once for all who did (`policy.consent.wording`).
consent_wording = Table(
    "consent_wording",
    metadata,
    Column("key", LargeBinary, primary_key=True, nullable=False),
    Column("version", Text),
    Column("text", Text, nullable=False),
)

# Who was asked, and may reply YES until then.
consent_asked = Table(
    "consent_asked",
    metadata,
    Column("peer", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("opt_in", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("until", Big, nullable=False),
    Column("classes", Text, nullable=False),  # JSON array of numbers
    Column("scope", Text, nullable=False),
    Column("wording", LargeBinary, nullable=False),
    PrimaryKeyConstraint("peer", "number", "opt_in"),
    Index("consent_asked_until", "until"),
    sqlite_with_rowid=False,
)

# From which numbers a peer was told how to stop their marketing, and the message that said so.
told = Table(
    "told",
    metadata,
    Column("peer", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("message_id", Big, nullable=False),
    PrimaryKeyConstraint("peer", "number"),
    sqlite_with_rowid=False,
)
