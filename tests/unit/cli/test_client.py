"""The client against a daemon that answers as the test says."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway.client import Client, ConnectError, NoAnswerError, Notification, RpcError

from .fake_daemon import FakeDaemon, Request, error, result


def echo(request: Request) -> list[Any]:
    return [result(request, request["params"])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.sock"


def test_a_call_gives_the_result_and_drops_the_underscore_of_a_keyword(path: Path) -> None:
    with FakeDaemon(path, echo) as daemon, Client(path) as client:
        assert client.call("submit", to="+1", from_="+2", class_="direct", text="é👋") == {
            "to": "+1",
            "from": "+2",
            "class": "direct",
            "text": "é👋",
        }
    assert daemon.requests[0]["jsonrpc"] == "2.0"
    assert daemon.requests[0]["method"] == "submit"


def test_an_error_has_all_that_the_daemon_said(path: Path) -> None:
    def answer(request: Request) -> list[Any]:
        return [error(request, -32001, "try later", reason="queue_full", retry_after=2.5, detail="acme is full")]

    with FakeDaemon(path, answer), Client(path) as client:
        with pytest.raises(RpcError) as caught:
            client.call("submit")
        fault = caught.value
        assert (fault.code, fault.reason, fault.retry_after, fault.detail) == (
            -32001,
            "queue_full",
            2.5,
            "acme is full",
        )
        assert fault.try_later
        assert str(fault) == "try later: acme is full (queue_full)"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (RpcError(-32602, "bad parameter", "invalid_params", "txt"), "bad parameter (invalid_params, txt)"),
        (RpcError(-32000, "refused: opted_out", "opted_out"), "refused: opted_out"),
        (RpcError(-32601, "no such method"), "no such method"),
        (
            RpcError(-32001, "not at this hour; `detail` says until when", "quiet_hours", None, 9.0, "until nine"),
            "not at this hour: until nine (quiet_hours)",
        ),
    ],
)
def test_an_error_reads_as_one_sentence(fault: RpcError, text: str) -> None:
    assert str(fault) == text


def test_a_pipeline_keeps_the_order_when_answers_do_not(path: Path) -> None:
    held: list[Request] = []

    def answer(request: Request) -> list[Any]:
        held.append(request)
        if len(held) < 3:
            return []
        return [
            error(held[2], -32000, "refused", reason="invalid_to"),
            result(held[0], "first"),
            result(held[1], None),
        ]

    with FakeDaemon(path, answer), Client(path) as client:
        first, second, third = client.pipeline([("a", {}), ("b", {}), ("c", {})])
    assert first == "first"
    assert second is None
    assert isinstance(third, RpcError)
    assert third.reason == "invalid_to"


def test_a_pipeline_has_no_more_outstanding_than_allowed(path: Path) -> None:
    waiting: list[Request] = []
    most = 0

    def answer(request: Request) -> list[Any]:
        nonlocal most
        waiting.append(request)
        most = max(most, len(waiting))
        # Answers are given only when the client has sent all that it may: one that sends fewer times out, one
        # that sends more is seen.
        if len(waiting) < 10 and request["params"]["n"] < 94:
            return []
        answers = [result(one, one["params"]["n"]) for one in waiting]
        waiting.clear()
        return answers

    with FakeDaemon(path, answer), Client(path) as client:
        results = client.pipeline((("n", {"n": n}) for n in range(95)), outstanding=10)
    assert results == list(range(95))
    assert most == 10


def test_a_pipeline_larger_than_both_socket_buffers_does_not_lock_up(path: Path) -> None:
    text = "x" * 60_000
    with FakeDaemon(path, echo), Client(path) as client:
        results = client.pipeline([("n", {"n": n, "text": text}) for n in range(200)], outstanding=200)
    assert [one["n"] for one in results] == list(range(200))


def test_notifications_come_in_order_also_those_before_an_answer(path: Path) -> None:
    def answer(request: Request) -> list[Any]:
        if request["method"] == "ack":
            return [{"jsonrpc": "2.0", "method": "receipt", "params": {"after_ack": request["params"]["up_to"]}}]
        events = [{"jsonrpc": "2.0", "method": "inbound", "params": {"event_id": n}} for n in (1, 2)]
        return [events[0], result(request, {"backlog": 2}), events[1]]

    with FakeDaemon(path, answer) as daemon, Client(path) as client:
        assert client.call("subscribe", name="default") == {"backlog": 2}
        events = client.notifications()
        assert next(events) == Notification("inbound", {"event_id": 1})
        assert next(events) == Notification("inbound", {"event_id": 2})
        client.notify("ack", up_to=2)
        assert next(events) == Notification("receipt", {"after_ack": 2})
        assert list(client.notifications(timeout=0)) == []
    assert "id" not in daemon.requests[1]


def test_a_line_cut_anywhere_is_put_together(path: Path) -> None:
    def answer(request: Request) -> list[Any]:
        line = b'{"jsonrpc":"2.0","id":%d,"result":"\xf0\x9f\x91\x8b"}\n' % request["id"]
        return [line[i : i + 1] for i in range(len(line))]

    with FakeDaemon(path, answer), Client(path) as client:
        assert client.call("a") == "👋"
        assert client.call("b") == "👋"


def test_a_late_answer_is_not_taken_for_another(path: Path) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> list[Any]:
        seen.append(request)
        return [] if len(seen) == 1 else [result(seen[0], "late"), result(request, "right")]

    with FakeDaemon(path, answer), Client(path, timeout=0.02) as client:
        with pytest.raises(NoAnswerError, match=r"within 0\.02 s"):
            client.call("a")
        client.timeout = 10
        assert client.call("b") == "right"


def test_auth_is_a_request(path: Path) -> None:
    with FakeDaemon(path, echo) as daemon, Client(path) as client:
        client.auth("crm", "a token")
    assert daemon.requests[0]["params"] == {"app": "crm", "token": "a token"}


def test_a_fault_of_a_line_that_the_daemon_could_not_read_is_raised(path: Path) -> None:
    def answer(request: Request) -> list[Any]:
        return [{"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "not JSON"}}, None]

    with FakeDaemon(path, answer), Client(path) as client:
        with pytest.raises(RpcError, match="not JSON"):
            client.call("a")
        with pytest.raises(ConnectError, match="closed the connection"):
            client.call("b")


def test_a_daemon_that_hangs_up_is_a_connect_error_and_stays_one(path: Path) -> None:
    with FakeDaemon(path, lambda request: [None]), Client(path) as client:
        for _ in range(2):
            with pytest.raises(ConnectError, match="closed the connection"):
                client.call("a")


def test_something_else_at_the_socket_is_named(path: Path) -> None:
    with (
        FakeDaemon(path, lambda request: [b"HTTP/1.1 400 Bad Request\r\n"]),
        Client(path) as client,
        pytest.raises(ConnectError, match="not an smsgw daemon"),
    ):
        client.call("a")


def test_a_closed_client_says_so(path: Path) -> None:
    with FakeDaemon(path, echo):
        client = Client(path)
        client.close()
        with pytest.raises(ConnectError, match="this client is closed"):
            client.call("a")


def test_no_socket(path: Path) -> None:
    with pytest.raises(ConnectError, match="daemon is not running"):
        Client(path)


def test_a_socket_that_nobody_listens_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(ConnectError, match=r"nobody listens at .*: the daemon is not running"):
        Client(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to be refused")
def test_no_permission() -> None:
    # Not in tmp_path: that is closed to other users, and the socket's own mode is the subject.
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        Path(directory).chmod(0o711)
        path = Path(directory, "s.sock")
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                Client(path)
            except ConnectError as error:
                code = 0 if "no permission" in str(error) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_path_that_no_socket_can_have() -> None:
    with pytest.raises(ConnectError, match=r"cannot connect to .*too long"):
        Client("/tmp/" + "x" * 200)
