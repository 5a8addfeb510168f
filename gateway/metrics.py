"""Prometheus metrics: one table of names, label values resolved once, and counting in bursts.

Label values come from the configuration, never from a message. Everything exists from the first start, so that rate()
works from the first event on. Nothing here is called for each message: flows count a burst at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gateway.smpp.constants import CommandStatus

LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECEIPT_TIME: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0)
BURST: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


class Histogram(Collector):
    """A histogram that takes a burst of values with no lock: all counting is in Trio's thread or under the writer's."""

    def __init__(self, name: str, text: str, label: str | None, bounds: tuple[float, ...]) -> None:
        self.name = name
        self._text = text
        self._label = label
        self._bounds = bounds
        self._series: dict[str, _Series] = {}

    def labels(self, value: str = "") -> _Series:
        """The series of a label value."""
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = _Series(self._bounds)
        return series

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """For the registry."""
        family = HistogramMetricFamily(self.name, self._text, labels=[self._label] if self._label else [])
        for value, series in self._series.items():
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*self._bounds, float("inf")), series.counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            family.add_metric([value] if self._label else [], buckets, sum_value=series.total)
        yield family


class _Series:
    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, values: Iterable[float]) -> None:
        """Counts a burst of values."""
        counts, bounds = self.counts, self._bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            self.total += value


class Live(Collector):
    """Gauges, or counters, that are read from the daemon's state when the page is asked for."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], *, counter: bool = False) -> None:
        self.name = name
        self._text = text
        self._labels = labels
        self._family = CounterMetricFamily if counter else GaugeMetricFamily
        self.read: Callable[[], Iterable[tuple[tuple[str, ...], float]]] = tuple

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """For the registry."""
        family = self._family(self.name, self._text, labels=self._labels)
        for values, number in self.read():
            family.add_metric(values, number)
        yield family


class CarrierMetrics:
    """The series of one carrier."""

    def __init__(self, metrics: Metrics, name: str) -> None:
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


class Metrics:
    """All metrics of a daemon, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each one, which nobody asks for
        r = self.registry = CollectorRegistry()
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
        self.rerouted = Counter(
            "smsgw_rerouted", "Messages taken from a carrier to another, by cause.", ["carrier", "cause"], registry=r
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
        self.queries = Counter(
            "smsgw_queries",
            "Questions (query_sm) for segments whose receipt is overdue, by what came of them.",
            ["carrier", "result"],
            registry=r,
        )
        self.throttled = Counter(
            "smsgw_throttled_seconds",
            "Seconds for which a carrier was paused by ESME_RTHROTTLED.",
            carrier,
            registry=r,
        )
        self.reconnects = Counter("smsgw_reconnects", "Attempts to bind after the first.", carrier, registry=r)
        self.rejected_pdus = Counter(
            "smsgw_pdus_rejected", "PDUs of a carrier that were answered with an error.", carrier, registry=r
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
        self.partial = Counter(
            "smsgw_inbound_partial", "Long inbound messages that ended with parts missing.", ["cause"], registry=r
        )
        for cause in PARTIAL_CAUSES:
            self.partial.labels(cause)
        self.purged = Counter(
            "smsgw_purged", "What `[retention]` and `smsgw erase` removed, by kind.", ["what"], registry=r
        )
        for what in PURGED:
            self.purged.labels(what)
        self.prefix_capped = Counter(
            "smsgw_prefix_capped", "Messages refused by a cap of `[[caps]]`, by its prefix.", ["prefix"], registry=r
        )
        self.quota_refused = Counter(
            "smsgw_quota_refused",
            "Messages refused by a quota of an app (`app:NAME`) or a number (`number:NUMBER`).",
            ["of", "quota"],
            registry=r,
        )
        self.quiet_held = Counter(
            "smsgw_quiet_held",
            "Messages put off by quiet hours: when they came (`door`), or while they waited (`queue`).",
            ["where"],
            registry=r,
        )
        for where in ("door", "queue"):
            self.quiet_held.labels(where)
        self.app_accepted = Counter("smsgw_app_accepted", "Messages accepted from an app.", ["app"], registry=r)
        self.app_refused = Counter("smsgw_app_refused", "Submits refused, by reason.", ["app", "reason"], registry=r)
        self.ended = Counter(
            "smsgw_messages_ended", "Messages that came to their end, by their state.", ["state"], registry=r
        )
        for state in ("sent", "delivered", "undelivered", "expired", "failed", "rejected", "cancelled"):
            self.ended.labels(state)
        self.overdue = Counter(
            "smsgw_receipts_overdue", "Sent messages whose receipt did not come in time (no_receipt).", registry=r
        )
        self.deliveries = Counter("smsgw_handler_deliveries", "Events delivered by a handler.", ["handler"], registry=r)
        self.delivery_failures = Counter(
            "smsgw_handler_failures", "Deliveries of a handler that failed.", ["handler"], registry=r
        )
        self.dead_letters = Counter(
            "smsgw_dead_letters", "Events set aside undelivered, of an app or handler.", ["stream"], registry=r
        )
        self.replayed = Counter(
            "smsgw_replayed", "Events put back to be delivered once more, of an app or handler.", ["stream"], registry=r
        )
        self.traces_dropped = Counter(
            "smsgw_history_dropped",
            "Entries of messages' histories beyond what is kept of each.",
            registry=r,
        )
        self.unsendable = Counter(
            "smsgw_messages_set_aside", "Stored messages that cannot be put on the air.", registry=r
        )
        self.submit_latency = Histogram(
            "smsgw_submit_latency_seconds", "From submit_sm written to its response.", "carrier", LATENCY
        )
        self.receipt_time = Histogram(
            "smsgw_receipt_time_seconds", "From the response to a segment to its receipt.", "carrier", RECEIPT_TIME
        )
        self.transaction = Histogram(
            "smsgw_store_transaction_seconds", "Time of a transaction, sync to disk included.", None, LATENCY
        )
        self.burst = Histogram("smsgw_store_burst_rows", "Rows written by a transaction.", None, BURST)
        self.window = Live("smsgw_window_in_use", "Segments written, whose outcome is not recorded yet.", ("carrier",))
        self.rate_limit = Live(
            "smsgw_rate_limit", "Segments a second that a carrier is given just now; 0: no limit.", ("carrier",)
        )
        self.slow_numbers = Live(
            "smsgw_numbers_waiting", "Our numbers whose messages wait for the rate of the number.", ("carrier",)
        )
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
        self.queue = Live("smsgw_queue_segments", "Unsent segments by carrier.", ("carrier",))
        self.oldest = Live("smsgw_queue_oldest_seconds", "Age of the oldest unsent message.", ("carrier",))
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
        self.stalls = Live(
            "smsgw_stalls", "Times that a carrier made no progress with segments to send.", ("carrier",), counter=True
        )
        self.rebinds = Live(
            "smsgw_rebinds",
            "Binds that were ended to be bound again, by cause: an operator, a stall, or a first host that is back.",
            ("carrier", "cause"),
            counter=True,
        )
        self.outbinds = Live(
            "smsgw_outbinds",
            "Connections to a carrier's outbind address, by what became of them.",
            ("carrier", "outcome"),
            counter=True,
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
        self.balances = Live(
            "smsgw_app_balance_segments", "Segments that an app has left, where it pays in advance.", ("app",)
        )
        self.handler_paused = Live(
            "smsgw_handler_paused",
            "1 while a handler's receiver refuses what it is sent: it is tried now and then.",
            ("handler",),
        )
        self.backlog = Live("smsgw_stream_backlog", "Events that wait for an app or handler.", ("kind", "name"))
        self.store_state = Live(
            "smsgw_store_healthy", "1 where the database takes writes, 0 where it refuses them.", ()
        )
        self.store_failures = Live("smsgw_store_failures", "Bursts that the database refused.", (), counter=True)
        self.disk_full = Live("smsgw_disk_full", "1 where free disk is below the floor.", ())
        self.wal = Live("smsgw_store_wal_bytes", "Octets in the write-ahead log.", ())
        self.parked = Live("smsgw_parked_receipts", "Receipts that wait for their message.", ())
        self.waiting_parts = Live(
            "smsgw_inbound_waiting_parts",
            "Parts of long inbound messages that wait for others, as limits.reassembly_total counts them.",
            (),
        )
        self.connections = Live("smsgw_socket_connections", "Connections to the local socket.", ())
        self.reading_stopped = Live(
            "smsgw_socket_reading_stopped",
            "Times that the reading of a connection to the local socket was stopped: by its own unanswered requests "
            "and unread output (connection), or by a full transaction (store).",
            ("cause",),
            counter=True,
        )
        self.bind_reading_stopped = Live(
            "smsgw_bind_reading_stopped",
            "Times that the reading of a bind was stopped, since too much inbound waited for its commit.",
            ("carrier",),
            counter=True,
        )
        self.log_lines = Live(
            "smsgw_log_lines_dropped",
            "Log lines not written: held back by the limit of an event (suppressed), or not taken in time by who "
            "reads the log (lost).",
            ("cause",),
            counter=True,
        )
        self.build = Live("smsgw_build_info", "1, with the version.", ("version",))
        for collector in vars(self).values():
            if isinstance(collector, (Histogram, Live)):
                r.register(collector)
        self.transaction.labels()
        self.burst.labels()
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

    def app(self, name: str) -> None:
        """The series of an app, all there from the first call."""
        self.app_accepted.labels(name)
        for reason in REFUSALS:
            self.app_refused.labels(name, reason)

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
PURGED: Final = ("texts", "messages", "inbound", "threads", "keys", "events")
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
INBOUND_OUTCOMES: Final = (
    "unrouted",
    "partial",
    "part_duplicate",
    "mark_evicted",
    "stranger",
    "rules_failed",
    "unmonitored",
)
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
PARTIAL_CAUSES: Final = ("age", "peer_limit", "total_limit", "reference_reused")
