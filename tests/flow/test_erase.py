"""A person is erased: nothing of them is left, in no table and not in the file, but that they opted out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.store.erase import EraseEventsOp, EraseOp, ForgetOp
from gateway.store.forgotten import name_of
from gateway.store.schema import metadata
from gateway.store.writer import Writer
from tests.support.apps import AppClient
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import peers

PEER, OTHER = peers(2)
SAID, WROTE = "what was said to that person", "what that person wrote"
LONG = " ".join([SAID] * 20)
TABLES = sorted(name for name, table in metadata.tables.items() if "peer" in table.c)
NOTHING = dict.fromkeys(
    ("cancelled", "messages", "inbound", "events", "forwards", "receipts", "optouts", "rows", "left"), 0
)


def count(g: Gateway, sql: str, *values: Any) -> int:
    return int(g.daemon.store.read_now(lambda con: con.execute(sql, values).fetchone())[0])


def left(g: Gateway, peer: str = PEER) -> dict[str, int]:
    """Rows of a phone, by table: of every table that has phones."""
    found = {t: count(g, f"SELECT count(*) FROM {t} WHERE peer = ?", peer) for t in TABLES}
    found["peer"] = count(g, "SELECT count(*) FROM peer WHERE address = ? OR same_as = ?", peer, peer)
    found["event"] = count(g, "SELECT count(*) FROM event WHERE instr(payload, ?)", peer.encode())
    found["parked_receipt"] = count(g, "SELECT count(*) FROM parked_receipt WHERE instr(receipt, ?)", peer.encode())
    return {table: rows for table, rows in found.items() if rows}


def octets(directory: Path) -> bytes:
    return b"".join(f.read_bytes() for f in sorted(directory.glob("smsgw.db*")))


async def lived(g: Gateway, app: AppClient, peer: str) -> None:
    """Messages both ways, events that are acknowledged and events that are not, a record, parts that wait."""
    await app.call("subscribe", events=["inbound", "receipt", "peer.created", "optout"])
    for n in range(3):
        await app.submit(LONG if n else SAID, to=peer, ref=f"{peer}-{n}")
    await g.tell(WROTE, WROTE, peer=peer)
    await g.settled()
    await app.call("peer_set", peer=peer, name="A Person", fields={"city": "Springfield"}, lists=["vip"])
    store = g.daemon.store
    store.read_now(
        lambda con: con.executescript(
            f"""INSERT INTO sticky VALUES ('+15551230001', '{peer}', 'acme', 1);
            INSERT INTO mo_message VALUES (99{peer[-4:]}, '{peer}', '+15551230001', 1, 2, 1, 1, x'');
            INSERT INTO mo_part VALUES (99{peer[-4:]}, 1, 'udh8', 'acme', 1, 'half of {WROTE}', 0, NULL);
            INSERT INTO parked_receipt VALUES (99{peer[-4:]}, 'acme', 'k', CAST('{{"peer":"{peer}"}}' AS BLOB));"""
        )
    )
    base = store.writer.base
    base.waiting.load(store.read_now(lambda con: con))
    base.parked = count(g, "SELECT count(*) FROM parked_receipt")


async def test_nothing_is_left_but_the_opt_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await lived(g, app, PEER)
        await lived(g, app, OTHER)
        await app.call("optout_set", peer=PEER, out=True, note="on the phone")
        await g.settled()
        others = left(g, OTHER)
        assert set(left(g)) >= {"message", "inbound", "thread", "event", "peer", "optout", "optout_change", "sticky"}
        assert SAID.encode() in octets(tmp_path)
        done = await app.call("erase", peer=PEER)
        assert done["peer"] == PEER
        assert (done["messages"], done["inbound"], done["receipts"], done["optouts"]) == (3, 2, 1, 1)
        assert done["events"] >= 3
        assert (done["left"], done["log_cut"]) == (0, 1)
        assert left(g) == {}
        assert left(g, OTHER) == others
        for table in ("segment", "smsc_id", "trace"):
            gone = f"SELECT count(*) FROM {table} WHERE message_id NOT IN (SELECT id FROM message)"
            assert count(g, gone) == 0
        assert count(g, "SELECT count(*) FROM ref") == 3
        assert g.daemon.store.writer.base.parked == 1
        assert g.daemon.store.writer.base.waiting.units == 1
        # Once more: nothing is found.
        assert await app.call("erase", peer=PEER) == {"peer": PEER, **NOTHING, "optouts": 0, "log_cut": 1}


async def test_text_and_phone_are_not_in_the_file(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await lived(g, app, PEER)
        await app.call("optout_set", peer=PEER, out=True)
        await app.call("erase", peer=PEER)
        stored = octets(tmp_path)
        assert len(stored) > 100_000
        for secret in (SAID, WROTE, PEER, PEER[1:], "Springfield"):
            assert secret.encode() not in stored, secret


ELSEWHERE = "#" + 32 * "0"
"""The name that somebody has in another database."""


async def test_who_opted_out_stays_out_and_comes_back_with_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await g.tell("STOP", peer=PEER)
        await app.call("erase", peer=PEER)
    async with gateway(tmp_path) as g:  # also after a start
        app = await g.connect()
        assert (await app.refused("submit", to=PEER, text="hello")).reason == "opted_out"
        shown = await app.call("optout", peer=PEER)
        assert [one["scope"] for one in shown["scopes"]] == ["set:default"]
        (row,) = (await app.call("optouts"))["optouts"]
        assert row["peer"] == name_of(g.daemon.store.writer.base.forgotten or b"", PEER)
        assert PEER not in str(row)
        # What was exported is taken again where it comes from, and nowhere else.
        done = await app.call(
            "optouts_import", optouts=[{"peer": row["peer"], "scope": row["scope"]}, {"peer": ELSEWHERE}]
        )
        assert (done["taken"], done["new"], [one["place"] for one in done["refused"]]) == (1, 0, [1])
        assert "was erased" in done["refused"][0]["detail"]
        await app.submit("to another one", to=OTHER)
        await g.settled()
        before = len(g.smsc.submits)
        await g.tell("STOP", peer=PEER)  # is known: nothing is confirmed twice
        await g.settled()
        assert len(g.smsc.submits) == before
        await g.tell("START", peer=PEER)
        await g.settled()
        assert (await app.call("optout", peer=PEER))["opted_out"] is False
        await app.submit("hello", to=PEER)


async def test_what_waits_is_cancelled(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await app.call("submit", to=PEER, text=SAID, send_at="2026-01-01T00:00:00Z")
        await app.call("carrier", name="acme", action="pause")
        await app.submit(SAID, to=PEER)
        other = await app.submit("stays", to=OTHER)
        done = await app.call("erase", peer=PEER)
        assert (done["cancelled"], done["messages"], done["left"]) == (2, 2, 0)
        await app.call("carrier", name="acme", action="resume")
        await app.until_state(other, "sent")
        await g.settled()
        assert {s.peer for s in g.smsc.submits} == {OTHER}


async def test_while_it_is_in_doubt_only_by_force(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path, carrier='in_doubt = "hold"\nresponse_timeout = 2', answer=lambda _: None) as g:
        app = await g.connect()
        mid = await app.submit(SAID, to=PEER)
        # On the wire: it waits for the end of that.
        refused = await app.refused("erase", peer=PEER)
        assert refused.reason == "in_doubt"
        assert (await app.message(mid))["state"] == "in_doubt"
        done = await app.call("erase", peer=PEER, force=True)
        assert (done["messages"], done["left"]) == (1, 0)
        assert left(g) == {}


async def test_a_message_on_the_wire_is_waited_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path, carrier="response_timeout = 60", answer=lambda _: None) as g:
        app = await g.connect()
        await app.submit(SAID, to=PEER)
        assert (await app.refused("erase", peer=PEER, force=True)).reason == "too_late"
        assert left(g)["message"] == 1


@pytest.mark.parametrize("stops", range(5))
async def test_what_was_killed_in_the_middle_is_repeated(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, stops: int
) -> None:
    do, steps = Writer.do, 0

    async def dies(self: Writer, op: Any, *rest: Any) -> Any:
        nonlocal steps
        if isinstance(op, ForgetOp | EraseOp | EraseEventsOp):
            steps += 1
            if steps == stops + 1:
                raise RuntimeError("killed")
        return await do(self, op, *rest)

    async with gateway(tmp_path) as g:
        app = await g.connect()
        await lived(g, app, PEER)
        await g.tell("STOP", peer=PEER)
        erasure = g.daemon.methods.table["erase"][1].__self__._erasure  # type: ignore[attr-defined]
        monkeypatch.setattr(Writer, "do", dies)
        with pytest.raises(RuntimeError, match="killed"):
            await erasure.erase(PEER, force=False)
        monkeypatch.undo()
    async with gateway(tmp_path) as g:
        app = await g.connect()
        done = await app.call("erase", peer=PEER)
        assert done["left"] == 0
        assert left(g) == {}
        assert (await app.refused("submit", to=PEER, text="hello")).reason == "opted_out"
        assert not [s for s in (SAID, WROTE, PEER) if s.encode() in octets(tmp_path)]


async def test_a_number_that_only_begins_so_is_another_one(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await app.call("subscribe")
        longer = "+4930123456789"
        await g.tell("from Berlin", peer=longer)
        await g.settled()
        done = await app.call("erase", peer=longer[:-1])
        assert {name: n for name, n in done.items() if n and name not in ("peer", "log_cut")} == {}
        assert left(g, longer)["event"] == 1


async def test_it_is_for_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cr3t-token-of-the-shop")
    async with gateway(tmp_path, apps='[[apps]]\nname = "shop"\ntoken = "env:SHOP_TOKEN"\n') as g:
        app = await g.connect()
        await app.call("auth", app="shop", token="s3cr3t-token-of-the-shop")
        with trio.fail_after(10):
            assert (await app.refused("erase", peer=PEER)).reason == "not_allowed"
