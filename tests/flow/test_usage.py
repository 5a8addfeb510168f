"""Usage over the socket, and the command against a daemon's answers."""

from __future__ import annotations

from trio.testing import MockClock

from tests.flow.test_quotas import APPS, OTHER_PEER, PEER, TOKEN
from tests.support.daemons import gateway

DAYS = {"from": "2025-10-09", "to": "2025-10-09"}


async def test_an_operator_sees_what_was_sent_and_received(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS) as g:
        app, operator = await g.connect(), await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        await app.until_state(await app.submit("x" * 161, to=PEER), "sent")
        await app.until_state(await app.submit("y", to=OTHER_PEER), "sent")
        await g.tell("hello")
        by = ["country", "app", "status", "app"]
        found = {}
        after: dict[str, str] = {}
        for place in ("out:0", "in:0", None):
            part = await operator.call("usage", **DAYS, by=by, **after)
            found[place] = part["rows"]
            assert (part["next"], part["kept"]) == (place, 0)
            after = {"after": part["next"]}
        assert found == {
            "out:0": [],
            "in:0": [
                {
                    "direction": "out",
                    "country": "US",
                    "app": "shop",
                    "status": "sent",
                    "messages": 2,
                    "segments": 3,
                    "accepted": 3,
                }
            ],
            None: [
                {
                    "direction": "in",
                    "country": "US",
                    "app": "",
                    "status": "received",
                    "messages": 1,
                    "segments": 1,
                    "accepted": 1,
                }
            ],
        }
        assert (await app.refused("usage", **DAYS, by=by)).reason == "not_allowed"
        for wrong, field in (
            ({"to": "2025-10-08"}, "to"),
            ({"from": "20251009"}, "from"),
            ({"after": "out"}, "after"),
            ({"after": "in:9999999999999999999"}, "after"),
            ({"by": ["colour"]}, "by"),
        ):
            refused = await operator.refused("usage", **({**DAYS, "by": by} | wrong))
            assert (refused.reason, refused.field) == ("invalid_params", field)
