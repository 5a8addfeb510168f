"""A `ref` that was accepted: whatever would have it refused by now, who asks again is told of the message stored."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.apps import AppClient
from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import address

TOKEN = "0123456789abcdef"
TO = "+12125550000"
QUIET = '[[quiet_hours]]\ntimes = ["08:00-10:00"]\nzone = "UTC"\naction = "refuse"\n'
APPS = f"""
[[apps]]
name = "operators"
uid = [{os.getuid()}]
admin = true
[[apps]]
name = "shop"
token = "{TOKEN}"
binary = true
numbers = ["+15551230001"]
countries = ["*"]
refused_kinds = []
# shop
"""
NUMBER = '[[numbers]]\nnumber = "+15551230001"\ncarrier = "acme"'


class Case(NamedTuple):
    """What has a request refused that was accepted before, for which reason."""

    reason: str
    change: tuple[str, str] | Callable[[Gateway], None] | None
    """Of the configuration, which is read again then; or what is done to the daemon."""
    params: dict[str, Any] = {}
    before: tuple[str, str] | None = None
    """What of the configuration is other when it is accepted."""


def full_disk(g: Gateway) -> None:
    g.daemon.store.writer.disk_full = True


def stopping(g: Gateway) -> None:
    g.daemon.outbound.stopping = True


def full_queue(g: Gateway) -> None:
    g.daemon.outbound.queue("acme").stored["shop"] = 1 << 40


def stop(g: Gateway) -> None:
    g.smsc.binds[-1].deliver(DeliverSm(address(TO), address("+15551230001"), b"STOP"))


SHOP, REGION = "# shop", 'default_region = "US"'
CASES = {
    "quiet hours": Case("quiet_hours", (SHOP, QUIET), {"class": "marketing"}),
    "quiet hours at the time to be sent at": Case(
        "quiet_hours", (SHOP, QUIET), {"class": "marketing", "send_at": "2025-10-10T09:00:00Z"}
    ),
    "a shortener": Case("public_shortener", (SHOP, '[content]\nshorteners = ["sho.rt"]'), {"text": "sho.rt/1"}),
    "characters": Case("too_long", (SHOP, "max_characters = 3"), {"text": "four"}),
    "segments": Case("too_long", (SHOP, "max_segments = 1"), {"text": "x" * 161}),
    "a form of the phone": Case(
        "invalid_to", (REGION, ""), {"to": "(212) 555-0000"}, ("[store]", f"{REGION}\n[store]")
    ),
    "a country": Case("country_not_allowed", ('["*"]', '["FR"]')),
    "a kind of line": Case(
        "fixed_line", ("refused_kinds = []", 'refused_kinds = ["fixed_line"]'), {"to": "+33142345678"}
    ),
    "numbers of the app": Case("invalid_from", ('["+15551230001"]', '["+15551230002"]'), {"from": "+15551230001"}),
    "a number given up": Case("number_held", (NUMBER, NUMBER + '\nstate = "held"\nheld_until = 2026-01-01')),
    "a number without texts": Case("number_cannot_send", (NUMBER, NUMBER + '\ncapabilities = ["sms_in"]')),
    "a right": Case("not_allowed", ("binary = true", "binary = false"), {"text": None, "data": "00ff"}),
    "an opt-out": Case("opted_out", stop),
    "consent": Case("no_consent", (SHOP, '[consent]\nmarketing = "required"'), {"class": "marketing"}),
    "a quota": Case("quota_exceeded", None, before=(SHOP, "quota = { day = 1 }")),
    "a balance": Case("balance_exhausted", (SHOP, "prepaid = true")),
    "the same text": Case("duplicate_text", (SHOP, "same_text_within = 60")),
    "a full queue": Case("queue_full", full_queue),
    "a full disk": Case("disk_full", full_disk),
    "a stop of the daemon": Case("stopping", stopping),
}


async def change(g: Gateway, old: str, new: str) -> None:
    """Has another configuration take over."""
    text = g.config.read_text()
    assert old in text
    g.config.write_text(text.replace(old, new, 1))
    await (await g.connect()).call("reload")


async def shop(g: Gateway) -> AppClient:
    app = await g.connect()
    await app.call("auth", app="shop", token=TOKEN)
    return app


@pytest.mark.parametrize("name", CASES)
async def test_a_ref_that_was_accepted_is_a_duplicate_whatever_changed(autojump_clock: MockClock, name: str) -> None:
    case = CASES[name]
    asked = {"to": TO, "text": "x", "ref": "r", **case.params}
    asked = {key: value for key, value in asked.items() if value is not None}
    async with gateway(apps=APPS, numbers=2) as g:
        if case.before is not None:
            await change(g, *case.before)
        app = await shop(g)
        first = await app.call("submit", **asked)
        assert not first["duplicate"]
        await g.settled()
        if isinstance(case.change, tuple):
            await change(g, *case.change)
            app = await shop(g)
        elif case.change is not None:
            case.change(g)
        await g.settled()
        fresh, unnamed = asked | {"ref": "fresh"}, {k: v for k, v in asked.items() if k != "ref"}
        burst = [("submit", params) for params in (asked, fresh, asked, unnamed)]
        again, *others = await app.calls(burst)
        assert {"id": again["id"], "duplicate": again["duplicate"]} == {"id": first["id"], "duplicate": True}
        assert (again["segments"], again["from"], again["to"]) == (first["segments"], first["from"], first["to"])
        assert others.pop(1) == again
        assert {error.reason for error in others} == {case.reason}
        # Another request under it is refused in any case: for what is wrong with it, or for the ref.
        other = await app.refused("submit", **asked | {"priority": 1})
        assert other.reason in (case.reason, "ref_conflict")
        assert g.daemon.outbound.stopping or len(g.segments("DISTINCT message_id", "app = 'shop'")) == 1


async def test_what_is_being_stored_just_now_is_found(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(apps=APPS, run_sync=commits) as g:
        app = await shop(g)
        asked = {"to": TO, "text": "x", "ref": "r"}
        commits.hold()
        ids = []
        for _ in range(2):
            id, line = app.request("submit", asked)
            ids.append(id)
            await app.write(line)
            await g.settled()
            full_queue(g)
        commits.release()
        first, again = [(await app.reply(id))["result"] for id in ids]
        assert (again["id"], first["duplicate"], again["duplicate"]) == (first["id"], False, True)


async def test_nothing_is_said_of_what_nobody_could_look_for(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(apps=APPS, run_sync=commits) as g:
        app = await shop(g)
        commits.fill_disk()
        refused = await app.refused("submit", to=TO, text="", ref="r")
        assert (refused.code, refused.reason) == (-32001, "store_unavailable")
        assert (await app.refused("submit", to=TO, text="")).reason == "empty"
        full_queue(g)
        assert (await app.refused("submit", to=TO, text="x", ref="r")).reason == "store_unavailable"
        full_disk(g)
        assert (await app.refused("submit", to=TO, text="x", ref="r")).reason == "disk_full"
        commits.heal()
        g.daemon.store.writer.disk_full = False
        assert (await app.refused("submit", to=TO, text="", ref="r")).reason == "empty"
