"""Peers over the socket: for operators alone, what is wrong is named, several at once."""

from __future__ import annotations

from typing import Any

from trio.testing import MockClock

from gateway.smpp.pdu import Address, DeliverSm
from tests.flow.test_socket_apps import APPS, connect
from tests.flow.test_threads import ANN, BOB, COY, FIRST, tell
from tests.support.daemons import gateway
from tests.support.smsc import address


async def test_a_peer_from_its_first_message_to_its_name(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await tell(g, ANN, "Hi")
        ann = {
            "peer": ANN,
            "name": None,
            "fields": {},
            "lists": [],
            "phones": [ANN],
            "created_at": "2025-10-09T08:53:20.000Z",
        }
        assert await app.call("peer", peer=ANN) == ann
        named = ann | {"name": "Ann", "fields": {"city": "Ulm"}, "lists": ["vip"]}
        given: dict[str, Any] = {"peer": "+1 (212) 555-0000", "name": "Ann", "fields": {"city": "Ulm"}}
        assert await app.call("peer_set", **given, join=["vip"]) == named
        await app.call("peer_set", peer=BOB)
        assert (await app.call("peer_merge", peer=BOB, into=ANN))["phones"] == [ANN, BOB]
        assert await app.call("peers", list="vip") == {"peers": [named | {"phones": [ANN, BOB]}], "next": None}
        assert (await app.call("threads"))["threads"][0]["name"] == "Ann"
        assert (await app.call("peer_merge", peer=BOB, into=None))["phones"] == [BOB]
        assert (await app.call("peers", limit=1))["next"] == ANN
        assert [p["peer"] for p in (await app.call("peers", after=ANN))["peers"]] == [BOB]


async def test_they_are_for_operators(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS, numbers=3) as g:
        one, boss = await connect(g, "one"), await connect(g, "boss")
        await tell(g, ANN, "Hi")
        for method, given in (
            ("peers", {}),
            ("peer", {"peer": ANN}),
            ("peer_set", {"peer": ANN, "name": "x"}),
            ("peers_import", {"peers": [{"peer": ANN, "name": "x"}]}),
            ("peer_merge", {"peer": ANN, "into": BOB}),
        ):
            error = await one.refused(method, **given)
            assert error.reason == "not_allowed", method
        assert (await boss.call("peer", peer=ANN))["name"] is None


async def test_what_is_wrong_is_named(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await tell(g, ANN, "Hi")
        for method, given, reason, field in (
            ("peers", {"limit": 0}, "invalid_params", "limit"),
            ("peer", {"peer": BOB}, "not_found", "peer"),
            ("peer_set", {"peer": "n/a"}, "invalid_params", "peer"),
            ("peer_set", {"peer": ANN, "name": ""}, "invalid_params", "name"),
            ("peer_set", {"peer": ANN, "name": "x" * 201}, "invalid_params", "name"),
            ("peer_set", {"peer": ANN, "name": "a\x1b[2J"}, "invalid_params", "name"),
            ("peer_set", {"peer": ANN, "name": "a\u202eb"}, "invalid_params", "name"),
            ("peer_set", {"peer": ANN, "fields": {"": "x"}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "fields": {"name": "x"}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "fields": {"k": "x" * 1001}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "fields": {"zone": "Europe/Mars"}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "fields": {"language": "german"}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "fields": {str(i): "x" for i in range(51)}}, "invalid_params", "fields"),
            ("peer_set", {"peer": ANN, "join": ["a;b"]}, "invalid_params", "join"),
            ("peer_set", {"peer": ANN, "phones": ["n/a"]}, "invalid_params", "phones"),
            ("peer_merge", {"peer": ANN, "into": BOB}, "invalid_params", "into"),
            ("peer_merge", {"peer": ANN, "into": None}, "invalid_params", "peer"),
            ("peers_import", {"peers": [{"peer": ANN}] * 501}, "invalid_params", "peers"),
        ):
            error = await app.refused(method, **given)
            assert (error.reason, error.field) == (reason, field), (method, given)
        ann = await app.call("peer", peer=ANN)
        assert (ann["name"], ann["fields"], ann["lists"]) == (None, {}, [])
        kept = await app.call("peer_set", peer=ANN, fields={"zone": "Europe/Paris", "language": "PT_br", "x": None})
        assert kept["fields"] == {"zone": "Europe/Paris", "language": "pt-BR"}
        assert (await app.call("peer_set", peer=ANN, fields={"zone": None}))["fields"] == {"language": "pt-BR"}
        # A name may need marks of direction.
        assert (await app.call("peer_set", peer=ANN, name="\u05d0\u200e1"))["name"] == "\u05d0\u200e1"


async def test_of_several_the_good_ones_are_taken(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        g.smsc.binds[-1].deliver(DeliverSm(Address(5, 0, "Bank"), address(FIRST), b"Hi"))
        await g.smsc.until(lambda: len(g.smsc.binds[-1].answers) == 1)
        done = await app.call(
            "peers_import",
            peers=[
                {"peer": "n/a"},
                {"peer": ANN, "name": "Ann", "join": ["vip"]},
                {"peer": "Bank", "name": "The bank"},
                {"peer": BOB, "name": "a\nb"},
                {"peer": COY, "fields": {str(i): "x" for i in range(51)}},
                {"peer": BOB, "phones": ["+1 (212) 555-0099", "Bank"]},
                {"peer": ANN, "phones": ["+1 (212) 555-0098"]},
            ],
        )
        assert (done["taken"], done["made"]) == (3, 1)
        wrong = [(0, "peer"), (3, "name"), (4, "fields"), (5, "phones")]
        assert [(r["place"], r["field"]) for r in done["refused"]] == wrong
        found = (await app.call("peers"))["peers"]
        assert [(p["peer"], p["name"], p["phones"][1:]) for p in found] == [
            (ANN, "Ann", ["+12125550098"]),
            ("Bank", "The bank", []),
        ]
        assert await app.call("peers_import", peers=[]) == {"taken": 0, "made": 0, "refused": []}
