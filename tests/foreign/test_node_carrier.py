"""The daemon bound to a carrier that is npm smpp (node-smpp): what it reads of us, and what we read of it.

The script decodes with the package's own tables and header reader, joins parts by itself, and cuts what it sends
with split-sms, so that nothing on that side is ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandId, Tag
from gateway.smpp.pdu import Address, Tlv
from gateway.sms.segment import Scheme, plan
from tests.flow.esme import NUMBER as ESME
from tests.flow.esme import Esme
from tests.foreign.texts import EXTENSION, GSM, texts
from tests.support.apps import AppClient
from tests.support.daemons import Gateway, gateway
from tests.support.foreign import LONG, Peer, needs_node, peer
from tests.support.smsc import Smsc

pytestmark = needs_node

NUMBER, PEER = "+15551230001", "+12125550101"
ADDRESSES = {
    "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": PEER[1:],
    "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": NUMBER[1:],
}  # fmt: skip
SCHEMES = ("udh8", "udh16", "sar", "payload")
TEXTS = (
    "Yes, see you at 10",
    GSM,
    f"price [{EXTENSION}] and no more",
    "Спасибо, буду вовремя",
    "OK 👍🏽 🇩🇪",
    "Your table is booked {window}, price 20 €. " * 9,
    "ご予約は明日の午前十時です。" * 12,
    "Да, буду вовремя 👍🏽 " * 12,
    "a" * 160,
    "a" * 161,
    "я" * 70,
    "я" * 71,
    "a" * 152 + "€" + "b" * 60,
    "я" * 66 + "😀" + "я" * 66 + "😀",
)


class Node(Smsc):
    """What the daemon connects to: the script at a port of this machine."""

    def __init__(self, nursery: trio.Nursery, script: Peer, port: int) -> None:
        super().__init__(nursery)
        self.script = script
        self.port = port

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def bound(carrier: str = "", kind: str = "bind_transceiver", **given: Any) -> AsyncIterator[tuple[Gateway, Peer]]:
    """A daemon that is bound to the script."""
    async with peer("carrier.mjs") as script, trio.open_nursery() as nursery:
        (listening,) = await script.heard("listening")
        smsc = Node(nursery, script, listening["port"])
        async with gateway(carrier=carrier, smsc=smsc, bound=False, patience=60, **given) as running:
            await script.heard(kind)
            yield running, script


async def messages(script: Peer, count: int) -> list[dict[str, Any]]:
    return await script.heard("message", count)


async def delivered(app: AppClient, ids: list[str]) -> None:
    """Waits until each message has its receipt."""
    events = await app.notified(len(ids), "receipt")
    assert {event["id"]: event["state"] for event in events} == dict.fromkeys(ids, "delivered")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_we_send_is_read(scheme: Scheme) -> None:
    given = [*TEXTS, *(t for t in texts(1, 400 if LONG else 60) if t)]
    async with bound(f'long_messages = "{scheme}"') as (running, script):
        app = await running.connect()
        await app.call("subscribe", events=["receipt"])
        # To a phone each, so that messages do not wait for each other.
        peers = [f"+1212555{number:04}" for number in range(len(given))]
        ids = await app.submits([{"to": to, "text": text} for to, text in zip(peers, given, strict=True)])
        came = {"+" + message["destination"]: message for message in await messages(script, len(given))}
        await delivered(app, ids)
        assert [came[to]["text"] for to in peers] == given
        assert {message["source"] for message in came.values()} == {NUMBER[1:]}
        pdus = 0
        for to, text in zip(peers, given, strict=True):
            parts = plan(text, scheme=scheme).parts
            expected = ("single", 1) if parts == 1 else ("payload", 1) if scheme == "payload" else (scheme, parts)
            assert (came[to]["scheme"], came[to]["parts"]) == expected, to
            pdus += expected[1]
        answers = await script.heard("receipt_answered", pdus)
        assert {answer["status"] for answer in answers} == {0}
        assert not script.of("error")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_what_it_sends_arrives(scheme: str) -> None:
    given = [*TEXTS, *(t for t in texts(2, 300 if LONG else 40) if t)]
    async with bound() as (running, script):
        app = await running.connect()
        await app.call("subscribe", events=["inbound"], max_unacked=2000)
        for ref, text in enumerate(given):
            await script.tell(do="deliver", fields=ADDRESSES, text=text, scheme=scheme, ref=ref + 250, token=ref)
        events = await app.notified(len(given), "inbound")
        # Longer ones may be complete later than shorter ones behind them: the text says which it is.
        assert sorted(event["text"] for event in events) == sorted(given)
        assert {(event["number"], event["peer"]) for event in events} == {(NUMBER, PEER)}
        assert {event["complete"] for event in events} == {True}
        assert {event["encoding"] for event in events} == {"gsm7", "ucs2"}
        answers = await script.heard("answered", len(given))
        assert {(answer["command"], answer["status"]) for answer in answers} == {("deliver_sm_resp", 0)}
        assert not script.of("error")


async def test_what_it_sends_in_other_alphabets() -> None:
    """Octets go as they are; text that node encodes as Latin-1 is read as that."""
    async with bound() as (running, script):
        app = await running.connect()
        await app.call("subscribe", events=["inbound"])
        for token, (coding, octets) in enumerate(((3, "e9 fe"), (4, "00ff80"), (0, "1b65 00"), (8, "d83dde00"))):
            fields = {**ADDRESSES, "data_coding": coding, "short_message": {"hex": octets.replace(" ", "")}}
            await script.tell(do="send", command="deliver_sm", fields=fields, token=token)
        await script.tell(
            do="send", command="data_sm", fields={**ADDRESSES, "data_coding": 3, "message_payload": "né þ"}, token=9
        )
        events = await app.notified(5, "inbound")
        assert [event["text"] for event in events] == ["éþ", None, "€@", "😀", "né þ"]
        assert [event["data"] for event in events] == [None, "00ff80", None, None, None]
        answers = {answer["token"]: answer for answer in await script.heard("answered", 5)}
        assert {answer["status"] for answer in answers.values()} == {0}
        assert answers[9]["command"] == "data_sm_resp"


async def test_flash_and_octets_with_a_header() -> None:
    """Message class 0 (TS 23.038 §4), and a port-addressed message whose header node takes apart."""
    async with bound() as (running, script):
        app = await running.connect()
        await app.submit("flash", flash=True)
        await app.call("submit", to=PEER, data="ae00ff", udh="06050423f40000")
        first, second = await script.heard("submit_sm", 2)
        assert (first["data_coding"], first["short_message"]["message"]) == (0x10, "flash")
        assert (second["data_coding"], second["esm_class"]) == (4, 0x40)
        assert second["short_message"] == {"udh": [{"hex": "050423f40000"}], "message": {"hex": "ae00ff"}}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_national_single_shift_is_read(scheme: Scheme) -> None:
    """Spanish, the one language whose table node has right by itself; its element beside concatenation."""
    text = "Él habló así: ¡más rápido, Íñigo! [10 €] "
    async with bound(f'long_messages = "{scheme}"\nnational_languages = ["spanish"]') as (running, script):
        app = await running.connect()
        given = [text * 4, text * 9]  # a shorter one goes as UCS-2, in as many segments
        for place, whole in enumerate(given):
            await app.submit(whole, to=f"+1212555{place:04}")
        messages_ = await messages(script, len(given))
        assert sorted(message["text"] for message in messages_) == sorted(given)
        assert {message["data_coding"] for message in messages_} == {0}
        for submit in script.of("submit_sm"):
            body = submit.get("message_payload") or submit["short_message"]
            assert {"hex": "240102"} in body["udh"]


async def test_a_refusal_and_a_bind_that_it_ends() -> None:
    async with bound() as (running, script):
        app = await running.connect()
        await script.tell(do="status", status=0x0B)
        id = await app.submit("to nobody")
        failed = await app.until_state(id, "failed")
        assert failed["reason"] == "invalid_destination"
        await script.tell(do="status", status=0)
        await script.tell(do="unbind", token=1)
        ((answer,)) = await script.heard("answered")
        assert (answer["command"], answer["status"]) == ("unbind_resp", 0)
        await script.heard("bind_transceiver", 2)
        await app.until_state(await app.submit("again"), "delivered")
        await script.tell(do="drop")
        await script.heard("bind_transceiver", 3)
        await app.until_state(await app.submit("and again"), "delivered")


async def test_a_transmitter_and_a_receiver() -> None:
    """What is in a bind, as node reads it; a message goes out on the transmitter."""
    config = 'bind = "pair"\nsystem_type = "VMA"\naddr_ton = 1\naddr_npi = 1\naddress_range = "^1555"'
    async with bound(config, kind="bind_receiver") as (running, script):
        (transmitter,) = await script.heard("bind_transmitter")
        (receiver,) = await script.heard("bind_receiver")
        for bind in (transmitter, receiver):
            asked = {name: bind[name] for name in ("system_id", "password", "system_type", "interface_version")}
            assert asked == {
                "system_id": "user", "password": "secret", "system_type": "VMA", "interface_version": 0x34,
            }  # fmt: skip
            assert (bind["addr_ton"], bind["addr_npi"], bind["address_range"]) == (1, 1, "^1555")
        app = await running.connect()
        await app.until_state(await app.submit("hello", receipt=False), "sent")


async def test_it_asks_whether_we_are_there_and_what_we_do_not_know() -> None:
    """enquire_link (§4.11), and a request that no ESME takes: generic_nack or its response with an error (§4.3)."""
    async with bound() as (_, script):
        await script.tell(do="send", command="enquire_link", fields={}, token=1)
        await script.tell(do="send", command="query_sm", fields={"message_id": "1"}, token=2)
        first, second = await script.heard("answered", 2)
        assert (first["token"], first["command"], first["status"]) == (1, "enquire_link_resp", 0)
        assert second["token"] == 2
        assert second["status"] in (0x03, 0x04)


MANY = tuple(Address(1, 1, f"1212555010{number}") for number in range(3))


async def test_every_operation_of_ours_is_answered() -> None:
    """What the daemon has no use for yet, by the session that it stands on: §4.5 to §4.11, 5.0 §4.4."""
    broadcast = p.BroadcastSm(
        ESME,
        tlvs=(
            Tlv(Tag.BROADCAST_AREA_IDENTIFIER, b"\x00North"), Tlv(Tag.BROADCAST_CONTENT_TYPE, b"\x01\x00\x20"),
            Tlv(Tag.BROADCAST_REP_NUM, 3), Tlv(Tag.BROADCAST_FREQUENCY_INTERVAL, b"\x09\x00\x02"),
        ),
    )  # fmt: skip
    asked: list[tuple[p.Pdu, int, p.Pdu]] = [
        (
            p.SubmitMulti(ESME, (*MANY, p.DistributionList("staff")), b"to many"),
            0,
            p.SubmitMultiResp("multi", (p.Unsuccessful(MANY[0], 0x0B), p.Unsuccessful(Address(), 0x34))),
        ),
        (p.QuerySm("7", ESME), 0, p.QuerySmResp("7", "261122011500000+", 2, 0)),
        (p.CancelSm("7", ESME, MANY[0]), 0, p.CancelSmResp()),
        (p.ReplaceSm("7", ESME, b"other"), 0x13, p.ReplaceSmResp()),
        (p.DataSm(ESME, MANY[1], tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, b"Hello"),)), 0, p.DataSmResp("00000001")),
        (broadcast, 0, p.BroadcastSmResp("broadcast")),
        (p.QueryBroadcastSm("broadcast", ESME), 0, p.QueryBroadcastSmResp("broadcast")),
        (p.CancelBroadcastSm("broadcast", ESME), 0, p.CancelBroadcastSmResp()),
    ]
    async with peer("carrier.mjs") as script, trio.open_nursery() as nursery:
        (listening,) = await script.heard("listening")
        esme = Esme(await trio.open_tcp_stream("127.0.0.1", listening["port"]), lambda _: 0)
        nursery.start_soon(esme.link.run)
        esme.send(p.BindTransceiver("esme", "secret", interface_version=0x50))
        await esme.bound()
        esme.send(*(pdu for pdu, _, _ in asked))
        answers = await esme.responds(len(asked))
        assert [(a.status, a.pdu) for a in answers] == [(status, response) for _, status, response in asked]
        await esme.unbind()
        for pdu, _, _ in asked:
            assert len(script.of(CommandId(pdu.command_id).name.lower())) == 1
        (multi,) = script.of("submit_multi")
        assert [to.get("destination_addr", to.get("dl_name")) for to in multi["dest_address"]] == [
            *(to.addr for to in MANY), "staff",
        ]  # fmt: skip
        assert multi["short_message"]["message"] == "to many"
        (message,) = script.of("message")
        assert message["text"] == "Hello"
