"""A mail from an event: its headers, its body, and that nothing which came from outside acts in either."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers.mail import compose
from gateway.outbox import Delivery

DOC = (Path(__file__).parents[3] / "docs/email.md").read_text()
EVENT = {
    "at": "2026-03-01T09:30:00.250Z", "id": "019ca893-3bfa-7000-800a-04f6389bd581", "number": "+15551230001",
    "peer": "+15557654321", "text": "See you at 5 👍", "data": None, "encoding": "ucs2", "parts": 1, "complete": True,
    "carrier": "acme",
}  # fmt: skip
TO = ("desk@office.example", "boss@office.example")


def octets(kind: str = "inbound", seq: int = 17, **members: Any) -> bytes:
    """A mail as it goes to the server."""
    payload = json.dumps({**EVENT, **members}).encode()
    delivery = Delivery(3, seq, 1_772_357_400_250, kind, 1, payload, False)
    return bytes(compose(delivery, "sms@office.example", TO))


def read(raw: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_the_mail_of_the_guide() -> None:
    match = re.search(r"```\n(From: .*?)\n\n(.*?)```", DOC, re.DOTALL)
    assert match is not None
    message = read(octets())
    for line in match[1].split("\n"):
        name, _, value = line.partition(": ")
        assert message[name] == value
    assert text_of(message) == match[2]


def test_the_same_event_is_the_same_mail_and_another_one_is_another_of_its_thread() -> None:
    assert octets() == octets()
    one, other, stranger = read(octets()), read(octets(seq=18)), read(octets(peer="+15550000000"))
    assert one["Message-ID"] != other["Message-ID"]
    assert one["References"] == other["References"] == other["In-Reply-To"] != stranger["References"]


HOSTILE = [
    "+1555\r\nBcc: victim@example.com",
    "+1555\nBcc: victim@example.com\n\nbody",
    "a\r\n\r\n<script>",
    '"><img src=x>',
    'quo"te\\',
    "=?utf-8?q?=0ABcc:_victim=40example.com?=",
    "=?us-ascii?b?CkJjYzogeEB5LmV4YW1wbGU=?= =?utf-8?q?=0D=0A?=",
    "=\x00?utf-8?q?=0ABcc:_victim=40example.com?=",
    "\u202emoc.elpmaxe",
    "ünïcode, and a comma; <x@y.example>",
    "\x00\x1b[31m",
    "x" * 500,
]


@pytest.mark.parametrize("peer", HOSTILE)
def test_numbers_from_outside_make_no_header_and_no_line(peer: str) -> None:
    usual = read(octets())
    message = read(octets(peer=peer, number=peer))
    assert [name for name in message if not name.startswith("Content-")] == [
        name for name in usual if not name.startswith("Content-")
    ]  # fmt: skip
    assert message["To"] == ", ".join(TO)
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "sms@office.example"
    for name in ("From", "Subject"):
        assert len(message[name]) < 200
        assert str(message[name]).isprintable()
    assert text_of(message).count("\n") == text_of(usual).count("\n")


@given(st.text(), st.text(), st.text())
def test_whatever_comes_is_a_mail_with_these_headers_and_this_text(number: str, peer: str, text: str) -> None:
    raw = octets(number=number, peer=peer, text=text)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1
    message = read(raw)
    assert not message.defects
    assert len(message.keys()) == len(read(octets()).keys())
    assert message.get_content_type() == "text/plain"
    shown = text_of(message).rsplit("\n\n-- \n", 1)[0]
    harmless = text.replace("\r\n", "\n").replace("\r", "\n")
    if all(char.isprintable() or char in "\t\n" for char in harmless):
        assert shown == harmless


def test_what_would_act_on_a_mail_program_is_shown_as_its_escape() -> None:
    shown = text_of(read(octets(text="\x1b[2J a\u202egpj.exe \x00 \u2028 two\r\nlines\tשלום!\u200f")))
    assert shown.startswith("\\x1b[2J a\\u202egpj.exe \\x00 \\u2028 two\nlines\tשלום!\u200f\n\n-- \n")


REMARKS = [
    (
        {"complete": False, "parts": 3, "missing": [2]},
        "Not the whole message, which has 3 segments: number 2 did not come.",
    ),
    ({"complete": False, "parts": 3}, "Not the whole message, which has 3 segments."),
    ({"data": "00ff"}, "What came is attached octet for octet, 2 in all."),
    ({"urgent": True}, "Urgent."),
    ({"owner": "Anna\nBell"}, "Owner of the number: Anna\\nBell"),
    ({"group": "sales"}, "Group of the number: sales"),
    ({"number_meta": {"team": "north\nBcc: x"}}, "Number, team: north\\nBcc: x"),
    ({"number_meta": {}}, None),
    ({"replied": True}, "It gets an automatic reply."),
    ({"held_back": ["a reply: answered\u202e before"]}, "Not done: a reply: answered\\u202e before"),
    ({"tags": ["sales", "vip"]}, "Tags: sales, vip"),
    ({"rules": ["night"]}, "Rules: night"),
    ({"flags": ["partial"]}, "Flags: partial"),
]  # fmt: skip


@pytest.mark.parametrize(("members", "line"), REMARKS)
def test_what_a_person_should_know_is_below(members: dict[str, Any], line: str | None) -> None:
    below = text_of(read(octets(**members))).split("\n-- \n")[1].splitlines()
    assert below == ["From +15557654321 to +15551230001, 2026-03-01 09:30:00 UTC", *([line] if line else [])]


def test_an_urgent_message_is_marked_and_others_are_not() -> None:
    assert read(octets(urgent=True))["Importance"] == "high"
    assert read(octets())["Importance"] is None


def test_an_event_that_waits_since_the_handler_was_a_webhook() -> None:
    members = {"from": "+15551230001", "to": "+15557654321", "state": "undelivered", "meta": {"order": 7}}
    payload = json.dumps({**members, "id": EVENT["id"]}).encode()
    delivery = Delivery(3, 17, 1_772_357_400_250, "receipt", 1, payload, False)
    message = read(bytes(compose(delivery, "sms@office.example", TO)))
    assert message["Subject"] == "SMS from +15557654321 to +15551230001"
    assert text_of(message).splitlines() == [
        "Event: receipt",
        "from: +15551230001",
        "to: +15557654321",
        "state: undelivered",
        'meta: {"order":7}',
        f"id: {EVENT['id']}",
    ]
