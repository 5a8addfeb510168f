"""``[quotas]`` and the ``quota`` of apps and numbers: how much may be sent in a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Zone

if TYPE_CHECKING:
    from gateway.settings.numbers import Number
    from gateway.settings.retention import Retention
    from gateway.settings.routing import App

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

    zone: Zone = Field(
        "UTC",
        description="Zone in which days, months and years begin. Changed to one further west, where the day begins "
        "later, those under way may begin once more: change it when little is sent.",
    )


def quota_warnings(apps: Collection[App], numbers: Iterable[Number], retention: Retention) -> Iterator[str]:
    """What is allowed and probably not meant of quotas and what belongs to them."""
    quotas = [(f'apps "{app.name}"', app.quota) for app in apps]
    quotas += [(f'numbers "{number.number}"', number.quota) for number in numbers]
    for where, quota in quotas:
        set_ = [(name, most) for name, most in quota or () if most and name != "per_peer_day"]
        for (shorter, most), (longer, more) in pairwise(set_):
            if most >= more:
                yield f"{where}: quota: {shorter} = {most} is without effect beside {longer} = {more}"
    kept = retention.texts or retention.records
    for app in apps:
        if kept and app.same_text_within > kept * 86_400:
            yield f'apps "{app.name}": same_text_within is longer than [retention] keeps texts'
