"""`status` for operators: how each carrier is, and why it sends nothing just now."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.carriers import stage
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
            "held_in_doubt": {"segments": 0, "past_validity": 0},
            "passed_over": [],
            "rate_allowed": 20,
            "rate_cap": 20,
            "rate_learnt": False,
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


@pytest.mark.parametrize("cap", [0, 50])
async def test_a_rate_that_was_learnt(autojump_clock: MockClock, cap: int) -> None:
    async with gateway(answer=lambda s: 0x58 if s.place == 29 else 0, carrier=f"throughput = {cap}") as g:
        app = await g.connect()
        await app.submits([{"to": to, "text": "x"} for to in TO])
        await g.smsc.came(30)
        await g.settled()
        carrier = await acme(g)
        assert carrier["rate_learnt"]
        assert carrier["rate_cap"] == (cap or None)
        assert 0 < carrier["rate_allowed"] < (cap or 30)


async def test_a_number_that_waits_for_its_own_rate(autojump_clock: MockClock) -> None:
    async with gateway(apps='[[numbers]]\nnumber = "+15551230009"\ncarrier = "acme"\nthroughput = 2\n') as g:
        app = await g.connect()
        assert (await acme(g))["numbers_waiting"] == 0
        await app.submits([{"from": "+15551230009", "to": to, "text": "x"} for to in TO])
        await trio.sleep(2)
        assert (await acme(g))["numbers_waiting"] == 1


async def test_what_is_held_in_doubt(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold, carrier='response_timeout = 5\nin_doubt = "hold"') as g:
        app = await g.connect()
        await app.call("submit", to=TO[0], text="x" * 200, validity=60)
        await app.call("submit", to=TO[1], text="x", validity=600)
        await g.smsc.came(3)
        await g.until(lambda: g.segments() == [4, 4, 4])
        assert (await acme(g))["held_in_doubt"] == {"segments": 3, "past_validity": 0}
        assert (await app.call("messages", reason="validity_over"))["messages"] == []
        await trio.sleep(60)
        assert (await acme(g))["held_in_doubt"] == {"segments": 3, "past_validity": 2}
        for asked in ({"reason": "validity_over"}, {"state": "in_doubt", "reason": "validity_over"}):
            (found,) = (await app.call("messages", **asked))["messages"]
            assert (found["to"], found["state"], found["reason"]) == (TO[0], "in_doubt", "validity_over")
        (found,) = (await app.call("messages", reason="in_doubt"))["messages"]
        assert found["to"] == TO[1]


async def passed_over(g: Gateway) -> dict[str, Any]:
    return {c["name"]: c["passed_over"] for c in (await status(g))["carriers"] if c["passed_over"]}


async def test_routes_that_pass_a_carrier_over(autojump_clock: MockClock) -> None:
    async with stage() as s:
        assert await passed_over(s.running) == {}
        app = await s.running.connect()
        await app.call("carrier", name="acme", action="drain")
        await trio.sleep(3)
        assert await passed_over(s.running) == {"acme": [{"route": "all", "to": ["beta"]}]}
        await app.call("carrier", name="acme", action="resume")
        await s.running.until(lambda: not s.running.daemon.outbound.choice.away)
        assert await passed_over(s.running) == {}


async def test_a_route_without_another_carrier_is_not_left(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = '[[routes]]\nname = "alone"\nfailover_after = 1\ncarriers = [{ name = "acme" }]\n'
    async with gateway(extra=alone) as g:
        app = await g.connect()
        await app.call("carrier", name="acme", action="drain")
        id = (await app.call("submit", to=TO[0], text="x"))["id"]
        await trio.sleep(5)
        assert (await acme(g))["passed_over"] == [{"route": "alone", "to": []}]
        assert (await app.message(id))["state"] == "queued"
        assert "carrier_left" not in capsys.readouterr().err


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


async def test_reads_and_writes_are_on_the_metrics_page(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        read = g.daemon.metrics.registry.get_sample_value
        app = await g.connect()
        names = ("smsgw_socket_reads_total", "smsgw_socket_writes_total")
        before = [read(name) for name in names]
        await app.call("submit", to=TO[0], text="x")
        await app.call("submit", to=TO[1], text="x")
        assert [read(name) for name in names] == [2 + (count or 0) for count in before]
        reads = read("smsgw_bind_reads_total", {"carrier": "acme"})
        writes = read("smsgw_bind_writes_total", {"carrier": "acme"})
        # The bind, and the submits: each went out as it was stored.
        assert reads is not None
        assert writes is not None
        assert reads >= 1
        assert writes >= 2


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
