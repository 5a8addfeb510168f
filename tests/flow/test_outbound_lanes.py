"""Who goes first: lanes before all, then fair between apps, then priority, then the order of arrival."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import labelled, peers, withhold

APPS = f"""
[[apps]]
name = "one"
uid = [{os.getuid()}]
[[apps]]
name = "two"
token = "{"t" * 20}"
"""


@pytest.mark.parametrize("window", [2, 50])
@pytest.mark.parametrize("same_peer", [False, True])
async def test_a_one_time_code_is_the_next_written(autojump_clock: MockClock, window: int, same_peer: bool) -> None:
    """Behind 5000 marketing messages, with everything claimed that may be; also where each goes to one peer."""
    async with gateway(carrier=f"window = {window}", answer=withhold) as g:
        app = await g.connect()
        to = peers(20) * 250 if same_peer else peers(5000)
        for at in range(0, 5000, 1000):
            await app.submits([{"to": p, "text": "sale", "class": "marketing"} for p in to[at : at + 1000]])
        await g.settled()
        under_way = len(g.smsc.submits)
        assert under_way == (min(window, 20) if same_peer else window)
        if same_peer and window > 20:
            # There is a slot for it at once.
            await app.submit("code", to="+12125559999")
            await g.settled()
            assert g.smsc.texts[under_way:] == ["code"]
            return
        await app.submit("code", to="+12125559999")
        await g.settled()
        assert len(g.smsc.submits) == under_way
        g.smsc.respond(g.smsc.unanswered[0])
        await g.settled()
        assert g.smsc.texts[under_way:] == ["code"]


async def test_codes_pass_each_other_never_and_marketing_always(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 4", answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "sale", "class": "marketing"} for p in peers(100)])
        await app.submits(
            [
                {"to": f"+1212556{i:04}", "text": labelled(i), "class": ("direct", "transactional")[i % 2]}
                for i in range(20)
            ]
        )
        while len(g.smsc.submits) < 40:
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        texts = g.smsc.texts[4:]
        codes = [t for t in texts if t != "sale"]
        assert codes == [labelled(i) for i in range(20)]
        assert texts.index("sale", 4) >= 19, texts


@pytest.mark.parametrize("window", [1, 3, 20])
@pytest.mark.parametrize("hot", [False, True], ids=["many peers", "few peers"])
@pytest.mark.parametrize("look_ahead", [10, 2000])
async def test_two_apps_share_a_carrier(autojump_clock: MockClock, window: int, hot: bool, look_ahead: int) -> None:
    """However much the first has queued before, and however few its peers are, the second gets its turns."""
    async with gateway(
        carrier=f"window = {window}", extra=f"[limits]\nlook_ahead = {look_ahead}", apps=APPS, answer=withhold
    ) as g:
        one, two = await g.connect(), await g.connect()
        await two.call("auth", app="two", token="t" * 20)
        to = peers(20) * 25 if hot else peers(500)
        await one.submits([{"to": p, "text": "one"} for p in to])
        await two.submits([{"to": f"+1212556{i:04}", "text": "two"} for i in range(60)])
        start = len(g.smsc.submits)
        while len(g.smsc.submits) < start + 80:
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        shares = Counter(g.smsc.texts[start + 2 * window :][:48])
        assert shares["two"] >= 16, shares
        assert shares["one"] >= 16, shares


async def test_long_messages_count_by_their_segments(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2", apps=APPS, answer=withhold) as g:
        one, two = await g.connect(), await g.connect()
        await two.call("auth", app="two", token="t" * 20)
        await one.submits([{"to": p, "text": "1" * 600} for p in peers(40)])
        await two.submits([{"to": f"+1212556{i:04}", "text": "2"} for i in range(120)])
        while len(g.smsc.submits) < 120:
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        shares = Counter(t[0] for t in g.smsc.texts[20:])
        assert abs(shares["1"] - shares["2"]) <= 20, shares


async def test_priority_orders_within_an_app(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1", answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "first"} for p in ("+12125558001", "+12125558002")])
        wanted = [(i * 7) % 10 for i in range(30)]
        await app.submits([{"to": peers(30)[i], "text": f"{p}", "priority": p} for i, p in enumerate(wanted)])
        while len(g.smsc.submits) < 32:
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        got = [int(t) for t in g.smsc.texts[2:]]
        assert got == sorted(wanted, reverse=True)
        for priority in range(10):
            assert [s.peer for s in g.smsc.submits[2:] if s.text == str(priority)] == [
                peers(30)[i] for i, p in enumerate(wanted) if p == priority
            ]
