"""What is wrong with a carrier and does not mend itself soon: one list for the metrics, `status` and the log."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import trio

from gateway.log import logger

_log = logger(component="carrier")

KINDS: Final[dict[str, str]] = {
    "credentials": "the carrier refuses the credentials of a bind",
    "already_bound": "the carrier says that the account is bound already",
    "down": "no bind is up",
    "no_transmitter": "no bind is up that sends",
    "no_receiver": "no bind is up that receives: receipts and inbound messages wait at the carrier",
    "stalled": "there was no progress with segments to send, and none has been made since",
    "outbind": "the address for outbind cannot be listened on",
}
"""What may be raised, and what it means."""


class _Standing(NamedTuple):
    """``since`` is for people, in seconds since 1970; how long it was is told by Trio's clock, which nobody sets."""

    since: float
    began: float
    text: str


class Alarms:
    """The alarms of one carrier."""

    def __init__(self, carrier: str) -> None:
        self._carrier = carrier
        self._raised: dict[str, _Standing] = {}

    def set(self, kind: str, text: str | None) -> None:
        """Raises an alarm with what is known of it, or with None ends it. One that stands keeps its beginning."""
        assert kind in KINDS, kind
        standing = self._raised.get(kind)
        if text is None:
            if standing is not None:
                del self._raised[kind]
                lasted = round(trio.current_time() - standing.began)
                _log.info("alarm_over", carrier=self._carrier, kind=kind, seconds=lasted)
        elif standing is None:
            self._raised[kind] = _Standing(time.time(), trio.current_time(), text)
            _log.error("alarm", carrier=self._carrier, kind=kind, detail=text)
        elif standing.text != text:
            self._raised[kind] = standing._replace(text=text)

    def __contains__(self, kind: str) -> bool:
        return kind in self._raised

    def shown(self) -> list[dict[str, Any]]:
        """The standing ones, oldest first: ``kind``, ``since`` in seconds since 1970, ``detail``."""
        return sorted(
            ({"kind": kind, "since": one.since, "detail": one.text} for kind, one in self._raised.items()),
            key=lambda alarm: alarm["since"],
        )
