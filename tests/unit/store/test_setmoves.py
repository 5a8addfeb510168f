"""Opt-outs that go along with a number to another set, a page at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.model import id_floor
from gateway.store import setmoves
from gateway.store.database import Database
from gateway.store.forgotten import ERASED, draw_key, name_of
from gateway.store.info import note
from gateway.store.setmoves import carry, carry_all, carry_since, keep, known_sets, moves

A, B = "+15550000001", "+15550000002"


@pytest.fixture
def con(tmp_path: Path) -> sqlite3.Connection:
    found = Database(f"sqlite:///{tmp_path / 'db'}").connect()
    rows = [(f"+1555{i:07}", scope, i, "keyword") for i in range(25) for scope in ("set:old", "app:x")]
    found.executemany("INSERT INTO optout (peer, scope, at, how) VALUES (?, ?, ?, ?)", rows)
    return found


def count(con: sqlite3.Connection, scope: str) -> int:
    return int(con.execute("SELECT count(*) FROM optout WHERE scope = ?", (scope,)).fetchone()[0])


def test_which_sets_go_where() -> None:
    assert moves({}, {A: "set:x"}) == ()
    assert moves({A: "set:x", B: "set:x"}, {A: "set:x", B: "set:y"}) == (("set:x", "set:y"),)
    assert moves({A: "set:x", B: "set:y"}, {A: "set:y", B: "set:x"}) == (("set:x", "set:y"), ("set:y", "set:x"))


def test_pages(con: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setmoves, "PAGE", 7)
    rows, after = carry(con, (("set:old", "set:new"),), "")
    pages = 1
    while after is not None:
        more, after = carry(con, (("set:old", "set:new"),), after)
        rows, pages = rows + more, pages + 1
    assert (rows, count(con, "set:new"), count(con, "set:old"), pages > 5) == (25, 25, 25, True)


def test_only_what_was_recorded_since(con: sqlite3.Connection) -> None:
    """Also where it was long before: an import says when people opted out, not when it is recorded."""
    since = 1_760_000_000_000
    recorded = [(id_floor(since + 1000 * i - setmoves.MARGIN), f"+1555{20 + i:07}") for i in range(-5, 5)]
    con.executemany(
        "INSERT INTO optout_change (id, peer, scope, change, how) VALUES (?, ?, 'set:old', 'optout', 'import')",
        recorded,
    )
    moved = (("set:old", "set:new"),)
    assert carry_since(con, moved, since) == 5
    assert carry_since(con, moved, since) == 0
    kept = con.execute("SELECT at, how FROM optout WHERE scope = 'set:new' ORDER BY at").fetchall()
    assert kept == [(i, "keyword") for i in range(20, 25)]


def test_who_was_erased_since_goes_along_too(con: sqlite3.Connection) -> None:
    """Their record went with them, and a page that is behind may have had their name."""
    since = 1_760_000_000_000
    key = draw_key(con)
    for i, at in ((3, since + 1), (4, since - setmoves.MARGIN - 1)):
        name = name_of(key, f"+1555{i:07}")
        con.execute("UPDATE optout SET peer = ? WHERE peer = ?", (name, f"+1555{i:07}"))
        note(con, ERASED + name, str(at))
    moved = (("set:old", "set:new"),)
    assert [carry_since(con, moved, since) for _ in range(2)] == [1, 0]
    (found,) = con.execute("SELECT peer FROM optout WHERE scope = 'set:new'")
    assert found == (name_of(key, "+15550000003"),)


def test_a_start_copies_once_and_remembers(con: sqlite3.Connection) -> None:
    assert carry_all(con, {A: "set:old", B: "set:default"}) == 0
    assert carry_all(con, {A: "set:new", B: "set:default"}) == 25
    assert carry_all(con, {A: "set:new", B: "set:default"}) == 0
    # A number that is not configured for a while keeps the set that it had.
    assert carry_all(con, {B: "set:default"}) == 0
    assert known_sets(con) == {A: "set:new", B: "set:default"}
    assert (carry_all(con, {A: "set:third"}), count(con, "set:third")) == (25, 25)
    keep(con, {})
    assert known_sets(con)[A] == "set:third"
