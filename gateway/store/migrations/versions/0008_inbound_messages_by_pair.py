"""Inbound messages are found by their pair of peer and number, however many a peer sent to other numbers

Revision ID: 0008
Revises: 0007

The index is built anew: about a second for a million messages.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("inbound_peer", "inbound")
    op.create_index("inbound_pair", "inbound", ["peer", "number", "id"])


def downgrade() -> None:
    op.drop_index("inbound_pair", "inbound")
    op.create_index("inbound_peer", "inbound", ["peer", "id"])
