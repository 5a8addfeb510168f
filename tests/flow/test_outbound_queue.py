"""The queue between memory and disk: a bounded look-ahead, and all that is stored goes out, in order, over restarts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.apps import RpcError
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Smsc, labelled, peers, withhold

LOOK_AHEAD = "[limits]\nlook_ahead = 10"


def in_memory(g: Gateway) -> int:
    """Messages of the carrier that are held in memory."""
    return len(g.daemon.outbound.queues["acme"].known)


async def test_what_is_on_disk_goes_out_in_order_with_a_small_look_ahead(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 5", extra=LOOK_AHEAD, answer=withhold) as g:
        app = await g.connect()
        for at in range(0, 500, 50):
            await app.submits([{"to": peers(500)[i], "text": labelled(i)} for i in range(at, at + 50)])
        most = 0
        while len(g.smsc.submits) < 500 or g.smsc.unanswered:
            await g.settled()
            most = max(most, in_memory(g))
            g.smsc.respond(g.smsc.unanswered[0])
        assert g.smsc.texts == [labelled(i) for i in range(500)]
        assert most <= 10 + 15 + 10  # the look-ahead, a page on top, and twice the window


async def test_a_backlog_goes_out_over_restarts(autojump_clock: MockClock, tmp_path: Path) -> None:
    """500 messages, a look-ahead of 10, stopped and killed again and again, new ones in between."""
    sent: list[str] = []
    count = 0
    async with trio.open_nursery() as nursery:
        for run in range(12):
            smsc = Smsc(nursery, withhold)
            async with gateway(
                tmp_path, smsc=smsc, carrier="window = 5", extra=LOOK_AHEAD, stop=run % 2 == 0, bound=False
            ) as g:
                app = await g.connect()
                if count < 500 and run % 3 == 0:
                    await app.submits([{"to": peers(500)[i], "text": labelled(i)} for i in range(count, count + 125)])
                    count += 125
                await smsc.bound()
                for _ in range(45):
                    await g.settled()
                    for submit in smsc.unanswered:
                        smsc.respond(submit)
                        if len(smsc.submits) > 45:
                            break
                    if len(smsc.submits) > 45:
                        break
                await g.settled()
                smsc.answer = lambda _: 0
                if run % 2 == 0:
                    for submit in smsc.unanswered:
                        smsc.respond(submit)
                sent += smsc.texts
        smsc = Smsc(nursery)
        async with gateway(tmp_path, smsc=smsc, carrier="window = 5", extra=LOOK_AHEAD) as g:
            await g.settled()
            assert g.segments("1", "state < 3") == []
            sent += smsc.texts
        assert count == 500
        # What was in doubt after a kill came twice; the first copies are in order.
        assert list(dict.fromkeys(sent)) == [labelled(i) for i in range(500)]
        assert len(sent) <= 500 + 6 * 5
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("while_down", [True, False])
async def test_messages_that_wait_for_their_time_go_out_beside_a_backlog(
    autojump_clock: MockClock, while_down: bool
) -> None:
    """Their ids are lower than what was read from disk long ago."""
    async with gateway(carrier="window = 2", extra=LOOK_AHEAD, answer=withhold) as g:
        app = await g.connect()
        later = await app.submit("later", to="+12125559999", send_at="2025-10-09T08:55:00Z")
        await app.submits([{"to": peers(100)[i], "text": labelled(i)} for i in range(100)])
        for _ in range(20):
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        if while_down:
            g.smsc.up = False
            g.smsc.binds[0].unbind()
        await trio.sleep(120)
        g.smsc.up = True
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        await app.until_state(later, "sent")
        await g.smsc.until(lambda: len(set(g.smsc.texts)) == 101)


async def test_a_full_queue_is_refused_until_it_has_room(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1", extra="[limits]\nqueued = 10", answer=withhold) as g:
        app = await g.connect()
        outcomes = await app.calls([("submit", {"to": p, "text": "x"}) for p in peers(40)])
        refused = [o for o in outcomes if isinstance(o, RpcError)]
        assert {(o.code, o.reason) for o in refused} == {(-32001, "queue_full")}
        assert all(o.data["retry_after"] > 0 for o in refused)
        assert len(outcomes) - len(refused) == 12  # two were claimed at once, and do not wait
        assert (await app.refused("submit", to=peers(1)[0], text="x")).reason == "queue_full"
        g.smsc.answer = lambda _: 0
        g.smsc.respond(g.smsc.unanswered[0])
        await g.smsc.came(12)
        await app.submit("x")


DAMAGE = [
    "UPDATE message SET body = x'ff' WHERE id = ?",
    "UPDATE message SET body = NULL WHERE id = ?",
    "UPDATE message SET encoding = 'morse' WHERE id = ?",
    "UPDATE message SET options = '{' WHERE id = ?",
    "UPDATE message SET parts = 2 WHERE id = ?",
    "UPDATE segment SET attempts = 'often' WHERE message_id = ?",
    "UPDATE message SET peer = CAST(x'2b31ff' AS TEXT) WHERE id = ?",
]


async def test_what_is_damaged_on_disk_is_set_aside_and_all_else_goes_out(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with gateway(tmp_path, carrier="window = 5", extra=LOOK_AHEAD, answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": peers(100)[i], "text": labelled(i)} for i in range(100)])
        damaged = range(30, 100, 10)
        with closing(sqlite3.connect(tmp_path / "smsgw.db")) as con:
            stored = con.execute("SELECT id FROM message ORDER BY id").fetchall()
            for at, damage in zip(damaged, DAMAGE, strict=True):
                con.execute(damage, stored[at])
            con.commit()
        while len(g.smsc.submits) < 93 or g.smsc.unanswered:
            await g.settled()
            g.smsc.respond(g.smsc.unanswered[0])
        assert g.smsc.texts == [labelled(i) for i in range(100) if i not in damaged]
        await g.settled()
        assert g.daemon.metrics.registry.get_sample_value("smsgw_messages_set_aside_total") == 7
        for at in damaged[:6]:
            message = await app.message(ids[at])
            assert (message["state"], message["reason"]) == ("failed", "unsendable")
        assert g.segments("reason", "state = 8 AND message_id = " + str(stored[damaged[6]][0])) == ["unsendable"]
