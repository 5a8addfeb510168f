"""What goes to carriers and comes back: segments, receipts, queues, binds, and the way from one carrier to another."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from gateway.metrics.series import LATENCY, RECEIPT_TIME, Histogram, Live
from gateway.smpp.constants import CommandStatus

RECEIPT_OUTCOMES: Final = (
    "matched",
    "matched_by_form",
    "matched_late",
    "parked",
    "unparked",
    "parked_evicted",
    "duplicate",
    "contradiction",
    "no_change",
    "undecided",
    "stale",
)
QUERY_RESULTS: Final = (
    "delivered",
    "undelivered",
    "expired",
    "no_change",
    "unknown",
    "refused",
    "throttled",
    "unsupported",
    "unanswered",
)


class OfCarriers:
    """The series that tell of carriers."""

    def __init__(self, r: CollectorRegistry) -> None:
        carrier = ["carrier"]
        self.submitted = Counter("smsgw_segments_submitted", "Segments written to a carrier.", carrier, registry=r)
        self.accepted = Counter("smsgw_segments_accepted", "Segments that a carrier accepted.", carrier, registry=r)
        self.failed = Counter(
            "smsgw_segments_failed",
            "Answers to segments other than ESME_ROK, temporary ones included.",
            ["carrier", "status"],
            registry=r,
        )
        self.in_doubt = Counter(
            "smsgw_segments_in_doubt", "Segments written whose answer did not come.", carrier, registry=r
        )
        self.late = Counter("smsgw_late_responses", "Answers that came after their time.", carrier, registry=r)
        self.submit_latency = Histogram(
            "smsgw_submit_latency_seconds", "From submit_sm written to its response.", "carrier", LATENCY
        )
        self.window = Live("smsgw_window_in_use", "Segments written, whose outcome is not recorded yet.", ("carrier",))
        self.rate_limit = Live(
            "smsgw_rate_limit", "Segments a second that a carrier is given just now; 0: no limit.", ("carrier",)
        )
        self.throttled = Counter(
            "smsgw_throttled_seconds",
            "Seconds for which a carrier was paused by ESME_RTHROTTLED.",
            carrier,
            registry=r,
        )
        self.slow_numbers = Live(
            "smsgw_numbers_waiting", "Our numbers whose messages wait for the rate of the number.", ("carrier",)
        )
        self.queue = Live("smsgw_queue_segments", "Unsent segments by carrier.", ("carrier",))
        self.oldest = Live("smsgw_queue_oldest_seconds", "Age of the oldest unsent message.", ("carrier",))
        self.retries = Live(
            "smsgw_retries_waiting",
            "Messages that wait for the time of their next attempt, by whether they are in memory or on disk only.",
            ("carrier", "where"),
        )
        self.pairs_on_disk = Live(
            "smsgw_pairs_on_disk",
            "Pairs of a number and a peer that wait for a message between them, and of which some are on disk only.",
            ("carrier",),
        )
        self.receipts = Counter(
            "smsgw_receipts", "Receipts by the state that they lead to.", ["carrier", "state"], registry=r
        )
        self.receipt_outcomes = Counter(
            "smsgw_receipts_handled",
            "What became of receipts, as listed under outcomes.",
            ["outcome"],
            registry=r,
        )
        for outcome in RECEIPT_OUTCOMES:
            self.receipt_outcomes.labels(outcome)
        self.receipt_time = Histogram(
            "smsgw_receipt_time_seconds", "From the response to a segment to its receipt.", "carrier", RECEIPT_TIME
        )
        self.overdue = Counter(
            "smsgw_receipts_overdue", "Sent messages whose receipt did not come in time (no_receipt).", registry=r
        )
        self.parked = Live("smsgw_parked_receipts", "Receipts that wait for their message.", ())
        self.queries = Counter(
            "smsgw_queries",
            "Questions (query_sm) for segments whose receipt is overdue, by what came of them.",
            ["carrier", "result"],
            registry=r,
        )
        self.carrier_inbound = Counter(
            "smsgw_carrier_inbound", "Inbound message segments from a carrier, stored.", carrier, registry=r
        )
        self.inbound_failed = Counter(
            "smsgw_inbound_refused",
            "Inbound segments and receipts answered with a temporary error, to come again.",
            carrier,
            registry=r,
        )
        self.bind_reading_stopped = Live(
            "smsgw_bind_reading_stopped",
            "Times that the reading of a bind was stopped, since too much inbound waited for its commit.",
            ("carrier",),
            counter=True,
        )
        self.bind_reads = Live(
            "smsgw_bind_reads", "Reads of a carrier's connections; each is handled at once.", ("carrier",), counter=True
        )
        self.bind_writes = Live(
            "smsgw_bind_writes",
            "Writes on a carrier's connections; each has all that waited.",
            ("carrier",),
            counter=True,
        )
        self.bind_up = Live("smsgw_bind_up", "1 where the bind is bound.", ("carrier", "bind"))
        self.alarm = Live(
            "smsgw_bind_refused",
            "1 where the carrier refuses the credentials of the bind.",
            ("carrier", "bind"),
        )
        self.carrier_state = Live(
            "smsgw_carrier_state", "1 for the state that a carrier is in, 0 for the others.", ("carrier", "state")
        )
        self.alarms = Live(
            "smsgw_alarm", "1 while something is wrong with a carrier, by its kind.", ("carrier", "kind")
        )
        self.reconnects = Counter("smsgw_reconnects", "Attempts to bind after the first.", carrier, registry=r)
        self.rebinds = Live(
            "smsgw_rebinds",
            "Binds that were ended to be bound again, by cause: an operator, a stall, or a first host that is back.",
            ("carrier", "cause"),
            counter=True,
        )
        self.stalls = Live(
            "smsgw_stalls", "Times that a carrier made no progress with segments to send.", ("carrier",), counter=True
        )
        self.outbinds = Live(
            "smsgw_outbinds",
            "Connections to a carrier's outbind address, by what became of them.",
            ("carrier", "outcome"),
            counter=True,
        )
        self.rejected_pdus = Counter(
            "smsgw_pdus_rejected", "PDUs of a carrier that were answered with an error.", carrier, registry=r
        )
        self.rerouted = Counter(
            "smsgw_rerouted", "Messages taken from a carrier to another, by cause.", ["carrier", "cause"], registry=r
        )
        self.passed_over = Live(
            "smsgw_route_passed_over",
            "1 where a route passes a carrier over: it has been down for failover_after, or is drained.",
            ("route", "carrier"),
        )
        self.sticky_pairs = Live(
            "smsgw_sticky_pairs", "Pairs of number and peer held on another carrier than the first of their route.", ()
        )
        self.sticky_evicted = Live(
            "smsgw_sticky_evicted", "Such pairs forgotten since there were too many.", (), counter=True
        )
        self._carriers: dict[str, CarrierMetrics] = {}

    def carrier(self, name: str) -> CarrierMetrics:
        """The series of a carrier, all there from the first call."""
        found = self._carriers.get(name)
        if found is None:
            found = self._carriers[name] = CarrierMetrics(self, name)
            self.receipt_time.labels(name)
        return found

    def receipt_times(self, times: dict[str, list[float]]) -> None:
        """Seconds from responses to their receipts, by carrier, of one transaction."""
        for name, seconds in times.items():
            self.receipt_time.labels(name).observe(seconds)


class CarrierMetrics:
    """The series of one carrier."""

    def __init__(self, metrics: OfCarriers, name: str) -> None:
        self.submitted = metrics.submitted.labels(name)
        self.accepted = metrics.accepted.labels(name)
        self.late = metrics.late.labels(name)
        self.in_doubt = metrics.in_doubt.labels(name)
        self.inbound_failed = metrics.inbound_failed.labels(name)
        self.reconnects = metrics.reconnects.labels(name)
        self.rejected_pdus = metrics.rejected_pdus.labels(name)
        self.throttled = metrics.throttled.labels(name)
        self.submit_latency = metrics.submit_latency.labels(name)
        self.inbound = metrics.carrier_inbound.labels(name)
        self._metrics = metrics
        self._name = name
        for state in ("delivered", "undelivered", "expired", "no_change"):
            metrics.receipts.labels(name, state)
        for result in QUERY_RESULTS:
            metrics.queries.labels(name, result)
        for status in CommandStatus:
            if status != CommandStatus.ESME_ROK:
                metrics.failed.labels(name, status.name)
        metrics.failed.labels(name, "other")

    def failed(self, status: int, count: int = 1) -> None:
        """Segments refused with a command_status, by its name; what has no name is one value."""
        try:
            name = CommandStatus(status).name
        except ValueError:
            name = "other"
        self._metrics.failed.labels(self._name, name).inc(count)

    def queried(self, result: str) -> None:
        """A query_sm, by what became of it."""
        self._metrics.queries.labels(self._name, result).inc()

    def receipts(self, state: str, count: int = 1) -> None:
        """Receipts by the state that they lead to."""
        self._metrics.receipts.labels(self._name, state).inc(count)
