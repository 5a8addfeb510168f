"""Carriers that change, go and come back by a reload: nothing is lost, nothing goes twice, what is queued waits."""

from __future__ import annotations

import trio

from tests.support.daemons import Gateway, gateway, write_config
from tests.support.smsc import labelled, peers, withhold

OTHER = """
[[carriers]]
name = "other"
host = "other.example"
system_id = "user"
password = "secret"
[[numbers]]
number = "+15551239999"
carrier = "other"
"""
PATIENCE = 30.0  # of the real clock: settings are read in a thread


def came_in(g: Gateway, host: str) -> list[str]:
    """The labels of what came to a host."""
    return [s.label for s in g.smsc.submits if s.bind.host == host]


async def test_a_carrier_that_is_gone_and_comes_back_sends_what_waited() -> None:
    async with gateway(carrier="window = 2", extra=OTHER, answer=withhold, patience=PATIENCE) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i), "from": "+15551230001"} for i, p in enumerate(peers(20))])
        await g.smsc.came(2)
        text = g.config.read_text()
        g.config.write_text(
            text.replace('name = "acme"', 'name = "gone"')
            .replace("smsc.example", "gone.example")
            .replace('"acme"', '"gone"')
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.call, "reload")
            await g.until(lambda: g.daemon.outbound.carriers["acme"].held)
            g.smsc.answer = lambda _: 0
            for submit in g.smsc.unanswered:
                g.smsc.respond(submit)
        assert set(g.daemon.outbound.carriers) == {"gone", "other"}
        # What was queued for acme waits for acme; the number's new messages go to the new one.
        new = await app.submit(labelled(100), to=peers(30)[29], from_="+15551230001")
        await app.until_state(new, "sent")
        assert came_in(g, "gone.example") == ["0100"]
        stayed = came_in(g, "smsc.example")
        assert stayed == ["0000", "0001"]
        g.config.write_text(text)
        await app.call("reload")
        await g.until(lambda: len(g.smsc.submits) == 21)
        assert came_in(g, "smsc.example") == [f"{i:04}" for i in range(20)]
        assert g.segments("in_doubt") == [0] * 21


async def test_a_changed_carrier_takes_over_without_loss_or_copies() -> None:
    async with gateway(carrier="window = 5", answer=withhold, patience=PATIENCE) as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(60))])
        await g.smsc.came(5)
        for window in (3, 9):
            write_config(g.directory, f"window = {window}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(g.smsc.until, lambda: g.smsc.binds[-1].unbound)
                nursery.start_soon(app.call, "reload")
                await g.until(lambda: g.daemon.outbound.carriers["acme"].held)
                for submit in g.smsc.unanswered:
                    g.smsc.respond(submit)
            binds = len(g.smsc.binds)
            count = len(g.smsc.submits)
            await g.smsc.bound(binds)
            await g.smsc.came(count + 1)
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        for id in ids:
            await app.until_state(id, "sent")
        assert [s.label for s in g.smsc.submits] == [f"{i:04}" for i in range(60)]
        assert g.segments("in_doubt") == [0] * 60


async def test_an_order_that_is_lifted_frees_what_waits_for_its_pair() -> None:
    async with gateway(carrier="window = 5", answer=withhold, patience=PATIENCE) as g:
        app = await g.connect()
        ids = await app.submits([{"to": peers(1)[0], "text": labelled(i)} for i in range(12)])
        await g.smsc.came(1)
        write_config(g.directory, 'window = 5\norder = "none"')
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.call, "reload")
            await g.until(lambda: g.daemon.outbound.carriers["acme"].held)
            g.smsc.respond(g.smsc.unanswered[0])
        await g.smsc.came(6)
        assert sorted(s.label for s in g.smsc.unanswered) == ["0001", "0002", "0003", "0004", "0005"]
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        for id in ids:
            await app.until_state(id, "sent")


async def test_a_bad_file_leaves_the_old_settings_at_work() -> None:
    async with gateway(patience=PATIENCE) as g:
        app = await g.connect()
        good = g.config.read_text()
        g.config.write_text(good.replace("enquire_link", "enquire_lnik"))
        error = await app.refused("reload")
        assert (error.code, error.reason) == (-32000, "invalid_config")
        assert "enquire_link" in (error.data.get("detail") or "")
        id = await app.submit("still here")
        await app.until_state(id, "sent")
        assert len(g.smsc.binds) == 1


async def test_a_carrier_that_did_not_change_keeps_its_binds_and_their_counts() -> None:
    async with gateway(extra=OTHER, patience=PATIENCE) as g:
        app = await g.connect()
        before = g.daemon.outbound.carriers["acme"]
        await g.until(lambda: before.state == "up")
        next(bind for bind in g.smsc.binds if bind.host == "smsc.example").disconnect()
        await g.until(lambda: before.binds[0].reconnects == 1 and before.state == "up")
        text = g.config.read_text()
        g.config.write_text(text.replace("+15551239999", "+15551238888") + "throughput = 3\n")
        assert (await app.call("reload"))["changed"] == ["numbers"]
        g.config.write_text(g.config.read_text().replace('"other.example"', '"another.example"'))
        assert (await app.call("reload"))["changed"] == ["carriers.other"]
        assert g.daemon.outbound.carriers["acme"] is before
        (bind,) = next(c for c in (await app.call("status"))["carriers"] if c["name"] == "acme")["binds"]
        assert (bind["state"], bind["reconnects"]) == ("bound", 1)
