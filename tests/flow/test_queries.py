"""Carriers that answer query_sm are asked for receipts that did not come: in time, within bounds, and not for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import Gateway, gateway
from tests.support.smsc import STATES, Smsc, labelled, peers, withhold

PEER = peers(1)[0]
ASK = "query = true\nquery_after = 20\nquery_interval = 30\nquery_times = 3\nquery_rate = 10\nresponse_timeout = 5"


def results(g: Gateway) -> dict[str, int]:
    """The counts of `smsgw_queries_total` that are not 0."""
    return {
        sample.labels["result"]: int(sample.value)
        for family in g.daemon.metrics.queries.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.value
    }


@pytest.mark.parametrize(
    ("said", "state", "reason", "error"),
    [
        ("DELIVRD", "delivered", "delivered", None),
        ("UNDELIV", "undelivered", "undelivered", "069"),
        ("EXPIRED", "expired", "expired_at_carrier", None),
    ],
)
async def test_an_end_that_is_told_counts_as_a_receipt(
    autojump_clock: MockClock, said: str, state: str, reason: str, error: str | None
) -> None:
    async with gateway(carrier=ASK + "\nsource_ton = 5\nsource_npi = 9") as g:
        g.smsc.next_id = lambda s: f"00AB{s.place}"
        g.smsc.answer_query = lambda _: (STATES[said], 0)
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        await trio.sleep(19)
        assert not g.smsc.queries
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"], event["error_code"]) == (id, state, reason, error)
        ((at, query),) = g.smsc.queries
        assert 20 <= at < 23
        # §4.8.1: the id as it was given, and the source as it was submitted
        assert query.message_id == "00AB0"
        assert query.source == g.smsc.submits[0].pdu.source
        assert (query.source.ton, query.source.npi) == (5, 9)
        assert results(g) == {state: 1}
        part = (await app.message(id))["parts"][0]
        assert (part["state"], part["receipt_state"], part["error_code"]) == (state, STATES[said], error)
        # what is at its end is not asked for again, and a receipt that comes now changes nothing
        g.smsc.receipt(g.smsc.submits[0], "DELIVRD")
        await trio.sleep(200)
        assert len(g.smsc.queries) == 1
        assert len(app.of("receipt")) == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ((STATES["ENROUTE"], 0), "no_change"),
        ((STATES["ACCEPTD"], 0), "no_change"),
        ((STATES["UNKNOWN"], 0), "no_change"),
        ((77, 0), "no_change"),
        ((0, 0x67), "unknown"),
        ((0, 0x0C), "unknown"),
        ((0, 0x08), "refused"),
        (None, "unanswered"),
    ],
)
async def test_what_says_no_end_is_asked_again_and_then_left(
    autojump_clock: MockClock, answer: tuple[int, int] | None, result: str
) -> None:
    async with gateway(carrier=ASK) as g:
        g.smsc.answer_query = lambda _: answer
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        await trio.sleep(300)
        times = [at for at, _ in g.smsc.queries]
        assert times == [pytest.approx(20, abs=3), pytest.approx(50, abs=3), pytest.approx(80, abs=3)]
        assert results(g) == {result: 3}
        assert await app.state(id) == "sent"
        assert not app.of("receipt")
        assert len(g.smsc.binds) == 1, "the bind stays"
        # still open to a late receipt
        g.smsc.receipt(g.smsc.submits[0])
        (event,) = await app.notified(1)
        assert event["state"] == "delivered"


async def test_only_what_is_overdue_and_of_those_who_want_it(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK, answer=lambda s: None if s.label == "0003" else 0) as g:
        app = await g.connect()
        one, two, three, four = peers(4)
        await app.submit(labelled(0), to=one)
        await app.submit(labelled(1), to=two, receipt=False)
        await app.submit(labelled(2, 300), to=three)
        await app.submit(labelled(3), to=four)
        await g.settled()
        g.smsc.receipt(g.smsc.submits[0])
        await trio.sleep(25)
        wanted = [s.message_id for s in g.smsc.submits if s.label == "0002"]
        assert sorted(q.message_id for _, q in g.smsc.queries) == sorted(wanted)
        assert len(wanted) == 2, "each segment on its own"


async def test_what_was_sent_long_after_it_came_in_is_asked_for_in_its_time(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK) as g:
        app = await g.connect()
        g.smsc.up = False
        g.smsc.binds[0].disconnect()
        await app.submit("x", to=PEER)
        await trio.sleep(15)
        g.smsc.up = True
        (submit,) = await g.smsc.came(1)
        await g.smsc.until(lambda: g.smsc.queries)
        assert g.smsc.queries[0][0] - submit.at == pytest.approx(21, abs=2)


async def test_never_more_than_the_rate_nor_than_ten_without_an_answer(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK.replace("rate = 10", "rate = 4").replace("timeout = 5", "timeout = 20")) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(60))])
        await g.smsc.came(60)
        await trio.sleep(35)
        times = [at for at, _ in g.smsc.queries]
        assert len(times) >= 40
        assert max(Counter(round(at) for at in times).values()) <= 5
        assert all(later - first >= 1 for first, later in zip(times, times[5:], strict=False))
        g.smsc.answer_query = lambda _: None
        before = len(times)
        await trio.sleep(15)
        assert len(g.smsc.queries) - before <= 10


async def test_off_unless_it_is_asked_for(autojump_clock: MockClock) -> None:
    async with gateway(carrier="query_after = 20") as g:
        app = await g.connect()
        await app.submit("x", to=PEER)
        await trio.sleep(300)
        assert not g.smsc.queries


async def test_a_carrier_that_has_no_query_sm_is_left_alone(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK.replace("rate = 10", "rate = 1")) as g:
        g.smsc.answer_query = lambda _: (0, 0x03)
        app = await g.connect()
        await app.submits([{"to": p, "text": "x"} for p in peers(9)])
        await trio.sleep(300)
        assert len(g.smsc.queries) == 1
        assert results(g) == {"unsupported": 1}


async def test_a_carrier_that_throttles_is_left_alone_for_a_minute(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK.replace("rate = 10", "rate = 1")) as g:
        g.smsc.answer_query = lambda _: (0, 0x58) if len(g.smsc.queries) == 1 else (STATES["DELIVRD"], 0)
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": "x"} for p in peers(3)])
        for id in ids:
            await app.until_state(id, "delivered")
        times = [at for at, _ in g.smsc.queries]
        assert times[1] - times[0] >= 60
        # the one that was throttled is not forgotten
        assert len(times) == 4
        assert results(g) == {"throttled": 1, "delivered": 3}


async def test_queries_take_no_slot_of_the_window(autojump_clock: MockClock) -> None:
    async with gateway(carrier=ASK.replace("timeout = 5", "timeout = 60") + "\nwindow = 1") as g:
        app = await g.connect()
        first = await app.submit(labelled(1), to=PEER)
        await g.settled()
        g.smsc.answer = withhold
        second = await app.submit(labelled(2), to=peers(2)[1])
        g.smsc.answer_query = lambda _: (STATES["DELIVRD"], 0)
        await app.until_state(first, "delivered")
        assert await app.state(second) == "submitting", "the slot was taken all the while"


async def test_a_restart_goes_on_where_it_was(autojump_clock: MockClock, tmp_path: Path) -> None:
    """No storm: within the rate, and nobody is asked for anew who was asked for in this round a while ago."""
    ask = "query = true\nquery_after = 100\nquery_interval = 1000\nquery_rate = 2"
    async with trio.open_nursery() as nursery:
        before = Smsc(nursery)
        async with gateway(tmp_path, smsc=before, carrier=ask, patience=1e6) as g:
            app = await g.connect()
            for batch in range(4):
                await app.submits([{"to": p, "text": "x"} for p in peers(100)[25 * batch : 25 * batch + 25]])
                await trio.sleep(100)
            await before.until(lambda: len(before.queries) >= 60)
            await g.settled()
        asked = [q.message_id for _, q in before.queries]
        after = Smsc(nursery)
        async with gateway(tmp_path, smsc=after, carrier=ask, patience=1e6) as g:
            await trio.sleep(200)
            again = [q.message_id for _, q in after.queries]
            assert set(asked) | set(again) == {s.message_id for s in before.submits}
            assert len(set(asked) & set(again)) <= 25
            times = [at for at, _ in after.queries]
            assert all(later - first >= 1 for first, later in zip(times, times[3:], strict=False))
        nursery.cancel_scope.cancel()


async def test_after_a_long_stop_nobody_is_asked_for_twice_in_a_row(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        before, after = Smsc(nursery), Smsc(nursery)
        async with gateway(tmp_path, smsc=before, carrier=ASK, patience=1e6) as g:
            app = await g.connect()
            await app.submits([{"to": p, "text": "x"} for p in peers(5)])
            await trio.sleep(10)
        await trio.sleep(1000)
        async with gateway(tmp_path, smsc=after, carrier=ASK, patience=1e6) as g:
            await trio.sleep(500)
            assert sorted(q.message_id for _, q in after.queries) == sorted(s.message_id for s in before.submits)
        nursery.cancel_scope.cancel()
