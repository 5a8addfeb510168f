"""People who were erased: of them nothing is left but what they opted out of, under a name that only we can make.

The name is a keyed hash of the phone, with a key that is drawn when somebody is erased for the first time and is in the
database alone. It cannot be turned back, but who has the database can try all phones there are: it is a pseudonym, kept
since who opted out has to stay out.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from gateway.store.hot import Row, Values
from gateway.store.info import note, noted

KEY: Final = "forgotten"
"""Key in ``store_info`` of the key of the names."""
ERASED: Final = "erased:"
"""What keys in ``store_info`` begin with that say, by name, when (ms) somebody was erased: a restore has to know."""
SIGN: Final = "#"
"""What a name begins with: no phone does."""


def name_of(key: bytes, peer: str) -> str:
    """The name of a phone: 33 characters. One that is such a name is its own."""
    if peer.startswith(SIGN):
        return peer
    return SIGN + blake2b(peer.encode(), key=key, digest_size=16).hexdigest()


def key_of(con: sqlite3.Connection) -> bytes | None:
    """The key, None where nobody was ever erased."""
    found = noted(con, KEY)
    return bytes.fromhex(found) if found is not None else None


def draw_key(con: sqlite3.Connection) -> bytes:
    """The key, which is drawn where there is none."""
    key = key_of(con)
    if key is None:
        key = secrets.token_bytes(32)
        note(con, KEY, key.hex())
    return key


def erased_since(con: sqlite3.Connection, schema: str, ms: int) -> set[str]:
    """The names of who was erased after that time, by the database ``schema``."""
    rows = con.execute(
        f"SELECT key, value FROM {schema}.store_info WHERE key > ? AND key < ?", (ERASED, ERASED.replace(":", ";"))
    )
    return {name.removeprefix(ERASED) for name, at in rows if int(at) > ms}


def erased_of(con: sqlite3.Connection, names: Iterable[str]) -> set[str]:
    """Those of these names by which somebody was erased here."""
    return {name for name in names if noted(con, ERASED + name) is not None}


def with_names(con: sqlite3.Connection, key: bytes | None, select: Values, peers: Iterable[str]) -> list[Row]:
    """Rows of ``select`` by peer, which is their first column; those of names have the peer in its place."""
    peers = list(peers)
    found = select.fetch(con, [(peer,) for peer in peers])
    return found if key is None else found + by_name(con, key, select, peers)


def by_name(con: sqlite3.Connection, key: bytes, select: Values, peers: Iterable[str]) -> list[Row]:
    """Those of names alone."""
    named = {name_of(key, peer): peer for peer in peers}
    return [(named[row[0]], *row[1:]) for row in select.fetch(con, [(name,) for name in named])]
