"""What is wrong with a carrier and does not mend itself soon: one list for the metrics, `status` and the log."""

from __future__ import annotations

import time
from typing import Any, Final

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


class Alarms:
    """The alarms of one carrier."""

    def __init__(self, carrier: str) -> None:
        self._carrier = carrier
        self._raised: dict[str, tuple[float, str]] = {}

    def set(self, kind: str, text: str | None) -> None:
        """Raises an alarm with what is known of it, or with None ends it. One that stands keeps its beginning."""
        assert kind in KINDS, kind
        standing = self._raised.get(kind)
        if text is None:
            if standing is not None:
                del self._raised[kind]
                _log.info("alarm_over", carrier=self._carrier, kind=kind, seconds=round(time.time() - standing[0]))
        elif standing is None:
            self._raised[kind] = (time.time(), text)
            _log.error("alarm", carrier=self._carrier, kind=kind, detail=text)
        elif standing[1] != text:
            self._raised[kind] = (standing[0], text)

    def __contains__(self, kind: str) -> bool:
        return kind in self._raised

    def shown(self) -> list[dict[str, Any]]:
        """The standing ones, oldest first: ``kind``, ``since`` in seconds since 1970, ``detail``."""
        return sorted(
            ({"kind": kind, "since": since, "detail": text} for kind, (since, text) in self._raised.items()),
            key=lambda alarm: alarm["since"],
        )
