"""A new database is made at once, an earlier version's is migrated, and neither leaves a half of it behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import revision
from gateway.store.migrate import upgrade
from gateway.store.revision import NEWEST_SQL, as_sql, bring_to_newest, newest, revision_of
from tests.support import revisions


@pytest.fixture
def con() -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(":memory:", isolation_level=None)
    yield con
    con.close()


@pytest.fixture
def migrated() -> Iterator[sqlite3.Connection]:
    """A database that the migrations made, every one of them."""
    con = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(con)
    yield con
    con.close()


def tables(con: sqlite3.Connection) -> list[tuple[str, ...]]:
    rows = con.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [(kind, name, " ".join((sql or "").split())) for kind, name, sql in rows]


def test_the_text_makes_what_the_migrations_make(con: sqlite3.Connection, migrated: sqlite3.Connection) -> None:
    """As far as it goes: a migration that it lacks is run after it."""
    con.executescript(NEWEST_SQL.read_text())
    reached = revision_of(con)
    assert reached is not None
    if reached != newest():
        migrated = sqlite3.connect(":memory:", isolation_level=None)
        upgrade(migrated, reached)
    assert NEWEST_SQL.read_text() == as_sql(migrated)
    assert tables(con) == tables(migrated)


def test_the_newest_is_the_one_that_the_migrations_end_at(migrated: sqlite3.Connection) -> None:
    assert newest() == revisions.newest() == revision_of(migrated)


def test_a_new_database_needs_no_migration(con: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_to_newest(con)
    at = con.total_changes
    monkeypatch.setattr("gateway.store.migrate.upgrade", lambda con: pytest.fail("nothing to migrate"))
    bring_to_newest(con)
    assert con.total_changes == at
    assert revision_of(con) == newest()


def test_a_text_that_is_behind_is_followed_by_migrations(
    con: sqlite3.Connection, migrated: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(first, "0001")
    behind = tmp_path / "behind.sql"
    behind.write_text(as_sql(first))
    first.close()
    monkeypatch.setattr(revision, "NEWEST_SQL", behind)
    bring_to_newest(con)
    assert tables(con) == tables(migrated)
    assert revision_of(con) == newest()


def test_an_earlier_version_s_database_is_migrated(con: sqlite3.Connection, migrated: sqlite3.Connection) -> None:
    upgrade(con, "0002")
    bring_to_newest(con)
    assert tables(con) == tables(migrated)


def test_what_fails_on_the_way_leaves_nothing(
    con: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.sql"
    broken.write_text("CREATE TABLE one (a);\nCREATE TABLE two (\n);\n")
    monkeypatch.setattr(revision, "NEWEST_SQL", broken)
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        bring_to_newest(con)
    assert not con.in_transaction
    assert tables(con) == []


def test_the_text_is_written_from_the_migrations(
    migrated: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision, "NEWEST_SQL", tmp_path / "newest.sql")
    revision.main()
    assert (tmp_path / "newest.sql").read_text() == as_sql(migrated)
