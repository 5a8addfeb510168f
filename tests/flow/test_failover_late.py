"""What comes back to the queue of a carrier that was left already goes on to the next one, like what waited there."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from gateway.store.wishes import Wish
from tests.support.carriers import stage
from tests.support.smsc import peers, withhold

THROTTLED, SYSTEM = 0x58, 0x08


@pytest.mark.parametrize("status", [THROTTLED, SYSTEM])
async def test_a_refusal_for_now_after_a_drain_has_the_next_carrier_take_it(
    autojump_clock: MockClock, status: int
) -> None:
    async with stage() as s:
        acme = s.smsc["acme"]
        acme.answer = withhold
        app = await s.running.connect()
        id = await app.submit("late", to=peers(1)[0])
        await acme.came(1)
        s.running.daemon.outbound.want("acme", Wish("drain", 0))
        await trio.sleep(5)
        assert s.left("acme") == {"all"}
        acme.respond(acme.submits[0], status)
        await trio.sleep(3)
        assert s.texts("beta") == ["late"]
        assert await app.state(id) == "sent"
        assert s.counted_right()
