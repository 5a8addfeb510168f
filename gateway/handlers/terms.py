"""What a handler's settings say of how its events are delivered, whatever its kind."""

from __future__ import annotations

from typing import Literal, Protocol


class Terms(Protocol):
    """The settings that `gateway.handlers.pusher.Pusher` goes by; times in seconds, ``rate`` a second (0: no limit)."""

    @property
    def name(self) -> str:
        """As commands, logs and metrics name it."""

    @property
    def at_once(self) -> int:
        """Deliveries under way at the same time."""

    @property
    def rate(self) -> float:
        """Deliveries begun in a second at most."""

    @property
    def order(self) -> Literal["thread", "none"]:
        """What is delivered one after the other."""

    @property
    def retry_min(self) -> float:
        """The first wait after a failure."""

    @property
    def retry_max(self) -> float:
        """The longest one."""

    @property
    def dead_letter_after(self) -> float:
        """The age at which an event is set aside."""
