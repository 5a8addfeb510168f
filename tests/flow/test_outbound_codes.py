"""A one-time code is the next segment written: during a pause, at a pace, and past marketing to the same phone."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import Commits, gateway
from tests.support.smsc import PEER, Submitted, labelled, peers, withhold

SALE = "sale"


def sales(count: int) -> list[dict[str, str]]:
    return [{"to": p, "text": SALE, "class": "marketing"} for p in peers(count)]


async def test_a_code_is_the_first_after_a_pause(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 16\nthrottle_pause = 30", answer=withhold) as g:
        app = await g.connect()
        await app.submits(sales(3000))
        await g.settled()
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit, 0x58)
        await trio.sleep(5)
        before = len(g.smsc.submits)
        await app.submit("code", to="+12125559999")
        await trio.sleep(5)
        assert len(g.smsc.submits) == before
        await g.smsc.came(before + 1)
        assert g.smsc.texts[before] == "code"


async def test_a_code_stored_with_answers_has_the_first_of_their_slots(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits, carrier="window = 8", answer=withhold) as g:
        app = await g.connect()
        await app.submits(sales(100))
        await g.settled()
        before = len(g.smsc.submits)
        assert before == 8
        commits.hold()
        await app.write(app.request("submit", {"to": "+12125559998", "text": SALE, "class": "marketing"})[1])
        await g.settled()  # the writer is busy with that: what comes now is one burst
        for submit in list(g.smsc.unanswered):
            g.smsc.respond(submit)
        await g.settled()
        await app.write(app.request("submit", {"to": "+12125559999", "text": "code"})[1])
        await g.settled()
        commits.release()
        await g.smsc.came(before + 8)
        assert g.smsc.texts[before] == "code"


async def test_a_code_does_not_wait_for_the_pace_of_a_bulk_job(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 50\nthroughput = 2") as g:
        app = await g.connect()
        await app.submits(sales(3000))
        await trio.sleep(10)
        before = len(g.smsc.submits)
        await app.submit("code", to="+12125559999")
        await g.smsc.came(before + 1)
        assert g.smsc.texts[before] == "code"


@pytest.mark.parametrize("status", [0x58, 0x14, 0x08])
async def test_marketing_that_waits_for_its_retry_steps_back(autojump_clock: MockClock, status: int) -> None:
    def answer(submit: Submitted) -> int:
        return status if submit.text.startswith(SALE) and submit.place < 2 else 0

    async with gateway(carrier="window = 4\nretry_delay = 60\nthrottle_pause = 60", answer=answer) as g:
        app = await g.connect()
        await app.submit(SALE, to=PEER, class_="marketing")
        await g.smsc.came(1)
        await app.submit(f"{SALE} again", to=PEER, class_="marketing")
        await app.submits([{"to": PEER, "text": labelled(i)} for i in range(3)])
        await g.smsc.came(6 if status != 0x58 else 5)
        texts = [t for t in g.smsc.texts[1:] if not t.startswith(SALE)]
        assert texts == [labelled(i) for i in range(3)]
        await g.smsc.until(lambda: g.smsc.texts.count(f"{SALE} again") == 1)
        assert [t for t in g.smsc.texts[1:] if t.startswith(SALE)] == [SALE, f"{SALE} again"]
        assert g.smsc.texts[1] == labelled(0)


@pytest.mark.parametrize("status", [0x58, 0x08])
async def test_what_waited_for_marketing_under_way_goes_once_that_waits_for_its_retry(
    autojump_clock: MockClock, status: int
) -> None:
    async with gateway(carrier="window = 4\nretry_delay = 60\nthrottle_pause = 1", answer=withhold) as g:
        app = await g.connect()
        await app.submit(SALE, to=PEER, class_="marketing")
        (sale,) = await g.smsc.came(1)
        await app.submit(f"{SALE} again", to=PEER, class_="marketing")
        await app.submits([{"to": PEER, "text": labelled(i)} for i in range(2)])
        await g.settled()
        assert len(g.smsc.submits) == 1
        began = trio.current_time()
        g.smsc.respond(sale, status)
        for i in range(2):
            code = (await g.smsc.came(2 + i))[-1]
            assert code.text == labelled(i)
            g.smsc.respond(code)
        assert trio.current_time() - began < 2
        for text in (SALE, f"{SALE} again"):
            submit = (await g.smsc.came(len(g.smsc.submits) + 1))[-1]
            assert submit.text == text
            g.smsc.respond(submit)


async def test_marketing_that_is_claimed_and_not_written_steps_back(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 50\nthroughput = 1") as g:
        app = await g.connect()
        await app.submits([*sales(20), {"to": PEER, "text": SALE * 60, "class": "marketing"}])
        await trio.sleep(3)
        before = len(g.smsc.submits)
        assert before < 10
        await app.submits([{"to": PEER, "text": labelled(i)} for i in range(2)])
        await g.smsc.came(before + 2)
        assert g.smsc.texts[before : before + 2] == [labelled(0), labelled(1)]
        # And the other is not lost, nor sent twice.
        await g.smsc.came(20 + 2 + 2)
        await trio.sleep(10)
        assert len(g.smsc.submits) == 24
        assert sorted(s.concat for s in g.smsc.submits if s.peer == PEER and s.concat[1] == 2) != []


async def test_marketing_that_is_on_the_wire_does_not(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 4", answer=withhold) as g:
        app = await g.connect()
        await app.submit(SALE, to=PEER, class_="marketing")
        await g.smsc.came(1)
        await app.submit("code", to=PEER)
        await g.settled()
        assert g.smsc.texts == [SALE]
        g.smsc.respond(g.smsc.unanswered[0])
        await g.smsc.came(2)
        assert g.smsc.texts == [SALE, "code"]


@pytest.mark.parametrize("window", [1, 10])
async def test_congestion_is_heeded(autojump_clock: MockClock, window: int) -> None:
    """What a session was told of is what the pace follows (5.0 §4.8.4.18)."""
    async with gateway(carrier=f"window = {window}", answer=withhold) as g:
        app = await g.connect()
        carrier = g.daemon.outbound.carriers["acme"]
        await app.submits(sales(30))
        await g.settled()
        session = carrier.binds[0].session
        assert session is not None
        session.congestion_state, session.congestion_told = 100, True
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        await trio.sleep(0.5)
        assert len(g.smsc.submits) == window
        assert carrier.waiting_reason == "congested"
        assert carrier.congestion == 100
        assert carrier.rate_now is not None
        g.smsc.answer = lambda _: 0
        await g.smsc.came(30)
        await g.settled()
        assert carrier.waiting_reason == ""
