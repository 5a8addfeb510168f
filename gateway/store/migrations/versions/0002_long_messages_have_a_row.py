"""A long inbound message has a row of its own, and its parts are tied by it, not by the scheme that they came by

Revision ID: 0002
Revises: 0001

What waits stays. Under one reference with several schemes there may have been as many messages: where they have no
part in common they are one from now on; else the newest keeps the reference, and the others get one that no part can
have (below zero), so that they are told of as partial when their time is up.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DIGEST = 8
UNIT_OCTETS = 256

old_part = sa.table(
    "mo_part_0001",
    *[
        sa.column(name)
        for name in (
            "number", "peer", "scheme", "ref", "total", "part", "carrier", "received_at", "data", "data_coding",
            "extra",
        )
    ],
)  # fmt: skip
new_message = sa.table(
    "mo_message",
    *[sa.column(name) for name in ("id", "peer", "number", "ref", "total", "units", "received_at", "told")],
)
new_part = sa.table(
    "mo_part",
    *[
        sa.column(name)
        for name in ("message_id", "part", "scheme", "carrier", "received_at", "data", "data_coding", "extra")
    ],
)


def upgrade() -> None:
    with op.batch_alter_table("mo_part") as batch_op:
        batch_op.drop_index("mo_part_age")
    op.rename_table("mo_part", "mo_part_0001")
    op.create_table(
        "mo_message",
        sa.Column("id", BIG, nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("ref", sa.Integer(), nullable=False),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("told", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("mo_message_key", "mo_message", ["peer", "number", "ref", "total"], unique=True)
    for name, columns, where in (
        ("mo_message_waiting", ["received_at"], "units > 0"),
        ("mo_message_peer", ["peer", "received_at"], "units > 0"),
        ("mo_message_told", ["received_at"], "units = 0"),
    ):
        op.create_index(name, "mo_message", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "mo_part",
        sa.Column("message_id", BIG, nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("data_coding", sa.SmallInteger(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("message_id", "part"),
        sqlite_with_rowid=False,
    )
    _move(op.get_bind())
    op.drop_table("mo_part_0001")


def _move(connection: sa.Connection) -> None:
    c = old_part.c
    key = (c.peer, c.number, c.ref, c.total)
    rows = connection.execute(sa.select(old_part).order_by(*key, c.scheme, c.part)).mappings().all()
    messages: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for (peer, number, ref, total), of_key in groupby(rows, lambda r: (r["peer"], r["number"], r["ref"], r["total"])):
        schemes = [list(of_scheme) for _, of_scheme in groupby(of_key, lambda r: r["scheme"])]
        for given, of_message in enumerate(_messages(schemes)):
            waiting = [r for r in of_message if r["part"] > 0]
            units = sum(max(1, -(-(len(r["data"]) + len(r["extra"] or "")) // UNIT_OCTETS)) for r in waiting)
            messages.append(
                {
                    "id": len(messages) + 1,
                    "peer": peer,
                    "number": number,
                    "ref": ref if not given else -65_536 * given - ref,
                    "total": total,
                    "units": units,
                    "received_at": max(r["received_at"] for r in waiting or of_message),
                    "told": b"".join([_told(r["data"]) for r in of_message if r["part"] == 0]),
                }
            )
            parts += [
                {
                    "message_id": len(messages),
                    **{name: r[name] for name in ("part", "scheme", "carrier", "received_at", "data", "data_coding")},
                    "extra": _kept(r["extra"]),
                }
                for r in waiting
            ]
    if messages:
        connection.execute(sa.insert(new_message), messages)
    if parts:
        connection.execute(sa.insert(new_part), parts)


def _messages(schemes: list[list[Any]]) -> list[list[Any]]:
    """What was under one key by its schemes, as messages: the first is the one that keeps the reference."""
    schemes.sort(key=lambda rows: -max(r["received_at"] for r in rows))
    found: list[list[Any]] = []
    for rows in schemes:
        taken = {r["part"] for r in found[0]} if found else set()
        if not found:
            found.append(list(rows))
        elif taken.isdisjoint(r["part"] for r in rows):
            found[0] += rows
        elif any(r["part"] > 0 for r in rows):
            found.append(rows)
    return found


def _told(digests: bytes) -> bytes:
    """A mark was the digests of parts 1, 2, 3 ...; now each has its number in front."""
    pieces = [digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)]
    return b"".join([bytes((seq,)) + piece for seq, piece in enumerate(pieces, 1)])


def _kept(extra: str | None) -> str | None:
    """TLVs were JSON within JSON."""
    if extra is None:
        return None
    kept = json.loads(extra)
    inner = kept.pop("extra", None)
    if inner is not None:
        kept |= json.loads(inner)
    return json.dumps(kept, separators=(",", ":"))


def downgrade() -> None:
    """What waits is not kept: the older form cannot say all of it."""
    op.drop_table("mo_part")
    for name in ("mo_message_told", "mo_message_peer", "mo_message_waiting", "mo_message_key"):
        op.drop_index(name, "mo_message")
    op.drop_table("mo_message")
    op.create_table(
        "mo_part",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("ref", sa.Integer(), nullable=False),
        sa.Column("total", sa.SmallInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("data_coding", sa.SmallInteger(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", "peer", "scheme", "ref", "total", "part"),
        sqlite_with_rowid=False,
    )
    op.create_index("mo_part_age", "mo_part", ["received_at"])
