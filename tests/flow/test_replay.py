"""Events looked at again and delivered once more: dead letters of a webhook, events of a subscription."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from gateway.handlers.webhook import Webhook
from gateway.outbox import outbox
from tests.support.apps import AppClient
from tests.support.daemons import Gateway, gateway
from tests.support.events import Events, handler, trio_clock
from tests.support.smsc import Smsc
from tests.support.transport import Posts, public

PEER, NUMBER = "+12125550000", "+15551230001"

# --- handlers ---------------------------------------------------------------------------------------------------------


async def pushing(nursery: trio.Nursery, posts: Posts, events: Events, **values: object) -> Webhook:
    feed = await events.feed()
    made = Webhook(handler(**values), feed, events.outbox, events.metrics, events.clock, resolver=public, connect=posts)
    await nursery.start(made.run)
    return made


async def test_dead_letters_are_posted_again_in_order_and_under_their_ids(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    posts = Posts(500)
    webhook = await pushing(nursery, posts, events, dead_letter_after=60, concurrency=1)
    await events.arrive("a", "b", "c")
    with trio.fail_after(1000):
        while webhook.feed.dead < 3:  # noqa: ASYNC110
            await trio.sleep(10)
    before = [event_id for _, event_id, _ in posts.log]
    posts.default = 200
    await trio.sleep(3600)  # far past their age
    assert len(posts.log) == len(before)
    op = await events.outbox.replay(webhook.feed, [1, 2, 3])
    assert (op.done, op.dead, webhook.feed.dead) == ([1, 2, 3], 3, 0)
    await trio.sleep(120)
    assert [event_id for _, event_id, _ in posts.log[len(before) :]] == [
        f"{webhook.feed.info.id}-{n}" for n in (1, 2, 3)
    ]
    assert events.stored_retries(webhook.feed) == {}
    assert (webhook.waiting, webhook.feed.backlog, webhook.feed.dead) == (0, 0, 0)
    assert events.count("smsgw_replayed_total", stream="handler:crm") == 3


async def test_the_age_of_what_is_replayed_counts_from_then_also_over_a_restart(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    posts = Posts(200)
    webhook = await pushing(nursery, posts, events, dead_letter_after=100, retry_min=10, retry_max=10)
    await events.arrive("long since delivered")
    await events.until(lambda: not webhook.feed.backlog)
    await trio.sleep(1000)
    posts.default = 500
    await events.outbox.replay(webhook.feed, [1])
    await trio.sleep(50)
    tried = len(posts.log)
    assert tried >= 4
    ((attempts, due, error),) = events.stored_retries(webhook.feed).values()
    assert (attempts, error) == (tried - 1, "status 500")
    assert due is not None
    # The next run knows since when it waits.
    restarted = events.restart()
    (feed,) = restarted.feeds.values()
    waits_since = restarted.since(feed, 1, 0)
    assert events.clock.now_ms() - 60_000 < waits_since < events.clock.now_ms()
    assert restarted.since(feed, 2, 77) == 77
    await trio.sleep(100)
    assert events.stored_retries(webhook.feed)[1][1] is None  # a dead letter again


async def test_what_there_is_not_is_not_put_back(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    webhook = await pushing(nursery, Posts(200), events)
    await events.arrive("a")
    await events.until(lambda: not webhook.feed.backlog)
    op = await events.outbox.replay(webhook.feed, [1, 2, 1])
    assert op.done == [1]


async def test_a_replay_does_not_disturb_what_is_counted_as_under_way(autojump_clock, nursery):
    """An event that is put back is tried as the first time, and yet takes a slot of the retries."""
    events = await Events(trio_clock()).start(nursery)
    posts = Posts(200)
    webhook = await pushing(nursery, posts, events, concurrency=4)
    await events.arrive(*"abcdefgh")
    await events.until(lambda: not webhook.feed.backlog)
    for _ in range(3):
        await events.outbox.replay(webhook.feed, range(1, 9))
        await trio.sleep(5)
    assert len(posts.log) == 32
    assert (webhook._retrying, webhook._busy, webhook.waiting) == (0, 0, 0)


# --- over the socket --------------------------------------------------------------------------------------------------


async def subscribed(g: Gateway, **values: object) -> AppClient:
    app = await g.connect()
    await app.call("subscribe", **values)
    return app


async def test_events_of_a_subscription_are_listed_shown_and_delivered_once_more(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await subscribed(g)
        await g.tell(*"abc")
        events = await app.notified(3)
        await app.call("ack", up_to=events[1]["event_id"])
        await g.settled()
        listed = await app.call("events", subscription="default")
        assert [(e["event_id"], e["status"]) for e in listed["events"]] == [
            (events[2]["event_id"], "waiting"),
            (events[1]["event_id"], "acknowledged"),
            (events[0]["event_id"], "acknowledged"),
        ]
        assert listed["next"] is None
        one = listed["events"][0]
        assert (one["to"], one["name"], one["app"], one["kind"]) == ("subscription", "default", "local", "inbound")
        assert (one["number"], one["peer"], one["id"]) == (NUMBER, PEER, events[2]["id"])
        shown = await app.call("event", id=events[0]["event_id"])
        assert "text" not in shown["payload"]
        assert (await app.call("event", id=events[0]["event_id"], text=True))["payload"]["text"] == "a"

        first, waiting = events[0]["event_id"], events[2]["event_id"]
        gone = first.split("-")[0] + "-99"
        assert await app.call("replay", ids=[first, waiting, gone]) == {
            "replayed": 1,
            "skipped": [{"event_id": waiting, "reason": "waiting"}, {"event_id": gone, "reason": "not_found"}],
        }
        again = (await app.notified(4))[3]
        assert (again["event_id"], again["text"], again["redelivered"]) == (first, "a", True)
        assert (await app.call("event", id=first))["status"] == "retrying"
        await app.call("ack", event_ids=[first])
        await g.settled()
        assert (await app.call("event", id=first))["status"] == "acknowledged"
        assert (await app.call("status"))["subscriptions"][0]["backlog"] == 1


async def test_what_was_put_back_and_not_acknowledged_comes_again_after_a_restart(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        async with gateway(tmp_path, smsc=Smsc(nursery), stop=False) as g:
            app = await subscribed(g)
            await g.tell(*"abc")
            events = await app.notified(3)
            await app.call("ack", up_to=events[2]["event_id"])
            await g.settled()
            found = await app.call("replay", subscription="default", since="2020-01-01T00:00:00Z")
            assert found == {"replayed": 3, "waiting": 0, "more": False, "next": None}
            await app.notified(6)
            await app.call("ack", event_ids=[events[1]["event_id"]])
            await g.settled()
        async with gateway(tmp_path, smsc=Smsc(nursery)) as g:
            app = await g.connect()
            assert (await app.call("subscribe"))["backlog"] == 2
            assert [e["text"] for e in await app.notified(2)] == ["a", "c"]
            await app.call("ack", event_ids=[events[0]["event_id"]])
            await app.close()
            app = await g.connect()
            assert (await app.call("subscribe"))["backlog"] == 1
            await g.tell("new")
            assert [e["text"] for e in await app.notified(2)] == ["c", "new"]
            last = app.of("inbound")[-1]["event_id"]
            await app.call("ack", up_to=last)  # all that was handed out
            assert (await app.call("status"))["subscriptions"][0]["backlog"] == 0


async def test_what_is_put_back_keeps_to_the_bound_of_the_subscription(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await subscribed(g, max_unacked=2)
        await g.tell(*"abcdef")
        for _ in range(3):
            for event in (await app.notified(len(app.of("inbound")) or 2))[-2:]:
                await app.call("ack", event_ids=[event["event_id"]])
            await g.settled()
        assert "".join(e["text"] for e in app.of("inbound")) == "abcdef"
        await app.call("replay", subscription="default", since="2020-01-01T00:00:00Z")
        await g.settled()
        assert "".join(e["text"] for e in app.of("inbound")[6:]) == "ab"


async def test_what_is_put_back_takes_no_room_of_what_is_new(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nsubscription_backlog = 3\nsubscription_age = 600") as g:
        app = await subscribed(g)
        await g.tell(*"abc")
        events = await app.notified(3)
        await app.call("ack", up_to=events[2]["event_id"])
        await app.close()
        await g.settled()
        boss = await g.connect()
        await boss.call("replay", subscription="default", since="2020-01-01T00:00:00Z")
        await g.tell("d", "e")
        await trio.sleep(60)  # the sweep came by
        assert (await boss.call("events", dead=True))["events"] == []
        assert (await boss.call("status"))["subscriptions"][0]["backlog"] == 5
        await trio.sleep(1000)
        # All of them waited too long, also those that were put back.
        dead = (await boss.call("events", dead=True))["events"]
        assert sorted(int(e["event_id"].split("-")[1]) for e in dead) == [1, 2, 3, 4, 5]
        assert (await boss.call("status"))["subscriptions"][0]["backlog"] == 0


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_go_by_time_over_all_streams(autojump_clock: MockClock, limit: int) -> None:
    async with gateway() as g:
        app = await subscribed(g, name="one")
        await app.call("subscribe", name="two")
        for text in "abc":
            await g.tell(text)
            await trio.sleep(1)
        await app.notified(6)
        seen: list[tuple[str, str]] = []
        before: dict[str, str] = {}
        while True:
            page = await app.call("events", limit=limit, **before)
            seen += [(e["name"], e["event_id"]) for e in page["events"]]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
        assert [(name, int(i.split("-")[1])) for name, i in seen] == [(n, i) for i in (3, 2, 1) for n in ("one", "two")]


async def test_times_bound_what_is_found(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await subscribed(g)
        for text in "abcd":
            await g.tell(text)
            await trio.sleep(100)
        at = [e["at"] for e in await app.notified(4)]
        found = await app.call("events", since=at[1], until=at[3])
        assert [e["at"] for e in found["events"]] == [at[2], at[1]]
        assert (await app.call("events", since="2100-01-01T00:00:00Z"))["events"] == []
        assert (await app.call("events", until="2000-01-01T00:00:00Z"))["events"] == []


async def test_a_replay_stops_at_the_bound_and_says_where(autojump_clock: MockClock, monkeypatch) -> None:
    monkeypatch.setattr(outbox, "REPLAYS", 2)
    async with gateway() as g:
        app = await subscribed(g)
        await g.tell(*"abcde")
        events = await app.notified(5)
        await app.call("ack", up_to=events[4]["event_id"])
        found = await app.call("replay", subscription="default", since="2020-01-01T00:00:00Z")
        assert found == {"replayed": 2, "waiting": 0, "more": True, "next": events[1]["event_id"]}
        full = await app.call("replay", ids=[events[4]["event_id"]])
        assert full == {"replayed": 0, "skipped": [{"event_id": events[4]["event_id"], "reason": "no_room"}]}
        await app.notified(7)
        await app.call("ack", event_ids=[e["event_id"] for e in events[:2]])
        since = {"since": "2020-01-01T00:00:00Z", "after": found["next"]}
        found = await app.call("replay", subscription="default", **since)
        assert (found["replayed"], found["more"]) == (2, True)


CRM = """
[[handlers]]
name = "crm"
webhook = "https://nowhere.invalid/"
secret = "0123456789abcdef"
[[apps]]
name = "boss"
token = "boss-token-0123456"
admin = true
[[apps]]
name = "one"
token = "one-token-01234567"
[[apps]]
name = "two"
token = "two-token-01234567"
"""


async def signed_in(g: Gateway, app: str) -> AppClient:
    token = {"boss": "boss-token-0123456", "one": "one-token-01234567", "two": "two-token-01234567"}[app]
    client = await g.connect()
    await client.call("auth", app=app, token=token)
    return client


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("events", {"handler": "crm"}, "not_allowed"),
        ("events", {"app": "one"}, "not_allowed"),
        ("events", {"subscription": "theirs"}, "not_found"),
        ("replay", {"handler": "crm", "dead": True}, "not_allowed"),
        ("replay", {"subscription": "theirs", "dead": True}, "not_found"),
        ("replay", {"subscription": "theirs", "app": "one", "dead": True}, "not_allowed"),
    ],
)
async def test_an_app_sees_its_own_events_alone(
    autojump_clock: MockClock, method: str, params: dict, reason: str
) -> None:
    async with gateway(apps=CRM) as g:
        one = await signed_in(g, "one")
        await one.call("subscribe", name="theirs")
        await g.tell("secret")
        (event,) = await one.notified(1)
        await one.call("ack", event_ids=[event["event_id"]])
        two = await signed_in(g, "two")
        assert (await two.refused(method, **params)).reason == reason
        assert (await two.call("events"))["events"] == []
        for request in (("event", {"id": event["event_id"]}), ("replay", {"ids": [event["event_id"]]})):
            assert (await two.refused(request[0], **request[1])).reason == "not_found"
        boss = await signed_in(g, "boss")
        assert [e["app"] for e in (await boss.call("events", subscription="theirs"))["events"]] == ["one"]
        assert (await boss.call("replay", subscription="theirs", app="one", since=event["at"]))["replayed"] == 1


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("events", {"limit": 0}, "limit"),
        ("events", {"limit": 501}, "limit"),
        ("events", {"since": "yesterday"}, "since"),
        ("events", {"handler": "crm", "subscription": "default"}, "handler"),
        ("events", {"before": "1"}, "before"),
        ("events", {"before": "999-1"}, "before"),
        ("events", {"before": "\u0661-1"}, "before"),
        ("event", {"id": "-"}, "id"),
        ("event", {"id": "1-" + "9" * 19}, "id"),
        ("replay", {}, "ids"),
        ("replay", {"ids": []}, "ids"),
        ("replay", {"ids": ["1-1"] * 501}, "ids"),
        ("replay", {"ids": ["1-1"], "dead": True}, "ids"),
        ("replay", {"subscription": "default"}, "since"),
        ("replay", {"handler": "gone", "dead": True}, "handler"),
    ],
)
async def test_what_is_wrong_is_named(autojump_clock: MockClock, method: str, params: dict, field: str) -> None:
    async with gateway() as g:
        app = await subscribed(g)
        assert (await app.refused(method, **params)).field == field
