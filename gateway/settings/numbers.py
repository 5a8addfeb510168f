"""``[[numbers]]``: the addresses that we own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.settings.base import Section
from gateway.settings.types import Name


class Number(Section):
    """An address that we own, and where messages to it go."""

    number: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="The number: E.164 (`+15551230001`), national when `default_region` is set, a short code "
        "or an alphanumeric sender of up to 11 characters."
    )
    carrier: Name | None = Field(
        None, description="Carrier that it belongs to; may be left out when there is only one."
    )
    throughput: float = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Segments a second that are sent from it, over all carriers; 0: no cap but theirs. Others do not "
        "wait for it.",
    )
    handlers: tuple[Name, ...] = Field((), description="Handlers that get its inbound messages and receipts.")
