"""The tables of a database: made at once where there are none, migrated where they are an earlier version's.

The migrations define the tables. What they make of an empty database is written down in ``newest.sql``, so that
a new database needs none of them. Where that text is behind them they do the rest: it saves time and decides nothing.
After a new migration write it anew: ``python -m gateway.store.revision``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).parent / "migrations"
NEWEST_SQL: Final = MIGRATIONS / "newest.sql"
_OF_SQLITE: Final = "sqlite_*"
"""Tables and indexes that SQLite makes by itself for others."""


def newest() -> str:
    """The revision of the latest migration, by the names of their files: ``0007``."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def revision_of(con: sqlite3.Connection) -> str | None:
    """The revision that a database is at; None for one without tables, or of another program. Raises sqlite3.Error."""
    if not con.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]:
        return None
    row = con.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row is not None else None


def bring_to_newest(con: sqlite3.Connection) -> None:
    """Makes or migrates the tables of the database of ``con``, which is in autocommit mode.

    Killed at any point, it leaves the database as it was or as a migration made it. Raises LookupError when a later
    version made the database, and sqlite3.Error.
    """
    if con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        try:
            con.executescript(f"BEGIN IMMEDIATE;\n{NEWEST_SQL.read_text(encoding='utf-8')}COMMIT;")
        except BaseException:
            if con.in_transaction:
                con.execute("ROLLBACK")
            raise
    if revision_of(con) != newest():
        from gateway.store.migrate import upgrade  # slow to import, and seldom needed

        upgrade(con)


def as_sql(con: sqlite3.Connection) -> str:
    """The text that makes an empty database what the one of ``con`` is without its rows: tables, indexes, revision."""
    made = con.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB ? ORDER BY type = 'index', name",
        (_OF_SQLITE,),
    )
    statements = ["\n".join(line.rstrip() for line in sql.strip().splitlines()) for (sql,) in made]
    statements.append(f"INSERT INTO alembic_version VALUES ('{revision_of(con)}')")
    return "-- What the migrations make; written by gateway.store.revision.\n" + "".join(f"{s};\n" for s in statements)


def main() -> None:
    """Writes ``newest.sql`` from the migrations."""
    from gateway.store.migrate import upgrade

    con = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(con)
    NEWEST_SQL.write_text(as_sql(con), encoding="utf-8")
    con.close()


if __name__ == "__main__":
    main()
