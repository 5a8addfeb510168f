"""What is refused as it is stored: a preview says the same, word for word, and nothing is left of it."""

from __future__ import annotations

import os
from typing import Any

from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.apps import AppClient
from tests.support.daemons import gateway
from tests.support.smsc import address

TOKEN = "0123456789abcdef"
APPS = f"""
[[apps]]
name = "operators"
uid = [{os.getuid()}]
admin = true
[[apps]]
name = "shop"
token = "{TOKEN}"
prepaid = true
same_text_within = 60
quota = {{ day = 4 }}
"""
EXTRA = '[consent]\nmarketing = "required"\ndirect = "recorded"\n[[caps]]\nprefix = "+1213"\nper_hour = 1\n'
PEER, OTHER, CAPPED = "+12125550000", "+12125550001", "+12135550000"


async def alike(app: AppClient, **given: Any) -> str:
    """What both of them refuse it for."""
    given = {"to": PEER, "text": "x", **given}
    preview, submit = await app.refused("preview", **given), await app.refused("submit", **given)
    left = [error.data.pop("retry_after", None) is None for error in (preview, submit)]
    assert left[0] == left[1]
    assert (preview.code, str(preview), preview.data) == (submit.code, str(submit), submit.data)
    return str(preview.reason)


async def test_what_is_refused_tells_nobody_how_to_stop(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, extra='[content]\nclause = "first"\n') as g:
        operator, app = await g.connect(), await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        await operator.call("balance_add", app="shop", segments=2)
        sale = {"to": PEER, "class": "marketing"}
        burst = [("submit", {**sale, "text": text}) for text in ("x" * 400, "sale")]
        refused, taken = await app.calls(burst)
        assert refused.reason == "balance_exhausted"
        assert taken["warnings"] == ['clause added: "Reply STOP to opt out."']
        assert (await app.call("submit", text="next", **sale))["warnings"] == []


async def test_previews_and_submits_refuse_alike(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, extra=EXTRA) as g:
        operator, app = await g.connect(), await g.connect()
        await app.call("auth", app="shop", token=TOKEN)
        assert await alike(app) == "balance_exhausted"
        await operator.call("balance_add", app="shop", segments=5)
        assert await alike(app, **{"class": "marketing"}) == "no_consent"
        for _ in range(9):  # of the quota, the cap and the balance nothing is taken
            shown = await app.call("preview", to=CAPPED, text="x", **{"class": "direct"})
        assert shown["warnings"] == ["no consent to messages of class direct is on record"]
        taken = await app.call("submit", to=CAPPED, text="x", **{"class": "direct"})
        assert taken["warnings"] == shown["warnings"]
        assert g.daemon.metrics.consent_missing.labels("direct")._value.get() == 1
        assert await alike(app, to=CAPPED, text="y") == "prefix_cap"
        await app.submit("x", to=PEER, ref="r")
        assert await alike(app) == "duplicate_text"
        assert await alike(app, text="y", ref="r") == "ref_conflict"
        again = await app.call("preview", to=PEER, text="x", ref="r")
        assert again["warnings"] == ["submitted before with this ref: it is not sent again"]
        assert (await app.call("submit", to=PEER, text="x", ref="r"))["duplicate"]
        await app.submit("z" * 161, to=PEER)
        assert await alike(app, text="y") == "quota_exceeded"
        assert (await app.call("balances"))["balances"][0]["left"] == 1
        g.smsc.binds[-1].deliver(DeliverSm(address(OTHER), address("+15551230001"), b"STOP"))
        await g.settled()
        assert await alike(app, to=OTHER, **{"class": "marketing"}) == "opted_out"
