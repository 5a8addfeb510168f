"""Messages of ours that follow from inbound ones: the streams that they wait in."""

from __future__ import annotations

from typing import Final

FORWARDS: Final = "@forward"
REPLIES: Final = "@reply"
"""Names of the two streams; no handler of the configuration can have such a name."""
