"""The life of the daemon's process: what systemd is told, signals, reloads, file modes, exit codes."""

import itertools
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time

import pytest

from bench.daemon import ROOT, DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from tests.support.processes import PATIENCE, SUBMIT, Systemd, bound, call, events


@pytest.fixture
def systemd(tmp_path):
    made = Systemd(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sink():
    with SinkProcess() as running:
        yield running


def test_systemd_is_told_of_the_start_the_watchdog_a_reload_and_the_stop(tmp_path, sink, systemd):
    environment = systemd.environment(WATCHDOG_USEC="3000000")
    with DaemonProcess(tmp_path, config(tmp_path, sink.port), env=environment) as daemon:
        ready, _ = systemd.until("READY=1")
        assert "STATUS=1 carriers" in ready
        with Client(daemon.socket) as client:  # ready means that it serves
            client.call("status")
        beats = [systemd.until("WATCHDOG=1")[1] for _ in range(3)]
        assert max(b - a for a, b in itertools.pairwise(beats)) < 1.5

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        os.kill(daemon.pid, signal.SIGHUP)
        reloading, _ = systemd.until("RELOADING=1")
        stamp = int(reloading.split("MONOTONIC_USEC=")[1].split()[0])
        assert before <= stamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        systemd.until("READY=1")

        os.kill(daemon.pid, signal.SIGTERM)
        systemd.until("STOPPING=1")
    assert "READY=1" not in "".join(systemd.messages[systemd.messages.index("STOPPING=1") :])


def test_ready_comes_only_once_the_socket_listens(tmp_path, systemd):
    text = config(tmp_path, 1)
    (tmp_path / "smsgw.toml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "smsgw.toml")],
        cwd=ROOT, env=systemd.environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        systemd.until("READY=1")
        with Client(tmp_path / "s") as client:
            assert client.call("status")["carriers"][0]["state"] == "down", "it serves though the carrier is away"
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_stop_does_not_wait_for_a_reload(tmp_path):
    """A carrier that answers nothing holds up its own change for seconds, not the end of the daemon."""
    with SinkProcess(faults="silent:1.0") as deaf, DaemonProcess(tmp_path, config(tmp_path, deaf.port)) as daemon:
        bound(daemon)
        call(daemon, "submit", **SUBMIT)
        deaf.wait_for(lambda stats: stats["submits"] >= 1)
        (tmp_path / "smsgw.toml").write_text(config(tmp_path, deaf.port, carrier={"system_type": "x"}))
        os.kill(daemon.pid, signal.SIGHUP)
        os.kill(daemon.pid, signal.SIGHUP)
        assert daemon.stop() < 10


def test_a_reload_during_the_start_waits_for_its_end(tmp_path, systemd):
    text = config(tmp_path, 1)
    (tmp_path / "smsgw.toml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "smsgw.toml")],
        cwd=ROOT, env=systemd.environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # As soon as signals are obeyed: the socket's file comes some steps before the end of the start.
    while not (tmp_path / "s").exists():
        assert process.poll() is None
        time.sleep(0.0005)
    process.send_signal(signal.SIGHUP)
    systemd.until("READY=1")
    systemd.until("RELOADING=1")
    systemd.until("READY=1")
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_with_zero(tmp_path, sink, number):
    with DaemonProcess(tmp_path, config(tmp_path, sink.port)) as daemon:
        bound(daemon)
        os.kill(daemon.pid, number)
        assert daemon._process.wait(PATIENCE) == 0
    assert not daemon.socket.exists()
    assert [e["event"] for e in events(daemon, "stopped")] == ["stopped"]


def test_it_stops_though_the_carrier_is_deaf_and_away(tmp_path):
    with DaemonProcess(tmp_path, config(tmp_path, 1, binds=20)) as daemon:
        assert daemon.stop() < 5


def test_socket_and_database_are_private(tmp_path, sink):
    for mode in (0o660, 0o600):
        directory = tmp_path / oct(mode)
        directory.mkdir()
        before = os.umask(0)  # the most careless of umasks
        try:
            text = config(directory, sink.port, sections={"socket": {"mode": f"{mode:04o}"}})
            with DaemonProcess(directory, text) as daemon:
                bound(daemon)
                call(daemon, "submit", **SUBMIT)
                assert stat.S_IMODE(daemon.socket.stat().st_mode) == mode
                files = sorted(directory.glob("smsgw.db*"))
                assert {"smsgw.db", "smsgw.db-wal", "smsgw.db-shm"} <= {f.name for f in files}
                for file in files:
                    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        finally:
            os.umask(before)


def test_the_death_of_the_writer_ends_the_daemon_with_an_error(tmp_path, sink):
    """What breaks there is a defect: systemd starts the daemon anew, and the database says what was under way."""
    before = sink.stats()
    text = config(tmp_path, sink.port)
    (tmp_path / "smsgw.toml").write_text(text)
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from gateway.store.writer import Writer
        from gateway.settings import load
        from gateway.process import run

        original = Writer._finish
        path = Path(sys.argv[1])
        def finish(self, burst, tx):
            if any(op.name == "submit" for op in burst):  # stored, and answered by nobody
                raise RuntimeError("a defect in the writer")
            original(self, burst, tx)
        Writer._finish = finish
        sys.exit(run(load(path), path))
        """
    )
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "smsgw.toml")], cwd=ROOT, stderr=log)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            client = Client(tmp_path / "s")
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)
    with client, pytest.raises((OSError, RpcError)):
        client.pipeline([("submit", SUBMIT), *[("status", {})] * 3])
    assert process.wait(PATIENCE) == 1
    said = (tmp_path / "log").read_text()
    assert '"event": "died"' in said
    assert "a defect in the writer" in said
    # and the next start is in order
    with DaemonProcess(tmp_path, text) as daemon:
        bound(daemon)
        sink.wait_for(lambda stats: stats["submits"] > before["submits"])


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (lambda d: (d / "smsgw.toml").write_text("[stor]\n"), 2, "did you mean store?"),
        (lambda d: (d / "smsgw.toml").unlink(), 2, "cannot be read"),
        (lambda d: (d / "smsgw.db").mkdir(), 1, "smsgw.db"),
        (lambda d: (d / "s").mkdir(), 1, "is not a socket"),
    ],
)
def test_exit_codes_of_a_start_that_fails(tmp_path, break_it, code, words):
    (tmp_path / "smsgw.toml").write_text(config(tmp_path, 1))
    break_it(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "smsgw.toml")],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_metrics_address_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (tmp_path / "smsgw.toml").write_text(config(tmp_path, 1, sections={"metrics": {"bind": address}}))
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "run", "-c", str(tmp_path / "smsgw.toml")],
            cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert f"metrics.bind: cannot listen on {address}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "s").exists()
