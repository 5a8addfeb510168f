"""What may be sent: who opted out, and a record of every change

Revision ID: 0007
Revises: 0006

New tables, indexes and columns that are null, so that no row is written anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "optout",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("message_id", BIG),
        sa.Column("keyword", sa.Text()),
        sa.PrimaryKeyConstraint("peer", "scope"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "optout_change",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("who", sa.Text()),
        sa.Column("number", sa.Text()),
        sa.Column("message_id", BIG),
        sa.Column("keyword", sa.Text()),
        sa.Column("text", sa.Text()),
    )
    op.create_index("optout_change_peer", "optout_change", ["peer", "id"])
    op.create_table(
        "consent",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("class", sa.SmallInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("change_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("peer", "class", "scope"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consent_change",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("class", sa.SmallInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("who", sa.Text()),
        sa.Column("opt_in", sa.Text()),
        sa.Column("wording", sa.LargeBinary()),
        sa.Column("number", sa.Text()),
        sa.Column("message_id", BIG),
        sa.Column("text", sa.Text()),
    )
    op.create_index("consent_change_peer", "consent_change", ["peer", "id"])
    op.create_table(
        "consent_wording",
        sa.Column("key", sa.LargeBinary(), primary_key=True, nullable=False),
        sa.Column("version", sa.Text()),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_table(
        "consent_asked",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("opt_in", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("classes", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("wording", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "number", "opt_in"),
        sqlite_with_rowid=False,
    )
    op.create_index("consent_asked_until", "consent_asked", ["until"])
    op.create_table(
        "handler_pause",
        sa.Column("stream", sa.Integer(), primary_key=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("tried", BIG, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
    )
    op.create_table(
        "prefix_use",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sa.PrimaryKeyConstraint("app", "prefix", "step"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "told",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("message_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("peer", "number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quota_use",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("start", BIG, nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sa.PrimaryKeyConstraint("subject", "period"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "balance",
        sa.Column("app", sa.Text(), primary_key=True, nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "balance_entry",
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sa.Column("who", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("app", "at", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.Column("segments", BIG, nullable=False),
        sa.Column("accepted", BIG, nullable=False),
        sa.PrimaryKeyConstraint("day", "direction", "app", "carrier", "number", "country", "class", "status"),
        sqlite_with_rowid=False,
    )
    op.add_column("message", sa.Column("air", sa.SmallInteger()))
    op.add_column("message", sa.Column("charged", sa.SmallInteger()))
    # Which numbers of ours a peer wrote to, so that it goes on hearing from the same one.
    op.create_index("thread_peer", "thread", ["peer", "first_at"])


def downgrade() -> None:
    op.drop_index("thread_peer", "thread")
    op.drop_table("told")
    op.drop_column("message", "charged")
    op.drop_column("message", "air")
    op.drop_table("usage")
    op.drop_table("balance_entry")
    op.drop_table("balance")
    op.drop_table("quota_use")
    op.drop_table("prefix_use")
    op.drop_table("handler_pause")
    op.drop_index("consent_asked_until", "consent_asked")
    op.drop_table("consent_asked")
    op.drop_table("consent_wording")
    op.drop_index("consent_change_peer", "consent_change")
    op.drop_table("consent_change")
    op.drop_table("consent")
    op.drop_index("optout_change_peer", "optout_change")
    op.drop_table("optout_change")
    op.drop_table("optout")
