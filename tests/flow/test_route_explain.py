"""`route` on the socket, and `smsgw route explain`: which carrier, and why; it agrees with what a submit does."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.apps import RpcError
from tests.support.carriers import routes, stage
from tests.support.smsc import peers

PEER, OTHER = peers(2)
SHARED = '{ name = "acme", weight = 3 }, { name = "beta" }, { name = "gamma", preference = 2 }'
BEFORE = """
[[routes]]
name = "bulk"
classes = ["marketing"]
countries = ["US"]
carriers = [{ name = "gamma" }]
[[routes]]
name = "uk"
countries = ["GB"]
carriers = [{ name = "beta" }]
"""


async def test_the_first_choice(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        found = await app.call("route", to=PEER)
        assert found == {
            "from": "+15551230001",
            "to": PEER,
            "app": "local",
            "class": "transactional",
            "country": "US",
            "warnings": [],
            "quiet": None,
            "sender": {
                "why": "only",
                "detail": "it is the only one that fits",
                "numbers": [{"number": "+15551230001", "lacks": None}],
            },
            "routes": [{"name": "all", "matched": True, "conditions": {}, "failed": None}],
            "route": "all",
            "sticky": None,
            "failover": {"after": 30.0, "on_refusal": True, "on_receipt": False},
            "carriers": [
                {"name": "acme", "state": "up", "down_seconds": None, "queued": 0, "preference": 1, "weight": 1,
                 "share": 1.0, "passed_over": False},
                {"name": "beta", "state": "up", "down_seconds": None, "queued": 0, "preference": 2, "weight": 1,
                 "share": 0.0, "passed_over": False},
            ],
            "carrier": "acme",
            "why": "preference",
            "detail": "acme has the lowest preference",
        }  # fmt: skip
        assert s.rows("SELECT count(*) FROM message") == [(0,)]


async def test_which_conditions_failed(autojump_clock: MockClock) -> None:
    async with stage(extra=BEFORE + routes(given='prefixes = ["+1212"]')) as s:
        app = await s.running.connect()

        async def looked(**asked: Any) -> tuple[list[tuple[str, Any, Any]], str | None, str]:
            found = await app.call("route", **asked)
            return [(r["name"], r["failed"], r.get("has")) for r in found["routes"]], found["route"], found["why"]

        assert await looked(to=PEER) == (
            [("bulk", "classes", "transactional"), ("uk", "countries", "US"), ("all", None, None)],
            "all",
            "preference",
        )
        assert await looked(to="+447700900123", **{"class": "marketing"}) == (
            [("bulk", "countries", "GB"), ("uk", None, None)],
            "uk",
            "only",
        )
        assert await looked(to="+14165550101") == (
            [("bulk", "classes", "transactional"), ("uk", "countries", "CA"), ("all", "prefixes", "+14165550101")],
            None,
            "number",
        )


async def test_it_says_what_a_submit_does(autojump_clock: MockClock) -> None:
    """Over weights, a carrier that is down, a pair that was moved, and all that down again."""
    async with stage(extra=routes(carriers=SHARED)) as s:
        app = await s.running.connect()
        phones = peers(40)
        seen: set[str] = set()

        async def agree(phone: str) -> None:
            found = await app.call("route", to=phone)
            id = await app.submit("x", to=phone)
            assert (await app.message(id))["carrier"] == found["carrier"]
            seen.add(found["why"])

        for phone in phones[:20]:
            await agree(phone)
        assert seen == {"weight"}
        await s.break_off("acme")
        await trio.sleep(32)
        for phone in phones:
            await agree(phone)
        assert seen == {"weight", "failover"}
        await s.back("acme")
        await trio.sleep(2)
        for phone in phones:
            await agree(phone)
        assert seen == {"weight", "failover", "sticky"}
        found = await app.call("route", to=PEER)
        assert {c["name"]: c["share"] for c in found["carriers"]} == {"acme": 0.75, "beta": 0.25, "gamma": 0.0}


async def test_down_and_passed_over(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await trio.sleep(10)
        found = await app.call("route", to=PEER)
        assert (found["carrier"], found["why"]) == ("acme", "preference")
        acme = found["carriers"][0]
        assert (acme["state"], acme["passed_over"]) == ("down", False)
        assert 8 < acme["down_seconds"] < 12
        await trio.sleep(25)
        found = await app.call("route", to=PEER)
        assert (found["carrier"], found["why"]) == ("beta", "failover")
        assert found["detail"] == "acme passed over; beta is next"
        assert found["carriers"][0]["passed_over"]
        await s.break_off("beta")
        await trio.sleep(35)
        found = await app.call("route", to=PEER)
        # It waits behind what came before it, which found no other carrier either.
        assert (found["carrier"], found["why"]) == ("beta", "all_down")
        assert found["detail"] == "all carriers of the route are down: it waits at beta"


async def test_a_route_that_is_not_sticky(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(carriers=SHARED, given="sticky = false")) as s:
        app = await s.running.connect()
        found = await app.call("route", to=PEER)
        assert (found["carrier"], found["why"]) == (None, "weight")
        for i in range(100):
            await app.submit(f"{i}", to=PEER)
        await s.running.settled()
        shares = {name: len(smsc.submits) for name, smsc in s.smsc.items()}
        assert sum(shares.values()) == 100
        assert 60 < shares["acme"] < 90
        assert shares["gamma"] == 0
        assert s.rows("SELECT * FROM sticky") == []


APPS = """
[[apps]]
name = "shop"
token = "0123456789abcdef"
numbers = ["+15551230001"]
[[apps]]
name = "desk"
token = "abcdef0123456789"
"""


async def test_who_may_ask(autojump_clock: MockClock) -> None:
    async with stage(apps=APPS, extra=routes(given='apps = ["shop"]'), numbers=2) as s:
        root = await s.running.connect()
        with pytest.raises(RpcError) as caught:
            await root.call("route", to="+447700900123")
        assert caught.value.data["reason"] == "no_sender"
        assert caught.value.data["detail"] == "needs a +44 number (GB): none of your 2"
        found = await root.call("route", to=PEER, app="shop")
        assert (found["from"], found["app"], found["route"]) == ("+15551230001", "shop", "all")
        assert "queued" in found["carriers"][0]
        found = await root.call("route", to=PEER, app="desk", **{"from": "+15551230002"})
        assert (found["route"], found["why"]) == (None, "number")
        with pytest.raises(RpcError) as caught:
            await root.call("route", to=PEER, app="shup")
        assert "did you mean shop?" in caught.value.data["detail"]
        shop = await s.running.connect()
        await shop.call("auth", app="shop", token="0123456789abcdef")
        found = await shop.call("route", to=PEER)
        assert "queued" not in found["carriers"][0]
        for given, reason in (
            ({"app": "desk"}, "not_allowed"),
            ({"from": "+15551230002"}, "invalid_from"),
            ({"to": "12"}, "invalid_to"),
        ):
            with pytest.raises(RpcError) as caught:
                await shop.call("route", **({"to": PEER} | given))
            assert caught.value.data["reason"] == reason


async def test_a_number_without_a_carrier_that_no_route_takes(autojump_clock: MockClock) -> None:
    extra = routes(given='classes = ["direct"]') + '\n[[numbers]]\nnumber = "+15559990000"\n'
    async with stage(extra=extra) as s:
        app = await s.running.connect()
        bare = {"from": "+15559990000", "to": PEER}
        found = await app.call("route", **bare)
        assert (found["carrier"], found["why"], found["carriers"]) == (None, "no_route", [])
        with pytest.raises(RpcError) as caught:
            await app.call("submit", text="x", **bare)
        assert caught.value.data["reason"] == "no_route"
        found = await app.call("route", **bare, **{"class": "direct"})
        assert found["carrier"] == "acme"
