"""Order within a thread, the rate of a handler, and the pause of a receiver that refuses what it is sent."""

from __future__ import annotations

import itertools

import pytest
import trio

from gateway.handlers.lineup import BEHIND
from gateway.handlers.pace import PAUSED_PROBE, TRIP
from gateway.handlers.webhook import Webhook
from gateway.handlers.wire import NotConnectedError
from tests.flow.test_webhook_time import Scene, scene
from tests.support.events import Events, handler, trio_clock
from tests.support.transport import Posts, forever, public

ANN, BOB = "+4911111111111", "+4922222222222"


async def ordered(nursery: trio.Nursery, answers: list[object] | None = None, default: object = 200, **values) -> Scene:
    return await scene(nursery, answers, default, order="thread", **values)


def seqs(s: Scene) -> list[int]:
    return [int(event_id.split("-")[1]) for event_id in s.ids]


async def slow() -> int:
    await trio.sleep(1)
    return 200


# --- order ------------------------------------------------------------------------------------------------------------


async def test_one_event_of_a_thread_at_a_time_and_threads_beside_each_other(autojump_clock, nursery):
    s = await ordered(nursery, default=slow, concurrency=4)
    await s.events.arrive(*"abc", peer=ANN)
    await s.events.arrive(*"def", peer=BOB)
    await s.events.until(lambda: not s.feed.backlog)
    assert [at for at, _, _ in s.posts.log] == [0, 0, 1, 1, 2, 2]
    assert [seq for seq in seqs(s) if seq <= 3] == [1, 2, 3]
    assert [seq for seq in seqs(s) if seq > 3] == [4, 5, 6]
    assert s.posts.most_under_way == 2


async def test_without_order_they_are_posted_together(autojump_clock, nursery):
    s = await scene(nursery, default=slow, concurrency=4, order="none")
    await s.events.arrive(*"abcd", peer=ANN)
    await s.events.until(lambda: not s.feed.backlog)
    assert s.posts.most_under_way == 4


async def test_what_failed_holds_up_its_own_thread_alone(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=2, retry_min=100)
    s.posts.by_event["1-1"] = 500
    await s.events.arrive("a", "b", peer=ANN)
    await s.events.arrive("c", "d", peer=BOB)
    await s.events.until(lambda: s.webhook.feed.acked == 4)
    assert sorted(seqs(s)) == [1, 3, 4]
    stored = s.events.stored_retries(s.feed)
    assert (stored[2][0], stored[2][2]) == (0, BEHIND)
    del s.posts.by_event["1-1"]
    await trio.sleep(200)
    assert seqs(s)[3:] == [1, 2]
    assert s.posts.log[-1][0] - s.posts.log[-2][0] < 1
    assert (s.webhook.waiting, s.events.stored_retries(s.feed)) == (0, {})


async def test_a_receiver_that_is_down_for_an_hour_gets_every_thread_in_order(autojump_clock, nursery):
    s = await ordered(nursery, default=NotConnectedError("cannot connect"), concurrency=4)
    peers = [f"+49151000000{n:02}" for n in range(10)]
    for n in range(60):
        await s.events.arrive(str(n), peer=peers[n % 10])
        await trio.sleep(60)
    s.posts.default = 200
    before = len(s.posts.log)
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, 4000)
    taken = seqs(s)[before:]
    assert sorted(taken) == list(range(1, 61))
    for first in range(1, 11):
        thread = [seq for seq in taken if seq % 10 == first % 10]
        assert thread == sorted(thread)


async def test_an_event_that_is_never_taken_lets_its_thread_go_on(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=2, retry_min=5, retry_max=60)
    s.posts.by_event["1-1"] = 500
    await s.events.arrive("a", "b", "c", peer=ANN)
    for _ in range(100):
        await s.events.arrive("other", peer=BOB)
        await trio.sleep(5)
    assert {2, 3} <= set(seqs(s))
    failed = [at for at, event_id, _ in s.posts.log if event_id == "1-1"]
    passed = next(at for at, event_id, _ in s.posts.log if event_id == "1-2")
    assert len([at for at in failed if at <= passed]) == 6
    assert s.webhook.waiting == 1


async def test_the_order_holds_over_a_restart(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=4, retry_min=100, retry_max=100)
    s.posts.by_event["1-1"] = 500
    await s.events.arrive("a", "b", "c", peer=ANN)
    await s.events.until(lambda: s.feed.acked == 3)
    await s.restart()
    await trio.sleep(60)
    assert seqs(s) == [1]
    await s.events.arrive("d", peer=ANN)
    await trio.sleep(250)
    assert set(seqs(s)) == {1}
    del s.posts.by_event["1-1"]
    await trio.sleep(300)
    taken = seqs(s)[-s.feed.last :]
    assert taken == list(range(1, s.feed.last + 1))
    assert s.feed.last > 3
    assert not s.webhook.waiting


async def test_a_dead_letter_lets_its_thread_go_on(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=2, retry_min=10, retry_max=10, dead_letter_after=60)
    s.posts.by_event["1-1"] = 500
    await s.events.arrive("a", peer=ANN)
    await trio.sleep(30)
    await s.events.arrive("b", peer=ANN)
    await trio.sleep(100)
    assert s.feed.dead == 1
    assert seqs(s)[-1] == 2


async def test_a_receiver_that_hangs_on_one_thread_does_not_take_all_that_is_held(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=2, timeout=10, retry_min=3600, retry_max=3600)
    s.posts.by_event["1-1"] = forever
    await s.events.arrive(*("x" for _ in range(700)), peer=ANN)
    await s.events.arrive("y", peer=BOB)
    await trio.sleep(1)
    assert seqs(s) == [1]  # as many as may be held are
    await trio.sleep(15)
    assert seqs(s)[1:] == [701]
    assert (s.webhook.waiting, s.feed.backlog) == (700, 0)


async def test_what_the_sweep_sets_aside_of_what_is_held(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=2, timeout=10)
    s.posts.answers = [slow]
    await s.events.arrive("a", "b", "c", peer=ANN)
    await trio.sleep(0.5)
    s.events.outbox.set_aside(s.feed, (2,), 0, "too many events wait")
    await s.events.until(lambda: not s.feed.backlog)
    assert seqs(s) == [1, 3]


# --- rate -------------------------------------------------------------------------------------------------------------


async def test_the_rate_is_never_passed(autojump_clock, nursery):
    s = await ordered(nursery, concurrency=8, rate=4)
    for n in range(20):
        await s.events.arrive("x", peer=f"+491510000{n:04}")
    await s.events.until(lambda: not s.feed.backlog)
    at = [at for at, _, _ in s.posts.log]
    assert min(b - a for a, b in itertools.pairwise(at)) == pytest.approx(0.25, abs=0.002)
    assert at[-1] == pytest.approx(19 / 4, abs=0.01)


# --- pause ------------------------------------------------------------------------------------------------------------


async def test_gone_pauses_at_once_and_a_success_ends_it(autojump_clock, nursery):
    s = await ordered(nursery, default=410, concurrency=4)
    await s.events.arrive("a")
    await s.events.until(lambda: bool(s.webhook.failures))
    assert s.webhook.paused
    assert s.webhook.last_error == "status 410"
    for n in range(20):
        await s.events.arrive("x", peer=f"+491510000{n:04}")
    await trio.sleep(3 * PAUSED_PROBE + 10)
    assert len(s.posts.log) == 4
    assert s.webhook.feed.dead == 0
    s.posts.default = 200
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, PAUSED_PROBE + 10)
    assert not s.webhook.paused
    assert len(set(s.ids)) == 21


@pytest.mark.parametrize(
    ("status", "pauses"), [(400, True), (401, True), (404, True), (408, False), (429, False), (500, False)]
)
async def test_other_4xx_pause_when_they_are_repeated(autojump_clock, nursery, status: int, pauses: bool):
    s = await ordered(nursery, default=status, concurrency=1)
    for n in range(TRIP - 1):
        await s.events.arrive("x", peer=f"+491510000{n:04}")
    await s.events.until(lambda: s.webhook.failures == TRIP - 1)
    assert not s.webhook.paused
    await s.events.arrive("x")
    await trio.sleep(600)
    assert s.webhook.paused is pauses


async def test_one_event_that_is_refused_again_and_again_pauses_nobody(autojump_clock, nursery):
    s = await ordered(nursery, retry_min=1, retry_max=5)
    s.posts.by_event["1-1"] = 400
    await s.events.arrive("a")
    await trio.sleep(600)
    assert len(s.posts.log) > 2 * TRIP
    assert not s.webhook.paused
    await s.events.arrive("b", peer=BOB)
    await s.events.until(lambda: 2 in seqs(s))


async def test_a_probe_that_is_asked_for_comes_at_once(autojump_clock, nursery):
    s = await ordered(nursery, [410])
    await s.events.arrive("a")
    await s.events.until(lambda: bool(s.webhook.failures))
    await trio.sleep(20)
    s.webhook.probe()
    await trio.sleep(1)
    assert not s.webhook.paused
    assert len(s.posts.log) == 2


async def test_a_probe_that_is_asked_for_does_not_wait_for_the_backoff(autojump_clock, nursery):
    s = await ordered(nursery, [(503, {"Retry-After": "3600"})] * TRIP)
    for n in range(TRIP):
        await s.events.arrive("x", peer=f"+491510000{n:04}")
    await s.events.until(lambda: s.webhook.down, 60 * TRIP)
    assert s.webhook.probe()
    await s.events.until(lambda: len(s.posts.log) > TRIP, 2)
    assert not s.webhook.down
    assert not s.webhook.probe()


async def test_a_pause_outlives_a_restart_and_its_probes_keep_their_pace(autojump_clock, nursery):
    s = await ordered(nursery, default=410)
    await s.events.arrive("a")
    await s.events.until(lambda: s.webhook.paused)
    since = s.events.clock.now_ms()
    await s.events.arrive("b", peer=BOB)
    for _ in range(5):
        await trio.sleep(50)
        await s.restart()
        assert s.webhook.paused
        assert s.webhook.last_error == "status 410"
    assert len(s.posts.log) == 1
    await trio.sleep(PAUSED_PROBE - 250 + 1)
    assert len(s.posts.log) == 2
    await s.restart()
    await trio.sleep(PAUSED_PROBE - 5)
    assert len(s.posts.log) == 2
    assert s.webhook.paused_since == pytest.approx(since, abs=100)
    s.posts.default = 200
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting)
    assert s.webhook.paused_since is None
    s.posts.default = forever
    await s.restart()
    assert not s.webhook.paused
    assert s.webhook.last_error is None


async def test_a_pause_is_of_an_address(autojump_clock, nursery):
    s = await ordered(nursery, [410])
    await s.events.arrive("a")
    await s.events.until(lambda: s.webhook.paused)
    await trio.sleep(61)  # what failed is due
    s.settings = handler("http://receiver.example/other", order="thread")
    await s.restart()
    await s.events.until(lambda: not s.webhook.waiting)
    assert len(s.posts.log) == 2
    await s.stop()
    assert s.events.restart().pauses == {}


async def test_a_clock_that_was_set_back_delays_no_probe(autojump_clock, nursery):
    s = await ordered(nursery, [410])
    await s.events.arrive("a")
    await s.events.until(lambda: s.webhook.paused)
    await s.stop()
    behind = s.events.clock.now_ms() - 10**9
    s.events.store.clock = s.events.clock = trio_clock(behind)
    await s.restart()
    await s.events.arrive("b", peer=BOB)
    await trio.sleep(PAUSED_PROBE + 1)
    assert [at for at, _, _ in s.posts.log][:2] == [0, pytest.approx(PAUSED_PROBE, abs=0.1)]


async def test_events_of_a_paused_handler_are_kept_until_their_age(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    posts = Posts(410)
    settings = handler(order="thread", dead_letter_after=1000)
    webhook = Webhook(settings, feed, events.outbox, events.metrics, events.clock, resolver=public, connect=posts)
    await nursery.start(webhook.run)
    await events.arrive("a", "b", "c")
    await trio.sleep(900)
    assert feed.dead == 0
    await trio.sleep(1000)
    assert feed.dead == 3
    assert feed.backlog == webhook.waiting == 0
