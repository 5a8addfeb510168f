"""A running daemon reads its configuration again: all of it or nothing, and nobody is disturbed who did not change."""

import os
import signal
import socket

import pytest

from bench.daemon import DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from tests.support.processes import SUBMIT, bound, call, carrier, events, until

LONG = SUBMIT | {"text": "x" * 400}


@pytest.fixture(scope="module")
def sink():
    with SinkProcess() as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory, sink):
    directory = tmp_path_factory.mktemp("reload")
    text = config(directory, sink.port)
    with DaemonProcess(directory, text) as daemon:
        daemon.text = text
        bound(daemon)
        yield daemon


@pytest.fixture
def daemon(running):
    """It has its first configuration again after each test."""
    yield running
    write(running, running.text)
    call(running, "reload")
    bound(running)


def write(daemon, text):
    (daemon.directory / "smsgw.toml").write_text(text)


def hangup(daemon, event):
    """SIGHUP; the record of the event that it leads to."""
    before = len(events(daemon, event))
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: len(events(daemon, event)) > before, daemon)
    return events(daemon, event)[-1]


def test_a_good_file_counts_at_once(daemon):
    call(daemon, "submit", **LONG)
    write(daemon, daemon.text + "\n[limits]\nmax_segments = 2\n")
    assert hangup(daemon, "reloaded")["changed"] == ["limits"]
    with pytest.raises(RpcError, match="too_long"):
        call(daemon, "submit", **LONG)


@pytest.mark.parametrize("how", ["no toml", "a key of no sense", "a reference to nothing", "gone"])
def test_a_bad_file_leaves_the_old_one_at_work_as_a_whole(daemon, how):
    write(daemon, daemon.text + "\n[limits]\nmax_segments = 2\n")
    call(daemon, "reload")
    if how == "gone":
        (daemon.directory / "smsgw.toml").unlink()
    else:
        write(
            daemon,
            {
                "no toml": "not toml [",
                "a key of no sense": daemon.text + "\n[limits]\nmax_segmens = 9\n",
                "a reference to nothing": daemon.text.replace('name = "sink"', 'name = "other"'),
            }[how],
        )
    failed = hangup(daemon, "reload_failed")
    assert failed["level"] == "error"
    with pytest.raises(RpcError) as refused:
        call(daemon, "reload")
    assert refused.value.reason == "invalid_config"
    assert "smsgw.toml" in str(refused.value)
    with pytest.raises(RpcError, match="too_long"):
        call(daemon, "submit", **LONG)
    call(daemon, "submit", **SUBMIT)
    assert carrier(daemon)["binds"][0]["reconnects"] == 0


def test_it_says_what_changed_and_what_has_to_wait(daemon, tmp_path):
    known = call(daemon, "reload")
    assert known["changed"] == []
    changed = daemon.text.replace("[store]", '[store]\nsynchronous = "normal"\nnode = 3')
    changed = changed.replace(f'path = "{daemon.socket}"', f'path = "{tmp_path}/s"\nmode = "0600"')
    changed = changed.replace('bind = ""', 'bind = "127.0.0.1:1"')
    write(daemon, changed + '\n[log]\nlevel = "debug"\n')
    answer = call(daemon, "reload")
    assert answer["changed"] == ["log", "store", "socket"]
    warnings = [w for w in answer["warnings"] if w not in known["warnings"]]
    for key in ("store.synchronous", "store.node", "socket.path", "socket.mode", "metrics.bind"):
        assert f"{key} takes effect at the next start" in warnings
    assert daemon.socket.exists()
    assert not (tmp_path / "s").exists()
    assert events(daemon, "reloaded")[-1]["changed"] == answer["changed"]


def test_carriers_come_change_and_go(daemon, sink):
    since = bound(daemon)["since"]
    with SinkProcess() as other:
        more = daemon.text + "\n[[carriers]]\n" + "\n".join(
            f"{key} = {value}"
            for key, value in {
                "name": '"more"', "host": '"127.0.0.1"', "port": other.port, "system_id": '"x"', "password": '"y"',
            }.items()
        )  # fmt: skip
        write(daemon, more)
        assert call(daemon, "reload")["changed"] == ["carriers.more"]
        first = bound(daemon, "more")["since"]
        assert other.stats()["binds"] == 1

        write(daemon, more + "\nwindow = 7\n")
        assert call(daemon, "reload")["changed"] == ["carriers.more"]
        again = bound(daemon, "more")
        assert again["since"] > first
        assert again["window"] == 7
        assert other.stats()["binds"] == 1, "the old bind was given up"

        write(daemon, daemon.text)
        assert call(daemon, "reload")["changed"] == ["carriers.more"]
        assert carrier(daemon, "more") is None
        other.wait_for(lambda stats: stats["binds"] == 0)
    assert carrier(daemon)["binds"][0]["since"] == since, "the carrier that did not change was left in peace"


def test_numbers_change_at_once(daemon):
    new = SUBMIT | {"from": "+15551239999"}
    with pytest.raises(RpcError):
        call(daemon, "submit", **new)
    write(daemon, daemon.text + '\n[[numbers]]\nnumber = "+15551239999"\ncarrier = "sink"\n')
    assert call(daemon, "reload")["changed"] == ["numbers"]
    call(daemon, "submit", **new)
    write(daemon, daemon.text)
    call(daemon, "reload")
    with pytest.raises(RpcError):
        call(daemon, "submit", **new)


def test_apps_change_at_once(daemon):
    write(daemon, daemon.text + '\n[[apps]]\nname = "crm"\ntoken = "a-token-of-the-crm"\n')
    assert call(daemon, "reload")["changed"] == ["apps"]
    with Client(daemon.socket) as client:
        client.auth("crm", "a-token-of-the-crm")
        client.call("submit", **SUBMIT)


def shown(daemon):
    return {h["name"] for h in call(daemon, "status")["handlers"]}


def test_handlers_come_and_go(daemon):
    handler = '\n[[handlers]]\nname = "crm"\nwebhook = "https://crm.example/sms"\nsecret = "a-long-enough-secret"\n'
    number = 'number = "+15551230001"'
    write(daemon, daemon.text.replace(number, f'{number}\nhandlers = ["crm"]') + handler)
    assert call(daemon, "reload")["changed"] == ["numbers", "handlers"]
    assert shown(daemon) == {"@reply", "crm"}
    write(daemon, daemon.text + handler.replace("crm.example", "other.example"))
    assert call(daemon, "reload")["changed"] == ["numbers", "handlers"]
    assert shown(daemon) == {"@reply", "crm"}
    write(daemon, daemon.text)
    call(daemon, "reload")
    assert not any(h["configured"] for h in call(daemon, "status")["handlers"] if h["name"] == "crm")


def test_it_is_carried_out_though_its_client_goes_away(daemon):
    before = bound(daemon)["since"]
    write(daemon, daemon.text.replace("window = ", "throughput = 5000\nwindow = "))
    done = len(events(daemon, "reloaded"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"reload","params":{}}\n')
    until(lambda: len(events(daemon, "reloaded")) > done, daemon)
    assert bound(daemon)["since"] > before


def test_many_at_a_time_are_done_one_after_another(daemon):
    write(daemon, daemon.text + "\n[limits]\nmax_segments = 2\n")
    for _ in range(5):
        os.kill(daemon.pid, signal.SIGHUP)
    with Client(daemon.socket) as client:
        answers = client.pipeline([("reload", {}) for _ in range(5)])
    assert all(not isinstance(answer, RpcError) for answer in answers)
    call(daemon, "submit", **SUBMIT)
