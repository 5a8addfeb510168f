"""The hot statements: written for every power of two, found by index, the same in pieces as in one."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gateway.store import hot
from gateway.store.hot import ALL, MAX_CHUNK, Values
from gateway.store.schema import metadata
from gateway.store.store import Store

SIZES = [1 << i for i in range(MAX_CHUNK.bit_length())]
STORED = set(metadata.tables)


@pytest.fixture(scope="module")
def con() -> Iterator[sqlite3.Connection]:
    store = Store("sqlite://", inline=True)
    yield store.read_now(lambda con: con)
    store.close()


def plan(con: sqlite3.Connection, sql: str) -> list[str]:
    """What SQLite does for a statement, one step a line."""
    return [row[3] for row in con.execute("EXPLAIN QUERY PLAN " + sql, [None] * marks(sql))]


def marks(sql: str) -> int:
    """How many values a statement is to be given: one for each ``?``, and one for all ``?1``."""
    found = re.findall(r"\?\d*", sql)
    return found.count("?") + len(set(found) - {"?"})


def aliases(sql: str) -> dict[str, str]:
    """The names under which a statement speaks of stored tables."""
    found = {name: name for name in STORED}
    for table, alias in re.findall(r"(?:FROM|JOIN|UPDATE)\s+(\w+)\s+(?:AS\s+)?(\w+)", sql):
        if table in STORED:
            found[alias] = table
    return found


# What each statement may look up, and by what: the whole of the primary key, or the index named.
LOOKUPS = {
    "INSERT_MESSAGE": [],
    "INSERT_ALIKE": [],
    "INSERT_ALIKE_NOTED": [],
    "INSERT_SEGMENTS_ALIKE": [],
    "INSERT_SEGMENT": [],
    "INSERT_REF": [],
    "INSERT_TOLD": [],
    "INSERT_SMSC_ID": [],
    "INSERT_PARKED": [],
    "PUT_MO_MESSAGE": [],
    "PUT_MO_PART": [],
    "SELECT_MO_MESSAGE": ["SEARCH m USING INDEX mo_message_key (peer=? AND number=? AND ref=? AND total=?)"],
    "SELECT_MO_PART": ["SEARCH p USING PRIMARY KEY (message_id=?)"],
    "DELETE_MO_PARTS": ["SEARCH mo_part USING PRIMARY KEY (message_id=?)"],
    "INSERT_INBOUND": [],
    "INSERT_EVENT": [],
    "PUT_CURSOR": [],
    "PUT_RETRY": [],
    "SELECT_REF": ["SEARCH r USING PRIMARY KEY (bucket=? AND app=? AND ref=?)"],
    "CLAIM": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "CLAIM_ALIKE": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "CLAIM_TOLD": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "HOLD": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "SETTLE": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "UNCLAIM": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "SELECT_SEGMENT": ["SEARCH s USING PRIMARY KEY (message_id=? AND part=?)"],
    "SENT": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "SENT_ALIKE": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "RETRY": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "DOUBT": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "END": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "END_ALIKE": ["SEARCH segment USING PRIMARY KEY (message_id=? AND part=?)"],
    "SELECT_MESSAGE_FACTS": ["SEARCH m USING INTEGER PRIMARY KEY (rowid=?)"],
    "SELECT_PARTS": ["SEARCH s USING PRIMARY KEY (message_id=?)"],
    "MATCH_RECEIPT": [
        "SEARCH d USING PRIMARY KEY (bucket=? AND carrier=? AND key=?)",
        "SEARCH s USING PRIMARY KEY (message_id=? AND part=?)",
        "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
    ],
    "MATCH_PARKED": ["SEARCH p USING INDEX parked_receipt_key (carrier=? AND key=?)"],
    "DELETE_PARKED": ["SEARCH parked_receipt USING INTEGER PRIMARY KEY (rowid=?)"],
    "ACCEPTED": ["SEARCH s USING PRIMARY KEY (message_id=?)"],
    "LAST_TRACE": ["SEARCH t USING PRIMARY KEY (message_id=?)"],
    "PUT_TRACE": [],
    "DELETE_RETRY": ["SEARCH retry USING PRIMARY KEY (stream=? AND seq=?)"],
}
# Results that have an order need it made: of the burst's rows alone, never of a stored table.
SORTS = {"MATCH_PARKED"}


def test_every_hot_statement_is_looked_at() -> None:
    assert set(ALL) == set(LOOKUPS)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_stored_table_is_searched_by_its_key(con: sqlite3.Connection, name: str, size: int) -> None:
    sql = ALL[name].sql(size)
    known = aliases(sql)
    steps = plan(con, sql)
    searches = [step for step in steps if step.startswith("SEARCH") and step.split()[1] in known]
    assert searches == LOOKUPS[name]
    for step in steps:
        if step.startswith("SCAN"):
            assert step.split()[1] not in known, steps
        assert "AUTOMATIC" not in step, steps
        if "TEMP B-TREE" in step:
            assert name in SORTS, steps


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_statement_has_its_values_in_every_size(con: sqlite3.Connection, name: str) -> None:
    values = ALL[name]
    assert SIZES[-1] == MAX_CHUNK
    for size in SIZES:
        assert marks(values.sql(size)) == values.shared + size * values.columns
    # SQLite's own bound on variables (32766 since 3.32)
    assert values.shared + MAX_CHUNK * values.columns <= 32_766


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 77, 255, 256, 257, 1000])
def test_rows_go_in_pieces_and_none_is_left_out(rows: int) -> None:
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        put = Values("INSERT INTO t (a, b) VALUES {values}", 2)
        change = Values("WITH v(a, b) AS (VALUES {values}) UPDATE t SET b = v.b FROM v WHERE t.a = v.a", 2)
        read = Values("WITH v(a) AS (VALUES {values}) SELECT t.a, t.b FROM v CROSS JOIN t ON t.a = v.a", 1)
        statements: list[str] = []
        con.set_trace_callback(statements.append)
        assert put.run(con, [(i, 0) for i in range(rows)]) == rows
        executed = [s for s in statements if s.startswith("INSERT")]
        assert len(executed) == rows // MAX_CHUNK + (rows % MAX_CHUNK).bit_count()
        assert change.run(con, [(i, i * i) for i in range(rows + 5)]) == rows
        assert read.fetch(con, [(i,) for i in range(rows)]) == [(i, i * i) for i in range(rows)]


@pytest.mark.parametrize("rows", [0, 1, 3, 257])
def test_a_result_is_gathered_as_it_is_stored(rows: int) -> None:
    """Integers of 64 bits, null, any character and none: what comes of JSON is what a row would have."""
    texts = ["", "\0", "a\0b", '"\\\u2028', "\x1f\x7f\x80", "\U0001f600\ufeff\uffff", "[1,null]"]
    stored = [((1 << 63) - 1 - i, -(1 << 63) + i, texts[i % len(texts)], None) for i in range(rows)]
    read = "WITH v(a) AS (VALUES {{values}}) SELECT {} FROM v CROSS JOIN t ON t.a = v.a"
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c TEXT, d TEXT)")
        Values("INSERT INTO t (a, b, c, d) VALUES {values}", 4).run(con, stored)
        gathered = Values(read.format("CAST(json_group_array(json_array(t.a, t.b, t.c, t.d)) AS BLOB)"), 1)
        decode = msgspec.json.Decoder(list[tuple[int, int, str, str | None]]).decode
        asked = [(a,) for a, *_ in stored]
        found = gathered.gather(con, asked, decode)
        assert found == stored == Values(read.format("t.a, t.b, t.c, t.d"), 1).fetch(con, asked)
        assert gathered.gather(con, [(5,)], decode) == []


def test_what_is_damaged_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Octets that are no text are shown as such; what cannot be read is left out and logged, without what is in it."""
    stored = [(1, "'one'"), (2, "CAST(x'61ff2262' AS TEXT)"), (3, "x'6869'"), (4, "NULL"), (5, "'five'")]
    read = "WITH v(a) AS (VALUES {values}) SELECT CAST(json_group_array(json_array(t.a, t.b)) AS BLOB) FROM v JOIN t"
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        for a, b in stored:
            con.execute(f"INSERT INTO t VALUES ({a}, {b})")
        decode = msgspec.json.Decoder(list[tuple[int, str]]).decode
        gathered = Values(read + " ON t.a = v.a", 1)
        asked = [(a,) for a, _ in stored]
        logged: list[tuple[str, dict[str, Any]]] = []
        monkeypatch.setattr(hot, "_log", SimpleNamespace(error=lambda event, **values: logged.append((event, values))))
        assert gathered.gather(con, asked, decode) == [(1, "one"), (2, 'a\ufffd"b'), (5, "five")]
        assert [(event, values["asked"]) for event, values in logged] == [("row_damaged", (3,)), ("row_damaged", (4,))]
        assert "hi" not in str(logged)


def test_trouble_is_no_damage() -> None:
    decode = msgspec.json.Decoder(list[tuple[int]]).decode
    with closing(sqlite3.connect(":memory:")) as con, pytest.raises(sqlite3.OperationalError, match="no such table"):
        Values("WITH v(a) AS (VALUES {values}) SELECT json_group_array(json_array(a)) FROM t", 1).gather(
            con, [(1,)], decode
        )


def test_values_are_shared_by_all_pieces() -> None:
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b)")
        Values("INSERT INTO t (a, b) VALUES {values}", 2).run(con, [(i, 0) for i in range(400)])
        change = Values("UPDATE t SET b = ? WHERE b = ? AND a IN ({values})", 1, shared=2)
        assert change.run(con, [(i,) for i in range(300)], (7, 0)) == 300
        assert change.run(con, [(i,) for i in range(310)], (8, 0)) == 10
        assert con.execute("SELECT b, count(*) FROM t GROUP BY b").fetchall() == [(0, 90), (7, 300), (8, 10)]


def test_values_that_open_each_row_are_bound_once() -> None:
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE t (a, b, c INTEGER PRIMARY KEY, d)")
        put = Values("INSERT INTO t (a, b, c, d) VALUES {rows}", 2, shared=2)
        assert put.sql(2) == "INSERT INTO t (a, b, c, d) VALUES (?1,?2,?,?),(?1,?2,?,?)"
        assert put.run(con, [(i, -i) for i in range(300)], ("x", None)) == 300
        assert con.execute("SELECT * FROM t ORDER BY c").fetchall() == [("x", None, i, -i) for i in range(300)]


def test_statements_are_prepared_once(con: sqlite3.Connection) -> None:
    """The connection keeps as many as there are, so that none is prepared twice."""
    assert len(ALL) * len(SIZES) <= 512
    assert hot.CLAIM.sql(64) is hot.CLAIM.sql(64)
