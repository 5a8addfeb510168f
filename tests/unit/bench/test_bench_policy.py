"""The run of the checks measures what it says, on a store with few rows; its figures are nobody's to assert."""

import json

import pytest

from bench.policy import CASES, fill, main, measure, phone
from gateway.store.store import Store


def test_each_check_is_asked_and_finds_what_it_looks_for() -> None:
    store = Store("sqlite://", inline=True)
    fill(store, 50)
    rows = store.read_now(lambda con: con.execute("SELECT peer FROM consent").fetchall())
    out = store.read_now(lambda con: con.execute("SELECT peer FROM optout").fetchall())
    assert {peer for (peer,) in rows}.isdisjoint({peer for (peer,) in out})
    assert len(rows) == len(out) == 50
    asked: list[str] = []
    con = store.read_now(lambda con: con)
    con.set_trace_callback(asked.append)
    timed = measure(store, 50, 8, 2)
    con.set_trace_callback(None)
    assert [it.name for it in timed] == [*CASES, "all"]
    for table in ("optout", "consent", "prefix_use", "quota_use", "message"):
        assert any(f" {table} " in statement for statement in asked), table
    con.execute("DELETE FROM consent")
    with pytest.raises(RuntimeError, match="no_consent"):
        measure(store, 50, 8, 1)
    store.close()


def test_it_prints_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stored", "20", "--burst", "4", "--rounds", "2", "--messages", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {it["name"] for it in found["microseconds"]} == {*CASES, "all"}
    assert found["resident_mib"] is None
    assert phone(1) != phone(2)
