"""Which profile a carrier follows."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.types import Name


class Profiled(Section):
    """A carrier with a profile."""

    profile: Name | None = Field(
        None,
        description="Settings of this kind of carrier: a profile of the package, or of `[profiles.NAME]`. What the "
        "carrier sets itself goes before it.",
    )
