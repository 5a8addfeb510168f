"""A number for who names none: the peer's own, asked of the database before a message is planned, in the same order."""

from __future__ import annotations

from collections import Counter

import pytest
from trio.testing import MockClock

from tests.support.apps import AppClient, RpcError
from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import peers, withhold

FIRST, SECOND, THIRD = (f"+1555123000{i}" for i in (1, 2, 3))
PEER = "+12125550000"


def reads(g: Gateway) -> list[str]:
    """The statements of facts, as they are run from now on."""
    seen: list[str] = []

    def trace(sql: str) -> None:
        if "t.first_at >=" in sql:
            seen.append(sql)

    g.daemon.store.read_now(lambda con: con).set_trace_callback(trace)
    return seen


async def senders(app: AppClient, phones: list[str]) -> list[str]:
    replies = await app.calls([("submit", {"to": phone, "text": "x"}) for phone in phones])
    return [reply["from"] for reply in replies]


async def test_who_wrote_to_a_number_goes_on_hearing_from_it(autojump_clock: MockClock) -> None:
    phones = peers(6)
    async with gateway(numbers=3) as g:
        app = await g.connect()
        before = dict(zip(phones, await senders(app, phones), strict=True))
        for phone, number in zip(phones, (FIRST, SECOND, THIRD) * 2, strict=True):
            await g.tell("hello", peer=phone, number=number)
        assert await senders(app, phones) == [FIRST, SECOND, THIRD] * 2
        # Who wrote to several has the one that they wrote to last, also when that is an old thread.
        await g.tell("hello", peer=phones[0], number=SECOND)
        assert await senders(app, phones[:1]) == [SECOND]
        await g.tell("hello", peer=phones[0], number=FIRST)
        assert await senders(app, phones[:1]) == [FIRST]
        # A peer who wrote to none keeps the one it had.
        assert before != dict(zip(phones, await senders(app, phones), strict=True))
        for method in ("preview", "route"):
            params = {"to": phones[4], "text": "x"} if method == "preview" else {"to": phones[4]}
            assert (await app.call(method, **params))["from"] == SECOND


async def test_who_wrote_to_none_has_the_same_each_time(autojump_clock: MockClock) -> None:
    phones = peers(60)
    async with gateway(numbers=3) as g:
        app = await g.connect()
        given = await senders(app, phones)
        assert set(given) == {FIRST, SECOND, THIRD}
        assert min(Counter(given).values()) > 8
        assert await senders(app, phones) == given
        assert [(await app.call("preview", to=p, text="x"))["from"] for p in phones[:5]] == given[:5]


async def test_one_read_for_a_burst_and_none_where_it_tells_nothing(autojump_clock: MockClock) -> None:
    async with gateway(numbers=3) as g:
        app = await g.connect()
        seen = reads(g)
        await senders(app, peers(64))
        assert len(seen) == 1
        await app.submits([{"to": phone, "text": "x", "from": FIRST} for phone in peers(8)])
        await app.refused("submit", to="+447700900123", text="none of them is for there")
        assert len(seen) == 1
    async with gateway(numbers=1) as g:
        app = await g.connect()
        seen = reads(g)
        assert await senders(app, [PEER]) == [FIRST]
        assert not seen


async def test_what_is_asked_about_keeps_its_place(autojump_clock: MockClock) -> None:
    """In front of what comes later to the same phone, and in the replies; others do not wait for it on the wire."""
    async with gateway(numbers=2, answer=withhold, carrier="window = 20") as g:
        app = await g.connect()
        await g.tell("hello", peer=PEER, number=SECOND)
        other = "+12125550001"
        requests = [
            {"to": PEER, "text": "1"},
            {"to": "nobody", "text": "refused"},
            {"to": PEER, "text": "2", "from": SECOND},
            {"to": other, "text": "other", "from": FIRST},
            {"to": PEER, "text": "3"},
            {"to": "+447700900123", "text": "refused too"},
            {"to": PEER, "text": "4", "from": SECOND},
        ]
        count = len(app.lines)
        outcomes = await app.calls([("submit", request) for request in requests])
        assert [getattr(one, "reason", None) or one["from"] for one in outcomes] == [
            SECOND, "invalid_to", SECOND, FIRST, SECOND, "no_sender", SECOND
        ]  # fmt: skip
        ids = [line["id"] for line in app.lines[count:]]
        assert ids == sorted(ids)
        assert len(ids) == len(requests)
        for n in range(1, 5):
            await g.smsc.until(lambda n=n: f"{n}" in g.smsc.texts)
            g.smsc.respond(next(s for s in g.smsc.unanswered if s.text == f"{n}"))
        texts = g.smsc.texts
        assert [text for text in texts if text != "other"] == ["1", "2", "3", "4"]
        assert texts[0] == "other"
        assert not g.daemon.outbound.intake.ahead.peers


async def test_a_ref_holds_whichever_way_a_request_goes(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2) as g:
        app = await g.connect()
        asked, named = {"to": PEER, "text": "x", "ref": "a"}, {"to": PEER, "text": "y", "from": FIRST, "ref": "b"}
        first = await app.calls([("submit", asked), ("submit", named)])
        again = await app.calls([("submit", named), ("submit", asked), ("submit", {**asked, "ref": "c"})])
        assert [one["id"] for one in again[:2]] == [first[1]["id"], first[0]["id"]]
        assert [one["duplicate"] for one in again] == [True, True, False]
        conflict = await app.refused("submit", **{**asked, "text": "z"})
        assert conflict.reason == "ref_conflict"


async def test_a_store_that_fails_refuses_it(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(numbers=2, run_sync=commits) as g:
        app = await g.connect()
        commits.fill_disk()
        failed = await app.calls([("submit", {"to": PEER, "text": "x"}), ("submit", {"to": PEER, "text": "y"})])
        assert [one.reason for one in failed if isinstance(one, RpcError)] == ["store_unavailable"] * 2
        assert failed[0].code == -32001
        assert not g.daemon.outbound.intake.ahead.peers
        commits.heal()
        await app.until_state(await app.submit("z", to=PEER), "sent")


async def test_what_is_asked_about_when_the_daemon_stops_is_stored_before_it_ends(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(numbers=2, run_sync=commits) as g:
        app = await g.connect()
        commits.hold()
        _, line = app.request("submit", {"to": PEER, "text": "x"})
        await app.write(line)
        await g.settled()
        assert g.daemon.outbound.intake.ahead.peers == {PEER: 1}
        g.daemon.stop()
        await g.settled()
        commits.release()
        await app.end()
        assert app.lines[-1]["result"]["state"] == "queued"


POOLS = """
[[numbers]]
number = "+447700900100"
carrier = "acme"
[[numbers]]
number = "ACME"
carrier = "acme"
[pools.two]
numbers = ["+15551230002", "+15551230003"]
[pools.names]
numbers = ["ACME", "+15551230001"]
[[apps]]
name = "one"
token = "abcdef0123456789"
pool = "two"
numbers = ["+15551230001", "+15551230002", "+15551230003", "ACME"]
countries = ["*"]
[[apps]]
name = "other"
token = "0123456789abcdef"
numbers = ["+447700900100", "ACME"]
"""
TOKENS = {"one": "abcdef0123456789", "other": "0123456789abcdef"}


async def as_app(g: Gateway, name: str) -> AppClient:
    app = await g.connect()
    await app.call("auth", app=name, token=TOKENS[name])
    return app


async def test_a_pool_is_the_apps_or_named(autojump_clock: MockClock) -> None:
    async with gateway(numbers=3, apps=POOLS) as g:
        one, other = await as_app(g, "one"), await as_app(g, "other")
        phones = peers(20)
        assert set(await senders(one, phones)) == {SECOND, THIRD}
        # What the phone wrote to is chosen only where it is of the pool.
        await g.tell("hello", peer=PEER, number=FIRST)
        assert await senders(one, [PEER]) != [FIRST]
        await g.tell("hello", peer=PEER, number=THIRD)
        assert await senders(one, [PEER]) == [THIRD]
        assert (await one.call("submit", to=PEER, text="x", from_="pool:names"))["from"] == FIRST
        # Of a pool of others nothing is left, and it is as if it were not there.
        said = [str(await other.refused("submit", to="+447700900123", text="x", **{"from": f"pool:{name}"}))
                for name in ("two", "nosuch")]  # fmt: skip
        assert said[0] == said[1]
        assert (await other.refused("submit", to="+447700900123", text="x", from_="pool:two")).reason == "invalid_from"
        assert (await other.call("submit", to="+447700900123", text="x", from_="pool:names"))["from"] == "ACME"
        shown = await one.call("preview", to=PEER, text="x", from_="pool:two")
        assert shown["sender"] == {
            "why": "thread",
            "detail": "of those that fit it is the one that the phone wrote to last",
            "numbers": [{"number": SECOND, "lacks": None}, {"number": THIRD, "lacks": None}],
        }
        found = await one.call("route", to=PEER, from_="pool:names")
        assert [(n["number"], n["lacks"]) for n in found["sender"]["numbers"]] == [(FIRST, None), ("ACME", "name")]


NOT_THERE = [
    ("one", "+442083661177", {}, "fixed_line", "to"),
    ("one", "+19002345678", {}, "premium_rate", "to"),
    ("other", PEER, {}, "country_not_allowed", "to"),
    ("one", PEER, {"from": "ACME"}, "sender_not_allowed", "from"),
    ("other", "+447700900123", {"from": "ACME", "class": "direct"}, "sender_one_way", "from"),
    ("one", "+447700900123", {}, "no_sender", "from"),
]


@pytest.mark.parametrize(("name", "to", "params", "reason", "field"), NOT_THERE)
async def test_what_may_not_go_there_is_refused(
    autojump_clock: MockClock, name: str, to: str, params: dict[str, str], reason: str, field: str
) -> None:
    async with gateway(numbers=3, apps=POOLS) as g:
        app = await as_app(g, name)
        for method in ("submit", "preview"):
            error = await app.refused(method, to=to, text="x", **params)
            assert (error.reason, error.field, error.code) == (reason, field, -32000)
        refused = g.daemon.metrics.app_refused.labels(name, reason)
        assert refused._value.get() == 1


async def test_a_name_that_is_not_registered_goes_with_a_warning(autojump_clock: MockClock) -> None:
    async with gateway(numbers=3, apps=POOLS) as g:
        app = await as_app(g, "one")
        taken = await app.call("submit", to="+919876543210", text="x", from_="ACME")
        assert taken["from"] == "ACME"
        assert taken["warnings"] == [
            "carriers of IN want names registered, or may drop or replace ACME: list IN in its countries once it is"
        ]
