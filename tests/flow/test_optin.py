"""Opting in by text: the keyword, the question, YES; what ends it, and what an app has asked."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.apps import AppClient, RpcError
from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import address, peers

NUMBER, SECOND = "+15551230001", "+15551230002"
PEER, OTHER_PEER = peers(2)
ASK = "ACME: reply YES for offers, up to 4 a month. Msg & data rates may apply. HELP for help, STOP to cancel."
WELCOME = "You are subscribed. Reply HELP for help, STOP to get no more messages."
STOPPED = "You are unsubscribed and will get no more messages. Reply START to get them again."
OFFERS = f"""
[consent]
marketing = "required"
[[opt_ins]]
name = "offers"
version = "2026-11"
ask = "{ASK}"
keywords = ["JOIN"]
within = 7200
yes_words = ["sure"]
numbers = ["{NUMBER}"]
"""


def deliver(g: Gateway, text: str, *, peer: str = PEER, to: str = NUMBER) -> None:
    g.smsc.binds[-1].deliver(DeliverSm(address(peer), address(to), text.encode()))


async def says(g: Gateway, *texts: str, peer: str = PEER, to: str = NUMBER) -> list[str]:
    """They write, one after the other; returns what they got since."""
    await g.settled()
    had = len(g.smsc.submits)
    for text in texts:
        deliver(g, text, peer=peer, to=to)
        await g.settled()
    return [s.text for s in g.smsc.submits[had:]]


async def refusal(app: Any, peer: str = PEER, **given: Any) -> str | None:
    """Why marketing to them is refused; None: it goes."""
    outcome = (await app.calls([("submit", {"to": peer, "text": "Offer", "class": "marketing", **given})]))[0]
    reason: str | None = getattr(outcome, "reason", None)
    return reason


async def test_a_keyword_and_yes(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS) as g:
        app = await g.connect()
        await app.call("subscribe", events=["inbound", "consent"])
        assert await says(g, "yes") == []  # nothing was asked: a message as others are
        assert await refusal(app) == "no_consent"
        assert await says(g, "Join!") == [ASK]
        assert await refusal(app) == "no_consent"
        assert await says(g, "JOIN", "yes, what does it cost?") == []  # asked a short while ago; no YES
        assert await says(g, "Yes.") == [WELCOME]
        assert await refusal(app) is None
        assert await says(g, "join", "yes") == []  # agreed already
        events = await app.notified(8)
        assert [e.get("optout") or e.get("change") for e in events] == [
            None, "asked", "asked", None, "granted", "agreed", None, None,
        ]  # fmt: skip
        granted = events[4]
        assert {name: granted[name] for name in ("how", "opt_in", "version", "text", "scopes", "classes")} == {
            "how": "keyword",
            "opt_in": "offers",
            "version": "2026-11",
            "text": "Yes.",
            "scopes": ["set:default"],
            "classes": ["marketing"],
        }
        assert granted["id"] == events[5]["id"]
        changes = (await app.call("consent_changes", peer=PEER))["changes"]
        assert [(c["change"], c["note"], c["text"]) for c in changes] == [
            ("granted", "Yes.", ASK),
            ("asked", "Join!", ASK),
        ]
        assert changes[0]["message"] == granted["id"]


async def test_yes_in_other_words_and_at_another_number(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS, numbers=2) as g:
        app = await g.connect()
        assert await says(g, "join", to=SECOND) == []  # the opt-in is for the first number
        assert await says(g, "join") == [ASK]
        assert await says(g, "si", to=SECOND) == []
        assert await refusal(app) == "no_consent"
        assert await says(g, "Si.") == [
            "Ya recibe nuestros mensajes. Responda AYUDA para ayuda, STOP para dejar de recibirlos."
        ]
        assert await refusal(app, **{"from": SECOND}) is None
        assert await says(g, "join", "SURE", peer=OTHER_PEER) == [ASK, WELCOME]


async def test_what_was_asked_too_long_ago_is_no_consent(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS, patience=20_000) as g:
        app = await g.connect()
        assert await says(g, "join") == [ASK]
        await trio.sleep(3700)
        assert await says(g, "join") == [ASK]  # once more, after a while
        await trio.sleep(7201)
        assert await says(g, "yes") == []
        assert await refusal(app) == "no_consent"


async def test_a_stop_ends_what_was_asked_and_what_was_agreed_to(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS) as g:
        app = await g.connect()
        assert await says(g, "join", "stop", "start", "yes") == [ASK, STOPPED, g.smsc.submits[-1].text]
        assert await refusal(app) == "no_consent"
        assert await says(g, "join", "yes") == [ASK, WELCOME]
        assert await refusal(app) is None
        assert await says(g, "stop") == [STOPPED]
        assert await refusal(app) == "opted_out"
        # They ask for it themselves: the question passes the block, and YES lifts it.
        assert await says(g, "join") == [ASK]
        assert await refusal(app) == "opted_out"
        assert await says(g, "yes") == [WELCOME]
        assert await refusal(app) is None
        # What somebody entered in their place no keyword undoes.
        await app.call("optout_set", peer=PEER, out=True)
        assert await says(g, "join", "yes") == []


async def test_an_app_has_somebody_asked(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS) as g:
        app = await g.connect()
        asked = await app.call("consent_ask", peer=PEER, opt_in="offers")
        assert (asked["outcome"], asked["number"]) == ("asked", NUMBER)
        again = await app.call("consent_ask", peer=PEER, opt_in="offers")
        assert again == asked | {"outcome": "pending", "id": None}
        await g.settled()
        assert [s.text for s in g.smsc.submits] == [ASK]
        shown = await app.call("consent", peer=PEER)
        assert [(one["opt_in"], one["until"]) for one in shown["asked"]] == [("offers", asked["until"])]
        assert await says(g, "yes") == [WELCOME]
        assert (await app.call("consent_ask", peer=PEER, opt_in="offers"))["outcome"] == "agreed"
        shown = await app.call("consent", peer=PEER)
        assert [(one["class"], one["how"], one["text"]) for one in shown["consents"]] == [("marketing", "keyword", ASK)]
        assert shown["asked"] == []
        await says(g, "stop")
        assert (await app.refused("consent_ask", peer=PEER, opt_in="offers")).reason == "opted_out"
        assert (await app.refused("consent_ask", peer=PEER, opt_in="other")).reason == "not_found"
        changes = (await app.call("consent_changes", peer=PEER))["changes"]
        assert [(c["change"], c["who"]) for c in changes] == [
            ("withdrawn", None),
            ("granted", None),
            ("asked", "local"),
        ]
        assert changes[-1]["message"] == asked["id"]
        assert (await app.call("message", id=asked["id"]))["meta"] == {"opt_in": "offers"}


CAPPED = '[[caps]]\nprefix = "+"\nper_hour = 2\n'


async def test_the_question_is_bounded_as_other_messages_of_the_app(autojump_clock: MockClock) -> None:
    """And needs no consent itself, whatever does."""
    async with gateway(extra=CAPPED + OFFERS.replace("[consent]", '[consent]\ntransactional = "required"')) as g:
        app = await g.connect()
        assert (await app.call("consent_ask", peer=PEER, opt_in="offers"))["outcome"] == "asked"
        await app.call("consent_ask", peer=OTHER_PEER, opt_in="offers")
        third = peers(3)[-1]
        assert (await app.refused("consent_ask", peer=third, opt_in="offers")).reason == "prefix_cap"
        assert (await app.call("consent", peer=third))["asked"] == []
        assert (await app.call("consent_changes", peer=third))["changes"] == []
        await g.settled()
        assert [s.text for s in g.smsc.submits] == [ASK] * 2


async def test_two_who_ask_at_once_ask_once(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(extra=OFFERS, run_sync=commits) as g:
        apps = [await g.connect(), await g.connect()]
        refused: list[str] = []

        async def ask(app: AppClient) -> None:
            outcome = (await app.calls([("consent_ask", {"peer": PEER, "opt_in": "offers"})]))[0]
            if isinstance(outcome, RpcError):
                refused.append(outcome.reason)

        async with trio.open_nursery() as nursery:
            commits.hold()
            for app in apps:
                nursery.start_soon(ask, app)
            await g.settled()
            commits.release()
        await g.settled()
        assert refused == ["too_many"]
        assert [s.text for s in g.smsc.submits] == [ASK]


async def test_consent_over_the_socket(autojump_clock: MockClock) -> None:
    async with gateway(extra='[consent]\nmarketing = "recorded"\n') as g:
        app = await g.connect()
        sent = await app.call("submit", to=PEER, text="x", **{"class": "marketing"})
        assert sent["warnings"] == ["no consent to messages of class marketing is on record"]
        given = await app.call(
            "consent_set", peer=PEER, granted=True, how="web", text="Offers", version="3", note="form"
        )
        (one,) = given["consents"]
        assert (given["changed"], one["scope"], one["how"], one["who"], one["text"], one["version"], one["note"]) == (
            True, "all", "web", "local", "Offers", "3", "form",
        )  # fmt: skip
        assert (await app.call("submit", to=PEER, text="y", **{"class": "marketing"}))["warnings"] == []
        for params, field in (
            ({"peer": "x"}, "peer"),
            ({"peer": PEER, "at": "2100-01-01T00:00:00Z"}, "at"),
            ({"peer": PEER, "version": "1"}, "version"),
            ({"peer": PEER, "scope": "set:none"}, "scope"),
            ({"peer": PEER, "classes": []}, "classes"),
        ):
            error = await app.refused("consent_set", granted=True, **params)
            assert (error.reason, error.field) == ("invalid_params", field)
        taken = await app.call(
            "consents_import",
            consents=[
                {"peer": OTHER_PEER, "at": "2020-05-01T00:00:00Z", "how": "paper", "text": "Offers", "version": "3"},
                {"peer": "nobody"},
                {"peer": PEER, "class": "promotional"},
                {"peer": PEER, "how": "telepathy"},
                {"peer": PEER, "at": "2020"},
            ],
        )
        assert (taken["taken"], taken["new"]) == (1, 1)
        refused = [(one["place"], one["field"]) for one in taken["refused"]]
        assert refused == [(1, "peer"), (2, "class"), (3, "how"), (4, "at")]
        listed = await app.call("consents", limit=1)
        rest = await app.call("consents", after=listed["next"])
        assert [c["peer"] for c in (*listed["consents"], *rest["consents"])] == sorted([PEER, OTHER_PEER])
        assert (await app.call("consent", peer=OTHER_PEER))["consents"][0]["at"] == "2020-05-01T00:00:00.000Z"
        gone = await app.call("consent_set", peer=PEER, granted=False)
        assert (gone["changed"], gone["consents"]) == (True, [])


APPS = """
[[apps]]
name = "crm"
token = "crm-crm-crm-crm-crm-crm-crm-crm-1"
numbers = ["+15551230001"]
[[apps]]
name = "shop"
token = "shop-shop-shop-shop-shop-shop-123"
numbers = ["+15551230002"]
"""


async def test_an_app_records_and_sees_its_own(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS, apps=APPS, numbers=2) as g:
        crm, shop = await g.connect(), await g.connect()
        await crm.call("auth", app="crm", token="crm-crm-crm-crm-crm-crm-crm-crm-1")
        await shop.call("auth", app="shop", token="shop-shop-shop-shop-shop-shop-123")
        given = await crm.call("consent_set", peer=PEER, granted=True)
        assert [(one["scope"], one["how"]) for one in given["consents"]] == [("app:crm", "api")]
        assert await refusal(crm) is None
        assert await refusal(shop) == "no_consent"
        assert (await shop.call("consent", peer=PEER))["consents"] == []
        assert (await shop.call("consent_set", peer=PEER, granted=False))["changed"] is False
        for scope in ("all", "app:crm", "set:default"):
            assert (await shop.refused("consent_set", peer=PEER, granted=False, scope=scope)).reason == "not_allowed"
        assert (await shop.refused("consent_ask", peer=PEER, opt_in="offers")).reason == "not_allowed"
        for method in ("consents", "consent_changes"):
            assert (await shop.refused(method)).reason == "not_allowed"


async def test_what_is_claimed_is_taken_back_when_consent_is_withdrawn(autojump_clock: MockClock) -> None:
    """One is on the wire and one claimed behind it, as is one that needs no consent, and goes."""
    async with gateway(carrier='window = 1\norder = "none"', extra=OFFERS, answer=lambda s: None) as g:
        app = await g.connect()
        await app.call("consent_set", peer=PEER, granted=True)
        for text in ("one", "two"):
            await app.submit(text, to=PEER, **{"class": "marketing"})
        await app.submit("code", to=PEER)
        await g.settled()
        assert [s.text for s in g.smsc.submits] == ["one"]
        await app.call("consent_set", peer=PEER, granted=False)
        g.smsc.respond(g.smsc.submits[0])
        await g.settled()
        assert [s.text for s in g.smsc.submits] == ["one", "code"]
        assert g.segments("state, reason", "state = 9") == [9]
        assert g.daemon.outbound.queue("acme").queued == 0


async def test_what_comes_with_the_withdrawal_is_not_sent(autojump_clock: MockClock) -> None:
    """They are stored and claimed in the burst in which a STOP to another number withdraws what they rest on."""
    commits = Commits()
    sets = '[[number_sets]]\nname = "b"\nnumbers = ["+15551230002"]\n'
    async with gateway(extra=OFFERS + sets, numbers=2, run_sync=commits) as g:
        app = await g.connect()
        await app.call("consent_set", peer=PEER, granted=True)  # for all numbers
        commits.hold()
        await app.write(app.request("submit", {"to": OTHER_PEER, "text": "x", "from": NUMBER})[1])
        await g.settled()
        offer = {"to": PEER, "from": NUMBER, "class": "marketing"}
        requests = [("submit", {**offer, "text": text}) for text in ("one", "two")]
        code = ("submit", {"to": PEER, "from": NUMBER, "text": "code"})
        await app.write(b"".join(app.request(*request)[1] for request in (*requests, code)))
        await g.settled()
        deliver(g, "STOP", to=SECOND)
        await g.settled()
        commits.release()
        await g.settled()
        assert [s.text for s in g.smsc.submits if s.peer == PEER] == ["code", STOPPED]
        assert g.segments("reason", "state = 9") == ["no_consent"] * 2


RULES = """
[[rules]]
name = "hello"
reply = "We got that."
"""


async def test_a_rule_that_replies_takes_the_place_of_the_welcome_and_not_of_the_question(
    autojump_clock: MockClock,
) -> None:
    async with gateway(extra="[limits]\nreply_interval = 1\n" + OFFERS + RULES) as g:
        app = await g.connect()
        assert sorted(await says(g, "join")) == [ASK, "We got that."]
        await trio.sleep(2)
        assert await says(g, "yes") == ["We got that."]
        assert await refusal(app) is None


HELD = """
state = "held"
held_until = 2099-01-01
inbound_when_held = "none"
"""


async def test_a_number_that_nobody_hears_asks_nothing(autojump_clock: MockClock) -> None:
    async with gateway(extra=OFFERS) as g:
        g.config.write_text(g.config.read_text() + HELD)
        app = await g.connect()
        assert await says(g, "join") == [ASK]
        await app.call("reload")
        assert await says(g, "yes", "join", peer=OTHER_PEER) == []
        assert (await app.refused("consent_ask", peer=OTHER_PEER, opt_in="offers")).reason == "number_held"
        # Who was asked before may still say YES.
        assert await says(g, "yes") == []
        assert [one["how"] for one in (await app.call("consent", peer=PEER))["consents"]] == ["keyword"]
