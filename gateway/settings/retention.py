"""``[retention]``: how long texts and records are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.types import Form

Days = Annotated[int, Field(ge=0, le=36_500), Form("days")]


class Retention(Section):
    """How many days texts and records are kept after a message came to its end; 0: for ever.

    What has not come to its end is kept however old it is, and so are opt-outs, consents and what was used.
    """

    texts: Days = Field(
        0,
        description="Texts of messages, ours and inbound. Events that were handed over, and dead letters, go as a "
        "whole: they cannot be replayed then. That a message was there, for whom and what became of it stays.",
    )
    records: Days = Field(
        0,
        description="Messages and inbound messages with all that is known of them, idempotency keys, and threads that "
        "are empty then. Never before `limits.receipt_age`, nor before three days.",
    )
    events: Days = Field(
        0,
        description="Events that were handed over, and dead letters, where they are to go before `texts` and "
        "`records`.",
    )

    @property
    def on(self) -> bool:
        """Whether anything is forgotten at all."""
        return bool(self.texts or self.records or self.events)

    @property
    def event_days(self) -> int:
        """Days after which events go; 0: never."""
        return min((days for days in (self.texts, self.records, self.events) if days), default=0)
