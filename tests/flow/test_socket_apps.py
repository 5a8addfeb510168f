"""Who an application is, and that it sees and does nothing but its own."""

from __future__ import annotations

import json
import os

import pytest
import trio
from trio.testing import MockClock

from gateway.settings.own import OWN_APP
from tests.support.apps import AppClient, RpcError
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import peers, withhold

TOKEN = {name: f"{name}-" + "t" * 20 for name in ("one", "two", "boss")}
APPS = f"""
[[apps]]
name = "one"
token = "{TOKEN["one"]}"
numbers = ["+15551230001"]
[[apps]]
name = "two"
token = "{TOKEN["two"]}"
numbers = ["+15551230002", "+15551230003"]
[[apps]]
name = "boss"
token = "{TOKEN["boss"]}"
admin = true
binary = true
"""
TO = peers(1)[0]


async def connect(g: Gateway, name: str | None) -> AppClient:
    """A connection of an app, or of a user whom the kernel's credentials do not tell."""
    g.daemon.server.by_uid = lambda uid: None  # type: ignore[method-assign]
    app = await g.connect()
    if name is not None:
        assert await app.call("auth", app=name, token=TOKEN[name]) == {"app": name}
    return app


async def test_nothing_is_done_before_auth(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        app = await connect(g, None)
        for method, params in (
            ("submit", {"to": TO, "text": "x", "from": "+15551230001"}),
            ("message", {"id": "x"}),
            ("status", {}),
            ("ack", {"up_to": "1-1"}),
            ("subscribe", {}),
            ("reload", {}),
            ("nonsense", {}),
        ):
            error = await app.refused(method, **params)
            assert (error.code, error.reason) == (-32000, "not_authenticated"), method
        assert not g.segments()
        # Not even within one write with it.
        outcomes = await app.calls(
            [
                ("submit", {"to": TO, "text": "before"}),
                ("auth", {"app": "one", "token": TOKEN["one"]}),
                ("submit", {"to": TO, "text": "after"}),
            ]
        )
        assert isinstance(outcomes[0], RpcError)
        assert outcomes[1:] == [{"app": "one"}, outcomes[2]]
        await g.smsc.came(1)
        await g.settled()
        assert g.smsc.texts == ["after"]
        assert g.segments("app") == ["one"]


@pytest.mark.parametrize(
    "params",
    [
        {"app": "one", "token": "wrong"},
        {"app": "one", "token": ""},
        {"app": "one", "token": TOKEN["two"]},
        {"app": "nobody", "token": TOKEN["one"]},
        {"app": "", "token": ""},
        {"app": "one", "token": "\u0000"},
        {"app": "nobody", "token": "\u0000"},
        {"app": "operator", "token": ""},
        {"app": "local", "token": ""},
        {"app": "one", "token": "ä" * 50},
    ],
)
async def test_a_wrong_name_and_a_wrong_token_are_the_same(autojump_clock: MockClock, params: dict[str, str]) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        app = await connect(g, None)
        before = trio.current_time()
        error = await app.refused("auth", **params)
        assert json.loads(str(error)) == {
            "code": -32000,
            "message": "unknown app or wrong token",
            "data": {"reason": "auth_failed"},
        }
        assert trio.current_time() - before == pytest.approx(1, abs=0.01)
        # Others do not wait for who guesses.
        before = trio.current_time()
        await connect(g, "one")
        assert trio.current_time() - before < 0.1
        assert (await app.refused("status")).reason == "not_authenticated"
        assert (await app.refused("auth", app="one")).field == "token"
        assert (await app.refused("auth", app="one", tokne="x")).field == "tokne"


def test_users_are_known_by_their_uid() -> None:
    from gateway.doors.socket import SocketServer
    from gateway.settings import App, Settings

    me = os.geteuid()
    server = SocketServer(None, Settings())  # type: ignore[arg-type]
    local = server.by_uid(12345)
    assert local is not None
    assert (local.name, local.numbers, local.admin, local.binary) == ("local", None, True, True)
    server.configure(Settings(apps=(App(name="one", uid=(12345, 12346), numbers=("+15551230001",)),)))
    names = {uid: getattr(server.by_uid(uid), "name", None) for uid in (12345, 12346, 12347, 0, me)}
    assert names == {12345: "one", 12346: "one", 12347: None, 0: "operator", me: "operator"}
    app = server.by_uid(12345)
    assert app is not None
    assert (app.numbers, app.admin, app.binary) == (frozenset({"+15551230001"}), False, False)


async def test_what_belongs_to_another_is_as_if_it_were_not_there(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3, answer=withhold, carrier="window = 1") as g:
        one, two, boss = await connect(g, "one"), await connect(g, "two"), await connect(g, "boss")
        ids = await two.submits([{"to": p, "text": "secret", "from": "+15551230002"} for p in peers(5)])
        mine = await one.submit("mine")
        foreign, unknown = ids[-1], "0199c82c-c000-7000-8000-000000000000"
        for method in ("message", "history", "cancel"):
            answers = [str(await one.refused(method, id=id)) for id in (foreign, unknown, "garbage")]
            assert len(set(answers)) == 1, answers
            assert json.loads(answers[0])["data"]["reason"] == "not_found"
        assert (await two.message(foreign))["state"] == "queued", "cancelled by another"
        found = await one.call("message", ids=[foreign, mine, unknown, ids[0]], text=True)
        assert [m["id"] for m in found["messages"]] == [mine]
        # Nor does a page, or where the next begins, tell of others.
        for params in ({}, {"app": "two"}, {"number": "+15551230001"}):
            page = await one.call("messages", limit=1, **params)
            assert [m["id"] for m in page["messages"]] == [mine], params
        for params in ({"peer": peers(5)[4]}, {"number": "+15551230002"}, {"app": "two", "peer": peers(5)[4]}):
            assert await one.call("messages", limit=1, **params) == {"messages": [], "next": None}, params
        assert len((await boss.call("messages"))["messages"]) == 6
        assert (await boss.call("message", id=foreign))["app"] == "two"


async def test_numbers_of_others_are_as_if_they_were_not_there(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, two = await connect(g, "one"), await connect(g, "two")
        for method in ("submit", "preview"):
            answers = [
                str(await one.refused(method, **{"to": TO, "text": "x", "from": number}))
                for number in ("+15551230002", "+15559999999")
            ]
            assert answers[0] == answers[1]
            assert json.loads(answers[0])["data"] == {
                "reason": "invalid_from",
                "field": "from",
                "detail": json.loads(answers[0])["data"]["detail"],
            }
        answers = [str(await one.refused("subscribe", numbers=[n])) for n in ("+15551230002", "+15559999999")]
        assert answers[0] == answers[1]
        # The only number of an app is its sender; of two one is chosen, and never another app's.
        assert (await one.call("submit", to=TO, text="x"))["from"] == "+15551230001"
        assert (await two.call("submit", to=TO, text="x"))["from"] in ("+15551230002", "+15551230003")
        assert (await two.call("submit", to=TO, text="x", **{"from": "+1 555 123 0003"}))["from"] == "+15551230003"


async def test_receipts_and_references_are_an_apps_own(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3, answer=lambda _: 0x0B) as g:
        one, two, boss = await connect(g, "one"), await connect(g, "two"), await connect(g, "boss")
        for app in (one, two, boss):
            await app.call("subscribe")
        first = await one.call("submit", to=TO, text="x", ref="r")
        second = await two.call("submit", to=TO, text="y", ref="r", **{"from": "+15551230002"})
        assert first["id"] != second["id"]
        assert not second["duplicate"]
        (a,) = await one.notified(1)
        (b,) = await two.notified(1)
        await g.settled()
        assert (a["id"], b["id"]) == (first["id"], second["id"])
        assert not boss.events
        # Nobody acknowledges for another.
        assert (await one.refused("ack", event_ids=[b["event_id"]])).reason == "not_found"
        assert (await one.refused("ack", up_to=b["event_id"])).reason == "not_found"
        assert (await one.refused("unsubscribe", name="other")).reason == "not_found"


async def test_subscriptions_of_one_name_are_different_for_each_app(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, two = await connect(g, "one"), await connect(g, "two")
        await one.call("subscribe", name="n")
        await two.call("subscribe", name="n")
        await g.settled()
        assert not one.of("replaced")
        await two.call("unsubscribe", name="n")
        assert (await two.refused("unsubscribe", name="n")).reason == "not_found"
        await one.call("unsubscribe", name="n")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("reload", {}),
        ("resolve", {"action": "fail", "ids": []}),
        ("resolve", {"action": "resend", "carrier": "acme"}),
        ("capture", {"carrier": "acme"}),
        ("carrier", {"name": "acme", "action": "rebind"}),
    ],
)
async def test_what_is_for_operators(autojump_clock: MockClock, method: str, params: dict[str, object]) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, boss = await connect(g, "one"), await connect(g, "boss")
        error = await one.refused(method, **params)
        assert (error.code, error.reason) == (-32000, "not_allowed")
        if method == "resolve":
            assert await boss.call(method, **params) == {"resolved": 0}


async def test_status_shows_an_app_its_own_part(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3, carrier="window = 1", answer=withhold) as g:
        one, two, boss = await connect(g, "one"), await connect(g, "two"), await connect(g, "boss")
        await two.call("subscribe", name="of-two")
        await two.submits([{"to": p, "text": "x", "from": "+15551230002"} for p in peers(5)])
        shown = json.dumps(await one.call("status"))
        for word in ("two", "boss", "of-two", "smsc.example", "+15551230002"):
            assert word not in shown, word
        everything = json.dumps(await boss.call("status"))
        for word in ("two", "of-two"):
            assert word in everything, word


@pytest.mark.parametrize(
    ("params", "field"),
    [({"data": "00ff"}, "data"), ({"text": "x", "udh": "0400030102"}, "udh")],
)
async def test_binary_messages_need_a_right(autojump_clock: MockClock, params: dict[str, str], field: str) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, boss = await connect(g, "one"), await connect(g, "boss")
        error = await one.refused("submit", to=TO, **params)
        assert (error.code, error.reason, error.field) == (-32000, "not_allowed", field)
        if field == "data":
            await boss.call("submit", to=TO, **(params | {"from": "+15551230001"}))
            (submit,) = await g.smsc.came(1)
            assert (submit.pdu.short_message, submit.pdu.data_coding) == (b"\x00\xff", 4)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("optout", {"peer": TO}),
        ("optout", {"peer": TO, "number": "+15551230001"}),
        ("messages", {}),
        ("messages", {"peer": TO}),
        ("events", {}),
        ("events", {"subscription": "default"}),
        ("replay", {"subscription": "default", "dead": True}),
        ("balance_entries", {}),
        ("balance_add", {"segments": 1}),
        ("route", {"to": TO}),
    ],
)
async def test_an_app_that_there_is_not_is_said_with_the_nearest_one(
    autojump_clock: MockClock, method: str, params: dict[str, object]
) -> None:
    """It is no answer for all, nor for nobody."""
    async with gateway(apps=APPS.replace('"two"', '"twofold"'), numbers=3) as g:
        boss = await connect(g, "boss")
        await boss.call("optout_set", peer=TO, out=True, scope="number:+15551230003")
        for name, hint in (("twofoldd", "; did you mean twofold?"), ("xyz" * 20, "")):
            error = await boss.refused(method, app=name, **params)
            assert (error.reason, error.field) == ("invalid_params", "app")
            assert error.data["detail"].startswith(f"no app '{name[:40]}'")
            assert error.data["detail"].endswith(hint or "in the configuration")
        if method != "messages":  # whose `app` is for operators alone
            one = await connect(g, "one")
            assert (await one.refused(method, app="twofoldd", **params)).reason == "not_allowed"


async def test_apps_that_there_were_and_that_are_nobodys_are_looked_for(autojump_clock: MockClock) -> None:
    """The operator's and the gateway's own messages, and what is left of an app that is gone."""
    async with gateway(apps=APPS, numbers=3) as g:
        boss = await connect(g, "boss")
        two = await connect(g, "two")
        id = await two.submit("x", to=TO, from_="+15551230002")
        await boss.call("optout_set", peer=TO, out=True, scope="number:+15551230003")
        await two.call("optout_set", peer=TO, out=True)
        for app in ("operator", OWN_APP, "two", "boss"):
            assert (await boss.call("optout", peer=TO, app=app))["opted_out"], app
        assert not (await boss.call("optout", peer=TO, app="one"))["opted_out"]
        g.config.write_text(g.config.read_text().replace('name = "two"', 'name = "three"'))
        await boss.call("reload")
        assert [m["id"] for m in (await boss.call("messages", app="two"))["messages"]] == [id]
        assert (await boss.call("messages", app="operator"))["messages"] == []
        assert (await boss.call("balance_entries", app="three"))["entries"] == []
        assert (await boss.refused("optout", peer=TO, app="two")).reason == "invalid_params"
        # What its people are listed with is taken back, and nothing is entered for it any more.
        for given in ({"out": True}, {"out": False, "peer": peers(2)[1]}):
            error = await boss.refused("optout_set", **{"peer": TO, "scope": "app:two"} | given)
            assert (error.reason, error.field) == ("invalid_params", "scope")
        assert (await boss.call("optout_set", peer=TO, out=False, scope="app:two"))["changed"]
