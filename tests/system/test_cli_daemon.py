"""The commands against a real daemon and a simulated carrier, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.client import Client, RpcError
from tests.support.programs import NUMBER, Running, running, smsgw

PEER = "+12015550147"


class House:
    """The commands against a daemon that is bound to a simulated carrier."""

    def __init__(self, run: Running) -> None:
        self.config, self.daemon, self.carrier, _ = run

    def smsgw(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return smsgw(command, "-c", str(self.config), *arguments)

    def lines(self, command: str, *arguments: str) -> list[Any]:
        """What a command that goes well says as JSON, and that it says nothing else."""
        ran = self.smsgw(command, *arguments, "--json")
        assert (ran.returncode, ran.stderr) == (0, "")
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def set(self, name: str, value: str) -> None:
        """Changes the carrier's behaviour."""
        self.carrier.say(f"{name} {value}")
        self.carrier.line(f"{name} =")

    def client(self) -> Client:
        return Client(self.config.with_name("s.sock"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("house"), settings='response_timeout = 0.3\nin_doubt = "hold"') as run:
        yield House(run)
    # The last test of all: it stopped in order.
    assert "s3cr3t" not in run.daemon.errors
    ran = smsgw("status", "-c", str(run.config))
    assert ran.returncode == 1
    assert "the daemon is not running" in ran.stderr


def in_state(client: Client, message_id: str, state: str) -> dict[str, Any]:
    """The message once it is in this state; no event tells of doubt, so it is asked for."""
    deadline = time.monotonic() + 20
    while (message := client.call("message", id=message_id))["state"] != state:
        assert time.monotonic() < deadline, message
        time.sleep(0.02)
    return message


def test_check_finds_it_good(house: House) -> None:
    (found,) = house.lines("check")
    assert found["ok"] is True
    (number,) = found["numbers"]
    expected = {"number": NUMBER, "kind": "local", "country": "US", "carrier": "acme", "throughput": 0, "handlers": []}
    assert number | expected == number


def test_send_and_wait(house: House) -> None:
    (message,) = house.lines("send", PEER, "Ein langer Text mit 👋 " * 10, "--wait", "--meta", '{"order": 17}')
    assert message["state"] == "delivered"
    assert message["encoding"] == "ucs2"
    assert message["segments"] == len(message["parts"]) == 4
    assert message["meta"] == {"order": 17}
    assert (message["from"], message["to"]) == (NUMBER, PEER)
    ran = house.smsgw("send", PEER, "kurz", "--wait")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "delivered"


def test_send_and_wait_for_a_bad_end(house: House) -> None:
    house.set("receipt_states", "UNDELIV=1")
    try:
        ran = house.smsgw("send", PEER, "x", "--wait")
        assert ran.returncode == 1
        assert ran.stdout.splitlines()[-1].startswith("undelivered")
    finally:
        house.set("receipt_states", "DELIVRD=1")


def test_a_key_sends_once(house: House) -> None:
    (first,) = house.lines("send", PEER, "x", "--ref", "once")
    (second,) = house.lines("send", PEER, "x", "--ref", "once")
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["id"] == second["id"]
    ran = house.smsgw("send", PEER, "something else", "--ref", "once")
    assert ran.returncode == 1
    assert "ref_conflict" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("+1201", "x"), 1, "invalid_to"),
        ((PEER, ""), 1, "empty"),
        ((PEER, "日", "--encoding", "gsm7"), 1, "unencodable"),
        ((PEER, "x", "--from", "+12015550999"), 1, "invalid_from"),
    ],
)
def test_refusals_are_one_line(house: House, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = house.smsgw("send", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_status(house: House) -> None:
    (found,) = house.lines("status")
    assert set(found) >= {
        *("version", "pid", "uptime", "node", "epoch", "stopping", "store", "carriers", "handlers"),
        *("subscriptions", "counts", "parked_receipts"),
    }
    assert found["pid"] == house.daemon.process.pid
    (carrier,) = found["carriers"]
    assert (carrier["name"], carrier["state"]) == ("acme", "up")
    (bind,) = carrier["binds"]
    assert (bind["kind"], bind["state"], bind["window"]) == ("transceiver", "bound", 50)
    ran = house.smsgw("status")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "acme" in ran.stdout


def test_messages_pages_and_searches(house: House) -> None:
    peer = "+12015550188"
    sent = [house.lines("send", peer, f"number {n}")[0]["id"] for n in range(3)]
    with house.client() as client:
        for message_id in sent:
            in_state(client, message_id, "delivered")
    newest = list(reversed(sent))
    assert [one["id"] for one in house.lines("messages", "--peer", "(201) 555-0188")] == newest
    assert [one["id"] for one in house.lines("messages", "--peer", peer, "--state", "delivered")] == newest
    assert house.lines("messages", "--peer", peer, "--state", "failed") == []
    assert house.lines("messages", "--peer", peer, "--until", "1h") == []
    assert [one["id"] for one in house.lines("messages", "--peer", peer, "--since", "1h")] == newest
    page = house.smsgw("messages", "--peer", peer, "--limit", "2", "--json")
    assert f"--before {newest[1]}" in page.stderr
    assert [one["id"] for one in house.lines("messages", "--peer", peer, "--before", newest[1])] == newest[2:]
    (one,) = house.lines("messages", "--peer", peer, "--text", "--before", newest[1])
    assert one["text"] == "number 0"
    ran = house.smsgw("messages", "--state", "asleep")
    assert ran.returncode == 2


def test_messages_show(house: House) -> None:
    with house.client() as client:
        client.call("subscribe", name="history")
        (sent,) = house.lines("send", PEER, "to be looked at")
        receipt = next(
            event.params for event in client.notifications(timeout=20) if event.params.get("id") == sent["id"]
        )
        client.notify("ack", event_ids=[receipt["event_id"]])
        ran = smsgw("messages", "show", "-c", str(house.config), sent["id"], "--text", "--json")
        assert (ran.returncode, ran.stderr) == (0, "")
        found = json.loads(ran.stdout)
        assert found["message"]["text"] == "to be looked at"
        assert [(event["kind"], event["payload"]["state"]) for event in found["events"]] == [("receipt", "delivered")]
        ran = smsgw("messages", "show", "-c", str(house.config), sent["id"])
        assert "ESME_ROK" in ran.stdout
        assert "to be looked at" not in ran.stdout
        client.call("unsubscribe", name="history")
    ran = smsgw("messages", "show", "-c", str(house.config), "019ac5d0-0000-7000-8000-000000000001")
    assert ran.returncode == 1
    assert "not_found" in ran.stderr


def test_messages_in_doubt_are_settled_by_an_operator(house: House) -> None:
    house.set("no_response", "1")
    house.set("receipts", "0")
    try:
        with house.client() as client:
            # Of two peers, as a doubt holds back what is behind it for the same one.
            ids = [house.lines("send", peer, "in doubt")[0]["id"] for peer in ("+12015550171", "+12015550172")]
            for message_id in ids:
                in_state(client, message_id, "in_doubt")
            assert {one["id"] for one in house.lines("messages", "--state", "in_doubt")} == set(ids)
            house.set("no_response", "0")
            house.set("receipts", "1")
            ran = smsgw("messages", "resolve", "-c", str(house.config), ids[0], "--fail", "--json")
            assert json.loads(ran.stdout) == {"resolved": 1}
            assert in_state(client, ids[0], "failed")["reason"] == "resolved"
            ran = smsgw("messages", "resolve", "-c", str(house.config), "--carrier", "acme", "--resend")
            assert (ran.returncode, ran.stdout) == (0, "1 message to be sent again\n")
            in_state(client, ids[1], "delivered")
    finally:
        house.set("no_response", "0")
        house.set("receipts", "1")


def test_an_inbound_message_reaches_a_python_application(house: House) -> None:
    with house.client() as client:
        client.call("subscribe", name="python", events=["inbound"])
        house.carrier.say(f"mo {PEER} {NUMBER} {'Olá 👋🏽 ' * 20}")
        event = next(client.notifications(timeout=20))
        assert event.method == "inbound"
        assert event.params["text"] == ("Olá 👋🏽 " * 20).strip()
        assert (event.params["peer"], event.params["number"]) == (PEER, NUMBER)
        client.notify("ack", up_to=event.params["event_id"])
        assert client.call("unsubscribe", name="python")["name"] == "python"


def test_a_pipeline_of_many(house: House) -> None:
    with house.client() as client:
        requests = [("submit", {"to": f"+1201555{n % 100 + 100:04}", "text": f"n {n}"}) for n in range(2000)]
        requests[1000] = ("submit", {"to": "nobody", "text": "x"})
        results = client.pipeline(requests)
        assert isinstance(results[1000], RpcError)
        assert results[1000].reason == "invalid_to"
        ids = {result["id"] for result in results if not isinstance(result, RpcError)}
        assert len(ids) == 1999
        in_state(client, results[-1]["id"], "delivered")


def test_reload(house: House) -> None:
    good = house.config.read_text()
    try:
        house.config.write_text(good + "\n[limits]\nmax_segments = 3\n")
        (done,) = house.lines("reload")
        assert done["changed"] == ["limits"]
        ran = house.smsgw("send", PEER, "x" * 600)
        assert ran.returncode == 1
        assert "too_long" in ran.stderr
        house.config.write_text(good + "\n[limits]\nmax_segmnts = 3\n")
        ran = house.smsgw("reload")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "did you mean max_segments?" in ran.stderr
    finally:
        house.config.write_text(good)
        assert house.smsgw("reload").returncode == 0
    assert house.lines("send", PEER, "x" * 600)[0]["segments"] == 4


def test_a_second_daemon_refuses_to_start(house: House) -> None:
    ran = house.smsgw("run")
    assert ran.returncode == 1
    assert "in use by another smsgw" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert house.lines("status")[0]["pid"] == house.daemon.process.pid


def test_run_with_a_bad_configuration(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("[store]\nulr = 'x'\n")
    ran = smsgw("run", "-c", str(config))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{config}:2: store.ulr: unknown key; did you mean url?" in ran.stderr
