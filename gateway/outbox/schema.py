"""JSON Schema of the events, for who receives them: made from what is sent, in the words of docs/webhooks.md.

``python -m gateway.outbox.schema docs`` writes docs/events/*.json (JSON Schema 2020-12). One holds for a webhook's
body and for the params of a notification on the socket, where the method says what ``type`` says here. Members may be
added by later versions, so that what a schema does not name is allowed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.model import STATE_WORDS, State, is_final
from gateway.store.arrivals import InboundEvent
from gateway.store.consents import ConsentEvent
from gateway.store.ends import ReceiptEvent
from gateway.store.optouts import OptOutEvent
from gateway.store.peers import CREATED, PeerCreated

EVENTS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    "inbound": (InboundEvent, "A message to one of our numbers."),
    "receipt": (ReceiptEvent, "The end of a message that we sent, whatever its cause; once for each message."),
    CREATED: (PeerCreated, "A phone wrote that never did before, and to which nothing was ever sent."),
    "optout": (OptOutEvent, "A person wants no more messages."),
    "optin": (OptOutEvent, "A person who wanted no more messages wants them again."),
    "optout_suspected": (OptOutEvent, "A person may want no more messages, and has not said so in a way that counts."),
    "consent": (ConsentEvent, "A person agreed to messages, or agrees to them no more."),
}
"""By kind: what its payload is made of, and what it tells."""

_HEX: Final = {"pattern": "^([0-9a-f]{2})*$"}
_TIGHTER: Final[dict[str, dict[str, Any]]] = {
    "event_id": {"pattern": "^[0-9]+-[0-9]+$"},
    "at": {"format": "date-time"},
    "id": {"format": "uuid"},
    "parts": {"minimum": 1},
    "segments": {"minimum": 1},
    "state": {"enum": [STATE_WORDS[s] for s in State if is_final(s, receipt_asked=False)]},
}
"""What is known of a member beyond its type."""

_OPTOUTS: Final = "optout, optin, optout_suspected"
"""The section that tells of these together."""
_ROW: Final = re.compile(r"^\| (`.*?`) \| (.*) \|$", re.M)
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def words_of(guide: str) -> dict[str, dict[str, str]]:
    """What docs/webhooks.md says of each member, by kind of event."""
    found: dict[str, dict[str, str]] = {}
    for kind, title in (
        ("inbound", "inbound"),
        ("receipt", "receipt"),
        ("optout_suspected", _OPTOUTS),
        ("consent", "consent"),
    ):
        section = guide.split(f"### {title}\n")[1].split("\n#")[0]
        table = found[kind] = {}
        for names, said in _ROW.findall(section):
            for name in re.findall(r"`(\w+)`", names):
                above = found["inbound"].get(name, said) if said.startswith("as above") else said
                table[name] = _LINK.sub(r"\1", above)
    found[CREATED] = found["inbound"] | {"id": "id of the message by which the phone is known"}
    found["optout"] = found["optin"] = found["optout_suspected"]
    return found


def schema_of(kind: str, words: dict[str, str]) -> dict[str, Any]:
    """The schema of one kind of event. KeyError where a member has no words."""
    struct, said = EVENTS[kind]
    made = msgspec.json.schema(struct)
    parts: dict[str, Any] = made["$defs"]
    body = parts.pop(struct.__name__)
    members: dict[str, Any] = {
        "type": {"const": kind, "description": "in a webhook's body; on the socket the method says it"},
        "event_id": {"type": "string", "description": "the same in every delivery of the event"},
        "redelivered": {"type": "boolean", "description": "true when it may have been delivered before"},
    }
    for name, value in body["properties"].items():
        members[name] = {**value, "description": words[name]}
        members[name].pop("default", None)  # what would have it is left out
    for name, more in _TIGHTER.items():
        if name in members:
            members[name] |= more
    if "data" in members:
        members["data"] = {"anyOf": [{"type": "string", **_HEX}, {"type": "null"}], "description": words["data"]}
    for part in parts.values():
        part.pop("description", None)
        part.pop("title", None)
    found: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "description": said,
        "type": "object",
        "properties": members,
        "required": ["event_id", "redelivered", *body["required"]],
    }
    return found | {"$defs": parts} if parts else found


def files(guide: str) -> dict[str, str]:
    """The files of docs/events by name."""
    words = words_of(guide)
    return {
        f"{kind}.json": json.dumps(schema_of(kind, words[kind]), indent=2, ensure_ascii=False) + "\n" for kind in EVENTS
    }


def main(docs: Path) -> None:
    """Writes them beside the guide."""
    (docs / "events").mkdir(exist_ok=True)
    for name, text in files((docs / "webhooks.md").read_text()).items():
        (docs / "events" / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
