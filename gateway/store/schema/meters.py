"""What is counted of messages: caps, quotas, balances, and the sums that outlive the records."""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.schema.base import Big, metadata

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
