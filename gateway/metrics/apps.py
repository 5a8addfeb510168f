"""What apps hand in, and what is let through: refusals, caps, quotas, quiet hours, opt-out and consent."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from gateway.metrics.series import Live

REFUSALS: Final = (
    "invalid_params",
    "invalid_to",
    "invalid_from",
    "no_sender",
    "not_allowed",
    "number_held",
    "number_released",
    "number_cannot_send",
    "not_verified",
    "sender_not_allowed",
    "sender_one_way",
    "country_not_allowed",
    "premium_rate",
    "fixed_line",
    "no_sms_capability",
    "opted_out",
    "no_consent",
    "quiet_hours",
    "no_route",
    "unencodable",
    "too_long",
    "public_shortener",
    "empty",
    "ref_conflict",
    "queue_full",
    "prefix_cap",
    "quota_exceeded",
    "duplicate_text",
    "balance_exhausted",
    "store_unavailable",
    "disk_full",
    "stopping",
)
"""Reasons for which a submit can be refused."""
OPTOUT_CHANGES: Final = (
    ("optout", "keyword"),
    ("optout", "near"),
    ("optout", "operator"),
    ("optout", "import"),
    ("optin", "keyword"),
    ("optin", "operator"),
    ("optin", "import"),
)
"""Changes of who gets messages, and how they come."""
MESSAGE_CLASSES: Final = ("transactional", "direct", "marketing")
CONSENT_CHANGES: Final = (
    ("asked", "keyword"),
    ("asked", "api"),
    ("granted", "keyword"),
    ("granted", "web"),
    ("granted", "paper"),
    ("granted", "verbal"),
    ("granted", "api"),
    ("granted", "operator"),
    ("granted", "import"),
    ("withdrawn", "keyword"),
    ("withdrawn", "near"),
    ("withdrawn", "web"),
    ("withdrawn", "paper"),
    ("withdrawn", "verbal"),
    ("withdrawn", "api"),
    ("withdrawn", "operator"),
    ("withdrawn", "import"),
)
"""Changes of what people agreed to, and how they come."""


class OfApps:
    """The series that tell of apps and their messages."""

    def __init__(self, r: CollectorRegistry) -> None:
        self.app_accepted = Counter("smsgw_app_accepted", "Messages accepted from an app.", ["app"], registry=r)
        self.app_refused = Counter("smsgw_app_refused", "Submits refused, by reason.", ["app", "reason"], registry=r)
        self.ended = Counter(
            "smsgw_messages_ended", "Messages that came to their end, by their state.", ["state"], registry=r
        )
        for state in ("sent", "delivered", "undelivered", "expired", "failed", "rejected", "cancelled"):
            self.ended.labels(state)
        self.unsendable = Counter(
            "smsgw_messages_set_aside", "Stored messages that cannot be put on the air.", registry=r
        )
        self.prefix_capped = Counter(
            "smsgw_prefix_capped", "Messages refused by a cap of `[[caps]]`, by its prefix.", ["prefix"], registry=r
        )
        self.quota_refused = Counter(
            "smsgw_quota_refused",
            "Messages refused by a quota of an app (`app:NAME`) or a number (`number:NUMBER`).",
            ["of", "quota"],
            registry=r,
        )
        self.balances = Live(
            "smsgw_app_balance_segments", "Segments that an app has left, where it pays in advance.", ("app",)
        )
        self.quiet_held = Counter(
            "smsgw_quiet_held",
            "Messages put off by quiet hours: when they came (`door`), or while they waited (`queue`).",
            ["where"],
            registry=r,
        )
        for where in ("door", "queue"):
            self.quiet_held.labels(where)
        self.optout_changes = Counter(
            "smsgw_optout_changes",
            "Scopes that people opted out of, or in to again, by how that came.",
            ["change", "how"],
            registry=r,
        )
        for change, how in OPTOUT_CHANGES:
            self.optout_changes.labels(change, how)
        self.optout_suspected = Counter(
            "smsgw_optout_suspected", "Inbound messages that come near a STOP and were left to a person.", registry=r
        )
        self.optout_ended = Counter(
            "smsgw_optout_ended", "Messages that waited for somebody who opted out, and ended by that.", registry=r
        )
        self.consent_changes = Counter(
            "smsgw_consent_changes",
            "Classes and scopes that people were asked about, agreed to, or agree to no more, by how that came.",
            ["change", "how"],
            registry=r,
        )
        for change, how in CONSENT_CHANGES:
            self.consent_changes.labels(change, how)
        self.consent_missing = Counter(
            "smsgw_consent_missing",
            "Messages that were sent though no consent is on record, where that is only recorded.",
            ["class"],
            registry=r,
        )
        for word in MESSAGE_CLASSES:
            self.consent_missing.labels(word)
        self.consent_ended = Counter(
            "smsgw_consent_ended",
            "Messages that waited for somebody who agrees to them no more, and ended by that.",
            registry=r,
        )

    def app(self, name: str) -> None:
        """The series of an app, all there from the first call."""
        self.app_accepted.labels(name)
        for reason in REFUSALS:
            self.app_refused.labels(name, reason)
