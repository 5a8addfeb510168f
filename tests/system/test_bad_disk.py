"""A full disk and a locked database are refused, nothing that was acknowledged is lost, and work resumes by itself.

The disk is full for one process: RLIMIT_FSIZE is lowered for the running daemon, and every write beyond it fails.
"""

import resource
import sqlite3
import time
from collections import Counter
from contextlib import closing, contextmanager

import pytest

from bench import trace, wire
from bench.daemon import DaemonProcess, config
from bench.load import Load, LoadOptions
from bench.reconcile import inbound, outbound
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError

SERVING_WITHIN = 5.0
MO = trace.Line("mo", trace.NUMBERS[0], "+14155550100", "{key} yes")


@contextmanager
def full_disk(daemon):
    """Nothing of the daemon's grows any more, its log included."""
    before = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        if daemon.running:
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(daemon):
    """Another program holds the database's write lock, for longer than the daemon waits for it."""
    with closing(sqlite3.connect(daemon.directory / "smsgw.db", isolation_level=None, timeout=20)) as con:
        con.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            con.execute("ROLLBACK")


class Running:
    """A sink and a daemon, an application that submits at a rate, and a carrier that sends at one."""

    def __init__(self, directory, sink, daemon):
        self.directory, self.sink, self.daemon = directory, sink, daemon
        self.inbound_lines = directory / "inbound.ndjson"
        trace.write(self.inbound_lines, [MO])
        self.load = Load(LoadOptions(str(daemon.socket), trace.load("otp"), 100_000, rate=200.0))
        self.load.connect()
        sink.command("inbound", trace_name=str(self.inbound_lines), count=100_000, rate=50.0)

    def until(self, reached, timeout=15.0):
        """Goes on with the load until something holds; returns the seconds that took."""
        began = time.monotonic()
        while not reached():
            assert time.monotonic() - began < timeout, f"not reached in {timeout} s\n{self.daemon.log_end()}"
            assert self.load.broken is None, self.daemon.log_end()
            assert self.daemon.running, self.daemon.log_end()
            self.load.step(0.02)
        return time.monotonic() - began

    def accepts(self, more):
        """Whether so many more messages are accepted, and taken from the carrier, than now."""
        accepted, taken = self.load.accepted + more, self.sink.stats()["mo_acked"] + more
        return lambda: self.load.accepted >= accepted and self.sink.stats()["mo_acked"] >= taken

    def refuses(self, more):
        """Whether so many more are refused on both sides than now."""
        refused, again = len(self.load.refused) + more, self.sink.stats()["deliver_retried"] + more
        return lambda: len(self.load.refused) >= refused and self.sink.stats()["deliver_retried"] >= again

    def finish(self):
        """Ends the load, lets everything come to its end, and compares both ways with the carrier's log."""
        load, sink = self.load, self.sink
        sink.command("inbound", count=0)
        load.options = LoadOptions(load.options.socket, load.options.lines, load.next)
        self.until(lambda: load.replies >= load.next and sink.stats()["owed"] == 0, 30)
        sent = sink.stats()["mo_messages"]
        self.until(lambda: not load.missing() and len({e.event_id for _, e in load.inbound}) >= sent, 30)
        load.close()
        self.daemon.stop()
        log = sink.read_log()
        load.options = LoadOptions(load.options.socket, trace.load("otp"), load.next)
        out = outbound(load, log)
        assert out.clean, out
        told = inbound([MO], sent, log, [event for _, event in load.inbound])
        assert told.clean, told
        return log


@pytest.fixture
def running(tmp_path):
    with SinkProcess(log=tmp_path / "sink.log", latency_ms=5, retry_ms=200) as sink:
        text = config(tmp_path, sink.port, window=20, sections={"store": {"min_free_disk": 0}})
        with DaemonProcess(tmp_path, text) as daemon:
            running = Running(tmp_path, sink, daemon)
            yield running
            running.load.close()


@pytest.mark.parametrize("trouble", [full_disk, locked])
def test_trouble_is_refused_on_both_sides_and_passes(running, trouble):
    running.until(running.accepts(50))
    for _ in range(2):
        with trouble(running.daemon):
            running.until(running.refuses(5))
            status = status_of(running.daemon)
            assert status["store"]["healthy"] is False
        seconds = running.until(running.accepts(5))
        assert seconds < SERVING_WITHIN
        assert status_of(running.daemon)["store"]["healthy"] is True
    assert Counter(running.load.refused.values()).keys() == {"store_unavailable"}
    log = running.finish()
    refused = [d for d in log.deliveries if d.status not in (None, wire.ROK)]
    assert refused
    assert {d.status for d in refused} == {wire.RX_T_APPN}


@pytest.mark.parametrize("trouble", [full_disk, locked])
def test_an_application_is_told_to_try_later(running, trouble):
    with Client(running.daemon.socket, timeout=10) as client:
        with trouble(running.daemon):
            with pytest.raises(RpcError) as refusal:
                client.call("submit", to="+14155550123", text="hello", **{"from": trace.NUMBERS[0]}, ref="once")
            assert refusal.value.code == -32001
            assert refusal.value.reason == "store_unavailable"
            assert refusal.value.retry_after >= 1
        end = time.monotonic() + SERVING_WITHIN
        while True:
            try:
                sent = client.call("submit", to="+14155550123", text="hello", **{"from": trace.NUMBERS[0]}, ref="once")
                break
            except RpcError as error:
                if not error.try_later or time.monotonic() > end:
                    raise
                time.sleep(0.05)
        # The refused one left nothing behind.
        assert sent["duplicate"] is False


def test_a_kill_while_the_disk_is_full_loses_nothing(running):
    running.until(running.accepts(50))
    with full_disk(running.daemon):
        running.until(running.refuses(5))
        running.daemon.kill()
    accepted = [message_id for message_id in running.load.ids if message_id]
    running.load.close()
    running.daemon.start()
    with Client(running.daemon.socket) as client:
        end = time.monotonic() + 20
        waiting = set(accepted)
        while waiting:
            assert time.monotonic() < end, client.call("message", id=min(waiting))
            asked = sorted(waiting)[:500]
            found = client.call("message", ids=asked)["messages"]
            assert {message["id"] for message in found} == set(asked)
            waiting -= {message["id"] for message in found if message["state"] == "delivered"}
            time.sleep(0.05)


@pytest.mark.parametrize("trouble", [full_disk, locked])
def test_a_stop_in_trouble_ends_in_time(running, trouble):
    running.until(running.accepts(50))
    with trouble(running.daemon):
        running.until(running.refuses(5))
        assert running.daemon.stop() < 10.0


def status_of(daemon):
    with Client(daemon.socket) as client:
        return client.call("status")
