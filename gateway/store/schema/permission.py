"""Who may be written to: who opted out, who agreed to what, who was told how to stop."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, SmallInteger, Table, Text

from gateway.store.schema.base import Big, metadata

# Who is not written to any more. A scope says from where: ``all``, ``set:NAME``, ``number:NUMBER`` or ``app:NAME``; one
# seek by peer finds all of them, whatever a message would go out as. Asked in the transaction, never a cache.
optout = Table(
    "optout",
    metadata,
    Column("peer", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("how", Text, nullable=False),  # keyword, near, operator, import, or operator+ and another
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
