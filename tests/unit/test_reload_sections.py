"""A reload names whatever of the file has changed."""

from __future__ import annotations

from gateway.daemon import RULES, SECTIONS
from gateway.settings import Settings


def test_every_section_is_named() -> None:
    # Carriers are named one by one, and their profiles with them; log by itself, metrics as a warning.
    named = {*SECTIONS, *RULES, "carriers", "profiles", "log", "metrics"}
    assert named == set(Settings.model_fields)
