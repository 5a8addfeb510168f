"""Prometheus metrics: names in tables by whom they tell of, label values resolved once, and counting in bursts.

Label values come from the configuration, never from a message. Everything exists from the first start, so that rate()
works from the first event on. Nothing here is called for each message: flows count a burst at a time.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, disable_created_metrics

from gateway.metrics.apps import REFUSALS, OfApps
from gateway.metrics.carriers import RECEIPT_OUTCOMES, OfCarriers
from gateway.metrics.daemon import OfDaemon
from gateway.metrics.inbound import INBOUND_OUTCOMES, PARTIAL_CAUSES, OfInbound
from gateway.metrics.series import RECEIPT_TIME, Histogram, Live

__all__ = [
    "INBOUND_OUTCOMES",
    "PARTIAL_CAUSES",
    "RECEIPT_OUTCOMES",
    "RECEIPT_TIME",
    "REFUSALS",
    "Histogram",
    "Live",
    "Metrics",
]


class Metrics(OfCarriers, OfApps, OfInbound, OfDaemon):
    """All metrics of a daemon, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each one, which nobody asks for
        r = self.registry = CollectorRegistry()
        OfCarriers.__init__(self, r)
        OfApps.__init__(self, r)
        OfInbound.__init__(self, r)
        OfDaemon.__init__(self, r)
        for collector in vars(self).values():
            if isinstance(collector, (Histogram, Live)):
                r.register(collector)

    def counts(self, counts: dict[str, int]) -> None:
        """What a transaction counted (`Tx.count`)."""
        for name, by in counts.items():
            kind, _, rest = name.partition(":")
            if kind == "ended":
                self.ended.labels(rest).inc(by)
            elif name.startswith("receipt_"):
                self.receipt_outcomes.labels(name[8:]).inc(by)
            elif name.startswith("inbound_"):
                self.inbound_other.labels(name[8:]).inc(by)
            elif name == "traces_dropped":
                self.traces_dropped.inc(by)
            elif kind == "partial":
                self.partial.labels(rest).inc(by)
            elif kind == "purged":
                self.purged.labels(rest).inc(by)
            elif kind == "prefix_cap":
                self.prefix_capped.labels(rest).inc(by)
            elif kind == "quota":
                quota, _, of = rest.partition(":")
                self.quota_refused.labels(of, quota).inc(by)
            elif kind == "rule":
                self.rules_matched.labels(rest).inc(by)
            elif kind == "held":
                action, _, cause = rest.partition(":")
                self.held_back.labels(action, cause).inc(by)
            elif kind in ("optout", "optin"):
                self.optout_changes.labels(kind, rest).inc(by)
            elif kind == "consent":
                change, _, how = rest.partition(":")
                self.consent_changes.labels(change, how).inc(by)
            elif kind == "consent_missing":
                self.consent_missing.labels(rest).inc(by)
            elif name == "consent_ended":
                self.consent_ended.inc(by)
            elif name == "optout_suspected":
                self.optout_suspected.inc(by)
            elif name == "optout_ended":
                self.optout_ended.inc(by)
