"""Events out: streams, cursors, retries, dead letters, replay."""

from gateway.outbox.feed import PAGE, SPARSE, TAIL, Delivery, Feed
from gateway.outbox.outbox import Outbox

__all__ = ["PAGE", "SPARSE", "TAIL", "Delivery", "Feed", "Outbox"]
