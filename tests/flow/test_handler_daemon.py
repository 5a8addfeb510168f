"""Handlers in a whole daemon: a pause is seen, a reload ends it, dead letters are replayed over the socket."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from gateway.handlers.outcome import Outcome
from gateway.handlers.webhook import Webhook
from gateway.outbox import Delivery
from tests.support.daemons import Gateway, gateway

PEER, NUMBER = "+12125550000", "+15551230001"

CRM = """
[[handlers]]
name = "crm"
webhook = "https://nowhere.invalid/"
secret = "0123456789abcdef"
dead_letter_after = 1000
last = true
"""

GONE = Outcome(410, "status 410", refused=True, gone=True)
TAKEN = Outcome(200, None)


class Receiver:
    """In place of every webhook's posts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcome = TAKEN
        self.got: list[Delivery] = []

        async def deliver(webhook: Webhook, delivery: Delivery, attempt: int) -> Outcome:
            await trio.lowlevel.checkpoint()
            self.got.append(delivery)
            return self.outcome

        monkeypatch.setattr(Webhook, "deliver", deliver)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    return Receiver(monkeypatch)


async def tell(g: Gateway, *texts: str) -> None:
    await g.tell(*texts)
    await g.settled()


def handled(g: Gateway) -> None:
    """The number names the handler."""
    text = g.config.read_text()
    g.config.write_text(text.replace(f'number = "{NUMBER}"', f'number = "{NUMBER}"\nhandlers = ["crm"]'))


async def test_a_pause_is_seen_and_a_reload_tries_at_once(autojump_clock: MockClock, receiver: Receiver) -> None:
    async with gateway(extra=CRM) as g:
        app = await g.connect()
        handled(g)
        await app.call("reload")
        receiver.outcome = GONE
        await tell(g, "a")
        await tell(g, "b")
        status = await app.call("status")
        (crm,) = [one for one in status["handlers"] if one["name"] == "crm"]
        assert (crm["paused"], crm["down"], crm["last_error"], crm["backlog"]) == (True, True, "status 410", 2)
        registry = g.daemon.metrics.registry
        assert registry.get_sample_value("smsgw_handler_paused", {"handler": "crm"}) == 1
        tried = len(receiver.got)
        await trio.sleep(60)
        assert len(receiver.got) == tried
        receiver.outcome = TAKEN
        await app.call("reload")
        await g.settled()
        await trio.sleep(30)
        (crm,) = [one for one in (await app.call("status"))["handlers"] if one["name"] == "crm"]
        assert (crm["paused"], crm["backlog"], crm["failures"]) == (False, 0, 0)
        assert registry.get_sample_value("smsgw_handler_paused", {"handler": "crm"}) == 0
        assert [b'"a"' in d.payload for d in receiver.got[tried:]] == [True, False]


async def test_an_operator_has_it_tried_at_once(autojump_clock: MockClock, receiver: Receiver) -> None:
    async with gateway(extra=CRM) as g:
        app = await g.connect()
        handled(g)
        await app.call("reload")
        assert await app.call("resume", handler="crm") == {"handler": "crm", "tried": False}
        receiver.outcome = GONE
        await tell(g, "a")
        (crm,) = [one for one in (await app.call("status"))["handlers"] if one["name"] == "crm"]
        assert crm["paused_since"] is not None
        receiver.outcome = TAKEN
        assert await app.call("resume", handler="crm") == {"handler": "crm", "tried": True}
        await trio.sleep(1)
        assert len(receiver.got) == 2
        (crm,) = [one for one in (await app.call("status"))["handlers"] if one["name"] == "crm"]
        assert (crm["paused"], crm["paused_since"], crm["backlog"]) == (False, None, 0)
        refused = await app.refused("resume", handler="nobody")
        assert (refused.reason, refused.field) == ("not_found", "handler")


async def test_dead_letters_are_listed_and_replayed(autojump_clock: MockClock, receiver: Receiver) -> None:
    async with gateway(extra=CRM) as g:
        app = await g.connect()
        handled(g)
        await app.call("reload")
        await app.call("submit", to=PEER, text="any questions?", meta={"campaign": "spring"})
        await g.settled()
        receiver.outcome = GONE
        await tell(g, "yes", "two")
        await trio.sleep(2000)
        found = (await app.call("events", handler="crm", dead=True))["events"]
        assert [(e["status"], e["to"], e["name"], e["peer"]) for e in found] == [("dead", "handler", "crm", PEER)] * 2
        assert {e["error"] for e in found} <= {"status 410", "an earlier event of its thread is not through"}
        shown = await app.call("event", id=found[-1]["event_id"], text=True)
        assert shown["payload"]["text"] == "yes"
        assert (shown["payload"]["last"]["app"], shown["payload"]["last"]["meta"]) == ("local", {"campaign": "spring"})
        receiver.outcome = TAKEN
        await app.call("reload")
        tried = len(receiver.got)
        assert (await app.call("replay", handler="crm", dead=True))["replayed"] == 2
        await trio.sleep(60)
        assert [d.id for d in receiver.got[tried:]] == [e["event_id"] for e in reversed(found)]
        assert (await app.call("events", handler="crm", dead=True))["events"] == []
        (crm,) = [one for one in (await app.call("status"))["handlers"] if one["name"] == "crm"]
        assert (crm["dead"], crm["backlog"], crm["paused"]) == (0, 0, False)
