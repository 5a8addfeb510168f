"""`smsgw carrier` and `smsgw capture` against a daemon that answers as the test says."""

from __future__ import annotations

import base64
import json
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.smpp.codec import encode
from gateway.smpp.pdu import BindTransceiver

from .conftest import Run
from .fake_daemon import FakeDaemon, Request, error, result

DONE = {"name": "acme", "state": "paused", "queued": 3, "in_flight": 1, "warnings": []}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smsgw: Run) -> Path:
    path = tmp_path / "s.sock"
    monkeypatch.setenv("SMSGW_SOCKET__PATH", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize("action", ["pause", "drain", "resume"])
def test_an_act(smsgw: Run, path: Path, action: str) -> None:
    with FakeDaemon(path, lambda request: [result(request, DONE)]) as fake:
        assert smsgw("carrier", action, "acme") == (0, "acme is paused: 3 queued, 1 unanswered\n", "")
        assert smsgw("carrier", action, "acme", "--json").lines == [DONE]
    assert [r["params"] for r in fake.requests] == [{"name": "acme", "action": action}] * 2
    assert {r["method"] for r in fake.requests} == {"carrier"}


def test_resume_says_what_comes_of_one_that_was_drained(smsgw: Run, path: Path) -> None:
    done = DONE | {"state": "down", "why": "no bind that sends is up yet; it connects just now"}
    with FakeDaemon(path, lambda request: [result(request, done)]):
        ran = smsgw("carrier", "resume", "acme")
    assert ran.out == "acme goes on: no bind that sends is up yet; it connects just now; 3 queued, 1 unanswered\n"


def test_a_reason_and_a_warning(smsgw: Run, path: Path) -> None:
    done = DONE | {"warnings": ["a restart undoes it"]}
    with FakeDaemon(path, lambda request: [result(request, done)]) as fake:
        ran = smsgw("carrier", "pause", "acme", "--reason", "because")
    assert (ran.code, ran.err) == (0, "warning: a restart undoes it\n")
    assert fake.requests[0]["params"]["reason"] == "because"


@pytest.mark.parametrize(("state", "code"), [("bound", 0), ("refused", 1)])
def test_rebind_fails_when_a_bind_is_not_back(smsgw: Run, path: Path, state: str, code: int) -> None:
    binds = [{"bind": "acme/1", "state": state, "last_error": None if state == "bound" else "no\x1b"}]
    with FakeDaemon(path, lambda request: [result(request, DONE | {"state": "up", "binds": binds})]):
        ran = smsgw("carrier", "rebind", "acme")
    assert ran.code == code
    assert f"acme/1  {state}" in ran.out
    assert "\x1b" not in ran.out


def test_drain_waits(smsgw: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.carrier._LOOK", 0.001)
    states = iter(["draining", "draining", "drained"])

    def answer(request: Request) -> list[Any]:
        if request["method"] == "carrier":
            return [result(request, DONE | {"state": "draining"})]
        return [result(request, {"carriers": [DONE | {"state": next(states)}]})]

    with FakeDaemon(path, answer):
        assert smsgw("carrier", "drain", "acme", "--wait", "20").out.startswith("acme is drained")
    with FakeDaemon(path.with_name("t.sock"), lambda request: [result(request, DONE | {"state": "draining"})]):
        monkeypatch.setenv("SMSGW_SOCKET__PATH", str(path.with_name("t.sock")))
        assert smsgw("carrier", "drain", "acme").code == 0  # not asked to wait


def test_drain_that_is_not_over_in_time_fails(smsgw: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.carrier._LOOK", 0.01)

    def answer(request: Request) -> list[Any]:
        draining = DONE | {"state": "draining"}
        return [result(request, draining if request["method"] == "carrier" else {"carriers": [draining]})]

    with FakeDaemon(path, answer):
        ran = smsgw("carrier", "drain", "acme", "--wait", "0.05")
    assert (ran.code, ran.out) == (1, "acme is draining: 3 queued, 1 unanswered\n")


def test_a_name_that_is_none(smsgw: Run, path: Path) -> None:
    text = "no carrier 'acne'; did you mean 'acme'?"
    with FakeDaemon(path, lambda r: [error(r, -32602, "wrong", reason="invalid_params", field="name", detail=text)]):
        ran = smsgw("carrier", "pause", "acne")
    assert (ran.code, ran.out) == (2, "")
    assert text in ran.err


# --- capture ----------------------------------------------------------------------------------------------------------

OPENED = {
    "what": "opened", "at": 1_795_000_000_000_001, "connection": 1, "bind": "acme/1", "local": None, "remote": None,
    "ours": True, "tls": True, "begun": True,
}  # fmt: skip
BIND = {
    "what": "pdu", "at": 1_795_000_000_000_002, "connection": 1, "sent": True, "lost": 32, "lost_pdus": 2,
    "data": base64.b64encode(encode(BindTransceiver("user", "*****"), 1)).decode(),
}  # fmt: skip
BEGUN = {"carrier": "acme", "binds": [{"name": "acme/1", "state": "down"}]}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def capturing(*more: Any) -> Any:
    """Answers `capture`, and what follows."""

    def answer(request: Request) -> list[Any]:
        records = notification("capture", {"records": [OPENED, BIND], "dropped": 2})
        return [result(request, BEGUN), records, *more]

    return answer


ENDED = notification("capture_ended", {"reason": "count", "pdus": 1, "dropped": 2})


def test_a_capture_is_a_file_of_ones_own(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, capturing(ENDED)) as fake:
        ran = smsgw("capture", "--carrier", "acme", "--count", "1", "--bind", "1", "--seconds", "3")
    assert (ran.code, ran.out) == (0, "")
    assert fake.requests[0]["params"] == {"carrier": "acme", "bind": "1", "seconds": 3, "count": 1}
    (file,) = path.parent.glob("acme-*.pcapng")
    assert ran.err == (
        f"capturing acme/1 (down) to {file.name}\n1 PDU, 2 dropped, 1 connection: as many PDUs as asked for\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    octets = file.read_bytes()
    assert octets.startswith(bytes.fromhex("0A0D0D0A"))
    assert b"encrypted by TLS on the wire; its addresses are not known" in octets
    assert b"2 PDUs (32 octets) before this one were dropped: they came too fast; the password is blanked" in octets


def test_one_that_is_there_is_written_over_and_made_ones_own(smsgw: Run, path: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(b"x" * 100_000)
    file.chmod(0o644)
    with FakeDaemon(path, capturing(ENDED)):
        ran = smsgw("capture", "--carrier", "acme", "-o", str(file), "--json")
    assert ran.lines == [{"file": str(file), "pdus": 1, "dropped": 2, "connections": 1, "reason": "count"}]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size < 2000


def test_a_link_is_not_followed(smsgw: Run, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    with FakeDaemon(path, capturing(ENDED)):
        ran = smsgw("capture", "--carrier", "acme", "-o", str(tmp_path / "link"))
    assert ran.code == 1
    assert "cannot be written" in ran.err
    assert not target.exists()


def test_the_daemon_goes_away(smsgw: Run, path: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    with FakeDaemon(path, capturing(None)):
        ran = smsgw("capture", "--carrier", "acme", "-o", str(file))
    assert ran.code == 1
    assert "closed the connection" in ran.err
    assert file.stat().st_size > 300  # what came is there


def test_interrupted(smsgw: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.pcapng"

    def interrupts(*given: Any) -> Any:
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.client.Client.notifications", interrupts)
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background of a shell
    with FakeDaemon(path, capturing()):
        ran = smsgw("capture", "--carrier", "acme", "-o", str(file), "--json")
    assert signal.getsignal(signal.SIGINT) is before
    assert json.loads(ran.out)["reason"] == "interrupted"
    assert ran.code == 0
