"""All targets by their names."""

from __future__ import annotations

from typing import Final

from . import alphabets, codec, receipts, sessions, texts, times, writing
from .target import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for module in (codec, writing, sessions, receipts, times, alphabets, texts)
    for target in module.TARGETS
}
