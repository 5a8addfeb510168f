"""A message of which an attempt is in doubt stays with its carrier, also after a negative receipt for the copy."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.support.carriers import routes, stage
from tests.support.smsc import peers, withhold

PEER = peers(1)[0]


async def test_a_negative_receipt_for_a_copy_is_the_end(autojump_clock: MockClock) -> None:
    """The first attempt may still be delivered: its late answer and receipt would be taken for the other carrier's."""
    async with stage(extra=routes(given="failover_on_receipt = true"), carrier="response_timeout = 5") as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        acme.answer = withhold
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x", to=PEER)
        first, copy = await acme.came(2)
        acme.respond(copy, 0)
        await app.until_state(id, "sent")
        beta.answer = withhold
        acme.receipt(copy, "UNDELIV")
        await s.running.settled()
        acme.respond(first, 0)
        await trio.sleep(30)
        assert s.texts("beta") == []
        assert await app.state(id) == "undelivered"
        (event,) = await app.notified(1)
        assert event["state"] == "undelivered"
