"""The metrics: all there from the start, counted in bursts, named and explained in docs/metrics.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import INBOUND_OUTCOMES, RECEIPT_OUTCOMES, RECEIPT_TIME, REFUSALS, Histogram, Live, Metrics
from gateway.model import REASONS, RECEIPT_STATES, State
from gateway.smpp.constants import CommandStatus

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/metrics.md"


def table() -> list[tuple[str, str, str, str]]:
    """(name, type, labels, meaning) of every metric, as the page shows them."""
    rows = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, Counter):
            (family,) = metric.collect()
            rows.append((f"{family.name}_total", "counter", metric._labelnames, family.documentation))
        elif isinstance(metric, Histogram):
            (family,) = metric.collect()
            rows.append((family.name, "histogram", (metric._label,) if metric._label else (), family.documentation))
        elif isinstance(metric, Live):
            (family,) = metric.collect()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((name, family.type, metric._labels, family.documentation))
    return [(name, kind, ", ".join(f"`{label}`" for label in labels), text) for name, kind, labels, text in rows]


def page(metrics: Metrics) -> dict[str, Any]:
    """Families by name, as Prometheus reads them."""
    return {f.name: f for f in text_string_to_metric_families(generate_latest(metrics.registry).decode())}


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Values of a sample's name by the values of its labels."""
    return {tuple(s.labels.values()): s.value for f in metrics.registry.collect() for s in f.samples if s.name == name}


def test_the_documents_name_and_explain_every_metric() -> None:
    rows = [f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in table()]
    documented = re.findall(r"^\| `smsgw_.*\|$", DOCS.read_text(), re.M)
    assert sorted(documented) == sorted(rows), "\n".join(rows)


def test_names_are_of_the_house_and_of_prometheus() -> None:
    for name, kind, _, text in table():
        assert re.fullmatch(r"smsgw_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter")
        assert kind != "histogram" or name.endswith(("_seconds", "_rows"))
        assert text.endswith(".")
        assert "|" not in text


def test_metrics_named_in_other_documents_exist() -> None:
    known = {name for name, *_ in table()}
    for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*"), ROOT / "README.md"]:
        if path.is_file():
            for name in re.findall(r"smsgw_[a-z_]+", path.read_text()):
                plain = re.sub(r"_(bucket|count|sum)$", "", name)
                assert plain in known or not plain.endswith(("_total", "_seconds")), f"{path.name}: {name}"


def test_every_series_of_a_carrier_is_there_from_the_start() -> None:
    metrics = Metrics()
    metrics.carrier("acme")
    for name in (
        "segments_submitted", "segments_accepted", "segments_in_doubt", "late_responses", "throttled_seconds",
        "reconnects", "pdus_rejected", "carrier_inbound", "inbound_refused",
    ):  # fmt: skip
        assert samples(metrics, f"smsgw_{name}_total") == {("acme",): 0.0}, name
    statuses = {status for _, status in samples(metrics, "smsgw_segments_failed_total")}
    assert statuses == {s.name for s in CommandStatus if s} | {"other"}
    states = {state for _, state in samples(metrics, "smsgw_receipts_total")}
    assert states == {State(s).word for s in RECEIPT_STATES.values() if s is not None} | {"no_change"}
    assert samples(metrics, "smsgw_submit_latency_seconds_count") == {("acme",): 0.0}
    assert samples(metrics, "smsgw_receipt_time_seconds_count") == {("acme",): 0.0}


def test_every_series_of_an_app_is_there_from_the_start() -> None:
    metrics = Metrics()
    metrics.app("crm")
    assert samples(metrics, "smsgw_app_accepted_total") == {("crm",): 0.0}
    assert set(samples(metrics, "smsgw_app_refused_total")) == {("crm", reason) for reason in REFUSALS}
    assert set(REFUSALS) < set(REASONS)


def test_series_without_labels_are_there_from_the_start() -> None:
    metrics = Metrics()
    for name in ("receipts_overdue", "messages_set_aside"):
        assert samples(metrics, f"smsgw_{name}_total") == {(): 0.0}
    assert samples(metrics, "smsgw_store_transaction_seconds_count") == {(): 0.0}
    assert set(samples(metrics, "smsgw_receipts_handled_total")) == {(o,) for o in RECEIPT_OUTCOMES}
    assert set(samples(metrics, "smsgw_inbound_total")) == {(o,) for o in INBOUND_OUTCOMES}
    ended = {state for (state,) in samples(metrics, "smsgw_messages_ended_total")}
    assert ended == {"sent", "delivered", "undelivered", "expired", "failed", "rejected", "cancelled"}


def test_counts_of_a_transaction_find_their_series() -> None:
    metrics = Metrics()
    metrics.counts(
        {
            "ended:delivered": 3,
            **{f"receipt_{outcome}": 2 for outcome in RECEIPT_OUTCOMES},
            **{f"inbound_{outcome}": 5 for outcome in INBOUND_OUTCOMES},
        }
    )
    assert samples(metrics, "smsgw_messages_ended_total")["delivered",] == 3
    assert set(samples(metrics, "smsgw_receipts_handled_total").values()) == {2}
    assert set(samples(metrics, "smsgw_inbound_total").values()) == {5}


def test_what_transactions_count_is_in_the_tables() -> None:
    """Every name given to Tx.count by the store makes no series of its own."""
    found: set[str] = set()
    for path in (ROOT / "gateway/store").glob("*.py"):
        found |= set(re.findall(r'"((?:receipt|inbound)_[a-z_]+)"', "".join(_counts(path.read_text()))))
    assert found
    assert {name.partition("_")[2] for name in found if name.startswith("receipt_")} <= set(RECEIPT_OUTCOMES)
    assert {name.partition("_")[2] for name in found if name.startswith("inbound_")} <= set(INBOUND_OUTCOMES)


def _counts(source: str) -> list[str]:
    return re.findall(r"tx\.count\([^)]*\)", source)


def test_a_status_without_a_name_is_one_value() -> None:
    metrics = Metrics()
    acme = metrics.carrier("acme")
    for status in (0x58, 0x400, 0x401, 0xFFFFFFFF):
        acme.failed(status)
    failed = samples(metrics, "smsgw_segments_failed_total")
    assert failed["acme", "ESME_RTHROTTLED"] == 1
    assert failed["acme", "other"] == 3


@pytest.mark.parametrize(
    ("values", "upper"),
    [((0.0,), 0.1), ((0.1,), 0.1), ((0.1000001,), 0.5), ((86_400.0,), 86_400.0), ((1e9,), float("inf"))],
)
def test_a_histogram_puts_values_at_or_below_their_bound(values: tuple[float, ...], upper: float) -> None:
    metrics = Metrics()
    metrics.receipt_times({"acme": list(values)})
    family = page(metrics)["smsgw_receipt_time_seconds"]
    buckets = {float(s.labels["le"]): s.value for s in family.samples if s.name.endswith("_bucket")}
    assert sorted(buckets) == [*RECEIPT_TIME, float("inf")]
    assert min(bound for bound, count in buckets.items() if count) == upper
    assert list(buckets.values()) == sorted(buckets.values()), "buckets count all that is below them"
    assert samples(metrics, "smsgw_receipt_time_seconds_sum") == {("acme",): sum(values)}
    assert samples(metrics, "smsgw_receipt_time_seconds_count") == {("acme",): len(values)}


def test_live_values_are_read_when_asked_for() -> None:
    metrics = Metrics()
    value = 1.0
    metrics.window.read = lambda: [(("acme",), value)]
    assert samples(metrics, "smsgw_window_in_use") == {("acme",): 1.0}
    value = 2.0
    assert samples(metrics, "smsgw_window_in_use") == {("acme",): 2.0}


def test_the_page_has_a_help_line_for_every_metric_and_no_second_series() -> None:
    metrics = Metrics()
    metrics.carrier("acme")
    text = generate_latest(metrics.registry).decode()
    assert len(re.findall(r"^# HELP ", text, re.M)) == len(table())
    assert "_created" not in text


def test_two_registries_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.carrier("acme").accepted.inc()
    other.carrier("acme")
    assert samples(other, "smsgw_segments_accepted_total") == {("acme",): 0.0}
