"""Quiet hours, from the request to the carrier: what comes in then waits or is refused, and what waited waits on.

It is 08:53:20Z when a test begins, and quiet from 08:55 to 09:00.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.settings.quiet import Quiet
from gateway.smpp.pdu import DeliverSm
from tests.support.apps import AppClient
from tests.support.carriers import routes, stage
from tests.support.daemons import gateway
from tests.support.smsc import address, labelled, peers, withhold

TO, OTHER = peers(2)
BREAK = """
[[quiet_hours]]
times = ["08:55-09:00"]
zone = "UTC"
"""
REFUSED = BREAK + 'action = "refuse"\n'
NIGHT = """
[[quiet_hours]]
times = ["21:00-08:00"]
countries = ["US", "RU"]
"""
BEGIN, END = 100.0, 400.0
"""Seconds after the start of a test."""
MARKETING = {"class": "marketing"}


async def at(seconds: float) -> None:
    """Waits until so long after the start."""
    await trio.sleep(seconds - trio.current_time())


async def sale(app: AppClient, text: str = "sale", to: str = TO, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await app.call("submit", to=to, text=text, **MARKETING, **more)
    return found


async def history(app: AppClient, id: str, what: str) -> list[dict[str, Any]]:
    return [e for e in (await app.call("history", id=id))["history"] if e["what"] == what]


async def test_what_comes_in_then_goes_when_they_are_over(autojump_clock: MockClock) -> None:
    async with gateway(extra=BREAK) as g:
        app = await g.connect()
        assert (await sale(app, "before"))["state"] == "queued"
        await at(BEGIN + 10)
        shown = await app.call("preview", to=TO, text="sale", **MARKETING)
        held = await sale(app, validity=60)
        code = await app.call("submit", to=TO, text="code")
        assert (held["state"], code["state"]) == ("scheduled", "queued")
        assert held["warnings"] == ["quiet hours until 2025-10-09T09:00:00Z (09:00 in UTC): it goes then"]
        assert shown["warnings"] == held["warnings"]
        assert shown["send_at"] == "2025-10-09T09:00:00.000Z"
        message = await app.message(held["id"])
        assert message["expires_at"] == "2025-10-09T09:01:00.000Z"
        assert message["send_at"] == shown["send_at"]
        (accepted,) = await history(app, held["id"], "accepted")
        assert accepted["options"]["quiet"] == 1_760_000_400_000
        await at(END - 1)
        assert g.smsc.texts == ["before", "code"]
        await at(END + 1.5)
        assert g.smsc.texts == ["before", "code", "sale"]
        assert (await app.message(held["id"]))["send_at"] is None
        assert g.daemon.metrics.quiet_held.labels("door")._value.get() == 1


async def test_a_time_to_be_sent_at_within_them_is_put_off_to_their_end(autojump_clock: MockClock) -> None:
    async with gateway(extra=BREAK) as g:
        app = await g.connect()
        moved = await sale(app, "moved", send_at="2025-10-09T08:57:00Z", validity=30)
        kept = await sale(app, "kept", send_at="2025-10-09T08:54:50Z")
        assert (moved["state"], len(moved["warnings"]), kept["warnings"]) == ("scheduled", 1, [])
        assert (await app.message(moved["id"]))["expires_at"] == "2025-10-09T09:00:30.000Z"
        await at(END - 1)
        assert g.smsc.texts == ["kept"]
        await at(END + 1.5)
        assert g.smsc.texts == ["kept", "moved"]


async def test_a_refusal_says_when_to_come_back(autojump_clock: MockClock) -> None:
    async with gateway(extra=REFUSED) as g:
        app = await g.connect()
        await at(BEGIN + 60)
        for method in ("submit", "preview"):
            refused = await app.refused(method, to=TO, text="sale", **MARKETING)
            assert (refused.code, refused.data["reason"], refused.data["retry_after"]) == (-32001, "quiet_hours", 240.0)
            assert refused.data["detail"] == "quiet hours until 2025-10-09T09:00:00Z (09:00 in UTC)"
        planned = {"to": TO, "text": "sale", "send_at": "2025-10-10T08:56:00Z", **MARKETING}
        refused = await app.refused("submit", **planned)
        assert (refused.code, refused.data["reason"], refused.data["field"]) == (-32000, "quiet_hours", "send_at")
        assert "retry_after" not in refused.data
        assert g.segments() == []


async def test_whose_clock_it_goes_by(autojump_clock: MockClock) -> None:
    """04:53 in New York, 11:53 in Moscow, 10:53 in Kaliningrad, 20:53 in Kamchatka."""
    russian = "+79161234567"
    async with gateway(extra=NIGHT) as g:
        app = await g.connect()
        assert (await sale(app, "New York", "+12125550101"))["state"] == "scheduled"
        assert (await sale(app, "London", "+447700900123"))["state"] == "queued"  # of no rule
        assert (await sale(app, "Russia", russian))["state"] == "queued"
        # What the message says goes before what is noted of the peer, and that before the number.
        away = await sale(app, "abroad", "+12125550101", zone="Europe/Paris")
        assert away["state"] == "queued"
        await app.call("peer_set", peer="+12125550101", fields={"zone": "Europe/Paris"})
        assert (await sale(app, "noted", "+12125550101"))["state"] == "queued"
        home = await sale(app, "home", "+12125550101", zone="America/New_York")
        assert home["warnings"] == ["quiet hours until 2025-10-09T12:00:00Z (08:00 in America/New_York): it goes then"]
        refused = await app.refused("submit", to=TO, text="x", zone="Mars/Base")
        assert (refused.data["reason"], refused.data["field"]) == ("invalid_params", "zone")
        route = {"to": "+12125550199", **MARKETING}
        assert (await app.call("route", **route))["quiet"] == {
            "does": "hold", "until": "2025-10-09T12:00:00.000Z", "zones": ["America/New_York"], "known": False,
        }  # fmt: skip
        found = (await app.call("route", **route, zone="Europe/Paris"))["quiet"]
        assert (found["does"], found["until"], found["known"]) == ("send", "2025-10-09T19:00:00.000Z", True)
        assert (await app.call("route", to="+12125550199"))["quiet"] is None
        await trio.sleep(640)  # it is 21:04 in Kamchatka, of where that phone may be
        assert (await sale(app, "Russia", russian))["state"] == "scheduled"
        assert (await sale(app, "Moscow", russian, zone="Europe/Moscow"))["state"] == "queued"
        await g.settled()
        assert sorted(g.smsc.texts) == ["London", "Moscow", "Russia", "abroad", "noted"]


async def test_a_bulk_that_is_under_way_is_put_off_and_goes_on_after_them(autojump_clock: MockClock) -> None:
    async with gateway(carrier="throughput = 1\nwindow = 5", extra=BREAK) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        await at(BEGIN - 10)
        every = peers(40)
        ids = await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(every)])
        short = await sale(app, "short", every[39], validity=60)
        await at(BEGIN - 0.5)
        sent = len(g.smsc.submits)
        assert 8 <= sent <= 12
        await at(BEGIN + 5)
        assert len(g.smsc.submits) <= sent + 1
        sent = len(g.smsc.submits)
        # Nothing of it is left in memory, nor stands in the way of others, to one of its phones as well.
        queue = g.daemon.outbound.queues["acme"]
        assert (queue.known, queue.queued) == ({}, 0)
        assert g.segments("due_at", "state = 0") == [1_760_000_400_000] * (41 - sent)
        await app.submit("code", to=every[39])
        await at(BEGIN + 7)
        assert g.smsc.texts[sent:] == ["code"]
        (put_off,) = await history(app, ids[-1], "quiet")
        assert (put_off["due"], put_off["carrier"]) == ("2025-10-09T09:00:00.000Z", "acme")
        assert g.daemon.metrics.quiet_held.labels("queue")._value.get() == 41 - sent
        await at(END - 1)
        assert len(g.smsc.submits) == sent + 1
        assert (await app.message(short["id"]))["state"] == "expired"  # its validity counts from before
        await at(END + 45)
        assert g.smsc.texts[sent + 1 :] == [labelled(i) for i in range(sent, 40)]
        assert g.segments("in_doubt") == [0] * 42


async def test_what_is_claimed_and_waits_for_its_pace_is_put_off_as_well(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2\nresponse_timeout = 600", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(6))])
        await g.settled()
        claimed = g.segments().count(2)
        assert claimed > len(g.smsc.submits) == 2  # one at least is claimed and not written
        await at(BEGIN + 1)
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        await g.settled()
        assert g.segments() == [3, 3, 0, 0, 0, 0]
        assert g.segments("attempts") == [1, 1, 0, 0, 0, 0]
        await at(END + 1.5)
        assert sorted(g.smsc.texts) == [labelled(i) for i in range(6)]
        assert len(await history(app, ids[5], "quiet")) == 1


async def test_a_message_of_which_segments_are_claimed_and_none_is_out_is_put_off(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2\nresponse_timeout = 600", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(2))])
        await app.submit("x" * 400, to=peers(3)[2], **MARKETING)
        await g.settled()
        assert (len(g.smsc.submits), sorted(g.segments())) == (2, [1, 1, 2, 2, 2])
        await at(BEGIN + 1)
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        await at(END - 1)
        assert g.segments() == [3, 3, 0, 0, 0]
        await at(END + 1.5)
        assert len(g.smsc.submits) == 5


async def test_a_message_of_which_a_segment_is_out_is_finished_within_a_minute(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1\nresponse_timeout = 600", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        await app.submit("x" * 700, to=TO, **MARKETING)
        await g.smsc.came(1)
        for seconds in (1, 30, 55, 75, 90):
            await at(BEGIN + seconds)
            for submit in g.smsc.unanswered:
                g.smsc.respond(submit)
            await g.settled()
        # After a minute what is left waits: it is not the tail of what was begun before any more.
        assert len(g.smsc.submits) == 4
        assert g.segments() == [3, 3, 3, 3, 0]
        g.smsc.answer = lambda _: 0
        await at(END + 1.5)
        assert g.segments() == [3] * 5
        assert len(g.smsc.submits) == 5


async def test_another_attempt_waits_for_their_end(autojump_clock: MockClock) -> None:
    async with gateway(carrier="retry_delay = 5\nthrottle_pause = 1", extra=BREAK) as g:
        g.smsc.answer = lambda s: 0x64 if s.place < 2 else 0
        app = await g.connect()
        await at(BEGIN - 3)
        id = (await sale(app))["id"]
        await g.settled()
        assert len(g.smsc.submits) == 1
        await at(END - 1)
        assert len(g.smsc.submits) == 1
        assert (await app.message(id))["state"] == "scheduled"
        await at(END + 60)
        assert (await app.message(id))["state"] == "sent"


async def test_neither_a_carrier_that_comes_back_nor_another_one_sends_then(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(extra=BREAK)) as s:
        app = await s.running.connect()
        await at(BEGIN - 12)
        await s.break_off("acme")
        await s.running.settled()
        for i, peer in enumerate(peers(5)):
            await sale(app, f"{i}", peer)
        await app.submit("code", to=peers(6)[5])
        await at(BEGIN + 60)
        assert (s.texts("acme"), s.texts("beta")) == ([], ["code"])
        await s.back("acme")
        await at(END - 1)
        assert (s.texts("acme"), s.texts("beta")) == ([], ["code"])
        await at(END + 5)
        assert sorted(s.texts("acme") + s.texts("beta")) == ["0", "1", "2", "3", "4", "code"]


async def test_a_message_that_goes_to_another_carrier_keeps_its_zone(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(extra=NIGHT, beta='long_messages = "sar"')) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await sale(app, "abroad", "+12125550177", zone="Europe/Paris")
        await trio.sleep(32)
        assert s.texts("beta") == ["abroad"]
        assert s.rows("SELECT json_extract(options, '$.zone') FROM message") == [("Europe/Paris",)]


async def test_a_restart_within_them_knows_what_each_message_said(autojump_clock: MockClock, tmp_path: Path) -> None:
    night = NIGHT.replace("21:00-08:00", "21:00-05:00")  # in New York it ends at 09:00Z
    async with gateway(tmp_path, carrier="window = 1\nresponse_timeout = 600", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(5))])
        await sale(app, "abroad", "+12125550177", zone="Europe/Paris")
        await g.smsc.came(1)
        g.smsc.respond(g.smsc.submits[0])
        await g.settled()
        assert len(ids) == 5
    assert trio.current_time() < BEGIN
    async with gateway(tmp_path, extra=night) as g:
        app = await g.connect()
        await trio.sleep(5)
        assert g.smsc.texts == ["abroad"]
        await at(END - 1)
        assert g.smsc.texts == ["abroad"]
        await at(END + 5)
        assert len(set(g.smsc.texts)) == 5
        assert g.segments() == [3] * 6


async def test_a_copy_of_what_is_in_doubt_waits_and_is_held_when_its_time_is_over(autojump_clock: MockClock) -> None:
    async with gateway(carrier="response_timeout = 4", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        await at(BEGIN - 2)
        long = (await sale(app, "long"))["id"]
        short = (await sale(app, "short", OTHER, validity=30))["id"]
        await g.smsc.came(2)
        await at(BEGIN + 60)
        g.smsc.answer = lambda _: 0
        assert len(g.smsc.submits) == 2
        assert [(await app.message(id))["state"] for id in (long, short)] == ["scheduled", "in_doubt"]
        await at(END + 5)
        assert g.smsc.texts[2:] == ["long"]
        assert [(await app.message(id))["state"] for id in (long, short)] == ["sent", "in_doubt"]


async def test_a_late_answer_settles_a_copy_that_they_put_off(autojump_clock: MockClock) -> None:
    async with gateway(carrier="response_timeout = 4", extra=BREAK, answer=withhold) as g:
        app = await g.connect()
        await at(BEGIN - 2)
        id = (await sale(app))["id"]
        await at(BEGIN + 20)
        assert (await app.message(id))["state"] == "scheduled"
        g.smsc.respond(g.smsc.submits[0])
        await app.until_state(id, "sent")
        await at(END + 5)
        assert (g.segments(), len(g.smsc.submits)) == ([3], 1)


async def test_what_was_queued_ends_where_they_refuse(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1\nresponse_timeout = 600", extra=REFUSED, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        ids = await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(4))])
        planned = await sale(app, "planned", peers(5)[4], send_at="2025-10-09T08:54:59Z")
        await at(BEGIN + 1)
        g.smsc.answer = lambda _: 0
        g.smsc.respond(g.smsc.submits[0])
        events = await app.notified(4)
        assert {(e["state"], e["reason"]) for e in events} == {("rejected", "quiet_hours")}
        assert {e["id"] for e in events} == {*ids[1:], planned["id"]}
        await at(END + 5)
        assert g.smsc.texts == [labelled(0)]


async def test_quiet_hours_that_are_set_hold_for_what_waits(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1\nresponse_timeout = 600", answer=withhold) as g:
        app = await g.connect()
        before = g.daemon.settings
        ids = await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(4))])
        code = await app.submit("code", to=peers(5)[4])
        await g.smsc.came(1)
        # As a reload does it, which reads the file in a thread of its own.
        rule = Quiet(times=("08:00-09:00",), zone="UTC")
        g.daemon.outbound.configure(before.model_copy(update={"quiet_hours": (rule,)}))
        await trio.sleep(2)
        g.smsc.answer = lambda _: 0
        g.smsc.respond(g.smsc.submits[0])
        await app.until_state(code, "sent")
        assert [(await app.message(id))["state"] for id in ids] == ["sent", *["scheduled"] * 3]
        # Where they are taken away again, what comes goes; what they held waits for the time that it was given.
        g.daemon.outbound.configure(before)
        await app.until_state(await app.submit("new", to=peers(9)[8], **MARKETING), "sent")
        assert g.smsc.texts == [labelled(0), "code", "new"]
        await at(END + 5)
        assert g.smsc.texts[3:] == [labelled(1), labelled(2), labelled(3)]


async def test_a_copy_that_they_refuse_is_held_in_doubt(autojump_clock: MockClock) -> None:
    """Its first attempt may have been taken: it is no message that certainly was not sent."""
    async with gateway(carrier="response_timeout = 4", extra=REFUSED, answer=withhold) as g:
        app = await g.connect()
        await at(BEGIN - 2)
        id = (await sale(app))["id"]
        await at(BEGIN + 20)
        assert (await app.message(id))["state"] == "in_doubt"
        assert [e["cause"] for e in await history(app, id, "in_doubt")] == ["timeout", "quiet_hours"]
        assert len(g.smsc.submits) == 1


async def test_many_that_are_due_at_once_come_page_by_page_without_a_pause(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbound.sweeper.PAGE", 2)
    monkeypatch.setattr("gateway.outbound.sweeper.DUE_PAGES", 2)
    async with gateway(extra=BREAK) as g:
        app = await g.connect()
        await at(BEGIN + 290)
        await app.submits([{"to": p, "text": labelled(i), **MARKETING} for i, p in enumerate(peers(11))])
        await at(END + 1.5)
        assert g.smsc.texts == [labelled(i) for i in range(11)]


async def test_who_writes_then_is_answered(autojump_clock: MockClock) -> None:
    async with gateway(extra=BREAK + 'classes = ["transactional", "direct", "marketing"]\n') as g:
        app = await g.connect()
        await at(BEGIN + 10)
        held = await app.call("submit", to=OTHER, text="code")
        g.smsc.binds[0].deliver(DeliverSm(address(TO), address("+15551230001"), b"STOP"))
        await g.settled()
        assert held["state"] == "scheduled"
        assert [s.peer for s in g.smsc.submits] == [TO]  # the confirmation
