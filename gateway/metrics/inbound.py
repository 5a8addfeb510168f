"""What comes in, what rules make of it, and how events reach handlers and apps."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from gateway.metrics.series import Live

INBOUND_OUTCOMES: Final = (
    "unrouted",
    "partial",
    "part_duplicate",
    "mark_evicted",
    "stranger",
    "rules_failed",
    "unmonitored",
)
PARTIAL_CAUSES: Final = ("age", "peer_limit", "total_limit", "reference_reused")
HELD_BACK: Final = (
    ("forward", "own_number"),
    ("forward", "to_sender"),
    ("forward", "had"),
    ("forward", "rate"),
    ("forward", "opted_out"),
    ("reply", "own_number"),
    ("reply", "interval"),
    ("reply", "flood"),
    ("reply", "short_code"),
    ("reply", "alphanumeric"),
    ("reply", "automatic"),
    ("reply", "empty"),
    ("reply", "opted_out"),
)
"""Actions of rules that guards hold back, and why."""


class OfInbound:
    """The series that tell of inbound messages, and of events on their way."""

    def __init__(self, r: CollectorRegistry) -> None:
        self.inbound = Counter(
            "smsgw_inbound_segments",
            "Inbound segments by our number; other where it is none of ours.",
            ["number"],
            registry=r,
        )
        self.inbound_other = Counter(
            "smsgw_inbound", "Inbound messages out of the ordinary, as listed under outcomes.", ["outcome"], registry=r
        )
        for outcome in INBOUND_OUTCOMES:
            self.inbound_other.labels(outcome)
        self.partial = Counter(
            "smsgw_inbound_partial", "Long inbound messages that ended with parts missing.", ["cause"], registry=r
        )
        for cause in PARTIAL_CAUSES:
            self.partial.labels(cause)
        self.waiting_parts = Live(
            "smsgw_inbound_waiting_parts",
            "Parts of long inbound messages that wait for others, as limits.reassembly_total counts them.",
            (),
        )
        self.rules_matched = Counter(
            "smsgw_rules_matched", "Inbound messages that a rule matched.", ["rule"], registry=r
        )
        self.held_back = Counter(
            "smsgw_rules_held_back",
            "Forwards and automatic replies that were not made, by why.",
            ["action", "cause"],
            registry=r,
        )
        for action, cause in HELD_BACK:
            self.held_back.labels(action, cause)
        self.deliveries = Counter("smsgw_handler_deliveries", "Events delivered by a handler.", ["handler"], registry=r)
        self.delivery_failures = Counter(
            "smsgw_handler_failures", "Deliveries of a handler that failed.", ["handler"], registry=r
        )
        self.handler_paused = Live(
            "smsgw_handler_paused",
            "1 while a handler's receiver refuses what it is sent: it is tried now and then.",
            ("handler",),
        )
        self.backlog = Live("smsgw_stream_backlog", "Events that wait for an app or handler.", ("kind", "name"))
        self.dead_letters = Counter(
            "smsgw_dead_letters", "Events set aside undelivered, of an app or handler.", ["stream"], registry=r
        )
        self.replayed = Counter(
            "smsgw_replayed", "Events put back to be delivered once more, of an app or handler.", ["stream"], registry=r
        )
