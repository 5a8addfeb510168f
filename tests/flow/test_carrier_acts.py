"""What an operator has a carrier do: at once, until told otherwise, over a reload and a restart."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from gateway.model import State
from tests.support.apps import RpcError
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import labelled, peers, withhold

TO = peers(1)[0]


async def shown(g: Gateway) -> dict[str, Any]:
    """The carrier in `status`."""
    app = await g.connect()
    (carrier,) = (await app.call("status"))["carriers"]
    await app.close()
    return dict(carrier)


def stored(g: Gateway) -> list[str]:
    rows = g.daemon.store.read_now(
        lambda con: con.execute("SELECT value FROM carrier_state WHERE key = 'wish'").fetchall()
    )
    return [value for (value,) in rows]


async def test_paused_it_writes_nothing_and_receipts_go_on(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        await g.smsc.bound()
        await app.call("submit", to=TO, text=labelled(1))
        (submit,) = await g.smsc.came(1)
        await g.settled()
        done = await app.call("carrier", name="acme", action="pause", reason="they asked for it")
        assert done == {
            "name": "acme",
            "state": "paused",
            "why": "paused by an operator: they asked for it",
            "queued": 0,
            "in_flight": 0,
            "warnings": [],
        }
        await app.call("submit", to=TO, text=labelled(2))
        g.smsc.receipt(submit)
        assert len(await app.notified(1)) == 1
        assert len(g.smsc.submits) == 1
        assert g.segments() == [State.DELIVERED, State.QUEUED]
        carrier = await shown(g)
        assert (carrier["state"], carrier["queued"], carrier["held_for"]) == ("paused", 1, "they asked for it")
        assert g.daemon.metrics.registry.get_sample_value("smsgw_carrier_state", {"carrier": "acme", "state": "paused"})
        done = await app.call("carrier", name="acme", action="resume")
        assert done["state"] == "up"
        await g.smsc.came(2)
        assert stored(g) == []


async def test_drained_it_awaits_answers_and_unbinds(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        g.smsc.answer = withhold
        await app.call("submit", to=TO, text=labelled(1))
        (submit,) = await g.smsc.came(1)
        done = await app.call("carrier", name="acme", action="drain")
        assert (done["state"], done["in_flight"]) == ("draining", 1)
        await app.call("submit", to=TO, text=labelled(2))
        await g.settled()
        assert len(g.smsc.submits) == 1
        assert submit.bind.open
        g.smsc.respond(submit)
        await g.until(lambda: g.daemon.outbound.carriers["acme"].state == "drained")
        assert not submit.bind.open
        assert g.segments() == [State.SENT, State.QUEUED]
        attempts = len(g.smsc.attempts)
        done = await app.call("carrier", name="acme", action="resume")
        assert (done["state"], done["why"]) == ("down", "no bind that sends is up yet; it connects just now")
        await g.smsc.came(2)
        assert len(g.smsc.attempts) == attempts + 1


async def test_resumed_while_it_is_drained_it_binds_again(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.call("submit", to=TO, text=labelled(1))
        (submit,) = await g.smsc.came(1)
        await app.call("carrier", name="acme", action="drain")
        await g.settled()
        done = await app.call("carrier", name="acme", action="resume")
        assert (done["state"], done["in_flight"]) == ("down", 1)
        assert done["why"] == "no bind that sends is up; one is being unbound, and connects after that"
        g.smsc.respond(submit)
        await g.until(lambda: g.daemon.outbound.carriers["acme"].state == "up")
        assert g.segments() == [State.SENT]


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("drain", "drained")])
async def test_it_lasts_over_a_reload(autojump_clock: MockClock, action: str, state: str) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("carrier", name="acme", action=action, reason="why")
        g.config.write_text(g.config.read_text().replace('"secret"', '"another"'))
        await app.call("reload")
        await app.call("submit", to=TO, text=labelled(1))
        await g.settled()
        carrier = await shown(g)
        assert (carrier["state"], carrier["held_for"]) == (state, "why")
        assert g.smsc.submits == []
        await app.call("carrier", name="acme", action="resume")
        await g.smsc.came(1)


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("drain", "drained")])
async def test_it_lasts_over_a_restart(autojump_clock: MockClock, tmp_path: Any, action: str, state: str) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("carrier", name="acme", action=action, reason="why")
    async with gateway(tmp_path, bound=False) as g:
        app = await g.connect()
        await app.call("submit", to=TO, text=labelled(1))
        if action == "pause":
            await g.smsc.bound()
        await g.settled()
        carrier = await shown(g)
        assert (carrier["state"], carrier["held_for"]) == (state, "why")
        assert (g.smsc.submits, len(g.smsc.attempts)) == ([], 1 if action == "pause" else 0)
        await app.call("carrier", name="acme", action="resume")
        await g.smsc.came(1)
    async with gateway(tmp_path) as g:
        assert (await shown(g))["held_for"] is None
        assert g.daemon.outbound.wishes == {}


async def test_bound_anew(autojump_clock: MockClock) -> None:
    async with gateway(carrier="binds = 2") as g:
        app = await g.connect()
        first = [await g.smsc.bound(2)]
        done = await app.call("carrier", name="acme", action="rebind")
        assert [b["state"] for b in done["binds"]] == ["bound", "bound"]
        assert done["state"] == "up"
        assert len(g.smsc.attempts) == 4
        assert not first[0].open
        rebinds = g.daemon.metrics.registry.get_sample_value(
            "smsgw_rebinds_total", {"carrier": "acme", "cause": "operator"}
        )
        assert rebinds == 2


async def test_what_is_drained_is_not_bound_anew(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("carrier", name="acme", action="drain")
        error = await app.refused("carrier", name="acme", action="rebind")
        assert (error.code, error.field) == (-32602, "action")
        assert "resume" in str(error)


async def test_a_full_disk_does_not_keep_it_from_being_held(autojump_clock: MockClock) -> None:
    from tests.support.daemons import Commits

    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        await g.smsc.bound()
        commits.fill_disk()
        done = await app.call("carrier", name="acme", action="pause")
        assert done["state"] == "paused"
        assert "a restart undoes it" in done["warnings"][0]
        commits.heal()


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"name": "acne", "action": "pause"}, "name", "did you mean 'acme'?"),
        ({"name": "acme", "action": "stop"}, "action", "pause, drain, resume, rebind"),
        ({"name": "acme", "action": "pause", "reason": "x" * 201}, "reason", "200"),
    ],
)
async def test_what_is_wrong_is_named(autojump_clock: MockClock, params: dict[str, Any], field: str, said: str) -> None:
    async with gateway() as g:
        app = await g.connect()
        with pytest.raises(RpcError) as refused:
            await app.call("carrier", **params)
        assert (refused.value.code, refused.value.field) == (-32602, field)
        assert said in str(refused.value)
        assert stored(g) == []
