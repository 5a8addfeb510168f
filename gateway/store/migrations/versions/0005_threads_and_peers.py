"""Threads, the pairs of our number and a peer that wrote to it, and peers: who has written to us

Revision ID: 0005
Revises: 0004

They are made of the inbound messages that are there: nothing of these counts as unread, and who has written before is
no stranger.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID_SHIFT = 21  # bits of an id below its milliseconds, as they are today


def upgrade() -> None:
    op.create_table(
        "thread",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("first_at", BIG, nullable=False),
        sa.Column("read_up_to", BIG, nullable=False),
        sa.Column("attention", BIG),
        sa.Column("assigned", sa.Text()),
        sa.PrimaryKeyConstraint("number", "peer"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "peer",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("fields", sa.Text()),
        sa.Column("lists", sa.Text()),
        sa.Column("same_as", sa.Text()),
        sa.PrimaryKeyConstraint("address"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "peer_same_as",
        "peer",
        ["same_as"],
        sqlite_where=sa.text("same_as IS NOT NULL"),
        postgresql_where=sa.text("same_as IS NOT NULL"),
    )
    op.execute(
        "INSERT INTO thread (number, peer, first_at, read_up_to)"
        f" SELECT number, peer, min(id) >> {ID_SHIFT}, max(id) FROM inbound GROUP BY number, peer"
    )
    op.execute(
        "INSERT INTO peer (address, created_at)"
        f" SELECT peer, min(id) >> {ID_SHIFT} FROM inbound WHERE peer <> '' GROUP BY peer"
    )


def downgrade() -> None:
    op.drop_index("peer_same_as", "peer")
    op.drop_table("peer")
    op.drop_table("thread")
