"""Migrations make what the schema says, to the conditions of its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

from gateway.store.schema import metadata
from tests.support.revisions import migrating, scripts


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/m.db")
    yield engine
    engine.dispose()


def indexes(engine: Engine) -> set[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        return {(name, " ".join(sql.split())) for name, sql in rows}


def tables(engine: Engine) -> dict[str, tuple[str, ...]]:
    found = {}
    for name in inspect(engine).get_table_names():
        columns = inspect(engine).get_columns(name)
        found[name] = tuple(f"{c['name']} {c['type']!r} {c['nullable']}" for c in columns)
    return found


def test_migrations_make_what_the_schema_says(engine: Engine) -> None:
    with migrating(engine) as cfg:
        command.upgrade(cfg, "head")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_tables_keys_and_partial_indexes_are_the_same(engine: Engine, tmp_path: Path) -> None:
    """What alembic does not compare: WITHOUT ROWID, AUTOINCREMENT and the conditions of indexes."""
    with migrating(engine) as cfg:
        command.upgrade(cfg, "head")
    direct = create_engine(f"sqlite:///{tmp_path}/direct.db")
    metadata.create_all(direct)
    assert indexes(engine) == indexes(direct)
    migrated, made = tables(engine), tables(direct)
    del migrated["alembic_version"]
    assert migrated == made

    def properties(engine: Engine) -> dict[str, tuple[bool, bool, list[str]]]:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        made = {name: sql for name, sql in rows if name in metadata.tables}
        keys = {name: inspect(engine).get_pk_constraint(name)["constrained_columns"] for name in made}
        return {name: ("WITHOUT ROWID" in sql, "AUTOINCREMENT" in sql, keys[name]) for name, sql in made.items()}

    assert properties(engine) == properties(direct)
    direct.dispose()


def test_there_and_back(engine: Engine) -> None:
    with migrating(engine) as cfg:
        command.upgrade(cfg, "head")
    first = indexes(engine)
    with migrating(engine) as cfg:
        command.downgrade(cfg, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    with migrating(engine) as cfg:
        command.upgrade(cfg, "head")
    assert indexes(engine) == first


def test_one_head() -> None:
    assert len(ScriptDirectory.from_config(scripts()).get_heads()) == 1


def test_keys_lead_with_time_or_are_small() -> None:
    """Random keys cost a page for each row in a table of millions (DESIGN, the database)."""
    leading = {name: next(iter(table.primary_key.columns)).name for name, table in metadata.tables.items()}
    assert leading["message"] == leading["inbound"] == leading["parked_receipt"] == "id"
    assert leading["segment"] == "message_id"
    assert leading["smsc_id"] == leading["ref"] == "bucket"
    assert leading["event"] == "stream"
