"""Counters of a simulator, from its start."""

from __future__ import annotations

import msgspec


class Stats(msgspec.Struct):
    """What a simulator has seen and done.

    `submits` = `accepted` + `refused`, with each destination of a submit_multi counted; those without a response
    are in either, and in `unanswered` too.
    """

    connections: int = 0
    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    accepted: int = 0
    refused: int = 0
    throttled: int = 0
    """Of the refused, those over the rate."""
    unanswered: int = 0
    """Submits that were left without a response on purpose."""
    messages: int = 0
    """Messages complete."""
    queried: int = 0
    """Answered query_sm; `cancelled` and `replaced` count the messages, `broadcasts` the taken ones."""
    cancelled: int = 0
    replaced: int = 0
    forgotten: int = 0
    """Messages and broadcasts beyond the limit of those that are remembered, which can no longer be asked about."""
    broadcasts: int = 0
    alerts: int = 0
    """alert_notification sent."""
    receipts: int = 0
    """Receipts taken up, copies included."""
    receipts_sent: int = 0
    """Sendings, repeated ones included; so for inbound."""
    receipts_acknowledged: int = 0
    inbound: int = 0
    inbound_parts: int = 0
    inbound_sent: int = 0
    inbound_acknowledged: int = 0
    """Parts."""
    deliveries_deferred: int = 0
    """Refused with a temporary command_status, and sent again."""
    deliveries_refused: int = 0
    """Refused for good."""
    deliveries_expired: int = 0
    """Not answered in time, and sent again."""
    dropped: int = 0
    """Receipts and inbound parts beyond the limit of those that may wait."""
    pdus_rejected: int = 0
    """PDUs that could not be read, or not be taken in their state."""
    statuses: dict[int, int] = {}
    """Refusals by command_status."""
