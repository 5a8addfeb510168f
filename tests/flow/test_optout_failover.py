"""Somebody opts out while a message to them is about to go to another carrier: it goes to none."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.carriers import Stage, routes, stage
from tests.support.smsc import address, peers, withhold

(PEER,) = peers(1)
SYSTEM = 0x08
CARRIER_ANSWERS = '[optout]\nconfirmation = "carrier"\n'


async def stop(s: Stage, by: str = "beta") -> None:
    """A STOP by a carrier that is up, acknowledged when this returns."""
    bind = s.smsc[by].binds[-1]
    done = len(bind.answers) + 1
    bind.deliver(DeliverSm(address(PEER), address("+15551230001"), b"STOP"))
    await s.smsc[by].until(lambda: len(bind.answers) == done)


@pytest.mark.parametrize("claimed", [False, True])
async def test_what_waits_for_a_carrier_that_is_left(autojump_clock: MockClock, claimed: bool) -> None:
    async with stage(extra=CARRIER_ANSWERS + routes(given="failover_after = 10")) as s:
        app = await s.running.connect()
        if claimed:
            s.smsc["acme"].answer = withhold
            await app.submit("first", to=PEER)
            await s.smsc["acme"].came(1)
        await s.break_off("acme")
        id = await app.submit("x", to=PEER)
        await stop(s)
        await trio.sleep(60)
        assert s.texts("beta") == s.texts("gamma") == []
        assert await app.state(id) == "rejected"
        assert s.counted_right()


async def test_a_refusal_that_another_carrier_would_have_taken(autojump_clock: MockClock) -> None:
    """The answer comes after the STOP: it would have gone to beta, or have been tried again."""
    async with stage(extra=CARRIER_ANSWERS + routes(given="failover_on_refusal = true")) as s:
        acme = s.smsc["acme"]
        acme.answer = withhold
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        await acme.came(1)
        await stop(s)
        acme.respond(acme.submits[0], SYSTEM)
        await trio.sleep(60)
        assert (len(acme.submits), s.texts("beta")) == (1, [])
        assert await app.state(id) == "rejected"
        assert s.counted_right()


async def test_a_negative_receipt_after_the_stop_is_the_end(autojump_clock: MockClock) -> None:
    async with stage(extra=CARRIER_ANSWERS + routes(given="failover_on_receipt = true")) as s:
        acme = s.smsc["acme"]
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        await app.until_state(id, "sent")
        await stop(s)
        acme.receipt(acme.submits[0], "UNDELIV", error="069")
        await trio.sleep(5)
        assert s.texts("beta") == []
        assert await app.state(id) == "undelivered"
        assert s.counted_right()
