"""A reload while the disk has trouble: it is refused or done, and the daemon goes on."""

from __future__ import annotations

import sqlite3
from unittest import mock

from trio.testing import MockClock

from tests.support.apps import RpcError
from tests.support.daemons import gateway


async def test_a_reload_that_cannot_read_is_refused(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()

        async def fails(_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with mock.patch.object(g.daemon.store.reader, "read", fails):
            (outcome,) = await app.calls([("reload", {})])
        assert isinstance(outcome, RpcError)
        assert outcome.reason == "store_unavailable"
        assert (await app.call("reload"))["changed"] == []
