"""Numbers with a rate of their own: kept as it is written, over restarts and paging, and in nobody's way."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import Submitted, labelled, peers, withhold

SLOW, FAST = "+15551239001", "+15551239002"


def numbers(throughput: float) -> str:
    return (
        f'[[numbers]]\nnumber = "{SLOW}"\ncarrier = "acme"\nthroughput = {throughput:g}\n'
        f'[[numbers]]\nnumber = "{FAST}"\ncarrier = "acme"\n'
    )


def of(submits: list[Submitted], number: str) -> list[Submitted]:
    return [s for s in submits if f"+{s.pdu.source.addr}" == number]


def most_in_a_second(submits: list[Submitted]) -> int:
    times = [s.at for s in submits]
    return max(sum(at <= other < at + 1 for other in times) for at in times)


@pytest.mark.parametrize("look_ahead", [10, 2000])
@pytest.mark.parametrize("throughput", [1, 20])
async def test_a_slow_number_is_kept_to_its_rate_and_others_do_not_wait(
    autojump_clock: MockClock, throughput: float, look_ahead: int
) -> None:
    """Far more of it than is held in memory, and others behind it in the same app."""
    extra = f"[limits]\nlook_ahead = {look_ahead}"
    async with gateway(carrier="window = 10", extra=extra, apps=numbers(throughput)) as g:
        app = await g.connect()
        slow = [{"to": p, "text": labelled(i), "from": SLOW} for i, p in enumerate(peers(400))]
        await app.submits(slow)
        await app.submits([{"to": p, "text": "fast", "from": FAST} for p in peers(100)])
        start = trio.current_time()
        await g.smsc.until(lambda: len(of(g.smsc.submits, FAST)) == 100)
        assert trio.current_time() - start < 2
        await g.smsc.until(lambda: len(of(g.smsc.submits, SLOW)) == (100 if throughput < 2 else 400))
        sent = of(g.smsc.submits, SLOW)
        assert most_in_a_second(sent) <= throughput
        assert sent[-1].at - sent[0].at <= len(sent) / throughput * 1.05
        assert [s.label for s in sent] == [f"{i:04}" for i in range(len(sent))]


async def test_a_code_of_a_slow_number_is_its_next(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 10", apps=numbers(1)) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "sale", "from": SLOW, "class": "marketing"} for p in peers(300)])
        await trio.sleep(10)
        before = len(g.smsc.submits)
        await app.submits([{"to": "+12125559999", "text": "code", "from": SLOW}])
        await g.smsc.came(before + 3)
        # One may have been claimed already.
        assert "code" in g.smsc.texts[before : before + 2]


@pytest.mark.parametrize("how", ["cancelled", "expired"])
@pytest.mark.parametrize("length", [10, 400])
async def test_what_ended_takes_nothing_of_the_rate(autojump_clock: MockClock, how: str, length: int) -> None:
    """A number that sends one in ten seconds does not stand still for those that are not sent."""
    async with gateway(carrier="window = 10", apps=numbers(0.1)) as g:
        app = await g.connect()
        phones = peers(52)
        await app.submit("first", to=phones[0], **{"from": SLOW})
        ending = [
            await app.submit(
                labelled(i, length), to=phones[i], validity=5 if how == "expired" else 3600, **{"from": SLOW}
            )
            for i in range(1, 50)
        ]
        await app.submit("last", to=phones[50], **{"from": SLOW})
        await app.submit("next", to=phones[51], **{"from": SLOW})
        if how == "cancelled":
            for id in ending:
                await app.call("cancel", id=id)
        start = trio.current_time()
        await g.smsc.until(lambda: "next" in g.smsc.texts)
        assert g.smsc.texts == ["first", "last", "next"]
        assert 19 <= trio.current_time() - start <= 26
        assert all([await app.state(id) == how for id in ending])
        assert g.daemon.outbound.queues["acme"].queued == 0


async def test_what_waits_for_the_rate_takes_no_claims_of_others(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 4", apps=numbers(0.5), answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "slow", "from": SLOW} for p in peers(50)])
        await app.submits([{"to": p, "text": "fast", "from": FAST} for p in peers(50)])
        await g.settled()
        assert g.smsc.texts.count("fast") == 3
        assert g.segments("count(*)", "state = 2")[0] <= 8


async def test_it_goes_on_after_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with gateway(tmp_path, carrier="window = 10", apps=numbers(10), stop=False) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i), "from": SLOW} for i, p in enumerate(peers(250))])
        await trio.sleep(5)
    first = len(g.smsc.submits)  # also what it wrote while it was brought down
    assert 45 <= first <= 55
    async with gateway(tmp_path, carrier="window = 10", apps=numbers(10)) as g:
        await g.smsc.until(lambda: len(set(g.smsc.texts)) >= 250 - first)
        assert most_in_a_second(g.smsc.submits) <= 10


async def test_a_full_carrier_rate_and_a_number_rate_together(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 10\nthroughput = 30", apps=numbers(10)) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "slow", "from": SLOW} for p in peers(100)])
        await app.submits([{"to": p, "text": "fast", "from": FAST} for p in peers(200)])
        await g.smsc.came(300)
        assert most_in_a_second(g.smsc.submits) <= 30
        assert most_in_a_second(of(g.smsc.submits, SLOW)) <= 10
        assert g.smsc.submits[-1].at - g.smsc.submits[0].at <= 11.5
