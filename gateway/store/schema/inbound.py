"""Messages in, the parts that wait for others, threads, and who wrote them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text, text

from gateway.store.schema.base import Big, metadata

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
