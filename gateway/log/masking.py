"""What a log line must not hold: message texts, secrets, whole phone numbers, characters that forge lines.

A person's number keeps its first digits and the last two, `+1555*****01`, which is enough to follow one peer
through a log and too little to call them. A text keeps its length. A secret keeps nothing, revealed or not.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

EventDict = MutableMapping[str, Any]

NUMBER_KEYS = frozenset(
    {
        "destination", "destination_addr", "from", "from_", "msisdn", "number", "numbers", "peer", "peers",
        "recipient", "sender", "source", "source_addr", "to",
    }
)  # fmt: skip
TEXT_KEYS = frozenset(
    {
        "body", "data", "message_payload", "payload", "short_message", "template", "text", "texts", "udh",
        "vars",
    }
)  # fmt: skip
SECRET_KEYS = frozenset({"authorization", "credentials", "passwd", "password", "secret", "token"})

_SHORTEST_MASKED = 7  # digits; a short code has fewer, and is nobody's own
_INTERNATIONAL = re.compile(r"\+[0-9]{7,}")
_PARAMETERS = re.compile(r"\[parameters: .*?\](?=\n|$)", re.DOTALL)  # SQLAlchemy's errors quote the row
_DEEPEST = 4
_LONGEST = 4000


def mask_number(value: str) -> str:
    """``+15551230001`` as ``+1555*****01``; short codes and senders of letters as they are."""
    digits = sum(char.isdigit() for char in value)
    if digits < _SHORTEST_MASKED:
        return value
    head = 4 if digits >= 10 else 2
    masked = []
    seen = 0
    for char in value:
        if char.isdigit():
            seen += 1
            masked.append(char if seen <= head or seen > digits - 2 else "*")
        else:
            masked.append(char)
    return "".join(masked)


def _size(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value)} octets)"
    if isinstance(value, str):
        return f"({len(value)} characters)"
    return "(hidden)"


def printable(value: str) -> str:
    """Control characters, line breaks of every kind and direction marks as escapes: one event, one line."""
    if value.isprintable():
        return value
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in value
    )


def _free_text(value: str, *, reveal: bool) -> str:
    """Prose, such as the text of an error: numbers in it are known by their plus sign."""
    if not reveal and "+" in value:
        return _INTERNATIONAL.sub(lambda match: mask_number(match[0]), value)
    return value


def clean(key: str, value: Any, *, reveal: bool, depth: int = 0) -> Any:
    """A value as it may be logged under a key."""
    if value is None or value is True or value is False:
        return value
    if key in SECRET_KEYS:
        return "**********"
    if key in TEXT_KEYS and not reveal:
        return _size(value)
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return "{...}"
        return {
            printable(str(inner)): clean(str(inner), item, reveal=reveal, depth=depth + 1)
            for inner, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        if depth >= _DEEPEST:
            return "[...]"
        return [clean(key, item, reveal=reveal, depth=depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value[:_LONGEST]).hex()
    if key in NUMBER_KEYS and not reveal:
        masked = printable(mask_number(str(value)))
        return value if isinstance(value, int) and masked == str(value) else masked
    if isinstance(value, (int, float)):
        return value
    return printable(_free_text(str(value)[:_LONGEST], reveal=reveal))


class Masking:
    """The processor: every value of an event as it may be logged."""

    def __init__(self, *, reveal: bool) -> None:
        self._reveal = reveal

    def __call__(self, logger: Any, method: str, event_dict: EventDict) -> EventDict:
        reveal = self._reveal
        for key, value in event_dict.items():
            if key == "exception":
                event_dict[key] = self._exception(str(value))
            elif key not in ("level", "ts"):
                event_dict[key] = clean(key, value, reveal=reveal)
        return event_dict

    def _exception(self, value: str) -> str:
        """A traceback keeps its line breaks; each line of it is indented, so that none poses as an event."""
        if not self._reveal:
            value = _PARAMETERS.sub("[parameters hidden]", value)
        lines = _free_text(value, reveal=self._reveal).split("\n")
        return "\n".join("    " + printable(line) for line in lines)
