"""What may be sent: who opted out, and a record of every change

Revision ID: 0007
Revises: 0006

New tables and indexes only, so that no row is written anew.
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
    # Which numbers of ours a peer wrote to, so that it goes on hearing from the same one.
    op.create_index("thread_peer", "thread", ["peer", "first_at"])


def downgrade() -> None:
    op.drop_index("thread_peer", "thread")
    op.drop_table("told")
    op.drop_table("prefix_use")
    op.drop_table("handler_pause")
    op.drop_index("optout_change_peer", "optout_change")
    op.drop_table("optout_change")
    op.drop_table("optout")
