"""What a node knows of itself and of its carriers over a restart."""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text

from gateway.store.schema.base import Big, metadata

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
