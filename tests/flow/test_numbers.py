"""What our numbers may: refused, sent by another, heard or not, and told of in events; also after a reload."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.apps import AppClient
from tests.support.daemons import EPOCH_MS, Gateway, gateway
from tests.support.smsc import address, withhold

MAIN, OURS, SPARE, CODE = "+15551230001", "+15551239001", "+15551239002", "12345"
PEER = "+12125550000"
TODAY = datetime.fromtimestamp(EPOCH_MS / 1000, UTC).date()


def number(lines: str = "", value: str = OURS) -> str:
    return f'[[numbers]]\nnumber = "{value}"\ncarrier = "acme"\n{lines}\n'


def rows(g: Gateway, sql: str) -> list[Any]:
    return [value for (value,) in g.daemon.store.read_now(lambda con: con.execute(sql).fetchall())]


async def reloaded(g: Gateway, app: AppClient, old: str, new: str) -> None:
    text = g.config.read_text()
    assert old in text
    g.config.write_text(text.replace(old, new))
    assert "numbers" in (await app.call("reload"))["changed"]


async def told(g: Gateway, text: str, to: str = OURS) -> None:
    """An inbound message that is acknowledged when this returns."""
    bind = g.smsc.binds[-1]
    done = len(bind.answers) + 1
    bind.deliver(DeliverSm(address(PEER), address(to), text.encode()))
    await g.smsc.until(lambda: len(bind.answers) == done)
    assert bind.answers[-1][1] == 0


def run(con: sqlite3.Connection, sql: str, row: tuple[object, ...]) -> None:
    con.execute(sql, row)


REFUSED = [
    ('state = "held"', "transactional", "number_held"),
    ('state = "released"', "transactional", "number_released"),
    ('capabilities = ["sms_in"]', "transactional", "number_cannot_send"),
    ('capabilities = ["voice"]', "direct", "number_cannot_send"),
    ('verification = "unverified"', "marketing", "not_verified"),
    ('verification = "pending"\nclasses_until_verified = []', "direct", "not_verified"),
]


@pytest.mark.parametrize(("lines", "klass", "reason"), REFUSED)
@pytest.mark.parametrize("method", ["submit", "preview", "route"])
async def test_what_a_number_may_not_send_is_refused(
    autojump_clock: MockClock, lines: str, klass: str, reason: str, method: str
) -> None:
    async with gateway(apps=number(lines)) as g:
        app = await g.connect()
        asked: dict[str, Any] = {"to": PEER, "from": OURS, "class": klass}
        error = await app.refused(method, **(asked if method == "route" else {**asked, "text": "x"}))
        assert (error.code, error.reason, error.data["field"]) == (-32000, reason, "from")
        assert OURS in error.data["detail"]
        assert rows(g, "SELECT count(*) FROM message") == [0]
        if method == "submit":
            assert g.daemon.metrics.registry.get_sample_value(
                "smsgw_app_refused_total", {"app": "local", "reason": reason}
            ) == 1  # fmt: skip
        # Others go on.
        await app.until_state(await app.submit("hello", to=PEER, **{"from": MAIN}), "sent")


async def test_the_fallback_sends_what_may_not_be_sent_yet(autojump_clock: MockClock) -> None:
    lines = f'verification = "pending"\nfallback = "{SPARE}"\nmeta = {{ team = "north" }}'
    spare = number('meta = { team = "system" }', SPARE)
    async with gateway(apps=number(lines) + spare) as g:
        app = await g.connect()
        await app.call("subscribe")
        asked = {"to": PEER, "from": OURS, "class": "marketing"}
        warning = (
            f"sent from {SPARE}: {OURS} is pending, and until it is verified sends no marketing messages"
        )  # fmt: skip
        assert (await app.call("preview", text="sale", **asked))["warnings"] == [warning]
        route = await app.call("route", **asked)
        assert (route["from"], route["warnings"]) == (SPARE, [warning])
        accepted = await app.call("submit", text="sale", **asked)
        assert (accepted["from"], accepted["warnings"]) == (SPARE, [warning])
        own = await app.call("submit", text="code", **{**asked, "class": "transactional"})
        assert (own["from"], own["warnings"]) == (OURS, [])
        first, second = await g.smsc.came(2)
        assert [f"+{s.pdu.source.addr}" for s in (first, second)] == [SPARE, OURS]
        # Its receipt is the app's as ever, and says which number it was.
        g.smsc.receipt(first)
        (event,) = await app.notified(1, "receipt")
        assert (event["from"], event["number_meta"]) == (SPARE, {"team": "system"})
        # Once it is verified it sends for itself.
        await reloaded(g, app, 'verification = "pending"\n', "")
        accepted = await app.call("submit", text="sale", **asked)
        assert (accepted["from"], accepted["warnings"]) == (OURS, [])


async def test_an_app_reaches_the_fallback_that_it_may_not_name(autojump_clock: MockClock) -> None:
    """The operator gave its number that fallback; to send from it by name is another thing."""
    apps = f'[[apps]]\nname = "shop"\ntoken = "0123456789abcdef"\nnumbers = ["{OURS}"]\n'
    lines = f'verification = "unverified"\nfallback = "{SPARE}"'
    async with gateway(apps=number(lines) + number("", SPARE) + apps) as g:
        app = await g.connect()
        await app.call("auth", app="shop", token="0123456789abcdef")
        accepted = await app.call("submit", to=PEER, text="sale", **{"class": "marketing"})
        assert accepted["from"] == SPARE
        assert (await app.message(accepted["id"]))["id"] == accepted["id"]
        error = await app.refused("submit", to=PEER, text="x", **{"from": SPARE})
        assert error.reason == "invalid_from"


@pytest.mark.parametrize(
    ("capabilities", "sender", "reason"),
    [
        ('["voice"]', MAIN, "no_sms_capability"),
        ('["sms_in", "sms_out"]', CODE, "no_sms_capability"),
        ('["sms_in", "sms_out"]', MAIN, None),
        ('["sms_in", "from_short_codes"]', CODE, None),
    ],
)
async def test_our_own_numbers_get_what_they_can(
    autojump_clock: MockClock, capabilities: str, sender: str, reason: str | None
) -> None:
    async with gateway(apps=number(f"capabilities = {capabilities}") + number("", CODE)) as g:
        app = await g.connect()
        asked = {"to": OURS, "text": "hello", "from": sender}
        if reason is None:
            await app.until_state((await app.call("submit", **asked))["id"], "sent")
            return
        error = await app.refused("submit", **asked)
        assert (error.code, error.reason, error.data["field"]) == (-32000, reason, "to")


async def test_a_held_number_is_heard_until_its_last_day_is_over(autojump_clock: MockClock) -> None:
    lines = f'state = "held"\nheld_until = {TODAY}'
    async with gateway(apps=number(lines)) as g:
        app = await g.connect()
        await app.call("subscribe")
        await told(g, "one")
        assert (await app.refused("submit", to=PEER, text="x", **{"from": OURS})).reason == "number_held"
        await reloaded(g, app, f"held_until = {TODAY}", f"held_until = {TODAY - timedelta(days=1)}")
        await told(g, "two")
        await told(g, "three", MAIN)
        assert (await app.refused("submit", to=PEER, text="x", **{"from": OURS})).reason == "number_released"
        await app.notified(2, "inbound")
        assert [event["text"] for event in app.of("inbound")] == ["one", "three"]
        assert rows(g, "SELECT text FROM inbound ORDER BY id") == ["one", "two", "three"]


@pytest.mark.parametrize("lines", ['state = "held"\ninbound_when_held = "none"', 'state = "released"'])
async def test_a_number_that_nobody_hears(autojump_clock: MockClock, lines: str) -> None:
    """Acknowledged and stored, and told to nobody; by a reload from one message to the next."""
    async with gateway(apps=number('owner = "a"')) as g:
        app = await g.connect()
        await app.call("subscribe", events=["inbound", "receipt", "peer.created"])
        await told(g, "one")
        await reloaded(g, app, 'owner = "a"', lines)
        await told(g, "two")
        await reloaded(g, app, lines, 'owner = "b"')
        await told(g, "three")
        await app.notified(3)
        assert [(event["text"], event["owner"]) for event in app.of("inbound")] == [("one", "a"), ("three", "b")]
        assert rows(g, "SELECT text FROM inbound ORDER BY id") == ["one", "two", "three"]
        sample = g.daemon.metrics.registry.get_sample_value
        assert sample("smsgw_inbound_total", {"outcome": "unmonitored"}) == 1


async def test_who_writes_to_a_held_number_is_answered_once(autojump_clock: MockClock) -> None:
    """By a reload, without any rules; from that number, which sends nothing else; and nobody is told."""
    lines = 'state = "held"\ninbound_when_held = "reply"\nreply_when_held = "Not here."'
    async with gateway(apps=number('owner = "a"'), patience=20_000) as g:
        app = await g.connect()
        await app.call("subscribe")
        await reloaded(g, app, 'owner = "a"', lines)
        for text in ("one", "two"):
            await told(g, text)
        (reply,) = await g.smsc.came(1)
        assert (reply.text, f"+{reply.pdu.source.addr}", reply.peer) == ("Not here.", OURS, PEER)
        await trio.sleep(30)
        assert len(g.smsc.submits) == 1
        assert (app.of("inbound"), rows(g, "SELECT text FROM inbound ORDER BY id")) == ([], ["one", "two"])
        assert (await app.refused("submit", to=PEER, text="x", **{"from": OURS})).reason == "number_held"
        # Given back for good, it does not even reply.
        await reloaded(g, app, 'state = "held"', 'state = "released"')
        await trio.sleep(3600)
        await told(g, "three")
        await trio.sleep(30)
        assert len(g.smsc.submits) == 1


async def test_what_is_scheduled_from_a_number_that_is_given_up_ends(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Checked again when it is due."""
    async with gateway(tmp_path, apps=number('owner = "a"')) as g:
        app = await g.connect()
        await app.call("subscribe")
        later = datetime.fromtimestamp(EPOCH_MS / 1000 + trio.current_time() + 60, UTC).isoformat()
        first, second = [
            await app.submit("later", to=PEER, send_at=later, **{"from": sender}) for sender in (OURS, MAIN)
        ]
        await reloaded(g, app, 'owner = "a"', 'state = "released"')
        assert await app.state(first) == "scheduled"
        await trio.sleep(70)
        await app.until_state(second, "sent")
        ended = await app.message(first)
        assert (ended["state"], ended["reason"]) == ("rejected", "number_released")
        (event,) = await app.notified(1, "receipt")
        assert (event["id"], event["state"], event["reason"]) == (first, "rejected", "number_released")
        assert len(g.smsc.submits) == 1


async def test_half_of_a_message_is_not_left_behind(autojump_clock: MockClock) -> None:
    """Quiet hours put the rest of it off; it goes when they are over, as what is queued would."""
    async with gateway(apps=number('owner = "a"'), patience=1000) as g:
        app = await g.connect()
        later = "2025-10-09T08:54:20Z"
        half, doubt, none = [
            await app.submit("x" * 200, to=f"+1212555000{i}", send_at=later, from_=OURS) for i in range(3)
        ]
        for id, what in ((half, "state = 3, due_at = NULL"), (doubt, "in_doubt = 1")):
            sql = f"UPDATE segment SET {what} WHERE part = 1 AND message_id = ?"
            g.daemon.store.read_now(partial(run, sql=sql, row=(g.daemon.store.id_text.parse(id),)))
        await reloaded(g, app, 'owner = "a"', 'state = "released"')
        await g.smsc.came(3)
        await app.until_state(none, "rejected")
        assert [s.peer for s in g.smsc.submits] == ["+12125550000", "+12125550001", "+12125550001"]


async def test_what_is_queued_from_a_number_that_is_given_up_ends(autojump_clock: MockClock) -> None:
    """All of it, however much; what a carrier has goes on, and a copy that it gives back ends a minute later."""
    async with gateway(apps=number('owner = "a"'), answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        taken = await app.submit("taken", to=PEER, **{"from": OURS})
        back = await app.submit("back", to="+12125550001", **{"from": OURS})
        (_, second) = await g.smsc.came(2)
        await app.call("carrier", name="acme", action="pause")
        many = [await app.submit("x" * 200, to=f"+1212556{i:04}", **{"from": OURS}) for i in range(3)]
        other = await app.submit("other", to=PEER, **{"from": MAIN})
        await reloaded(g, app, 'owner = "a"', 'state = "held"')
        for id in many:
            await app.until_state(id, "rejected")
            assert (await app.message(id))["reason"] == "number_held"
        assert await app.state(other) == "queued"
        g.smsc.respond(second, status=0x58)
        for first in [s for s in g.smsc.submits if s.text == "taken"]:
            g.smsc.respond(first)
        await app.until_state(taken, "sent")
        await app.until_state(back, "rejected")
        await app.call("carrier", name="acme", action="resume")
        await g.smsc.came(3)
        g.smsc.respond(g.smsc.submits[2])
        await app.until_state(other, "sent")
        await trio.sleep(30)
        assert g.smsc.texts == ["taken", "back", "other"]


async def test_at_a_start_it_ends_too_but_for_what_rules_send(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A number that is held and heard still answers; once it is released that ends as well."""
    rule = f'[[rules]]\nname = "closed"\nnumbers = ["{OURS}"]\nreply = "We are closed."\n'
    async with gateway(tmp_path, apps=number('owner = "a"') + rule) as g:
        app = await g.connect()
        await app.call("carrier", name="acme", action="pause")
        mine = await app.submit("mine", to="+12125550001", **{"from": OURS})
        await told(g, "hello")
        await g.until(lambda: rows(g, "SELECT count(*) FROM message") == [2])
        assert rows(g, "SELECT door FROM message ORDER BY id") == ["socket", "reply"]
    async with gateway(tmp_path, apps=number('state = "held"') + rule) as g:
        app = await g.connect()
        await app.until_state(mine, "rejected")
        await trio.sleep(90)
        states = "SELECT state || ' ' || coalesce(reason, '') FROM segment ORDER BY message_id"
        assert rows(g, states) == ["9 number_held", "1 "]
        await reloaded(g, app, 'state = "held"', 'state = "released"')
        await g.until(lambda: rows(g, states) == ["9 number_held", "9 number_released"])
        assert g.smsc.submits == []


ONCALL = f"""
[[rules]]
name = "on-call"
numbers = ["{OURS}"]
forward = ["+12125550007"]

[[quiet_hours]]
times = ["08:55-09:00"]
zone = "UTC"
classes = ["direct"]
"""


async def test_what_the_gateway_sends_by_itself_from_a_held_number_is_not_ended(autojump_clock: MockClock) -> None:
    """A forward that quiet hours put off, and the answer to a STOP that waits as the queues are looked through."""
    async with gateway(apps=number('state = "held"') + ONCALL, patience=2000) as g:
        app = await g.connect()
        await told(g, "before")
        await g.smsc.came(1)
        await trio.sleep(110)
        await told(g, "hello")
        await g.until(lambda: rows(g, "SELECT state FROM segment ORDER BY message_id") == [3, 0])
        await g.smsc.came(2)
        await app.call("carrier", name="acme", action="pause")
        await told(g, "STOP")
        doors = "SELECT m.door FROM message m JOIN segment s ON s.message_id = m.id WHERE s.state = 1"
        await g.until(lambda: sorted(rows(g, doors)) == ["forward", "optout"])
        # Another number is given up: the queues are looked through.
        await reloaded(g, app, f'number = "{MAIN}"', f'number = "{MAIN}"\nstate = "held"')
        await trio.sleep(90)
        assert sorted(rows(g, doors)) == ["forward", "optout"]


async def test_the_campaign_goes_in_the_carriers_tlv(autojump_clock: MockClock) -> None:
    """Also after a reload that leaves the carrier alone, and for each segment."""
    carrier = 'campaign_tlv = "0x1400"'
    async with gateway(carrier=carrier, apps=number('campaign_id = "C1A2B3C"')) as g:
        app = await g.connect()
        await app.submit("x" * 200, to=PEER, **{"from": OURS})
        await app.submit("none", to=PEER, **{"from": MAIN})
        await g.smsc.came(3)
        await reloaded(g, app, "C1A2B3C", "CXYZ")
        await app.submit("other", to=PEER, **{"from": OURS})
        await g.smsc.came(4)
        found = [[t.value for t in s.pdu.tlvs if t.tag == 0x1400] for s in g.smsc.submits]
        assert sorted(found) == [[], [b"C1A2B3C"], [b"C1A2B3C"], [b"CXYZ"]]
