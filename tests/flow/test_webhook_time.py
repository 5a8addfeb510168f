"""The webhook handler on a mock clock: retries, dead letters, restarts, the circuit, and who waits for whom."""

from __future__ import annotations

import itertools
import random
import sqlite3
from email.utils import formatdate

import pytest
import trio
import trio.testing

from gateway.handlers import lineup as module
from gateway.handlers.pace import TRIP
from gateway.handlers.webhook import Webhook
from gateway.handlers.wire import NotConnectedError
from gateway.outbox import Feed
from gateway.settings import Handler
from gateway.store.events import RetryOp
from tests.support.events import Events, handler, trio_clock
from tests.support.transport import Posts, forever, public


class Whole(random.Random):
    """No jitter: every wait is its whole value."""

    def random(self) -> float:
        return 1.0


class Scene:
    """A handler's feed, its webhook and a transport in memory."""

    def __init__(self, nursery: trio.Nursery, events: Events, feed: Feed, posts: Posts, settings: Handler) -> None:
        self.nursery = nursery
        self.events = events
        self.feed = feed
        self.posts = posts
        self.settings = settings
        self.scope = trio.CancelScope()
        self.webhook = self._webhook()

    def _webhook(self) -> Webhook:
        return Webhook(
            self.settings,
            self.feed,
            self.events.outbox,
            self.events.metrics,
            self.events.clock,
            resolver=public,
            connect=self.posts,
            rng=Whole(),
        )

    async def run(self) -> None:
        async def serve(task_status: trio.TaskStatus[None]) -> None:
            with self.scope:
                await self.webhook.run(task_status)

        await self.nursery.start(serve)

    async def stop(self) -> None:
        self.scope.cancel()
        await self.events.store.writer.flush()
        await trio.testing.wait_all_tasks_blocked()
        self.scope = trio.CancelScope()

    async def restart(self) -> None:
        """A new run over what is stored."""
        await self.stop()
        self.events.restart()
        self.feed = await self.events.feed()
        self.webhook = self._webhook()
        await self.run()

    @property
    def ids(self) -> list[str]:
        """The ids of the posts so far, in order."""
        return [event_id for _, event_id, _ in self.posts.log]


async def scene(nursery: trio.Nursery, answers: list[object] | None = None, default: object = 200, **values) -> Scene:
    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    made = Scene(nursery, events, feed, Posts(default, answers), handler(**values))
    await made.run()
    return made


def down() -> Exception:
    return NotConnectedError("cannot connect")


# --- retries ----------------------------------------------------------------------------------------------------------


async def test_waits_double_up_to_the_longest(autojump_clock, nursery):
    s = await scene(nursery, [500] * 6, retry_min=5, retry_max=60)
    await s.events.arrive("hello")
    await s.events.until(lambda: len(s.posts.log) == 7, 1000)
    times = s.posts.times("1-1")
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [5, 10, 20, 40, 60, 60]
    assert [attempt for _, _, attempt in s.posts.log] == [1, 2, 3, 4, 5, 6, 7]


async def test_time_and_signature_are_new_in_each_attempt(autojump_clock, nursery):
    s = await scene(nursery, [500])
    await s.events.arrive("hello")
    await s.posts.got(2)
    first, second = (request.headers for request in s.posts.requests)
    assert int(second["smsgw-timestamp"]) - int(first["smsgw-timestamp"]) == 5
    assert first["smsgw-signature"] != second["smsgw-signature"]
    assert first["smsgw-event-id"] == second["smsgw-event-id"]


RETRY_AFTER = [
    (429, "30", 30),
    (503, "30", 30),
    (503, " 30 ", 30),
    (503, "1", 5),  # never sooner than the backoff
    (503, "100000", 600),  # never later than retry_max
    (503, "9" * 5000, 600),
    (503, "-30", 5),
    (503, "soon", 5),
    (503, "", 5),
    (500, "30", 5),  # has no say
    (503, "DATE+40", 40),
    (503, "DATE-40", 5),
    (503, "Sat, 99 Foo 2025 99:99:99 GMT", 5),
]


@pytest.mark.parametrize(("status", "value", "wait"), RETRY_AFTER)
async def test_retry_after(autojump_clock, nursery, status, value, wait):
    s = await scene(nursery, retry_min=5, retry_max=600)
    if value.startswith("DATE"):
        value = formatdate(s.events.clock.now_ms() / 1000 + int(value[4:]), usegmt=True)
    s.posts.answers.append((status, {"Retry-After": value}))
    await s.events.arrive("hello")
    await s.posts.got(2)
    first, second = s.posts.times("1-1")
    assert second - first == pytest.approx(wait, abs=1.01)


async def test_a_receiver_that_asks_for_time_is_left_alone(autojump_clock, nursery):
    later = (429, {"Retry-After": "10"})
    s = await scene(nursery, [later, later], concurrency=2, retry_min=1)
    await s.events.arrive(*"abcdefgh")
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, 60)
    at = [round(at) for at, _, _ in s.posts.log]
    assert at == [0, 0] + [10] * 8


async def test_it_is_left_alone_for_a_minute_at_most(autojump_clock, nursery):
    s = await scene(nursery, [(503, {"Retry-After": "3000"})])
    await s.events.arrive("a")
    await s.posts.got(1)
    await s.events.arrive("b")
    await s.posts.got(2)
    assert [at for at, _, _ in s.posts.log] == [0, pytest.approx(60, abs=0.1)]


async def test_one_event_that_asks_for_time_again_and_again_is_not_heard_out_for_all(autojump_clock, nursery):
    s = await scene(nursery, retry_min=1, retry_max=5)
    s.posts.by_event["1-1"] = (503, {"Retry-After": "5"})
    await s.events.arrive("a")
    await s.posts.got(2)
    for n in range(20):
        await s.events.arrive(str(n))
        await s.events.until(lambda: s.feed.acked == s.feed.last, 0.1)
        await trio.sleep(1)


async def test_an_answer_that_does_not_come_in_time(autojump_clock, nursery):
    s = await scene(nursery, [forever], timeout=10)
    await s.events.arrive("hello")
    await s.posts.got(2)
    assert s.posts.times("1-1") == [0, 15]


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_waiting_retry_keeps_its_time_over_a_restart(autojump_clock, nursery):
    s = await scene(nursery, [500, 500], retry_min=100)
    await s.events.arrive("hello")
    await s.events.until(lambda: s.webhook.failures == 2, 500)  # at 0 and 100 s; due at 300 s
    await s.restart()
    assert (s.webhook.waiting, s.feed.backlog) == (1, 0)
    await trio.sleep(50)
    await s.restart()
    await s.posts.got(3)
    assert s.posts.log == [(0, "1-1", 1), (100, "1-1", 2), (300, "1-1", 3)]
    await s.events.until(lambda: not s.webhook.waiting)
    assert s.events.stored_retries(s.feed) == {}


async def test_a_retry_that_came_due_while_we_were_away_is_posted_at_once(autojump_clock, nursery):
    s = await scene(nursery, [500], retry_min=100)
    await s.events.arrive("hello")
    await s.events.until(lambda: s.webhook.failures == 1)
    await s.stop()
    await trio.sleep(1000)
    await s.restart()
    await s.posts.got(2)
    assert s.posts.times("1-1") == [0, 1000]


async def test_a_crash_between_the_record_of_a_failure_and_the_cursor(autojump_clock, nursery):
    """The event is in both places then: it is posted once, at its time."""
    s = await scene(nursery)
    await s.stop()
    await s.events.arrive("one", "two")
    due = s.events.clock.now_ms() + 30_000
    await s.events.store.writer.do(RetryOp([(s.feed.info.id, 1, 4, due, "status 500")], []))
    await s.restart()
    await s.events.until(lambda: len(s.posts.log) == 2 and not s.webhook.waiting, 100)
    assert s.posts.log == [(0, "1-2", 1), (30, "1-1", 5)]
    assert s.events.stored_retries(s.feed) == {}
    assert s.events.stored_cursor(s.feed) == (2, [])


async def test_a_crash_between_a_dead_letter_and_the_cursor(autojump_clock, nursery):
    s = await scene(nursery)
    await s.stop()
    await s.events.arrive("one", "two")
    await s.events.store.writer.do(RetryOp([(s.feed.info.id, 1, 4, None, "status 500")], []))
    await s.restart()
    await s.events.until(lambda: not s.feed.backlog)
    assert s.ids == ["1-2"]


async def test_a_retry_that_another_run_left_is_found(autojump_clock, nursery):
    """What the outbox knows is the truth, also when it changed behind our back."""
    s = await scene(nursery)
    await s.events.arrive("hello")
    await s.events.until(lambda: not s.feed.backlog)
    s.events.outbox.failed(s.feed, 1, 1, s.events.clock.now_ms() + 1000, "status 500")
    await s.posts.got(2)
    assert s.posts.times("1-1")[1] <= module.LOOK_AGAIN + 1


# --- dead letters -----------------------------------------------------------------------------------------------------


async def test_an_event_is_set_aside_for_its_age(autojump_clock, nursery):
    s = await scene(nursery, default=500, retry_min=5, retry_max=20, dead_letter_after=60)
    started = trio.current_time()
    await s.events.arrive("hello")
    await s.events.until(lambda: s.feed.dead == 1, 500)
    assert s.posts.times("1-1") == [0, 5, 15, 35, 55]
    assert trio.current_time() - started < 56  # not at 75, when it would be of no use
    assert s.events.stored_retries(s.feed) == {1: (5, None, "status 500")}
    assert (s.webhook.waiting, s.feed.backlog) == (0, 0)
    assert s.events.count("smsgw_dead_letters_total", stream="handler:crm") == 1
    await trio.sleep(1000)
    await s.restart()
    await trio.sleep(1000)
    assert len(s.posts.log) == 5


async def test_events_that_are_too_old_are_set_aside_unposted(autojump_clock, nursery):
    s = await scene(nursery, dead_letter_after=60)
    await s.stop()
    await s.events.arrive("old", "old too")
    await trio.sleep(61)
    await s.events.arrive("new")
    await s.restart()
    await s.events.until(lambda: not s.feed.backlog)
    assert s.ids == ["1-3"]
    assert s.events.stored_retries(s.feed) == {
        1: (0, None, "waited too long"),
        2: (0, None, "waited too long"),
    }


async def test_a_retry_that_is_too_old_after_a_restart_is_set_aside_unposted(autojump_clock, nursery):
    s = await scene(nursery, [500], dead_letter_after=60)
    await s.events.arrive("hello")
    await s.events.until(lambda: s.webhook.failures == 1)
    await s.stop()
    await trio.sleep(100)
    await s.restart()
    await s.events.until(lambda: s.feed.dead == 1)
    assert len(s.posts.log) == 1
    assert s.events.stored_retries(s.feed) == {1: (1, None, "status 500")}


async def test_what_the_sweep_set_aside_is_not_posted(autojump_clock, nursery):
    s = await scene(nursery, default=forever, concurrency=1, timeout=30)
    await s.events.arrive("one", "two", "three")
    await s.posts.got(1)
    s.events.outbox.set_aside(s.feed, [2], 0, "too many events wait")
    s.posts.default = 200
    await s.events.until(lambda: not s.feed.backlog, 100)
    assert "1-2" not in s.ids
    assert "1-3" in s.ids


# --- who waits for whom -----------------------------------------------------------------------------------------------


async def test_a_poisonous_event_holds_up_nobody(autojump_clock, nursery):
    s = await scene(nursery, concurrency=2, retry_min=1, retry_max=10)
    s.posts.by_event["1-1"] = 500
    for burst in range(10):
        await s.events.arrive(*(f"{burst}.{n}" for n in range(50)))
        await trio.sleep(10)
    await s.events.store.writer.flush()
    assert len(set(s.ids)) == 500
    assert len(s.posts.times("1-1")) >= 9
    # The cursor is past it, so that its list of what is done beyond stays empty.
    assert s.events.stored_cursor(s.feed) == (500, [])
    assert (s.webhook.waiting, s.webhook.down, len(s.feed.done)) == (1, False, 0)


async def test_events_that_hang_take_half_of_the_posts(autojump_clock, nursery):
    s = await scene(nursery, concurrency=4, timeout=10, retry_min=1, retry_max=1)
    for n in range(1, 5):
        s.posts.by_event[f"1-{n}"] = forever
    await s.events.arrive("a", "b", "c", "d")
    await trio.sleep(12)
    assert s.posts.under_way == 2
    started = trio.current_time()
    await s.events.arrive(*(str(n) for n in range(100)))
    await s.events.until(lambda: len(set(s.ids)) == 104 and not s.feed.backlog)
    assert trio.current_time() - started < 0.1


async def test_retries_and_new_events_take_turns(autojump_clock, nursery):
    s = await scene(nursery, [500] * 5, concurrency=1, retry_min=5)
    await s.events.arrive("a", "b", "c", "d", "e")
    await s.events.until(lambda: s.webhook.waiting == 5)
    await s.stop()
    await s.events.arrive("f", "g", "h")
    await trio.sleep(10)
    await s.restart()
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting)
    assert s.ids[5:] == ["1-1", "1-6", "1-2", "1-7", "1-3", "1-8", "1-4", "1-5"]


async def test_the_number_of_waiting_events_is_bounded(autojump_clock, nursery, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    # Every second event fails, so that the circuit stays closed.
    s = await scene(nursery, concurrency=2, retry_min=1000)
    for n in range(1, 201, 2):
        s.posts.by_event[f"1-{n}"] = 500
    await s.events.arrive(*(str(n) for n in range(200)))
    await trio.sleep(500)
    assert 20 <= s.webhook.waiting <= 22
    posted = len(s.posts.log)
    assert posted < 50
    s.posts.by_event.clear()
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, 20_000)
    assert len(set(s.ids)) == 200


# --- the circuit ------------------------------------------------------------------------------------------------------


async def test_a_receiver_that_is_down_is_probed_by_one_event_at_a_time(autojump_clock, nursery):
    s = await scene(nursery, default=down(), concurrency=4, retry_min=5, retry_max=3600)
    await s.events.arrive(*(str(n) for n in range(500)))
    await trio.sleep(1)
    at_once = len(s.posts.log)
    assert TRIP <= at_once < TRIP + 4
    assert s.webhook.down
    s.posts.most_under_way = 0
    await trio.sleep(600)
    probes = [at for at, _, _ in s.posts.log[at_once:]]
    assert s.posts.most_under_way == 1
    assert 10 <= len(probes) <= 18
    assert max(b - a for a, b in itertools.pairwise(probes)) <= 61
    assert s.webhook.waiting < 40
    await trio.sleep(6 * 3600)
    # It is back: the first probe tells, and all that waited is posted soon after.
    s.posts.default = 200
    back = trio.current_time()
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, 1000)
    assert trio.current_time() - back <= 130
    assert not s.webhook.down
    assert len(set(s.ids)) == 500
    assert s.posts.most_under_way > 1


async def test_what_failed_as_a_probe_does_not_wait_for_its_own_backoff(autojump_clock, nursery):
    s = await scene(nursery, default=down(), concurrency=1, retry_min=3000, retry_max=3600)
    await s.events.arrive(*(str(n) for n in range(50)))
    await trio.sleep(600)
    probed = set(s.ids[TRIP:])
    assert len(probed) >= 5
    s.posts.default = 200
    back = trio.current_time()
    await s.events.until(lambda: not s.feed.backlog and s.webhook.waiting == TRIP - 1, 1000)
    assert trio.current_time() - back <= 130


async def test_old_failures_alone_do_not_open_the_circuit(autojump_clock, nursery):
    """Twenty events that the receiver never takes, and quiet minutes: a new event is posted at once."""
    s = await scene(nursery, retry_min=1, retry_max=10)
    for n in range(1, 40, 2):
        s.posts.by_event[f"1-{n}"] = 500
    await s.events.arrive(*(str(n) for n in range(40)))
    await trio.sleep(300)
    assert len(s.posts.log) > 20 * TRIP
    assert (s.webhook.waiting, s.webhook.down) == (20, False)
    before = trio.current_time()
    await s.events.arrive("new")
    await s.events.until(lambda: "1-41" in s.ids and not s.feed.backlog)
    assert trio.current_time() - before < 0.1


async def test_new_events_are_among_the_probes(autojump_clock, nursery):
    """Ten poisonous events in a row open the circuit; new ones that are taken close it."""
    s = await scene(nursery, retry_min=5, retry_max=3600)
    for n in range(1, TRIP + 1):
        s.posts.by_event[f"1-{n}"] = 500
    await s.events.arrive(*(str(n) for n in range(TRIP)))
    await s.events.until(lambda: s.webhook.down)
    before = trio.current_time()
    await s.events.arrive("new")
    await s.events.until(lambda: not s.webhook.down, 100)
    assert trio.current_time() - before <= 16
    assert f"1-{TRIP + 1}" in s.ids


# --- faults of our own ------------------------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_a_failure_and_the_others_go_on(autojump_clock, nursery):
    s = await scene(nursery, [ValueError("marked-text")])
    await s.events.arrive("one", "two")
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting, 100)
    assert s.ids == ["1-1", "1-2", "1-1"]


async def test_a_database_that_cannot_be_read_is_tried_again(autojump_clock, nursery):
    s = await scene(nursery, [500, 500])
    original, failed = s.events.store.reader.read, []

    async def read(query):
        if len(failed) < 3:
            failed.append(trio.current_time())
            raise sqlite3.OperationalError("disk I/O error")
        return await original(query)

    s.events.store.reader.read = read
    await s.events.arrive("one", "two")
    await s.events.until(lambda: not s.feed.backlog and not s.webhook.waiting and len(s.posts.log) == 4, 100)
    assert len(failed) == 3
    assert sorted(s.ids[2:]) == ["1-1", "1-2"]


async def test_an_event_that_was_taken_out_of_the_table_is_forgotten(autojump_clock, nursery):
    s = await scene(nursery, [500])
    await s.events.arrive("one", "two")
    await s.events.until(lambda: s.webhook.waiting == 1 and not s.feed.backlog)
    s.events.store.read_now(lambda con: con.execute("DELETE FROM event WHERE seq = 1"))
    await s.events.until(lambda: not s.webhook.waiting, 100)
    assert s.ids == ["1-1", "1-2"]
    assert s.events.stored_retries(s.feed) == {}


async def test_connections_are_closed_at_the_end(autojump_clock, nursery):
    s = await scene(nursery)
    s.posts.keep = True
    await s.events.arrive("one")
    await s.events.until(lambda: not s.feed.backlog)
    assert len(s.posts.open) == 1
    await s.stop()
    assert not s.posts.open


# --- addresses --------------------------------------------------------------------------------------------------------


async def test_the_connection_goes_to_the_address_that_was_checked(autojump_clock, nursery):
    """A name that answers with an inner address the second time: asked once a post, and refused then."""
    answers = [["93.184.216.34"], ["127.0.0.1"], ["2606:2800:220:1::1", "169.254.169.254"], ["93.184.216.35"]]

    async def rebinding(host: str, port: int) -> list[str]:
        assert (host, port) == ("receiver.example", 8443)
        return answers.pop(0)

    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    posts = Posts(answers=[500])
    settings = handler("https://receiver.example:8443/a?b=c", retry_min=5)
    hook = Webhook(
        settings, feed, events.outbox, events.metrics, events.clock, resolver=rebinding, connect=posts, rng=Whole()
    )
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: not hook.waiting and not feed.backlog, 200)
    assert posts.hosts == ["93.184.216.34", "93.184.216.35"]
    for request in posts.requests:
        assert request.headers["host"] == "receiver.example:8443"
        assert request.line == "POST /a?b=c HTTP/1.1"
    assert [attempt for _, _, attempt in posts.log] == [1, 4]


async def test_the_next_address_is_tried_when_one_cannot_be_connected_to(autojump_clock, nursery):
    async def several(host: str, port: int) -> list[str]:
        return ["2606:2800:220:1::1", "93.184.216.34", "93.184.216.35"]

    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    posts = Posts(answers=[NotConnectedError("cannot connect"), NotConnectedError("connecting took too long")])
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=several, connect=posts)
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: not feed.backlog)
    assert posts.hosts == ["2606:2800:220:1::1", "93.184.216.34", "93.184.216.35"]
    assert hook.failures == 0


async def test_no_other_address_is_tried_once_something_was_sent(autojump_clock, nursery):
    async def several(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "93.184.216.35"]

    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    posts = Posts(answers=[OSError()])
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=several, connect=posts)
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: hook.failures == 1)
    assert posts.hosts == ["93.184.216.34"]
    assert hook.last_error == "the connection broke"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (None, "host not found"),  # no addresses
        (trio.socket.gaierror(trio.socket.EAI_NONAME, "unknown"), "host not found"),
        (trio.socket.gaierror(trio.socket.EAI_AGAIN, "again"), "host lookup failed"),
    ],
)
async def test_a_name_that_is_not_found(autojump_clock, nursery, error, words):
    async def unknown(host: str, port: int) -> list[str]:
        if error is None:
            return []
        raise error

    events = await Events(trio_clock()).start(nursery)
    feed = await events.feed()
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=unknown, connect=Posts())
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: hook.failures == 1)
    assert hook.last_error == words
