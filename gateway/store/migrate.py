"""Runs the migrations over a connection, in one transaction.

Alembic and SQLAlchemy take a quarter of a second to import, so this is imported only where there is something to
migrate (`gateway.store.revision`).
"""

from __future__ import annotations

import sqlite3

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from gateway.store.revision import MIGRATIONS


def upgrade(con: sqlite3.Connection, revision: str = "head") -> None:
    """Brings the database of ``con``, which is in autocommit mode, to a revision.

    Raises LookupError when the database is at a revision that is not known here, and sqlite3.Error.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = create_engine("sqlite://", poolclass=NullPool, creator=lambda: _Borrowed(con))
    try:
        with engine.connect() as connection:
            # SQLite takes a change of tables back as it does rows, but neither Python nor Alembic begins a
            # transaction for it: killed in the middle, half of a migration would stay.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    except CommandError as error:
        raise LookupError(str(error)) from error
    except DBAPIError as error:
        # SQLAlchemy's own words are for programmers, in several lines; the cause says it in one.
        raise error.orig or error from error
    finally:
        engine.dispose()


class _Borrowed:
    """A DB-API connection that stays open when the migrations are done with it."""

    def __init__(self, con: sqlite3.Connection) -> None:
        self._con = con

    def __getattr__(self, name: str) -> object:
        return getattr(self._con, name)

    def close(self) -> None:
        """Not ours to close."""
