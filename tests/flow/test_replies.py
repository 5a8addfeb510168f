"""The report of replies over the socket: an app's own figures, the span of the settings, what is wrong named."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.flow.test_socket_apps import APPS, connect
from tests.flow.test_threads import ANN, FIRST, SECOND, tell
from tests.support.daemons import gateway


async def test_an_answer_counts_for_its_question(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nreplies_within = 3600\n", patience=9000) as g:
        app = await g.connect()
        await app.call("submit", to=ANN, text="Coming?", meta={"campaign": "spring"})
        await g.smsc.came(1)
        await trio.sleep(10)
        await tell(g, ANN, "Yes")
        await trio.sleep(3600)
        await tell(g, ANN, "Or not")
        found = await app.call("replies", by="meta.campaign")
        assert found == {
            "rows": [{"value": "spring", "sent": 1, "replies": 1, "seconds": 10.0}],
            "others": {"sent": 0, "replies": 0, "seconds": 0.0},
            "unasked": 1,
            "next": None,
        }
        assert (await app.call("replies", within=7200, number=FIRST))["rows"][0]["replies"] == 2
        assert (await app.call("replies", since="2025-10-09T08:53:21Z"))["rows"][0]["sent"] == 0
        assert (await app.call("replies", until="2025-10-09T08:53:00Z"))["rows"] == []
        whole = {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}
        assert (await app.call("replies", **whole))["rows"][0]["sent"] == 1
        assert len((await app.call("messages", **whole))["messages"]) == 1


async def test_an_app_sees_its_own(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, two, boss = [await connect(g, name) for name in ("one", "two", "boss")]
        for app, number in ((one, FIRST), (two, SECOND)):
            await app.call("submit", to=ANN, text="Coming?", **{"from": number})
            await trio.sleep(1)
            await tell(g, ANN, "Yes", number)
        assert [r["value"] for r in (await one.call("replies"))["rows"]] == ["one"]
        assert [r["value"] for r in (await two.call("replies"))["rows"]] == ["two"]
        assert [r["value"] for r in (await boss.call("replies"))["rows"]] == ["one", "two"]
        assert (await one.refused("replies", number=SECOND)).reason == "not_found"


async def test_what_is_wrong_is_named(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        for given, reason, field in (
            ({"by": "peer"}, "invalid_params", "by"),
            ({"within": 0}, "invalid_params", "within"),
            ({"since": "yesterday"}, "invalid_params", "since"),
            ({"until": "2026-01-01T00:00:00"}, "invalid_params", "until"),
            ({"after": "x"}, "not_found", "after"),
        ):
            error = await app.refused("replies", **given)
            assert (error.reason, error.field) == (reason, field), given
