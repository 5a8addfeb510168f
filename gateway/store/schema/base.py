"""What all tables have in common: where they are listed, and the type of ids and times."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Integer, MetaData

metadata: Final = MetaData()

# SQLite makes INTEGER PRIMARY KEY the row's own address; PostgreSQL needs BIGINT for 63 bits.
Big: Final = BigInteger().with_variant(Integer, "sqlite")
