"""docs/events: made from what is sent, and true of what is sent."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio.testing
from jsonschema import Draft202012Validator, ValidationError

from gateway.handlers.webhook import body
from gateway.outbox import Delivery, schema
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import DeliverSm, Tlv
from gateway.store.arrivals import InboundEvent, LastMessage, Ports
from tests.support.daemons import gateway
from tests.support.smsc import address

DOCS = Path(__file__).parents[2] / "docs"
FILES = {path.stem: json.loads(path.read_text()) for path in (DOCS / "events").glob("*.json")}


def check(kind: str, event: Any) -> None:
    """Raises ValidationError."""
    Draft202012Validator(FILES[kind], format_checker=Draft202012Validator.FORMAT_CHECKER).validate(event)


def test_the_files_are_those_that_would_be_made() -> None:
    made = schema.files((DOCS / "webhooks.md").read_text())
    there = {path.name: path.read_text() for path in (DOCS / "events").iterdir()}
    assert there == made, "python -m gateway.outbox.schema docs"


@pytest.mark.parametrize("kind", schema.EVENTS)
def test_each_is_a_schema_that_says_something_of_every_member(kind: str) -> None:
    found = FILES[kind]
    Draft202012Validator.check_schema(found)
    fields = schema.EVENTS[kind][0].__struct_encode_fields__
    assert list(found["properties"]) == ["type", "event_id", "redelivered", *fields]
    assert all(len(value["description"]) > 5 for value in found["properties"].values())
    assert not re.search(r"\]\(", json.dumps(found))


def test_the_examples_of_the_guide_are_valid() -> None:
    examples = [json.loads(text) for text in re.findall(r'^(\{"type".*\})$', (DOCS / "webhooks.md").read_text(), re.M)]
    assert [e["type"] for e in examples] == ["inbound", "receipt", "peer.created", "optout", "consent"]
    for example in examples:
        check(example["type"], example)


FULL = InboundEvent(
    at="2026-03-01T09:30:00.250Z",
    id="019ca893-3bfa-7000-800a-04f6389bd581",
    number="+15551230001",
    peer="ACME",
    text=None,
    data="00ff",
    encoding="binary",
    parts=3,
    complete=False,
    carrier="acme",
    flags=("partial",),
    udh=((5, "0b84"),),
    ports=Ports(None, 2948),
    tlvs={"0x1400": "31", "0x0204": 7, "0x1401": ["a", 1]},
    missing=(2, 3),
    rules=("after hours",),
    tags=("billing",),
    urgent=True,
    keyword="HELP",
    argument="me",
    held_back=("reply: one within 600 s",),
    replied=True,
    optout="suspected",
    number_meta={"team": "west"},
    owner="ann",
    group="sales",
    last=LastMessage(
        "019ca893-3bfa-7000-800a-04f6389bd581", None, "shop", "direct", {"a": [1]}, "2026-03-01T09:30:00.250Z", 1.5
    ),
)


def test_an_event_with_every_member_is_valid() -> None:
    event = json.loads(body(Delivery(3, 17, 0, "inbound", 0, msgspec.json.encode(FULL), True)))
    assert set(event) == set(FILES["inbound"]["properties"])
    check("inbound", event)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("event_id", 17),
        ("event_id", "17"),
        ("redelivered", "no"),
        ("number", None),
        ("text", 5),
        ("data", "0"),
        ("data", "FF"),
        ("parts", 0),
        ("complete", 1),
        ("flags", "partial"),
        ("udh", [[5]]),
        ("ports", {"source": "x", "destination": 1}),
        ("tlvs", {"0x1400": None}),
        ("missing", ["2"]),
        ("last", {"id": "x"}),
        ("type", "receipt"),
    ],
)
def test_what_is_wrong_is_not_valid(member: str, value: object) -> None:
    event = json.loads(body(Delivery(3, 17, 0, "inbound", 0, msgspec.json.encode(FULL), True)))
    changed = copy.deepcopy(event) | {member: value}
    with pytest.raises(ValidationError):
        check("inbound", changed)
    del event["number"]
    with pytest.raises(ValidationError):
        check("inbound", event)


async def test_what_subscriptions_get_is_valid(autojump_clock: trio.testing.MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call(
            "subscribe", events=["inbound", "receipt", "peer.created", "optout", "optin", "optout_suspected"]
        )
        bind = g.smsc.binds[-1]
        plain = DeliverSm(address("+12125550000"), address("+15551230001"), b"hello")
        odd = DeliverSm(
            address("+12125550001"),
            address("+15551230001"),
            bytes.fromhex("0605040B8423F0") + b"\x01\x06",
            esm_class=0x40,
            data_coding=4,
            tlvs=(Tlv(Tag.USER_MESSAGE_REFERENCE, 7), Tlv(0x1400, b"\x01"), Tlv(0x1400, b"\x02")),
        )
        for pdu in (plain, odd):
            bind.deliver(pdu)
        message = await app.call("submit", to="+12125550009", text="hi", receipt=False, meta={"a": [1]})
        await app.notified(5)
        kinds = [line["method"] for line in app.events]
        assert sorted(kinds) == ["inbound", "inbound", "peer.created", "peer.created", "receipt"]
        for text in ("stop now", "stop", "start"):
            bind.deliver(DeliverSm(address("+12125550000"), address("+15551230001"), text.encode()))
        await app.notified(11)
        assert [line["method"] for line in app.events if line["method"].startswith("opt")] == [
            "optout_suspected",
            "optout",
            "optin",
        ]
        for line in app.events:
            check(line["method"], line["params"])
        assert app.of("receipt")[0]["id"] == message["id"]
        assert "ports" in app.of("inbound")[1]
