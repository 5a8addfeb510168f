"""How much the daemon does at once, by its own metrics: bursts decide what a message costs."""

from __future__ import annotations

import contextlib
import socket
import urllib.request
from collections import defaultdict
from collections.abc import Mapping

PAGE_TIMEOUT = 10.0
"""Seconds for the page of metrics."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def scrape(address: str) -> dict[str, float]:
    """The metrics at host:port by name, summed over their labels. Raises OSError when there is no page."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PAGE_TIMEOUT) as page:
        return summed(page.read().decode())


def summed(text: str) -> dict[str, float]:
    """Prometheus' text format: values by name, summed over their labels; buckets of histograms are left out."""
    out: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            if not name.endswith("_bucket"):
                out[name] += float(value)
    return dict(out)


_PER = {
    "transaction": "smsgw_store_transaction_seconds_count",
    "read of the socket": "smsgw_socket_reads_total",
    "write on it": "smsgw_socket_writes_total",
    "read of a bind": "smsgw_bind_reads_total",
    "write on one": "smsgw_bind_writes_total",
}
"""What is counted beside the messages: the name of one, and its metric."""


def report(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> str:
    """Messages per transaction and so on, averages of a run; and what a transaction wrote and took."""

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    parts = [f"{messages / count:.1f} a {one}" for one, metric in _PER.items() if (count := grown(metric)) > 0]
    if not parts:
        return "not counted by this daemon"
    out = "messages: " + ", ".join(parts)
    transactions = grown("smsgw_store_transaction_seconds_count")
    if transactions:
        rows = grown("smsgw_store_burst_rows_sum")
        each = 1000 * grown("smsgw_store_transaction_seconds_sum") / transactions
        out += f"; rows: {rows / messages:.1f} a message; a transaction took {each:.2f} ms"
    return out
