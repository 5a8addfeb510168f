"""Subscriptions: durable, in order, once more after a reconnect, within their bound, one reader at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.outbox import TAIL
from gateway.store.events import AckOp
from gateway.store.tx import Tx
from gateway.store.writer import PATIENCE
from tests.support.apps import AppClient
from tests.support.daemons import Commits, gateway
from tests.support.smsc import Smsc

PEER, NUMBER = "+12125550000", "+15551230001"


def texts(app: AppClient) -> list[str]:
    return [e["text"] for e in app.of("inbound")]


def numbered(low: int, high: int) -> list[str]:
    return [str(i) for i in range(low, high)]


async def test_what_is_not_acknowledged_comes_again_in_order(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        first = await g.connect()
        assert await first.call("subscribe") == {"name": "default", "backlog": 0}
        await g.tell(*numbered(0, 10))
        events = await first.notified(10)
        assert [e["redelivered"] for e in events] == [False] * 10
        await first.call("ack", event_ids=[events[i]["event_id"] for i in (0, 1, 4, 7)])
        await first.close()
        await g.tell("10")
        second = await g.connect()
        assert await second.call("subscribe") == {"name": "default", "backlog": 7}
        again = await second.notified(7)
        assert texts(second) == ["2", "3", "5", "6", "8", "9", "10"]
        assert [e["redelivered"] for e in again] == [True] * 6 + [False]
        assert [e["event_id"] for e in again[:2]] == [events[2]["event_id"], events[3]["event_id"]]
        await second.call("ack", up_to=again[-1]["event_id"])
        await second.close()
        third = await g.connect()
        assert (await third.call("subscribe"))["backlog"] == 0


@pytest.mark.parametrize("how", ["ids", "up_to", "notification"])
@pytest.mark.parametrize("stop", [True, False], ids=["stopped", "killed"])
async def test_acknowledgements_outlive_a_restart(
    autojump_clock: MockClock, tmp_path: Path, how: str, stop: bool
) -> None:
    async with trio.open_nursery() as nursery:
        async with gateway(tmp_path, smsc=Smsc(nursery), stop=stop) as g:
            app = await g.connect()
            await app.call("subscribe", name="n")
            await g.tell(*numbered(0, 20))
            events = await app.notified(20)
            if how == "ids":
                await app.call("ack", event_ids=[e["event_id"] for e in events[::2]])
            elif how == "up_to":
                await app.call("ack", up_to=events[9]["event_id"])
            else:
                await app.write(
                    b'{"jsonrpc":"2.0","method":"ack","params":{"up_to":"%s"}}\n' % events[9]["event_id"].encode()
                )
                # Nobody is told when that is stored. It waits a little for others, and it was read before the next.
                await app.call("status")
                if not stop:
                    await trio.sleep(PATIENCE)
                    await g.settled()
        async with gateway(tmp_path, smsc=Smsc(nursery)) as g:
            # Before anybody is there again, more comes.
            await g.tell("20")
            app = await g.connect()
            await app.call("subscribe", name="n")
            await app.notified(11)
            await g.settled()
            assert texts(app) == ([str(i) for i in range(1, 20, 2)] if how == "ids" else numbered(10, 20)) + ["20"]
            assert [e["redelivered"] for e in app.of("inbound")] == [True] * 10 + [False]
        nursery.cancel_scope.cancel()


async def test_an_acknowledgement_is_answered_once_it_is_stored(autojump_clock: MockClock) -> None:
    """Each of several, and one that has nothing left to store too."""
    commits = Commits()
    async with gateway(run_sync=commits) as g:

        def stored() -> int:
            return int(g.daemon.store.read_now(lambda con: con.execute("SELECT max(acked) FROM cursor").fetchone())[0])

        app = await g.connect()
        await app.call("subscribe")
        await g.tell(*numbered(0, 6))
        events = [event["event_id"] for event in await app.notified(6)]
        began = trio.current_time()
        assert await app.call("ack", event_ids=[events[5]]) == {}
        assert trio.current_time() - began < PATIENCE, "who waits for it is not kept waiting"
        commits.hold()
        made = [app.request("ack", {"up_to": event}) for event in (events[1], events[1], events[3])]
        for _, line in made:
            await app.write(line)
            await g.settled()
        with trio.move_on_after(5) as waited:
            await app.reply(made[0][0])
        assert waited.cancelled_caught
        assert stored() == 0
        commits.release()
        for id, _ in made:
            assert (await app.reply(id))["result"] == {}
        assert stored() == 4
        assert await app.call("ack", up_to=events[3]) == {}, "nothing is left to be stored"


async def test_an_acknowledgement_that_cannot_be_stored_is_refused_until_it_can(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a defect, that is; a disk that fails is waited for. Asked again it is tried again, not taken for stored."""

    def fails(tx: Tx, ops: list[Any]) -> None:
        raise ValueError("a defect")

    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        await g.tell(*numbered(0, 3))
        event = (await app.notified(3))[1]["event_id"]
        with monkeypatch.context() as patch:
            patch.setattr(AckOp, "apply", fails)
            for _ in range(2):
                refusal = await app.refused("ack", up_to=event)
                assert (refusal.code, refusal.reason) == (-32001, "store_unavailable")
        assert await app.call("ack", up_to=event) == {}
        rows = g.daemon.store.read_now(lambda con: con.execute("SELECT max(acked) FROM cursor").fetchall())
        assert [row[0] for row in rows] == [2]


@pytest.mark.parametrize("extra", [0, 1, 1500])
async def test_the_backlog_of_an_absent_app_is_served_from_disk(autojump_clock: MockClock, extra: int) -> None:
    """More than is kept in memory, and while it is read more comes."""
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", max_unacked=19_999)
        await app.close()
        count = TAIL + extra
        for low in range(0, count, 500):
            await g.tell(*numbered(low, min(low + 500, count)))
        app = await g.connect()
        assert (await app.call("subscribe", max_unacked=19_999))["backlog"] == count
        await g.tell(*numbered(count, count + 50))
        await app.notified(count + 50)
        await g.settled()
        assert texts(app) == numbered(0, count + 50)


@pytest.mark.parametrize("ack", ["each", "up_to", "backwards"])
async def test_max_unacked_bounds_what_is_under_way(autojump_clock: MockClock, ack: str) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", max_unacked=7)
        await g.tell(*numbered(0, 60))
        done = 0
        while done < 60:
            await g.settled()
            got = app.of("inbound")
            assert len(got) == min(done + 7, 60)
            fresh = got[done:]
            if ack == "up_to":
                await app.call("ack", up_to=fresh[-1]["event_id"])
                done += len(fresh)
            else:
                # One at a time; the last of those that are out first, or the first.
                for e in fresh if ack == "each" else reversed(fresh):
                    await app.call("ack", event_ids=[e["event_id"]])
                done += len(fresh)
                await g.settled()
                assert len(app.of("inbound")) <= done + 7
        assert texts(app) == numbered(0, 60)


async def test_a_second_connection_takes_over(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        first, second = await g.connect(), await g.connect()
        await first.call("subscribe", name="a")
        await first.call("subscribe", name="b")
        await g.tell("1")
        events = await first.notified(2, "inbound")
        await second.call("subscribe", name="a")
        assert await first.notified(1, "replaced") == [{"name": "a"}]
        await second.notified(1)
        await g.tell("2")
        await second.notified(2)
        await g.settled()
        assert texts(second) == ["1", "2"]
        assert texts(first) == ["1", "1", "2"]  # b is still its own
        # What was replaced has no say any more.
        mine = {e["event_id"] for e in second.of("inbound")}
        (lost,) = [e for e in events if e["event_id"] in mine]
        assert (await first.refused("ack", event_ids=[lost["event_id"]])).reason == "not_found"
        await second.call("ack", event_ids=[lost["event_id"]])


async def test_a_take_over_while_a_page_is_read_loses_no_event(autojump_clock: MockClock) -> None:
    """The page that the old reader had asked for is not given to it, and not passed over."""
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        await app.close()
        await g.tell(*numbered(0, TAIL))
        await g.tell(*numbered(TAIL, TAIL + 10))  # so that the first ones are on disk alone
        gate = trio.Event()
        reader = g.daemon.store.reader
        read = reader.read

        async def slow(query: Callable[..., object]) -> object:
            result = await read(query)
            with trio.CancelScope(shield=True):  # as a thread is: not to be cancelled
                await gate.wait()
            return result

        first, second = await g.connect(), await g.connect()
        reader.read = slow  # type: ignore[assignment, method-assign]
        await first.call("subscribe", max_unacked=19_999)
        await g.settled()
        await second.call("subscribe", max_unacked=19_999)
        await g.settled()
        reader.read = read  # type: ignore[method-assign]
        gate.set()
        await second.notified(TAIL + 10)
        assert texts(second) == numbered(0, TAIL + 10)
        assert texts(first) == []


async def test_unsubscribe_ends_it_and_what_waited(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", name="x")
        await g.tell("1", "2")
        before = await app.notified(2)
        assert await app.call("unsubscribe", name="x") == {"name": "x", "dropped": 2}
        assert (await app.refused("unsubscribe", name="x")).reason == "not_found"
        assert (await app.refused("ack", event_ids=[before[0]["event_id"]])).reason == "not_found"
        await g.tell("3")
        assert (await app.call("subscribe", name="x"))["backlog"] == 0
        await g.tell("4")
        after = (await app.notified(3))[2:]
        assert [e["text"] for e in after] == ["4"]
        # An event's id is its own for ever: who drops what it has seen must not drop this one.
        assert after[0]["event_id"] not in {e["event_id"] for e in before}


async def test_what_a_subscription_takes_can_be_changed(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        await g.tell("1")
        await app.call("subscribe", events=["inbound"], numbers=["+1 555 123 0002"])
        await g.tell("2")
        await app.call("subscribe")
        await g.tell("3")
        await app.notified(1)
        assert texts(app) == ["3"]
        assert not app.of("replaced")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"max_unacked": 0}, "max_unacked"),
        ({"max_unacked": 20_000}, "max_unacked"),
        ({"events": ["inbound", "telegram"]}, None),
    ],
)
async def test_subscriptions_that_make_no_sense(
    autojump_clock: MockClock, params: dict[str, object], field: str | None
) -> None:
    async with gateway() as g:
        app = await g.connect()
        error = await app.refused("subscribe", **params)
        assert (error.code, error.reason) == (-32602, "invalid_params")
        assert field is None or error.field == field


async def test_events_that_nobody_fetches_become_dead_letters(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nsubscription_backlog = 100\nsubscription_age = 600") as g:
        app = await g.connect()
        await app.call("subscribe")
        await app.close()
        await g.tell(*numbered(0, 250))
        await trio.sleep(60)
        app = await g.connect()
        assert (await app.call("subscribe"))["backlog"] == 100
        await app.notified(100)
        assert texts(app) == numbered(150, 250)
        await app.close()
        await trio.sleep(700)
        app = await g.connect()
        assert (await app.call("subscribe"))["backlog"] == 0
