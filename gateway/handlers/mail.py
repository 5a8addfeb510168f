"""A mail from an event: the text as it is read, whose it is, and headers by which mail programs show a conversation.

What a stranger wrote goes nowhere but into the body and an attachment; of numbers, which a carrier gives as it likes,
headers get one harmless line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

import msgspec

from gateway.outbox import Delivery
from gateway.plain import inert, one_line, paragraphs

LONGEST_NAME: Final = 60
"""Characters of a number or sender in a header; an address of SMPP has at most 20 (3.4 §5.2.9)."""

# 7 bit whatever comes: 8BITMIME (RFC 6152) is not everywhere. Lines are not folded up to the 998 octets of RFC 5322
# §2.1.1, as ids that are folded lose their threads in some mail programs.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=998)

_IN_THE_BODY: Final = frozenset({"text", "data"})
_DATA_ADDED: Final = "What came is attached octet for octet, {octets} in all."


def compose(delivery: Delivery, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """The mail about an event; the same one, octet for octet, whenever it is made."""
    event = msgspec.json.decode(delivery.payload)
    number = _name(event.get("number", event.get("from")))
    peer = _name(event.get("peer", event.get("to")))
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(display_name=f"{peer} (SMS)", addr_spec=sender)
    mail["To"] = ", ".join(recipients)
    # The same for the whole conversation: some mail programs believe in no thread whose subjects differ.
    mail["Subject"] = f"SMS from {peer} to {number}"
    mail["Date"] = datetime.fromtimestamp(delivery.at // 1000, UTC)
    # Of this event, and of no other of any gateway that mails from this domain: a copy is known by it.
    mail["Message-ID"] = f"<{delivery.id}.{delivery.at}@{domain}>"
    root = thread_id(number, peer, domain)
    mail["In-Reply-To"] = root
    mail["References"] = root
    # Nobody who is on holiday should tell us so (RFC 3834 §5, and Exchange's own way of saying it).
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Smsgw-Event-Id"] = delivery.id
    if event.get("urgent"):
        mail["Importance"] = "high"  # RFC 2156 §5.3.4
        mail["X-Priority"] = "1"
    inbound = delivery.kind == "inbound"
    mail.set_content(_body(event, number, peer, delivery.at) if inbound else _members(delivery.kind, event))
    if inbound and event.get("data"):
        octets = bytes.fromhex(event["data"])
        mail.add_attachment(octets, maintype="application", subtype="octet-stream", filename="message.bin")
    return mail


def thread_id(number: str, peer: str, domain: str) -> str:
    """The message id that all mails of a number and a peer answer to; there is no such mail, and need not be."""
    pair = hashlib.sha256(f"{number}\n{peer}".encode()).hexdigest()[:32]
    return f"<thread.{pair}@{domain}>"


def _name(value: Any) -> str:
    # An encoded word (RFC 2047 §2) would be decoded by the email package, to a line break if it says so.
    return one_line(str(value or "unknown"), LONGEST_NAME).replace("=?", "\\x3d?")


def _body(event: dict[str, Any], number: str, peer: str, at: int) -> str:
    text = event.get("text")
    shown = paragraphs(text) if text is not None else "(This message is not text.)"
    # Below the line "-- " mail programs show a signature, and leave it out of an answer.
    return "\n".join((shown, "", "-- ", f"From {peer} to {number}, {_time(at)}", *_remarks(event), ""))


def _remarks(event: dict[str, Any]) -> Iterator[str]:
    """What a person should know beside the text, a line each."""
    if not event.get("complete", True):
        missing = ", ".join(map(str, event.get("missing", ())))
        lacking = f": number {missing} did not come" if missing else ""
        yield f"Not the whole message, which has {event.get('parts')} segments{lacking}."
    if event.get("data"):
        yield _DATA_ADDED.format(octets=len(event["data"]) // 2)
    if event.get("urgent"):
        yield "Urgent."
    if event.get("owner"):
        yield f"Owner of the number: {inert(str(event['owner']))}"
    if event.get("group"):
        yield f"Group of the number: {inert(str(event['group']))}"
    for name, value in (event.get("number_meta") or {}).items():
        yield f"Number, {inert(f'{name}: {value}')}"
    for title, member in (("Tags", "tags"), ("Rules", "rules"), ("Flags", "flags")):
        if event.get(member):
            yield f"{title}: {inert(', '.join(map(str, event[member])))}"
    if event.get("replied"):
        yield "It gets an automatic reply."
    for said in event.get("held_back", ()):
        yield f"Not done: {inert(str(said))}"


def _members(kind: str, event: dict[str, Any]) -> str:
    """Events of other kinds, that wait since the handler was a webhook, as they are."""
    lines = (f"{key}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}" for key, value in
             event.items() if key not in _IN_THE_BODY)  # fmt: skip
    return "\n".join((f"Event: {kind}", *(inert(line) for line in lines), ""))


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
