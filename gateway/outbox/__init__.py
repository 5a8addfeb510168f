"""Events out: streams, cursors, retries, dead letters, replay."""

from gateway.outbox.feed import PAGE, SPARSE, TAIL, Delivery, Feed
from gateway.outbox.outbox import REPLAYS, Outbox

__all__ = ["PAGE", "REPLAYS", "SPARSE", "TAIL", "Delivery", "Feed", "Outbox"]
