"""What a database says of itself, in ``store_info``: a text by its key. Who has a key explains it."""

from __future__ import annotations

import sqlite3


def noted(con: sqlite3.Connection, key: str) -> str | None:
    """What is noted under a key; None: nothing is."""
    row = con.execute("SELECT value FROM store_info WHERE key = ?", (key,)).fetchone()
    return row[0] if row is not None else None


def note(con: sqlite3.Connection, key: str, value: str) -> None:
    """Notes it, in the place of what was there."""
    con.execute(
        "INSERT INTO store_info (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
