"""The golden PDUs: octets from tests/golden/smpp_pdus.toml, where they are from, and what they mean."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.smpp.pdu import Pdu

from . import golden_manage, golden_messages, golden_node, golden_session
from .golden_messages import EIGHT, SEVEN

__all__ = ["EIGHT", "MEANINGS", "OCTETS", "ORIGINS", "SEVEN"]

_ENTRIES = tomllib.loads((Path(__file__).parents[2] / "golden" / "smpp_pdus.toml").read_text())


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("|", " ").replace("\n", " "))


OCTETS = {name: _octets(entry["hex"]) for name, entry in _ENTRIES.items()}
ORIGINS: dict[str, str] = {name: entry["origin"] for name, entry in _ENTRIES.items()}
MEANINGS: dict[str, tuple[int, int, Pdu]] = {
    **golden_session.MEANINGS,
    **golden_messages.MEANINGS,
    **golden_manage.MEANINGS,
    **golden_node.MEANINGS,
}
