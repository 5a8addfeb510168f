"""The metrics over HTTP: what a daemon shows, and what a page that is open to others has to live with."""

import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.daemon import DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.doors.metrics_page import MAX_CONNECTIONS, REQUEST_TIME
from tests.support.processes import SUBMIT, bound, call, until

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("metrics")
    port = free_port()
    sections = {"metrics": {"bind": f"127.0.0.1:{port}"}}
    with SinkProcess() as sink, DaemonProcess(directory, config(directory, sink.port, sections=sections)) as daemon:
        daemon.page = port
        daemon.sink = sink
        bound(daemon)
        yield daemon


def request(daemon, octets, seconds=5.0):
    """What is answered to these octets, until the daemon closes."""
    with socket.create_connection(("127.0.0.1", daemon.page), timeout=seconds) as connection:
        connection.sendall(octets)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


def page(daemon):
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.page}/metrics", timeout=5) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return answer.read().decode()


def value(daemon, name, **labels):
    for family in text_string_to_metric_families(page(daemon)):
        for sample in family.samples:
            if sample.name == name and all(sample.labels.get(k) == v for k, v in labels.items()):
                return sample.value
    return None


def test_every_documented_metric_is_on_the_page_with_a_help_line(running):
    documented = re.findall(r"^\| `(smsgw_[a-z_]+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    helped = re.findall(r"^# HELP (\S+) \S", page(running), re.M)
    assert sorted(documented) == sorted(helped)
    assert len(set(helped)) == len(helped)


def test_series_are_there_before_anything_happened(running):
    for name, labels in (
        ("smsgw_segments_failed_total", {"carrier": "sink", "status": "ESME_RTHROTTLED"}),
        ("smsgw_app_refused_total", {"app": "local", "reason": "queue_full"}),
        ("smsgw_inbound_segments_total", {"number": "+15551230001"}),
        ("smsgw_inbound_segments_total", {"number": "other"}),
        ("smsgw_queue_segments", {"carrier": "sink"}),
        ("smsgw_queue_oldest_seconds", {"carrier": "sink"}),
        ("smsgw_window_in_use", {"carrier": "sink"}),
        ("smsgw_reconnects_total", {"carrier": "sink"}),
        ("smsgw_throttled_seconds_total", {"carrier": "sink"}),
        ("smsgw_bind_refused", {"carrier": "sink", "bind": "sink/1"}),
    ):
        assert value(running, name, **labels) == 0, name
    assert value(running, "smsgw_bind_up", carrier="sink", bind="sink/1") == 1
    assert value(running, "smsgw_store_healthy") == 1
    assert value(running, "smsgw_build_info") == 1


def test_a_message_is_counted_on_its_way(running):
    before = {
        name: value(running, name, **labels) or 0
        for name, labels in (
            ("smsgw_app_accepted_total", {"app": "local"}),
            ("smsgw_segments_submitted_total", {}),
            ("smsgw_segments_accepted_total", {}),
            ("smsgw_receipts_total", {"state": "delivered"}),
            ("smsgw_receipts_handled_total", {"outcome": "matched"}),
            ("smsgw_submit_latency_seconds_count", {}),
            ("smsgw_receipt_time_seconds_count", {}),
            ("smsgw_messages_ended_total", {"state": "delivered"}),
        )
    }
    for _ in range(3):
        call(running, "submit", **SUBMIT)
    until(lambda: value(running, "smsgw_messages_ended_total", state="delivered") == 3, running)
    for name, count in before.items():
        labels = {"state": "delivered"} if "receipts_total" in name or "ended" in name else {}
        labels |= {"outcome": "matched"} if "handled" in name else {}
        labels |= {"app": "local"} if "app" in name else {}
        assert value(running, name, **labels) - count == 3, name
    assert value(running, "smsgw_store_burst_rows_count") > 0
    assert value(running, "smsgw_store_transaction_seconds_sum") > 0


def test_label_values_come_from_the_configuration(running):
    call(running, "submit", **(SUBMIT | {"text": "marked text", "ref": "marked-ref"}))
    text = page(running)
    assert "marked" not in text
    assert "4155550123" not in text
    assert "14155550123" not in text


def test_a_query_string_is_no_matter(running):
    assert request(running, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_other_paths_are_404(running):
    for path in ("/", "/metrics/", "/Metrics", "/../etc/passwd", "/metrics%00"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{running.page}{path}", timeout=5)
        assert refused.value.code == 404
        refused.value.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_405(running, method):
    answer = request(running, f"{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: get, head\r\n" in answer.lower()


def test_a_head_has_the_length_and_no_body(running):
    head = request(running, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    assert length > 1000


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,  # a TLS hello
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/x.y\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",  # no Host
        b"\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01" * 20,  # SMPP
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"A" * 100_000,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_survived(running, octets):
    try:
        answer = request(running, octets)
    except OSError:  # reset, with octets of ours unread
        answer = b""
    assert answer == b"" or re.match(rb"HTTP/1\.1 4\d\d ", answer)
    assert page(running)


def test_slow_ones_hold_up_neither_the_page_nor_the_daemon(running):
    """They have the slots for at most the time of a request; the daemon serves applications meanwhile."""
    slow = []
    try:
        for _ in range(MAX_CONNECTIONS - 1):
            connection = socket.create_connection(("127.0.0.1", running.page))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHo")
            slow.append(connection)
        began = time.monotonic()
        assert page(running)
        assert time.monotonic() - began < 2
        for _ in range(5):
            slow.append(socket.create_connection(("127.0.0.1", running.page)))
        began = time.monotonic()
        call(running, "submit", **SUBMIT)
        assert time.monotonic() - began < 2
        for connection in slow:
            connection.settimeout(2 * REQUEST_TIME + 5)
            assert connection.recv(100) == b""  # closed, unasked
        assert time.monotonic() - began < 2 * REQUEST_TIME + 5
    finally:
        for connection in slow:
            connection.close()
    assert page(running)


def test_one_that_does_not_read_is_given_up(running):
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", running.page))
        deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert page(running)
