"""What is remembered of a carrier over restarts, in ``carrier_state``: a row for a carrier and key, its value JSON."""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def put(con: sqlite3.Connection, carrier: str, key: str, value: Any) -> None:
    """Stores what msgspec can encode, in place of what was there."""
    con.execute(
        "INSERT INTO carrier_state (carrier, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (carrier, key) DO UPDATE SET value = excluded.value",
        (carrier, key, msgspec.json.encode(value).decode()),
    )


def forget(con: sqlite3.Connection, carrier: str, key: str) -> None:
    """Removes what was stored; nothing when there is none."""
    con.execute("DELETE FROM carrier_state WHERE carrier = ? AND key = ?", (carrier, key))


def stored(con: sqlite3.Connection, key: str, kind: type[T]) -> dict[str, T | None]:
    """What is stored under a key, by carrier; None where the value cannot be read as a ``kind``."""
    found: dict[str, T | None] = {}
    for carrier, value in con.execute("SELECT carrier, value FROM carrier_state WHERE key = ?", (key,)):
        try:
            found[carrier] = msgspec.json.decode(value, type=kind)
        except msgspec.DecodeError:
            found[carrier] = None
    return found
