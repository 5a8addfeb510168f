"""``[quotas]`` and the ``quota`` of apps and numbers: how much may be sent in a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Zone

_Most = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Quota(Section):
    """The most segments in a time; 0: any number. What is over is refused, and may come back later.

    A message counts when it is taken in, also where it is to be sent later, whatever becomes of it.
    """

    second: _Most = Field(0, description="Segments in a second of the clock.")
    day: _Most = Field(0, description="Segments in a day, which begins at midnight in `zone` of `[quotas]`.")
    month: _Most = Field(0, description="Segments in a month.")
    year: _Most = Field(0, description="Segments in a year.")
    per_peer_day: _Most = Field(0, description="Segments to one phone in a day.")


class Quotas(Section):
    """What holds for the quotas of apps and numbers, which are in their own sections."""

    zone: Zone = Field("UTC", description="Zone in which days, months and years begin.")
