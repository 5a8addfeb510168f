"""One readable line for each thing on the air."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from gateway.smpp.constants import status_name

from .air import OnAir

LONGEST: Final = 480
"""Characters of a text that are shown: three segments."""
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but they hold emoji and some scripts together."""


def line_of(event: OnAir) -> str:
    """The line, without its end. Nothing in it can break it or act on a terminal, whatever the message
    holds.
    """
    at = datetime.fromtimestamp(event.at).astimezone()
    words = [f"{at:%H:%M:%S}.{at.microsecond // 1000:03}", f"#{event.bind}", f"{_KINDS[event.kind]:<8}"]
    if event.kind in ("bind", "bind_refused", "closed", "rejected"):
        words.append(printable(event.system_id))
        if event.kind == "rejected":
            words.append(status_name(event.status))
        words.append(printable(event.detail))
        return " ".join(filter(None, words))
    if event.kind in _ABOUT:
        return " ".join(filter(None, [*words, *_about(event)]))
    words.append(f"{printable(event.source)} \N{RIGHTWARDS ARROW} {printable(event.destination)}")
    if event.kind == "message":
        words.append("1 part" if event.total == 1 else f"{event.total} parts")
    elif event.total > 1:
        words.append(f"part {event.part}/{event.total}")
    if event.kind == "receipt":
        words.append(f"{event.state} id={printable(event.message_id)}")
    else:
        words.append(event.encoding)
        if event.message_id and event.kind == "segment":
            words.append(f"id={event.message_id}")
    if event.status:
        words.append(status_name(event.status))
    words.append(event.detail)
    if event.attempt > 1:
        words.append(f"(sending {event.attempt})")
    if event.kind != "receipt":
        words.append(_content(event))
    return " ".join(filter(None, words))


def _about(event: OnAir) -> Iterator[str]:
    # No segment, but word of one: a destination, a state and a text only some of them have.
    yield printable(event.source)
    if event.destination:
        yield f"\N{RIGHTWARDS ARROW} {printable(event.destination)}"
    if event.message_id:
        yield f"id={printable(event.message_id)}"
    yield event.state
    yield event.encoding
    if event.status:
        yield status_name(event.status)
    yield event.detail
    if event.encoding:
        yield _content(event)


_KINDS: Final = {
    "bind": "bind",
    "bind_refused": "refused",
    "closed": "closed",
    "segment": "segment",
    "refused": "refused",
    "message": "message",
    "receipt": "receipt",
    "inbound": "inbound",
    "rejected": "rejected",
    "query": "query",
    "cancel": "cancel",
    "replace": "replace",
    "broadcast": "cast",
    "alert": "alert",
}
_ABOUT: Final = frozenset({"query", "cancel", "replace", "broadcast", "alert"})


def _content(event: OnAir) -> str:
    if event.text is None:
        shown = event.octets[: LONGEST // 2].hex()
        return shown + "\N{HORIZONTAL ELLIPSIS}" if len(event.octets) > LONGEST // 2 else shown
    text = event.text
    shown = printable(text[:LONGEST])
    return f'"{shown}\N{HORIZONTAL ELLIPSIS}"' if len(text) > LONGEST else f'"{shown}"'


def printable(text: str) -> str:
    """The text with everything escaped that is not a visible character: line ends, controls, directions."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _JOINERS else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
