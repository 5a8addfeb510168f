"""`status` for operators: how each carrier is, and why it sends nothing just now."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import labelled, peers, withhold

TO = peers(30)


async def status(g: Gateway) -> dict[str, Any]:
    app = await g.connect()
    shown: dict[str, Any] = await app.call("status")
    await app.close()
    return shown


async def acme(g: Gateway) -> dict[str, Any]:
    (carrier,) = (await status(g))["carriers"]
    return dict(carrier)


async def test_a_carrier_with_nothing_to_do(autojump_clock: MockClock) -> None:
    async with gateway(carrier="binds = 2\nwindow = 7\nthroughput = 20") as g:
        carrier = await acme(g)
        quiet = {
            "state": "up",
            "why": None,
            "waiting": None,
            "held_for": None,
            "held_since": None,
            "profile": None,
            "queued": 0,
            "queues": [],
            "oldest_seconds": None,
            "window": 14,
            "in_flight": 0,
            "rate_allowed": 20,
            "congestion": None,
            "alarms": [],
            "stalls": 0,
            "message_id": {"form": None, "source": "learning", "seen": {}, "against": 0},
        }
        assert {name: carrier[name] for name in quiet} == quiet
        assert [b["seconds"] for b in carrier["binds"]] == [pytest.approx(0, abs=10), pytest.approx(0, abs=10)]


async def test_a_full_window(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold, carrier="window = 2") as g:
        app = await g.connect()
        await app.submits([{"to": to, "text": labelled(i)} for i, to in enumerate(TO[:9])])
        await g.smsc.came(2)
        await g.settled()
        carrier = await acme(g)
        assert (carrier["in_flight"], carrier["window"], carrier["waiting"]) == (2, 2, "window")
        assert "the window is full" in carrier["why"]


async def test_lanes_and_apps_of_the_queue(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("carrier", name="acme", action="pause", reason="because")
        await app.call("submit", to=TO[0], text="code")
        await app.submits([{"to": to, "text": "news", "class": "marketing"} for to in TO[1:4]])
        carrier = await acme(g)
        assert [(q["lane"], q["app"], q["queued"]) for q in carrier["queues"]] == [
            ("transactional", "local", 1),
            ("marketing", "local", 3),
        ]
        assert carrier["queued"] == 4
        assert carrier["why"] == "paused by an operator: because"
        assert carrier["held_since"].startswith("2025-10-09T")


async def test_a_carrier_that_is_away(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        g.smsc.up = False
        g.smsc.binds[0].disconnect()
        await g.until(lambda: g.daemon.outbound.carriers["acme"].alarm_list.shown())
        carrier = await acme(g)
        assert (carrier["state"], carrier["waiting"]) == ("down", "down")
        assert carrier["why"] == "no bind that sends is up: Connection refused"
        (alarm,) = carrier["alarms"]
        assert (alarm["kind"], alarm["detail"]) == ("down", "Connection refused")
        assert alarm["since"].endswith("Z")


async def test_a_carrier_that_throttles(autojump_clock: MockClock) -> None:
    async with gateway(answer=lambda s: 0x58 if s.place == 0 else 0, carrier="throttle_pause = 30") as g:
        app = await g.connect()
        await app.call("submit", to=TO[0], text="x")
        await g.smsc.came(1)
        await g.settled()
        carrier = await acme(g)
        assert carrier["waiting"] == "throttled"
        assert "ESME_RTHROTTLED" in carrier["why"]


async def test_forms_of_message_ids(autojump_clock: MockClock) -> None:
    async with gateway(carrier='message_id = "hex_to_decimal"') as g:
        assert (await acme(g))["message_id"] == {
            "form": "hex_to_decimal",
            "source": "set",
            "seen": {},
            "against": 0,
        }


async def test_what_is_queued_for_a_carrier_that_is_gone(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("carrier", name="acme", action="pause")
        await app.call("submit", to=TO[0], text="x")
        g.config.write_text(g.config.read_text().replace('"acme"', '"other"'))
        await app.call("reload")
        assert (await status(g))["not_configured"] == {"acme": 1}


async def test_what_the_database_refuses_is_on_the_metrics_page(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        read = g.daemon.metrics.registry.get_sample_value
        assert (read("smsgw_store_failures_total"), read("smsgw_store_healthy")) == (0, 1)
        app = await g.connect()
        commits.fill_disk()
        assert (await app.refused("submit", to=TO[0], text="Hello")).reason == "store_unavailable"
        refused = read("smsgw_store_failures_total")
        assert refused is not None
        assert refused >= 1
        assert read("smsgw_store_healthy") == 0
        commits.heal()
