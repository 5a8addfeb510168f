"""The limits of a session."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.smpp.constants import INTERFACE_VERSION_34, INTERFACE_VERSION_50
from gateway.smpp.framing import HEADER_LENGTH, MAX_PDU

MAX_SEQUENCE: Final = 0x7FFF_FFFF
"""Largest sequence_number (§5.1.4); 1 follows it."""


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a session, times in seconds. Raises ValueError for what makes no sense."""

    window: int = 50
    """Requests of ours that may be unanswered."""
    response_timeout: float = 10.0
    """For each request of ours (§7.2, response_timer), for enquire_link at most its interval."""
    bind_timeout: float = 0.0
    """For the answer to our bind. 0: as for any other request."""
    enquire_link: float = 30.0
    """Silence after which the peer is asked whether it is there (§7.2, enquire_link_timer). 0: never."""
    inactivity: float = 0.0
    """Nothing but enquire_link_resp for so long ends the session (§7.2, inactivity_timer). 0: never."""
    session_init: float = 30.0
    """From the connection to the bind (§7.2, session_init_timer). 0: for ever."""
    partial_frame: float = 30.0
    """For the rest of a PDU that has begun. 0: for ever."""
    unbind_grace: float = 2.0
    """For the answers that either end still owes when the peer unbinds. 0: none."""
    max_pdu: int = MAX_PDU
    """Octets of the longest PDU that is taken."""
    late_responses: int = 1000
    """Expired requests that are remembered, so that a late response finds its token."""
    interface_version: int = INTERFACE_VERSION_34
    """What an SMSC says that it speaks when it accepts a bind: 0x34 or 0x50. An ESME says it in its bind."""
    first_sequence: int = 1
    """The sequence_number of our first request."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError("window: at least 1")
        if self.response_timeout <= 0:
            raise ValueError("response_timeout: more than 0 s")
        for name in ("bind_timeout", "enquire_link", "inactivity", "session_init", "partial_frame", "unbind_grace"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: 0 s or more")
        if self.max_pdu < HEADER_LENGTH:
            raise ValueError(f"max_pdu: at least {HEADER_LENGTH}")
        if self.interface_version not in (INTERFACE_VERSION_34, INTERFACE_VERSION_50):
            raise ValueError("interface_version: 0x34 or 0x50")
        if self.late_responses < 0:
            raise ValueError("late_responses: 0 or more")
        if not 1 <= self.first_sequence <= MAX_SEQUENCE:
            raise ValueError("first_sequence: 1 to 0x7FFFFFFF")
