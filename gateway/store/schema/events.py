"""Events out: who hears of what, how far each has come, what is tried again."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from gateway.store.schema.base import Big, metadata

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
