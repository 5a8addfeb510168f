"""When a segment came to its end by the carrier's own clock, as its receipt says

Revision ID: 0004
Revises: 0003

The column may be empty, so that no row is written anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("segment", sa.Column("carrier_done_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))


def downgrade() -> None:
    op.drop_column("segment", "carrier_done_at")
