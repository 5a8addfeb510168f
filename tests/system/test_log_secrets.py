"""What is told to nobody: at the default level the log holds no text, no secret and no whole number of a person."""

import json
import signal
import time
from pathlib import Path

import pytest

from bench.daemon import DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from tests.support.processes import bound, call, events, log, until

TEXT, META, REF, SECRET, PASSWORD, TOKEN = (
    "marked-text-7Q", "marked-meta-7Q", "marked-ref-7Q", "marked-secret-7Q", "mark7Qpw", "marked-token-7Q",
)  # fmt: skip
INBOUND = "marked-inbound-7Q"
PEER, CALLER = "+14155550187", "+14155550143"


def busy(directory, sink, **carrier):
    """A configuration full of marked values, with a webhook that nobody answers."""
    text = config(directory, sink.port, carrier={"password": PASSWORD, "response_timeout": 0.5, **carrier})
    number = 'number = "+15551230001"'
    text = text.replace(number, f'{number}\nhandlers = ["crm"]')
    return text + "\n".join(
        [
            "\n[[handlers]]", 'name = "crm"', 'webhook = "http://127.0.0.1:1/sms?token=marked-query-7Q"',
            f'secret = "{SECRET}"', "allow_private = true",
            "[[apps]]", 'name = "crm"', f'token = "{TOKEN}"', "admin = true",
        ]
    )  # fmt: skip


def live(daemon, sink):
    """Does everything that may be logged, well and badly, with marked values."""
    bound(daemon)
    with Client(daemon.socket) as client:
        client.auth("crm", TOKEN)
        client.call("subscribe", name="marked")
        good = {"to": PEER, "from": "+15551230001", "text": TEXT, "meta": {"x": META}}
        client.call("submit", **good, ref=REF)
        bad = [
            {"to": PEER + "999999999", "text": TEXT}, {"to": PEER, "txt": TEXT}, {"to": PEER, "text": TEXT * 900},
            {"to": PEER, "text": TEXT + "漢", "encoding": "gsm7"}, {"to": PEER, "from": CALLER, "text": TEXT},
            {"to": PEER, "data": TEXT}, {**good, "text": "other", "ref": REF}, {**good, "tlvs": {"0x0424": "61"}},
            {**good, "tlvs": {"0x1400": "61" * 70_000}},
        ]  # fmt: skip
        for params in bad:
            with pytest.raises(RpcError):
                client.call("submit", **params)
    with Client(daemon.socket) as client, pytest.raises(RpcError):
        client.auth("crm", TOKEN + "x")
    sink.command("mo", to="15551230001", text=INBOUND, **{"from": CALLER[1:]})
    sink.wait_for(lambda stats: stats["mo_acked"] >= 1)
    until(lambda: _status(daemon)["handlers"][0]["failures"], daemon)


def _status(daemon):
    with Client(daemon.socket) as client:
        client.auth("crm", TOKEN)
        return client.call("status")


def hits(text):
    marks = (TEXT, META, REF, SECRET, PASSWORD, TOKEN, INBOUND, "marked-query-7Q")
    numbers = (PEER[1:], CALLER[1:])
    return [mark for mark in (*marks, *numbers) if mark in text]


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_text_secret_or_whole_number_is_logged(tmp_path, level):
    with SinkProcess(faults="0x0B:0.3,0x58:0.2,silent:0.2") as sink:
        text = busy(tmp_path, sink) + f'\n[log]\nlevel = "{level}"\n'
        with DaemonProcess(tmp_path, text) as daemon:
            live(daemon, sink)
            command = Path(f"/proc/{daemon.pid}/cmdline").read_bytes().decode()
            shown = json.dumps(_status(daemon))
    said = log(daemon)
    assert len(said.splitlines()) > 5
    assert events(daemon, "ready")
    assert hits(said) == []
    assert hits(command) == []
    assert [mark for mark in (SECRET, PASSWORD, TOKEN, TEXT, INBOUND, "marked-query-7Q") if mark in shown] == []


def test_a_bad_file_on_reload_is_explained_without_its_secrets(tmp_path):
    with SinkProcess() as sink:
        text = busy(tmp_path, sink)
        with DaemonProcess(tmp_path, text) as daemon:
            bound_by_token(daemon)
            for wrong in (
                text.replace(f'"{PASSWORD}"', f'"{PASSWORD * 20}"'),
                text.replace(f'secret = "{SECRET}"', f'secrt = "{SECRET}"'),
                text.replace(f'token = "{TOKEN}"', f'token = ["{TOKEN}"]'),
            ):
                assert wrong != text
                (tmp_path / "smsgw.toml").write_text(wrong)
                count = len(events(daemon, "reload_failed"))
                daemon._process.send_signal(signal.SIGHUP)
                until(lambda n=count: len(events(daemon, "reload_failed")) > n, daemon)
                with Client(daemon.socket) as client:
                    client.auth("crm", TOKEN)
                    with pytest.raises(RpcError) as refused:
                        client.call("reload")
                assert hits(str(refused.value)) == []
    assert hits(log(daemon)) == []


def bound_by_token(daemon):
    end = time.monotonic() + 20
    while _status(daemon)["carriers"][0]["state"] != "up":
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_crash_of_the_bind_is_logged_without_the_password(tmp_path):
    with SinkProcess() as sink:
        other = config(tmp_path, sink.port, carrier={"password": PASSWORD, "tls": True})
        with DaemonProcess(tmp_path, other) as daemon:
            until(lambda: events(daemon, "bind_failed"), daemon)
            assert call(daemon, "status")["carriers"][0]["binds"][0]["last_error"].startswith("TLS: ")
    assert hits(log(daemon)) == []
