"""Databases as an earlier version made them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine

from gateway.store import migrations


def scripts() -> Config:
    """Alembic's view of the migrations, without a database."""
    config = Config()
    config.set_main_option("script_location", next(iter(migrations.__path__)))
    return config


def newest() -> str:
    """The revision that databases have today."""
    return str(ScriptDirectory.from_config(scripts()).get_current_head())


@contextmanager
def migrating(engine: Engine) -> Iterator[Config]:
    """The same over a connection to a database."""
    with engine.connect() as connection:
        config = scripts()
        config.attributes["connection"] = connection
        yield config


def database_at(revision: str, directory: Path) -> Path:
    """A new, empty database in ``directory``, as the migrations up to ``revision`` (such as ``0002``) make it."""
    path = directory / "smsgw.db"
    engine = create_engine(f"sqlite:///{path}")
    with migrating(engine) as config:
        command.upgrade(config, revision)
    engine.dispose()
    return path
