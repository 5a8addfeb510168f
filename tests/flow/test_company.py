"""What nobody waits for shares transactions; whoever may be waiting for an answer has it at once."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from gateway.store.writer import APART
from tests.support.daemons import gateway
from tests.support.smsc import peers, withhold

ALL = [{"to": peer, "text": "x"} for peer in peers(30)]
MANY = ALL[:8]


async def test_an_app_that_sends_one_after_the_other_is_answered_at_once(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        began = trio.current_time()
        for one in MANY:
            await app.submits([one])
        assert trio.current_time() == began


async def test_an_app_with_less_open_than_of_late_shares_a_transaction_with_what_comes(
    autojump_clock: MockClock,
) -> None:
    async with gateway() as g:
        app, other = await g.connect(), await g.connect()
        await app.submits(MANY)
        await g.settled()
        bursts, began = g.daemon.store.writer.stats.bursts, trio.current_time()
        made = [app.request("submit", one) for one in ALL[10:13]]
        for _, line in made:
            await app.write(line)
            await trio.testing.wait_all_tasks_blocked()
        for id, _ in made:
            assert "result" in await app.reply(id)
        assert trio.current_time() == pytest.approx(began + APART)
        assert g.daemon.store.writer.stats.bursts == bursts + 1
        await trio.sleep(3 * APART)
        began = trio.current_time()
        await app.submits(ALL[20:21])
        assert trio.current_time() == began, "none was stored of late"
        await app.write(app.request("submit", ALL[21])[1])
        await trio.testing.wait_all_tasks_blocked()
        await other.submits(ALL[22:23])
        assert trio.current_time() == began, "others are not kept waiting"


async def test_a_carrier_that_sends_one_after_the_other_is_answered_at_once(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        began = trio.current_time()
        for text in "abc":
            await g.tell(text)
        assert trio.current_time() == began
        await g.tell(*"defghi")
        began = trio.current_time()
        await g.tell("j")
        assert began < trio.current_time() <= began + APART


async def test_answers_that_free_a_full_window_are_stored_at_once(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2") as g:
        app = await g.connect()
        began = trio.current_time()
        await app.submits(MANY)
        await g.smsc.came(len(MANY))
        assert trio.current_time() == began


async def test_answers_that_others_to_the_same_phone_wait_for_are_stored_at_once(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        began = trio.current_time()
        await app.submits([MANY[0]] * 5)
        await g.smsc.came(5)
        assert trio.current_time() == began


async def test_answers_that_nothing_waits_for_are_stored_together(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.submits(MANY)
        submits = await g.smsc.came(len(MANY))
        bursts, began = g.daemon.store.writer.stats.bursts, trio.current_time()
        for submit in submits:
            g.smsc.respond(submit)
            await trio.testing.wait_all_tasks_blocked()
        assert g.daemon.store.writer.stats.bursts == bursts
        await g.until(lambda: set(g.segments()) == {3})
        assert g.daemon.store.writer.stats.bursts == bursts + 1
        assert trio.current_time() <= began + 2 * APART
