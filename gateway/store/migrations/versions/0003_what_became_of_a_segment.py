"""What became of a segment on its way: binds, times, attempts that failed, other carriers tried; carriers' own memory

Revision ID: 0003
Revises: 0002

New columns may be empty, so that no row is written anew: a table of millions is brought up in no time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("message", sa.Column("door", sa.Text()))
    op.add_column("message", sa.Column("route", sa.Text()))
    op.add_column("message", sa.Column("tried", sa.Text()))
    op.add_column("segment", sa.Column("bind", sa.Text()))
    op.add_column("segment", sa.Column("written_at", BIG))
    op.create_index(
        "segment_held",
        "segment",
        ["message_id", "due_at"],
        sqlite_where=sa.text("state = 3 AND reason IS NOT NULL"),
        postgresql_where=sa.text("state = 3 AND reason IS NOT NULL"),
    )
    op.create_table(
        "trace",
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("id", BIG, nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("message_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sticky",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("number", "peer"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "carrier_state",
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("carrier_state", "sticky", "trace"):
        op.drop_table(table)
    op.drop_index("segment_held", "segment")
    for table, columns in (("segment", ("written_at", "bind")), ("message", ("tried", "route", "door"))):
        for column in columns:
            op.drop_column(table, column)
