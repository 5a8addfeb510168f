"""Threads over the socket: listed, shown, read, assigned; each app its own numbers', each answer with its texts."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import MockClock

from gateway.store import conversation
from tests.flow.test_socket_apps import APPS, connect
from tests.support.apps import AppClient
from tests.support.daemons import Gateway, gateway
from tests.support.httpd import Server
from tests.support.smsc import peers

ANN, BOB, COY = peers(3)
FIRST, SECOND, THIRD = (f"+1555123000{i}" for i in (1, 2, 3))


async def tell(g: Gateway, peer: str, text: str, number: str = FIRST) -> None:
    """An inbound message that is stored and acknowledged when this returns; a second later."""
    await g.tell(text, peer=peer, number=number)
    await trio.sleep(1)


async def listed(app: AppClient, **given: Any) -> list[tuple[str, str, int]]:
    return [(t["number"], t["peer"], t["unread"]) for t in (await app.call("threads", **given))["threads"]]


async def test_a_conversation_from_its_first_message_to_its_answer(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        assert await app.call("threads") == {"threads": [], "next": None}
        await tell(g, ANN, "Are you there?")
        sent = await app.call("submit", to=ANN, text="Yes")
        await g.smsc.came(1)
        await trio.sleep(1)
        await tell(g, ANN, "Good")
        (thread,) = (await app.call("threads", text=True))["threads"]
        assert thread == {
            "number": FIRST,
            "peer": ANN,
            "name": None,
            "unread": 2,
            "needs_attention": False,
            "assigned": None,
            "first_at": "2025-10-09T08:53:20.000Z",
            "last_at": "2025-10-09T08:53:22.000Z",
            "last_id": thread["last_id"],
            "text": "Good",
        }
        found = await app.call("thread", number=FIRST, peer="+1 (212) 555-0000", text=True)
        assert found["thread"] == {name: value for name, value in thread.items() if name != "text"}
        assert [(m["direction"], m["text"]) for m in found["messages"]] == [
            ("in", "Good"),
            ("out", "Yes"),
            ("in", "Are you there?"),
        ]
        assert found["next"] is None
        came, went, _ = found["messages"]
        assert came == {
            "direction": "in",
            "id": thread["last_id"],
            "at": "2025-10-09T08:53:22.000Z",
            "carrier": "acme",
            "encoding": "gsm7",
            "segments": 1,
            "complete": True,
            "text": "Good",
        }
        assert (went["id"], went["app"], went["class"]) == (sent["id"], "local", "transactional")
        assert "text" not in (await app.call("thread", number=FIRST, peer=ANN))["messages"][0]


async def test_what_was_read_is_so_up_to_there(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await tell(g, ANN, "1")
        seen = (await app.call("threads"))["threads"][0]["last_id"]
        await tell(g, ANN, "2")
        await tell(g, BOB, "3")
        assert (await app.call("thread_set", number=FIRST, peer=ANN, read_up_to=seen))["unread"] == 1
        assert await listed(app, unread=True) == [(FIRST, BOB, 1), (FIRST, ANN, 1)]
        last = (await app.call("threads", peer=ANN))["threads"][0]["last_id"]
        await app.call("thread_set", number=FIRST, peer=ANN, read_up_to=last)
        assert await listed(app, unread=True) == [(FIRST, BOB, 1)]
        assert await listed(app) == [(FIRST, BOB, 1), (FIRST, ANN, 0)]


async def test_attention_lasts_until_somebody_answers(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2) as g:
        app = await g.connect()
        await tell(g, ANN, "Help")
        await tell(g, BOB, "Hello")
        assert (await app.call("thread_set", number=FIRST, peer=ANN, attention=True))["needs_attention"]
        assert await listed(app, attention=True) == [(FIRST, ANN, 1)]
        for given in ({"from": SECOND}, {"from": FIRST, "class": "marketing"}):
            await app.call("submit", to=ANN, text="News", **given)
            assert await listed(app, attention=True) == [(FIRST, ANN, 1)], given
        await app.call("submit", to=ANN, text="Coming", **{"from": FIRST})
        assert await listed(app, attention=True) == []
        assert [t["needs_attention"] for t in (await app.call("threads"))["threads"]] == [False, False]
        await tell(g, ANN, "And now?")
        assert (await app.call("thread_set", number=FIRST, peer=ANN, attention=True))["needs_attention"]
        assert not (await app.call("thread_set", number=FIRST, peer=ANN, attention=False))["needs_attention"]


RULES = """
[[rules]]
name = "urgent"
contains = ["fire"]
urgent = true
tags = ["alarm"]
reply = "We are told."
"""


async def test_what_a_rule_calls_urgent_needs_attention_until_a_person_answers(autojump_clock: MockClock) -> None:
    async with gateway(extra=RULES) as g:
        app = await g.connect()
        await tell(g, BOB, "Hello")
        await tell(g, ANN, "fire!")
        await g.smsc.came(1)
        await tell(g, ANN, "thanks")
        assert await listed(app, attention=True) == [(FIRST, ANN, 2)], "its automatic reply is no answer"
        messages = (await app.call("thread", number=FIRST, peer=ANN, text=True))["messages"]
        assert [(m["direction"], m["text"], m.get("urgent"), m.get("tags")) for m in messages] == [
            ("in", "thanks", None, None),
            ("out", "We are told.", None, None),
            ("in", "fire!", True, ["alarm"]),
        ]
        assert (await app.call("replies"))["unasked"] == 3
        await app.call("submit", to=ANN, text="Coming")
        assert await listed(app, attention=True) == []


async def test_what_a_rule_sent_is_no_answer(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await tell(g, ANN, "Help")
        await app.call("thread_set", number=FIRST, peer=ANN, attention=True)
        await app.call("submit", to=ANN, text="We are closed")
        con = g.daemon.store.read_now(lambda con: con)
        con.execute("UPDATE message SET door = 'reply'")
        assert await listed(app, attention=True) == [(FIRST, ANN, 1)]
        con.execute("UPDATE message SET door = 'socket'")
        assert await listed(app, attention=True) == []


async def test_a_thread_is_the_owners_until_it_is_assigned(autojump_clock: MockClock) -> None:
    owned = f'[[numbers]]\nnumber = "{SECOND}"\ncarrier = "acme"\nowner = "ann"\n'
    owned += f'[[numbers]]\nnumber = "{THIRD}"\ncarrier = "acme"\ngroup = "sales"\n'
    owned += '[groups.sales]\nmembers = [{ name = "Ann", phone = "+12125550199" }]\n'
    async with gateway(extra=owned) as g:
        app = await g.connect()
        await tell(g, ANN, "0", THIRD)
        assert [t["assigned"] for t in (await app.call("threads"))["threads"]] == ["sales"]
        await tell(g, ANN, "1", SECOND)
        await tell(g, BOB, "2", SECOND)
        assert [t["assigned"] for t in (await app.call("threads"))["threads"]] == ["ann", "ann", "sales"]
        assert (await app.call("thread_set", number=SECOND, peer=BOB, assigned="cat"))["assigned"] == "cat"
        assert await listed(app, assigned="cat") == [(SECOND, BOB, 1)]
        assert await listed(app, assigned="ann") == [(SECOND, ANN, 1)]
        assert (await app.call("thread_set", number=SECOND, peer=BOB, assigned=None))["assigned"] == "ann"


async def test_an_app_sees_the_threads_of_its_numbers(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, two, boss = [await connect(g, name) for name in ("one", "two", "boss")]
        for number in (FIRST, SECOND, THIRD):
            await tell(g, ANN, "Hi", number)
        assert await listed(one) == [(FIRST, ANN, 1)]
        assert await listed(two) == [(THIRD, ANN, 1), (SECOND, ANN, 1)]
        assert await listed(two, number=SECOND) == [(SECOND, ANN, 1)]
        assert len(await listed(boss)) == 3
        for method, given in (
            ("threads", {}),
            ("thread", {"peer": ANN}),
            ("thread_set", {"peer": ANN, "attention": True}),
        ):
            answers = [await one.refused(method, number=number, **given) for number in (SECOND, "+15559999999")]
            assert {str(e).replace(SECOND, "N") for e in answers} == {str(answers[0])}
            assert [(e.reason, e.field) for e in answers] == [("not_found", "number")] * 2, method
        assert not any(t["needs_attention"] for t in (await boss.call("threads"))["threads"])


async def test_of_a_shared_number_an_app_sees_what_it_sent(autojump_clock: MockClock) -> None:
    apps = APPS.replace('"+15551230003"]', '"+15551230001"]')
    async with gateway(apps=apps, numbers=3) as g:
        one, two, boss = [await connect(g, name) for name in ("one", "two", "boss")]
        await tell(g, ANN, "Hi")
        await one.call("submit", to=ANN, text="from one", **{"from": FIRST})
        await two.call("submit", to=ANN, text="from two", **{"from": FIRST})

        async def texts(app: AppClient) -> list[str]:
            return [m["text"] for m in (await app.call("thread", number=FIRST, peer=ANN, text=True))["messages"]]

        assert await texts(one) == ["from one", "Hi"]
        assert await texts(two) == ["from two", "Hi"]
        assert await texts(boss) == ["from two", "from one", "Hi"]


async def test_pages_have_each_thread_and_each_message_once(autojump_clock: MockClock, monkeypatch: Any) -> None:
    """Also where a page looked at as many messages as it may and found few."""
    monkeypatch.setattr(conversation, "SCAN_ROWS", 3)
    async with gateway(numbers=2) as g:
        app = await g.connect()
        order = [ANN, BOB, ANN, ANN, COY, ANN, BOB, ANN, ANN, ANN]
        for place, peer in enumerate(order):
            await tell(g, peer, str(place), FIRST if peer != COY else SECOND)
            if place % 3 == 0:
                await app.call("submit", to=peer, text=f"out {place}", **{"from": FIRST})
                await trio.sleep(1)
        for limit in (1, 2, 50):
            threads, pages = await paged(app, "threads", limit=limit)
            assert [(t["peer"], t["unread"]) for t in threads] == [(ANN, 7), (BOB, 2), (COY, 1)]
            assert pages >= 4
            (only, _) = await paged(app, "threads", limit=limit, number=SECOND)
            assert [t["peer"] for t in only] == [COY]
            messages, _ = await paged(app, "thread", number=FIRST, peer=ANN, text=True, limit=limit)
            assert [m["text"] for m in messages] == [
                "out 9", "9", "8", "7", "5", "out 3", "3", "2", "out 0", "0",
            ]  # fmt: skip


async def paged(app: AppClient, method: str, **given: Any) -> tuple[list[dict[str, Any]], int]:
    """All of a method's pages put together, and how many there were."""
    found: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    for page in range(1, 60):
        answer = await app.call(method, **given, **before)
        found += answer["messages" if method == "thread" else "threads"]
        if answer["next"] is None:
            return found, page
        before = {"before": answer["next"]}
    raise AssertionError("it does not end")


async def test_what_is_wrong_is_named(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await tell(g, ANN, "Hi")
        pair = {"number": FIRST, "peer": ANN}
        for method, given, reason, field in (
            ("threads", {"limit": 0}, "invalid_params", "limit"),
            ("threads", {"before": "x"}, "not_found", "before"),
            ("thread", pair | {"limit": 501}, "invalid_params", "limit"),
            ("thread", {"number": FIRST, "peer": BOB}, "not_found", "peer"),
            ("thread_set", pair, "invalid_params", "read_up_to"),
            ("thread_set", pair | {"read_up_to": "x"}, "not_found", "read_up_to"),
            ("thread_set", pair | {"assigned": ""}, "invalid_params", "assigned"),
            ("thread_set", pair | {"assigned": "a\x1bb"}, "invalid_params", "assigned"),
            ("thread_set", pair | {"assigned": "x" * 65}, "invalid_params", "assigned"),
            ("thread_set", {"number": FIRST, "peer": BOB, "attention": True}, "not_found", "peer"),
        ):
            error = await app.refused(method, **given)
            assert (error.reason, error.field) == (reason, field), (method, given)


async def test_a_webhook_that_asks_for_strangers_is_told_of_them(nursery: trio.Nursery) -> None:
    server = await nursery.start(Server().run)
    webhook = f"""
[[handlers]]
name = "crm"
webhook = "{server.url}"
secret = "correct-horse-battery"
allow_private = true
concurrency = 1
events = ["peer.created", "inbound"]
[[numbers]]
number = "{SECOND}"
carrier = "acme"
handlers = ["crm"]
owner = "ann"
"""
    async with gateway(extra=webhook) as g:
        await tell(g, BOB, "Not its number", FIRST)
        await tell(g, ANN, "Hi", SECOND)
        await tell(g, ANN, "Hi", SECOND)
        await g.until(lambda: len(server.requests) == 3)
    told = [request.json for request in server.requests]
    assert [(t["type"], t["peer"], t["owner"]) for t in told] == [
        ("peer.created", ANN, "ann"),
        ("inbound", ANN, "ann"),
        ("inbound", ANN, "ann"),
    ]
    assert told[0]["id"] == told[1]["id"]


async def test_a_stranger_is_told_of_before_the_message(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("submit", to=BOB, text="Hello")
        await app.call("subscribe", events=["inbound", "peer.created"])
        for peer in (ANN, BOB, ANN):
            await tell(g, peer, "Hi")
        events = [(e["method"], e["params"]["peer"]) for e in app.events]
        assert events == [("peer.created", ANN), ("inbound", ANN), ("inbound", BOB), ("inbound", ANN)]
        created, inbound = (e["params"] for e in app.events[:2])
        assert created == {
            "event_id": inbound["event_id"].partition("-")[0] + "-1",
            "redelivered": False,
            "at": inbound["at"],
            "id": inbound["id"],
            "number": FIRST,
            "peer": ANN,
        }
