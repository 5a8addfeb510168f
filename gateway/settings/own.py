"""Messages of ours that follow from inbound ones: the streams that they wait in, and by which terms they are sent."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from gateway.settings.service import Limits

FORWARDS: Final = "@forward"
REPLIES: Final = "@reply"
MAILS: Final = "@email"
"""Names of the streams; no handler of the configuration can have such a name."""
OWN_APP: Final = "@rules"
"""Whose messages they are, where others have the name of an app."""


class OwnHandler(NamedTuple):
    """What a handler of the configuration says of itself, said of one of these streams; times in seconds."""

    name: str
    dead_letter_after: float
    max_backlog: int = 100_000
    retry_min: float = 1.0
    retry_max: float = 60.0
    at_once: int = 32
    rate: float = 0.0
    order: Literal["thread", "none"] = "thread"


def own_handlers(limits: Limits, *, mails: bool) -> dict[str, OwnHandler]:
    """All, by their names. ``mails``: rules send some; one connection to the server is enough, as for handlers."""
    found = {
        FORWARDS: OwnHandler(FORWARDS, limits.forward_age),
        REPLIES: OwnHandler(REPLIES, limits.reply_age),
    }
    if mails:
        found[MAILS] = OwnHandler(MAILS, limits.forward_age, retry_min=5.0, retry_max=3600.0, at_once=1)
    return found
