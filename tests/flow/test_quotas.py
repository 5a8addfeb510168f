"""Quotas, the same text, and balances at the door: what an app is told, and what an operator sees."""

from __future__ import annotations

import os

import trio
from trio.testing import MockClock

from gateway.smpp.constants import CommandStatus
from tests.support.apps import RpcError
from tests.support.balances import wrong
from tests.support.daemons import Gateway, gateway

TOKEN = "0123456789abcdef"
APPS = f"""
[[apps]]
name = "operators"
uid = [{os.getuid()}]
admin = true
[[apps]]
name = "shop"
token = "{TOKEN}"
"""
SOON_MIDNIGHT = '[quotas]\nzone = "+14:59"\n'
"""The store's clock begins at 08:53:20 UTC: not eight minutes to midnight there."""
PEER, OTHER_PEER = "+12125550000", "+12125550001"


def store_is_right(g: Gateway) -> None:
    assert g.daemon.store.read_now(wrong) == []


async def test_a_quota_says_when_to_come_back(autojump_clock: MockClock) -> None:
    apps = APPS + "quota = { second = 2, day = 4 }\nsame_text_within = 30\n"
    async with gateway(apps=apps, extra=SOON_MIDNIGHT) as g:
        app = await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        texts = ["1", "2", "3", "4"]
        outcomes = await app.calls([("submit", {"to": PEER, "text": text}) for text in texts])
        assert [isinstance(one, RpcError) for one in outcomes] == [False, False, True, True]
        error = outcomes[2]
        assert (error.code, error.reason) == (-32001, "quota_exceeded")
        assert 0 < error.data["retry_after"] <= 1
        assert error.data["detail"] == "second: of the 2 segments a second that shop has 0 are left"
        await trio.sleep(error.data["retry_after"])  # of the mock clock
        assert (await app.refused("submit", to=PEER, text="1")).reason == "duplicate_text"
        await app.submit("1", to=OTHER_PEER)
        await app.submit("3", to=PEER)
        await trio.sleep(1)
        error = await app.refused("submit", to=PEER, text="5")
        assert error.data["detail"].startswith("day: ")
        await g.smsc.came(4)
        metrics = g.daemon.metrics
        refused = {key: child._value.get() for key, child in metrics.quota_refused._metrics.items()}
        assert refused == {("app:shop", "second"): 2, ("app:shop", "day"): 1}
        assert metrics.app_refused.labels("shop", "quota_exceeded")._value.get() == 3
        assert not g.daemon.outbound.queues["acme"].reserved
        store_is_right(g)
        assert error.data["retry_after"] < 460
        await trio.sleep(error.data["retry_after"])
        await app.submit("5", to=PEER)
        # Another quota is taken over with the file, and what was sent counts for it.
        operator = await g.connect()
        g.config.write_text(g.config.read_text().replace("second = 2, day = 4", "day = 2"))
        await operator.call("reload")
        await app.submit("6", to=PEER)
        assert (await app.refused("submit", to=PEER, text="7")).reason == "quota_exceeded"


async def test_a_clause_that_comes_once_makes_no_other_text(autojump_clock: MockClock) -> None:
    """A campaign that is run twice: the first time each text had the clause, and would have none the second time."""
    extra = '[content]\nclause = "first"\n'
    async with gateway(apps=APPS + "same_text_within = 30\n", extra=extra) as g:
        app = await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        sale = {"to": PEER, "text": "Sale", "class": "marketing"}
        await app.call("submit", **sale)
        refused = await app.refused("submit", **sale)
        assert (refused.reason, refused.data["field"]) == ("duplicate_text", "text")
        await app.call("submit", **sale | {"text": "Sale! Reply STOP to end"})
        await app.call("submit", **sale | {"text": "Sold"})
        assert (await app.refused("submit", **sale | {"text": "Sold"})).reason == "duplicate_text"
        # Of two that come at once each would have it: the second one repeats the first.
        outcomes = await app.calls([("submit", sale | {"to": OTHER_PEER})] * 2)
        assert [isinstance(one, RpcError) for one in outcomes] == [False, True]
        await trio.sleep(31)
        await app.call("submit", **sale)
        await g.settled()
        assert [s.text for s in g.smsc.submits if s.peer == PEER] == [
            "Sale Reply STOP to opt out.",
            "Sale! Reply STOP to end",
            "Sold",
            "Sale",
        ]


async def test_a_balance_is_filled_used_and_given_back(autojump_clock: MockClock) -> None:
    answer = lambda s: int(CommandStatus.ESME_RINVDSTADR) if s.text == "bad" else 0  # noqa: E731
    async with gateway(answer=answer, apps=APPS + "prepaid = true\n") as g:
        app, operator = await g.connect(), await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        error = await app.refused("submit", to=PEER, text="x")
        assert (error.reason, error.data.get("retry_after")) == ("balance_exhausted", None)
        assert list(g.daemon.metrics.balances.read()) == [(("shop",), 0.0)]
        done = await operator.call("balance_add", app="shop", segments=3, note="invoice 1")
        assert done == {"app": "shop", "left": 3}
        await app.until_state(await app.submit("bad", to=PEER), "failed")
        await app.until_state(await app.submit("good", to=PEER), "sent")
        later = await app.submit("z" * 161, to=PEER, send_at="2026-01-01T00:00:00Z")
        assert (await app.refused("submit", to=PEER, text="x")).reason == "balance_exhausted"
        standing = {"app": "shop", "left": 0, "added": 3, "taken": 4, "refunded": 1, "prepaid": True}
        assert (await app.call("balances"))["balances"] == [standing]
        await app.call("cancel", id=later)
        store_is_right(g)
        await g.daemon.status.look_at_disk()
        assert list(g.daemon.metrics.balances.read()) == [(("shop",), 2.0)]
        found = await app.call("balance_entries", app="shop", limit=2)
        following = await app.call("balance_entries", app="shop", before=found["next"])
        assert [(e["kind"], e["segments"], e["who"], e["note"]) for e in found["entries"] + following["entries"]] == [
            ("added", 3, "operators", "invoice 1"),
            ("taken", -4, None, None),
            ("refunded", 3, None, None),
        ]
        # An app sees its own, and changes nothing.
        assert (await app.refused("balance_entries", app="operators")).reason == "not_allowed"
        assert (await app.refused("balance_add", app="shop", segments=9)).reason == "not_allowed"
        for wrong_ones in ({"app": "shpo", "segments": 1}, {"app": "shop", "segments": 0}):
            assert (await operator.refused("balance_add", **wrong_ones)).reason == "invalid_params"
        assert (await operator.refused("balance_entries", app="shop", before="x")).field == "before"
        assert (await operator.call("balance_add", app="shop", segments=-5))["left"] == -3
        assert (await operator.call("balances"))["balances"] == [standing | {"left": -3, "added": -2, "refunded": 3}]
