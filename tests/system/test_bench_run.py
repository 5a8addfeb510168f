"""The runs against a fake gateway: that they measure, and above all that they notice what went wrong."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from bench import arriving, both, measure, profiler, run
from bench.daemon import ROOT, DaemonError, DaemonProcess, config

FAKE = Path(__file__).parent / "bench_fake_gateway.py"


@pytest.fixture
def fake(monkeypatch):
    def use(fault=""):
        env = os.environ | {"FAKE_FAULT": fault, "PYTHONPATH": str(ROOT)}
        monkeypatch.setattr(
            measure,
            "DaemonProcess",
            partial(DaemonProcess, command=(sys.executable, str(FAKE)), env=env, timeout=5.0),
        )

    return use


def measured(capsys, *arguments):
    status = run.main(["--json", "--messages", "200", *arguments])
    return status, json.loads(capsys.readouterr().out)


def test_a_sound_gateway_passes_every_run(fake, capsys, monkeypatch):
    fake()
    monkeypatch.setattr(arriving, "KNOWN", 100)
    runs = "sink,outbound,latency,unicode,inbound,subscribed,told,both"
    status, printed = measured(capsys, "--runs", runs, "--latency-seconds", "0.2", "--messages", "1000")
    assert status == 0, printed
    outbound = printed["outbound"]
    assert outbound["accepted_per_second"] > 0
    assert outbound["cpu_us_per_message"] > 0
    assert outbound["accept_ms"]["count"] == outbound["request_to_wire_ms"]["count"] == 1000
    assert outbound["reconciliation"]["ended"] == outbound["reconciliation"]["at the sink"] == 1000
    assert printed["latency"]["messages"] == 200
    assert printed["unicode"]["segments"] > 2 * printed["unicode"]["messages"]
    assert printed["inbound"]["reconciliation"]["acknowledged"] == 1000
    assert printed["subscribed"]["reconciliation"]["told"] == printed["told"]["reconciliation"]["told"] == 1000
    told = printed["both"]["reconciliation"]
    assert told["out: ended"] == told["into: acknowledged"] == told["into: told"] == 200
    assert printed["both"]["accept_ms"]["count"] == 200
    assert printed["both"]["cores_of_the_daemon"] > 0
    assert printed["machine"]["cores"]


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [("lose", "lost"), ("double", "doubled"), ("garble", "garbled"), ("unended", "unended")],
)
def test_what_goes_wrong_outbound_is_named(fake, capsys, monkeypatch, fault, wrong):
    fake(fault)
    wait_ended = run.Load.wait_ended
    monkeypatch.setattr(run.Load, "wait_ended", lambda load: wait_ended(load, stall=0.5))
    status, printed = measured(capsys, "--runs", "outbound")
    assert status == 1
    assert printed["outbound"]["reconciliation"][wrong] == 1


def test_inbound_that_is_not_told_is_lost(fake, capsys, monkeypatch):
    fake("deaf")
    monkeypatch.setattr(arriving, "listen", partial(arriving.listen, stall=0.5))
    status, printed = measured(capsys, "--runs", "subscribed")
    assert status == 1
    assert printed["subscribed"]["reconciliation"]["lost"] == 200


@pytest.mark.parametrize("fault", ["lose", "deaf"])
def test_what_goes_wrong_either_way_is_named(fake, capsys, monkeypatch, fault):
    fake(fault)
    wait_ended = run.Load.wait_ended
    monkeypatch.setattr(run.Load, "wait_ended", lambda load: wait_ended(load, stall=0.5))
    monkeypatch.setattr(both, "listen", partial(arriving.listen, stall=0.5))
    status, printed = measured(capsys, "--runs", "both", "--latency-seconds", "0.1")
    assert status == 1
    assert printed["both"]["reconciliation"]["lost"] == (1 if fault == "lose" else 100)


def test_a_daemon_that_dies_is_an_error_and_not_a_figure(fake, capsys):
    fake("crash")
    status, printed = measured(capsys, "--runs", "outbound")
    assert status == 1
    assert "error" in printed["outbound"]


@pytest.mark.skipif(profiler.find() is None, reason="py-spy is not installed; there are no wheels for this machine")
def test_a_run_by_stage_is_one_of_its_own_and_sums_to_the_cpu_of_the_daemon(fake, capsys):
    fake()
    status, printed = measured(capsys, "--runs", "outbound", "--profile", "--messages", "1000")
    assert status == 0, printed
    assert printed["outbound"]["profile"] is None
    sampled = printed["outbound-stages"]
    assert sampled["reconciliation"]["ended"] == 1000
    assert set(sampled["profile"]) >= {"socket", "wire", "store: statements", "not attributed"}
    # Both by the ticks of the kernel, 10 ms each, read one after the other.
    assert sum(sampled["profile"].values()) == pytest.approx(sampled["cpu_us_per_message"], abs=2 * 10)


@pytest.mark.parametrize(
    ("command", "said"), [(None, profiler.MISSING), ("/bin/false", "no profile: py-spy ended, and said nothing")]
)
def test_without_a_sampler_the_figures_stay(fake, capsys, monkeypatch, command, said):
    fake()
    monkeypatch.setattr(profiler, "find", lambda: command)
    status = run.main(["--runs", "outbound,outbound-stages", "--messages", "200"])
    printed = capsys.readouterr().out
    assert status == 0
    assert "cpu us per message" in printed
    assert said in printed


def test_a_run_that_is_not_there_is_a_usage_error(capsys):
    assert run.main(["--runs", "fast"]) == 2
    assert "no run 'fast'" in capsys.readouterr().err
    assert run.main(["--store", "nowhere.db"]) == 2
    assert "there is no file nowhere.db" in capsys.readouterr().err


def test_a_store_that_is_there_is_gone_on_with(tmp_path):
    store = tmp_path / "large.db"
    chosen = vars(run.parser().parse_args(["--store", str(store), "--directory", str(tmp_path)]))
    for name in ("runs", "json", "profile"):
        del chosen[name]
    measure.started(measure.Settings(profile=False, **chosen), tmp_path / "run", 2775)
    assert f'url = "sqlite:///{store}"' in (tmp_path / "run" / "smsgw.toml").read_text()


def test_a_daemon_that_never_listens_is_told_apart_from_one_that_ends(tmp_path):
    env = os.environ | {"FAKE_FAULT": "mute", "PYTHONPATH": str(ROOT)}
    command = (sys.executable, str(FAKE))
    daemon = DaemonProcess(tmp_path, config(tmp_path, 1), timeout=0.3, command=command, env=env)
    with pytest.raises(DaemonError, match="did not listen within"):
        daemon.start()
    assert not daemon.running
    daemon = DaemonProcess(tmp_path, "not toml", command=command, env=env | {"FAKE_FAULT": ""})
    with pytest.raises(DaemonError, match=r"ended with status 1:[^$]*TOMLDecodeError"):
        daemon.start()
