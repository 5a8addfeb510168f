"""When a failed delivery, a dead letter or an event long since delivered was put back to be delivered once more

Revision ID: 0006
Revises: 0005

The column may be empty, so that no row is written anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("retry", sa.Column("replayed_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))


def downgrade() -> None:
    op.drop_column("retry", "replayed_at")
