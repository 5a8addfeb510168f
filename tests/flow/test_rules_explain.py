"""`rules` on the socket: what becomes of a message, by what the database knows; it agrees with what the rules do."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from tests.support.apps import RpcError
from tests.support.daemons import gateway, write_config
from tests.support.smsc import address, peers

NUMBER = "+15551230001"
PEER, STRANGER = peers(2)

RULES = """
[[rules]]
name = "join"
keywords = ["JOIN"]
tags = ["club"]
[[rules]]
name = "third"
count_min = 3
count_within = 3600
tags = ["often"]
[[rules]]
name = "answer"
last_within = 86400
last_meta = { campaign = "spring" }
tags = ["spring"]
[[rules]]
name = "new"
known = false
tags = ["new"]
"""


async def test_it_agrees_with_what_becomes_of_a_message(autojump_clock: MockClock) -> None:
    async with gateway(extra=RULES) as g:
        app = await g.connect()
        await app.call("subscribe")
        expected: list[list[str]] = []
        for text in (b"hello", b"hello", b"Join!", b"hello", b"hello"):
            said = await app.call("rules", **{"from": PEER, "text": text.decode()})
            expected.append(said["matched"])
            g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(NUMBER), text))
            await g.settled()
        told = await app.notified(5)
        assert [event.get("rules", []) for event in told] == expected
        assert expected == [["new"], [], ["join"], ["third"], ["third"]]


async def test_our_last_message_is_looked_up(autojump_clock: MockClock) -> None:
    async with gateway(extra=RULES) as g:
        app = await g.connect()
        meta = {"campaign": "spring"}
        await app.call("submit", **{"to": PEER, "text": "buy", "class": "marketing", "meta": meta})
        await g.settled()
        found = await app.call("rules", **{"from": PEER, "text": "yes"})
        assert (found["matched"], found["tags"]) == (["answer"], ["spring"])
        assert found["last"] == {"app": "local", "class": "marketing", "meta": meta}
        assert 0 <= found["last_age"] < 60
        assert (found["known"], found["counts"]) == (True, {"3600": 0})
        other = await app.call("rules", **{"from": STRANGER, "text": "yes"})
        assert (other["matched"], other["last"], other["known"]) == (["new"], None, False)
        later = await app.call("rules", **{"from": PEER, "text": "yes", "at": "2099-01-01T00:00:00Z"})
        assert later["matched"] == []
        assert g.daemon.store.read_now(lambda con: con.execute("SELECT count(*) FROM inbound").fetchone()) == (0,)


async def test_what_would_be_held_back(autojump_clock: MockClock) -> None:
    rules = f"""
[[rules]]
name = "both"
reply = "We are closed."
forward = ["{STRANGER}", "{peers(3)[2]}"]
"""
    async with gateway(extra=rules) as g:
        app = await g.connect()
        await app.call("subscribe")

        seen = 0

        async def held_back(peer: str) -> list[str]:
            said: list[str] = (await app.call("rules", **{"from": peer, "text": "x"}))["held_back"]
            g.smsc.binds[0].deliver(DeliverSm(address(peer), address(NUMBER), b"x"))
            await g.settled()
            nonlocal seen
            seen += 1
            event = (await app.notified(seen))[-1]
            assert event.get("held_back", []) == said, "it is what becomes of a message"
            return said

        assert await held_back(PEER) == []
        assert await held_back(PEER) == ["both: reply: the sender was answered a short while ago"]
        assert await held_back(STRANGER) == ["both: forward: it would go back to the sender"]
        assert await held_back(NUMBER) == [
            "both: forward: the sender or the target is one of our own numbers",
            "both: reply: the sender or the target is one of our own numbers",
        ]


async def test_a_stop_that_it_is_asked_about_counts(autojump_clock: MockClock) -> None:
    """And so does a START: what it says before each message is what becomes of it."""
    rules = """
[optout]
near = "block"
[limits]
reply_interval = 1

[[rules]]
name = "out"
opted_out = true
tags = ["out"]
then = "continue"

[[rules]]
name = "answer"
reply = "We are closed."
"""
    async with gateway(extra=rules) as g:
        app = await g.connect()
        await app.call("subscribe")
        texts = ("x", "Stop.", "x", "START", "please stop texting me", "START", "x")
        for seen, (text, out) in enumerate(zip(texts, (0, 1, 1, 0, 1, 0, 0), strict=True), 1):
            said = await app.call("rules", **{"from": PEER, "text": text})
            g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(NUMBER), text.encode()))
            await g.settled()
            event = (await app.notified(seen))[-1]
            found = (said["opted_out"], said["tags"], said["held_back"])
            assert found == (bool(out), ["out"] * out, event.get("held_back", [])), text
            assert bool(said["held_back"]) == bool(out), text
            await trio.sleep(2)


async def test_a_reload_changes_what_it_says(autojump_clock: MockClock) -> None:
    async with gateway(extra=RULES) as g:
        app = await g.connect()
        asked = {"from": PEER, "text": "join"}
        assert (await app.call("rules", **asked))["matched"] == ["join"]
        write_config(g.directory, extra=RULES.replace("JOIN", "ENTER"))
        await app.call("reload")
        assert (await app.call("rules", **asked))["matched"] == ["new"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"from": PEER, "number": "+15551239999"}, "number"),
        ({"from": "a sender that is too long"}, "from"),
        ({"from": PEER, "at": "noon"}, "at"),
        ({"from": PEER, "at": "2026-01-01T00:00:00"}, "at"),
        ({"text": "x"}, "from"),
        ({"from": PEER, "txt": "x"}, "txt"),
    ],
)
async def test_what_is_wrong_is_named(autojump_clock: MockClock, asked: dict[str, Any], field: str) -> None:
    async with gateway(extra=RULES) as g:
        app = await g.connect()
        with pytest.raises(RpcError) as caught:
            await app.call("rules", **asked)
        assert caught.value.code == -32602
        assert caught.value.data.get("field") == field
