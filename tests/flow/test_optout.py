"""STOP, from the carrier to what is no longer sent: refused, ended, taken back, confirmed once; and START."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.settings.own import OWN_APP
from gateway.smpp.constants import CommandStatus
from gateway.smpp.pdu import Address, DeliverSm
from tests.support.apps import RpcError
from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import Bound, Submitted, address, peers, withhold

NUMBER, OTHER_NUMBER = "+15551230001", "+15551230002"
PEER, OTHER_PEER = peers(2)
STOPPED = "You are unsubscribed and will get no more messages. Reply START to get them again."
STARTED = "You are subscribed again. Reply STOP to get no more messages, HELP for help."


def deliver(bind: Bound, text: str, *, to: str = NUMBER, by: str = PEER) -> None:
    bind.deliver(DeliverSm(address(by), address(to), text.encode()))


def seen(g: Gateway, peer: str = PEER) -> list[str]:
    return [s.text for s in g.smsc.submits if s.peer == peer]


def rows(g: Gateway, query: str) -> list[Any]:
    return g.daemon.store.read_now(lambda con: con.execute(query).fetchall())


async def test_a_stop_is_confirmed_once_and_holds_until_start(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        bind = g.smsc.binds[0]
        deliver(bind, "Stop.")
        await g.settled()
        assert seen(g) == [STOPPED]
        refused = await app.refused("submit", to=PEER, text="Hello")
        assert (refused.reason, refused.field) == ("opted_out", "to")
        deliver(bind, "STOP")
        await g.settled()
        assert seen(g) == [STOPPED]
        await app.call("submit", to=OTHER_PEER, text="Hello")
        deliver(bind, "start")
        await g.settled()
        await app.call("submit", to=PEER, text="Hello again")
        await g.settled()
        assert seen(g) == [STOPPED, STARTED, "Hello again"]
        assert rows(g, "SELECT app, door FROM message WHERE peer = '%s' ORDER BY id" % PEER) == [
            (OWN_APP, "optout"),
            (OWN_APP, "reply"),
            ("local", "socket"),
        ]


async def test_a_stop_in_octets_is_one(autojump_clock: MockClock) -> None:
    """Marked as 8-bit data by its carrier: a word alone, and nothing in what is no text."""
    async with gateway() as g:
        app = await g.connect()
        for peer, octets in ((PEER, b"Stop."), (OTHER_PEER, b"\xffSTOP"), (OTHER_PEER, b"STOP" + bytes(29))):
            g.smsc.binds[0].deliver(DeliverSm(address(peer), address(NUMBER), octets, data_coding=4))
        await g.settled()
        assert (await app.refused("submit", to=PEER, text="Hello")).reason == "opted_out"
        await app.call("submit", to=OTHER_PEER, text="Hello")
        await g.settled()
        assert (seen(g), seen(g, OTHER_PEER)) == ([STOPPED], ["Hello"])


# --- what was on its way ----------------------------------------------------------------------------------------------


def ends(g: Gateway) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in rows(g, ENDS)]


ENDS = """
SELECT CASE s.state WHEN 9 THEN 'rejected' WHEN 4 THEN 'in_doubt' WHEN 3 THEN 'sent' ELSE s.state END, s.reason
FROM segment s JOIN message m ON m.id = s.message_id WHERE m.door = 'socket' ORDER BY s.message_id, s.part
"""
REJECTED = ("rejected", "opted_out")


async def stop(g: Gateway, *, by: str = PEER, to: str = NUMBER) -> None:
    """A STOP that is acknowledged when this returns; what is written after it is looked at by the test."""
    bind = g.smsc.binds[-1]
    done = len(bind.answers) + 1
    deliver(bind, "STOP", by=by, to=to)
    await g.smsc.until(lambda: len(bind.answers) == done)


async def test_what_waits_ends_and_the_claimed_is_taken_back(autojump_clock: MockClock) -> None:
    """One is on the wire, one is claimed behind it, others are queued or scheduled: only the first was ever written."""
    async with gateway(carrier='window = 1\norder = "none"', answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        for text in ("one", "two", "three", "four"):
            await app.call("submit", to=PEER, text=text)
        await app.call("submit", to=PEER, text="later", send_at="2025-11-01T00:00:00Z")
        await g.settled()
        assert seen(g) == ["one"]
        assert g.daemon.outbound.carriers["acme"].claims_waiting
        await stop(g)
        await g.settled()
        assert {s.message.app for s in g.daemon.outbound.carriers["acme"].claims_to({PEER})} == {OWN_APP}
        assert ends(g)[1:] == [REJECTED] * 4
        g.smsc.respond(g.smsc.submits[0])
        await g.settled()
        assert seen(g) == ["one", STOPPED]
        assert [(e["state"], e["reason"]) for e in await app.notified(4)] == [REJECTED] * 4
        assert g.daemon.outbound.queue("acme").queued == 0


async def test_what_is_in_doubt_is_not_sent_again(autojump_clock: MockClock) -> None:
    """The carrier is silent, and its policy is to send again: not to who opted out meanwhile, nor by an operator."""
    async with gateway(carrier='window = 2\nin_doubt = "resend"\nresponse_timeout = 5', answer=withhold) as g:
        app = await g.connect()
        mid = await app.submit("one", to=PEER)
        await g.settled()
        await stop(g)
        g.smsc.binds[0].disconnect()
        await trio.sleep(30)
        assert seen(g) == ["one", STOPPED]  # nor is the confirmation, which is not answered either: once is once
        assert ends(g) == [("in_doubt", None)]
        settled = await app.call("resolve", action="resend", ids=[mid])
        assert settled == {"resolved": 0, "left": 1, "skipped": [{"id": mid, "reason": "opted_out"}]}
        assert ends(g) == [("in_doubt", None)]


async def test_what_waits_for_another_attempt_ends(autojump_clock: MockClock) -> None:
    """Refused for now before the STOP, or after it: the confirmation does not wait for the time of the retry."""

    def answer(submitted: Submitted) -> int:
        return 0 if submitted.text == STOPPED else CommandStatus.ESME_RMSGQFUL

    async with gateway(carrier="retry_delay = 100", answer=answer) as g:
        app = await g.connect()
        await app.submit("one", to=PEER)
        await g.settled()
        await stop(g)
        await g.settled()
        assert (seen(g), ends(g)) == (["one", STOPPED], [REJECTED])
        g.smsc.answer = withhold
        await app.submit("two", to=OTHER_PEER)
        await g.settled()
        await stop(g, by=OTHER_PEER)
        g.smsc.respond(g.smsc.submits[-1], CommandStatus.ESME_RMSGQFUL)
        await g.settled()
        assert seen(g, OTHER_PEER) == ["two", STOPPED]
        assert ends(g) == [REJECTED] * 2


async def test_claims_that_come_back_unwritten_end(autojump_clock: MockClock) -> None:
    """The STOP is committed in the burst that claims: nothing of that is pushed to the carrier."""
    commits = Commits()
    async with gateway(carrier="window = 5", run_sync=commits) as g:
        app = await g.connect()
        commits.hold()
        await app.write(app.request("submit", {"to": OTHER_PEER, "text": "x"})[1])
        await g.settled()
        requests = [("submit", {"to": PEER, "text": text}) for text in ("one", "two")]
        await app.write(b"".join(app.request(*request)[1] for request in requests))
        await g.settled()
        deliver(g.smsc.binds[0], "STOP")
        await g.settled()
        commits.release()
        await g.settled()
        assert seen(g) == [STOPPED]
        assert ends(g) == [("sent", None), REJECTED, REJECTED]


async def test_a_stop_in_several_parts(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        for part, text in ((2, b"SUBSCRIBE"), (1, b"UN")):
            header = bytes((5, 0, 3, 7, 2, part))
            g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(NUMBER), header + text, esm_class=0x40))
        await g.settled()
        assert seen(g) == [STOPPED]
        assert (await app.refused("submit", to=PEER, text="x")).reason == "opted_out"


# --- how far it reaches -----------------------------------------------------------------------------------------------

SETS = """
[optout]
scope = "{scope}"
[[number_sets]]
name = "a"
numbers = ["+15551230001", "+15551230002"]
"""
APPS = """
[[apps]]
name = "crm"
token = "crm-crm-crm-crm-crm-crm-crm-crm-1"
numbers = ["+15551230001", "+15551230003"]
[[apps]]
name = "shop"
token = "shop-shop-shop-shop-shop-shop-123"
"""


@pytest.mark.parametrize(
    ("scope", "refused"),
    [
        ("number", {("crm", 1), ("shop", 1)}),
        ("set", {("crm", 1), ("shop", 1), ("shop", 2)}),
        ("app", {("crm", 1), ("crm", 3), ("shop", 1), ("shop", 2), ("shop", 3)}),
        ("all", {("crm", 1), ("crm", 3), ("shop", 1), ("shop", 2), ("shop", 3)}),
    ],
)
async def test_scopes(autojump_clock: MockClock, scope: str, refused: set[tuple[str, int]]) -> None:
    """To number 1, which is in a set with 2; 3 is in none. The app shop may send from all."""
    async with gateway(numbers=3, extra=SETS.format(scope=scope), apps=APPS) as g:
        await stop(g)
        found = set()
        for name, token, numbers in (
            ("crm", "crm-crm-crm-crm-crm-crm-crm-crm-1", (1, 3)),
            ("shop", "shop-shop-shop-shop-shop-shop-123", (1, 2, 3)),
        ):
            app = await g.connect()
            await app.call("auth", app=name, token=token)
            for number in numbers:
                (outcome,) = await app.calls([("submit", {"to": PEER, "from": f"+1555123000{number}", "text": "x"})])
                if isinstance(outcome, RpcError):
                    assert outcome.reason == "opted_out"
                    found.add((name, number))
        assert found == refused
        deliver(g.smsc.binds[-1], "START")
        await g.settled()
        assert rows(g, "SELECT count(*) FROM optout") == [(0,)]


@pytest.mark.parametrize(
    ("ton", "written", "to"),
    [
        (1, "12125550101", "+12125550101"),
        (0, "2125550101", "+1 212 555 0101"),
        (2, "2125550101", "(212) 555-0101"),
        (0, "+12125550101", "tel:+1-212-555-0101"),
        (0, "12125550101", "2125550101"),
        (3, "0012125550101", "00 1 212 555 0101"),
    ],
)
async def test_any_spelling_of_the_phone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, ton: int, written: str, to: str
) -> None:
    monkeypatch.setenv("SMSGW_DEFAULT_REGION", "DE" if written.startswith("00") else "US")
    async with gateway() as g:
        app = await g.connect()
        g.smsc.binds[0].deliver(DeliverSm(Address(ton, 1, written), address(NUMBER), b"STOP"))
        await g.settled()
        assert rows(g, "SELECT peer, scope FROM optout") == [("+12125550101", "set:default")]
        assert (await app.refused("submit", to=to, text="x")).reason == "opted_out"


# --- near, help, and what rules do ------------------------------------------------------------------------------------


async def test_something_near_a_stop_needs_a_person(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", events=["inbound", "optout", "optout_suspected"])
        deliver(g.smsc.binds[0], "STOP NOW")
        suspected, event = await app.notified(2)
        assert (suspected["how"], suspected["text"], suspected["scopes"]) == ("near", "STOP NOW", [])
        assert (event["optout"], event["id"]) == ("suspected", suspected["id"])
        (thread,) = (await app.call("threads"))["threads"]
        assert thread["needs_attention"]
        await app.call("submit", to=PEER, text="x")
        assert rows(g, "SELECT count(*) FROM optout") == [(0,)]


async def test_something_near_a_stop_blocks_where_the_number_says_so(autojump_clock: MockClock) -> None:
    async with gateway(extra='[optout]\nnear = "block"\nconfirmation = "carrier"') as g:
        app = await g.connect()
        deliver(g.smsc.binds[0], "please stop texting me")
        await g.settled()
        assert seen(g) == []
        assert (await app.refused("submit", to=PEER, text="x")).reason == "opted_out"
        assert rows(g, "SELECT how FROM optout") == [("near",)]


async def test_help_is_answered_once_also_to_who_opted_out(autojump_clock: MockClock) -> None:
    async with gateway(extra='[optout]\nhelp_reply = "It is us."\nhelp_interval = 60') as g:
        bind = g.smsc.binds[0]
        for text in ("STOP", "help?", "HELP"):
            deliver(bind, text)
            await g.settled()
        assert seen(g) == [STOPPED, "It is us."]
        await trio.sleep(61)
        deliver(bind, "info")
        await g.settled()
        assert seen(g) == [STOPPED, "It is us.", "It is us."]


RULES = """
[[rules]]
name = "hello"
keywords = ["hi"]
reply = "Hello."
[[rules]]
name = "help"
keywords = ["help"]
reply = "Our own help."
[[rules]]
name = "forward"
keywords = ["pass"]
forward = ["+14155550101"]
"""


async def test_no_rule_writes_to_who_opted_out(autojump_clock: MockClock) -> None:
    async with gateway(extra=RULES + "[limits]\nreply_interval = 1") as g:
        app = await g.connect()
        await app.call("subscribe")
        bind = g.smsc.binds[0]
        await stop(g, by="+14155550101")
        await stop(g)
        for text in ("hi", "help", "pass it on"):
            deliver(bind, text)
        events = await app.notified(5)
        await g.settled()
        assert seen(g)[0] == STOPPED
        assert "Hello." not in seen(g)
        assert [e.get("optout") for e in events] == ["optout", "optout", None, "help", None]
        assert events[2]["held_back"] == ["hello: reply: who would get it opted out"]
        assert events[4]["held_back"] == ["forward: forward: who would get it opted out"]
        assert seen(g, "+14155550101") == [STOPPED]
        deliver(bind, "START")
        await trio.sleep(2)
        deliver(bind, "help")
        await g.settled()
        # A rule that answers does so in the gateway's place.
        assert seen(g)[-2:] == [STARTED, "Our own help."]


# --- by hand ----------------------------------------------------------------------------------------------------------


async def test_what_somebody_enters_no_start_undoes(autojump_clock: MockClock) -> None:
    """What waits ends with it as with a STOP; nobody is answered; the record says who did it."""
    async with gateway(carrier='window = 1\norder = "none"', answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe", events=["optout", "optin"])
        for text in ("one", "two", "three"):
            await app.submit(text, to=PEER)
        written = f"+1 ({PEER[2:5]}) {PEER[5:8]}-{PEER[8:]}"
        done = await app.call("optout_set", peer=written, out=True, note="called")
        assert (done["changed"], [one["scope"] for one in done["scopes"]]) == (True, ["all"])
        await g.settled()
        assert (seen(g), ends(g)[1:]) == (["one"], [REJECTED] * 2)
        deliver(g.smsc.binds[0], "START")
        await g.settled()
        assert (await app.refused("submit", to=PEER, text="x")).reason == "opted_out"
        assert (await app.call("optout", peer=PEER))["opted_out"]
        assert (await app.call("optout_set", peer=PEER, out=False))["scopes"] == []
        await app.submit("four", to=PEER)
        changes = (await app.call("optout_changes", peer=PEER))["changes"]
        assert [(c["change"], c["how"], c["who"], c["text"]) for c in changes] == [
            ("optin", "operator", "local", None),
            ("optout", "operator", "local", "called"),
        ]
        told = [(line["method"], line["params"]["who"], line["params"]["id"]) for line in app.events]
        assert told == [("optout", "local", None), ("optin", "local", None)]


async def test_what_an_app_may_change_and_see(autojump_clock: MockClock) -> None:
    async with gateway(numbers=3, apps=APPS) as g:
        app = await g.connect()
        await app.call("auth", app="crm", token="crm-crm-crm-crm-crm-crm-crm-crm-1")
        assert (await app.call("optout_set", peer=PEER, out=True))["scopes"][0]["scope"] == "app:crm"
        assert (await app.call("optout_set", peer=PEER, out=True, scope="number:+15551230003"))["changed"]
        for scope, reason in (
            ("all", "not_allowed"),
            ("set:default", "not_allowed"),
            ("app:shop", "not_allowed"),
            ("number:+15551230002", "not_found"),
            ("set:x", "invalid_params"),
            ("x", "invalid_params"),
        ):
            assert (await app.refused("optout_set", peer=PEER, out=True, scope=scope)).reason == reason, scope
        assert (await app.refused("optouts")).reason == "not_allowed"
        assert (await app.call("optout_set", peer=PEER, out=False))["changed"]
        deliver(g.smsc.binds[0], "STOP")
        await g.settled()
        found = await app.call("optout", peer=PEER, number=NUMBER)
        assert [(s["scope"], s["how"], s["keyword"]) for s in found["scopes"]] == [("set:default", "keyword", "STOP")]
        # What the person said is for the person to take back.
        deliver(g.smsc.binds[0], "STOP", to="+15551230003")
        await g.settled()
        assert not (await app.call("optout_set", peer=PEER, out=False))["changed"]


async def test_an_import_is_as_good_as_a_stop(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", events=["optout"])
        entries = [
            {"peer": PEER, "at": "2020-01-02T03:04:05Z", "note": "old list"},
            {"peer": "nobody"},
            {"peer": OTHER_PEER, "scope": "set:x"},
            {"peer": OTHER_PEER, "at": "yesterday"},
            {"peer": PEER},
        ]
        done = await app.call("optouts_import", optouts=entries)
        assert (done["taken"], done["new"]) == (2, 1)
        assert [(one["place"], one["field"]) for one in done["refused"]] == [(1, "peer"), (2, "scope"), (3, "at")]
        (one,) = (await app.call("optouts"))["optouts"]
        assert (one["peer"], one["how"], one["at"]) == (PEER, "import", "2020-01-02T03:04:05.000Z")
        assert (await app.refused("submit", to=PEER, text="x")).reason == "opted_out"
        deliver(g.smsc.binds[0], "START")
        await g.settled()
        await app.call("submit", to=PEER, text="x")
        assert app.events == []


async def test_pages_of_the_list_and_of_the_record(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        phones = sorted(peers(7))
        await app.call("optouts_import", optouts=[{"peer": peer} for peer in phones])
        for method, key, rows_, wanted in (
            ("optouts", "after", "optouts", phones),
            ("optout_changes", "before", "changes", phones[::-1]),
        ):
            got: list[str] = []
            page: dict[str, Any] = {"next": None}
            while True:
                page = await app.call(method, limit=3, **({key: page["next"]} if page["next"] else {}))
                got += [one["peer"] for one in page[rows_]]
                if page["next"] is None:
                    break
            assert got == wanted
