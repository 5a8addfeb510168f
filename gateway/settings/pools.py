"""``[pools.NAME]``: numbers of which one is chosen as the sender of a message that names none."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.types import Written, fail

BY_NAME = "pool:"
"""In front of a pool's name, where a message names it as its sender."""


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    # Not by min_length: that counts the entries without those that are wrong, and says so beside what is wrong.
    if not value:
        raise fail("numbers", "at least one number")
    return value


class Pool(Section):
    """Numbers of which one is chosen: by `pool` of an app for what names no sender, or by `from = "pool:NAME"`.

    A phone that wrote to one of them has that one; any other has the same one each time.
    """

    numbers: Annotated[tuple[Written, ...], AfterValidator(_not_empty)] = Field(description="Some of `[[numbers]]`.")
