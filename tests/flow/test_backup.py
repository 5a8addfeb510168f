"""A backup over the socket: made beside the traffic, told of, one at a time, for operators, and gone with who asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.doors import backups
from gateway.store.restore import check
from tests.support.apps import AppClient
from tests.support.daemons import EPOCH_MS, gateway

APPS = '[[apps]]\nname = "shop"\ntoken = "env:SHOP_TOKEN"\n'


async def ended(app: AppClient) -> dict[str, Any]:
    return (await app.notified(1, "backup_ended"))[0]


async def test_a_copy_while_messages_go_out(tmp_path: Path) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        mid = await app.submit("in the copy")
        copy = str(tmp_path / "copy.db")
        assert await app.call("backup", file=copy) == {"file": copy}
        done = await ended(app)
        assert done["error"] is None
        assert done["octets"] > 100_000
        taken = check(Path(copy))
        assert taken is not None
        assert EPOCH_MS < taken <= g.daemon.store.clock.now_ms()
        assert (await app.message(mid))["id"] == mid
        refused = await app.refused("backup", file=copy)
        assert (refused.code, refused.reason) == (-32000, "backup_failed")
        assert "nothing is overwritten" in refused.data["detail"]


async def test_one_at_a_time_and_none_is_left_by_who_hung_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "TELL_EVERY", 0.01)
    async with gateway(tmp_path) as g:
        first, second = await g.connect(), await g.connect()
        await g.daemon.store.reader.read(lambda con: con.execute("SELECT 1"))
        g.daemon.store.read_now(lambda con: con.execute("CREATE TABLE much (x)"))
        g.daemon.store.read_now(lambda con: con.execute("INSERT INTO much VALUES (zeroblob(8000000))"))
        slow = tmp_path / "slow.db"
        await first.call("backup", file=str(slow), rate=1)
        told = (await first.notified(1, "backup"))[0]
        assert told["octets"] <= told["total"]
        assert (await second.refused("backup", file=str(tmp_path / "other.db"))).reason == "too_many"
        await first.close()
        part = tmp_path / "slow.db.part"
        await g.until(lambda: not part.exists())
        assert not slow.exists()
        await g.settled()
        await second.call("backup", file=str(slow))
        assert (await ended(second))["error"] is None


async def test_what_is_no_whole_path_or_not_for_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cr3t-token-of-the-shop")
    async with gateway(tmp_path, apps=APPS) as g:
        operator, app = await g.connect(), await g.connect()
        for given, field in (
            ({"file": "copy.db"}, "file"),
            ({"file": "/"}, "file"),
            ({"file": "/x", "rate": 0}, "rate"),
        ):
            refused = await operator.refused("backup", **given)
            assert (refused.reason, refused.field) == ("invalid_params", field)
        refused = await operator.refused("backup", file=str(tmp_path / "none" / "copy.db"))
        assert refused.reason == "backup_failed"
        await app.call("auth", app="shop", token="s3cr3t-token-of-the-shop")
        assert (await app.refused("backup", file=str(tmp_path / "copy.db"))).reason == "not_allowed"
        assert not (tmp_path / "copy.db").exists()


async def test_a_database_in_memory_has_none() -> None:
    async with gateway() as g:
        app = await g.connect()
        with trio.fail_after(10):
            assert (await app.refused("backup", file="/nowhere/copy.db")).reason == "backup_failed"
