"""The load generator against a fake daemon that speaks the socket's protocol, and misbehaves when asked."""

import json
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from bench import keys, trace
from bench.load import Load, LoadOptions, templates
from bench.load import main as load_main

LINES = list(trace.otp(20))


class FakeDaemon:
    """Accepts submits in bursts and ends each message with a receipt to the subscriber, in a thread."""

    def __init__(self, path, *, refuse=(), silent=(), twice=(), close_after=None, keep_receipts=False):
        self.path = str(path)
        self.refuse, self.silent, self.twice = set(refuse), set(silent), set(twice)
        self.close_after = close_after
        self.keep_receipts = keep_receipts
        self.submits = []
        self.acks = []
        self.acked = threading.Condition()
        self.calls = []
        self.event = 0
        self.lock = threading.Lock()
        self.subscriber = None
        self.pending = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                request = json.loads(line)
                if not self.handle(connection, request):
                    connection.shutdown(socket.SHUT_RDWR)
                    return

    def handle(self, connection, request):
        method, params, number = request["method"], request["params"], request.get("id")
        assert request["jsonrpc"] == "2.0"
        if method == "submit":
            return self.submit(connection, number, params)
        if method == "ack":
            with self.acked:
                self.acks.append(params["up_to"])
                self.acked.notify_all()
            return True
        self.calls.append((method, params))
        if method == "auth" and params["token"] != "right":
            error = {"code": -32000, "message": "refused", "data": {"reason": "unauthorised"}}
            self.reply(connection, {"id": number, "error": error})
            return True
        self.reply(connection, {"id": number, "result": {"name": "bench", "backlog": 3}})
        if method == "subscribe":
            with self.lock:
                self.subscriber = connection
                waiting, self.pending = self.pending, []
            for event in waiting:
                self.reply(connection, event)
        return True

    def submit(self, connection, number, params):
        index = len(self.submits)
        self.submits.append(params)
        if self.close_after is not None and index >= self.close_after:
            return False
        if index in self.silent:
            return True
        if index in self.refuse:
            error = {"code": -32000, "message": "no", "data": {"reason": "invalid_to", "field": "to"}}
            self.reply(connection, {"id": number, "error": error})
            return True
        message_id = f"0192-{index:06d}"
        self.reply(connection, {"id": number, "result": {"id": message_id, "segments": 2, "state": "queued"}})
        if not self.keep_receipts:
            for _ in range(2 if index in self.twice else 1):
                self.receipt(message_id)
        return True

    def wait_acked(self, event_id):
        with self.acked:
            return self.acked.wait_for(lambda: self.acks and self.acks[-1] == event_id, 10)

    def receipt(self, message_id, **more):
        with self.lock:
            self.event += 1
            params = {"event_id": self.event, "redelivered": False, "id": message_id, "state": "delivered"}
            self.notify("receipt", params | more)

    def inbound(self, event_id, text, redelivered=False):
        with self.lock:
            self.notify("inbound", {"event_id": event_id, "redelivered": redelivered, "id": "x", "text": text})

    def notify(self, method, params):
        event = {"method": method, "params": params}
        if self.subscriber is None:
            self.pending.append(event)
        else:
            self.reply(self.subscriber, event)

    def reply(self, connection, message):
        connection.sendall(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")


@contextmanager
def running(path, **behaviour):
    daemon = FakeDaemon(path, **behaviour)
    thread = threading.Thread(target=daemon.accept, daemon=True)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.listener.shutdown(socket.SHUT_RDWR)
        daemon.listener.close()
        thread.join(5)


def loading(daemon, messages, **options):
    return Load(LoadOptions(daemon.path, LINES, messages, **options))


@pytest.mark.parametrize("options", [{}, {"connections": 3}, {"outstanding": 1}, {"rate": 20_000.0}])
def test_every_message_is_accepted_and_ends(tmp_path, options):
    with running(tmp_path / "s") as daemon, loading(daemon, 500, **options) as load:
        load.submit_all(stall=5)
        load.wait_ended(stall=5)
        assert (load.accepted, load.replies, load.segments) == (500, 500, 1000)
        assert (load.missing(), load.unanswered, load.contradicted, load.refused) == ([], [], [], {})
        assert load.accept_latency().count == 500
        assert load.backlog == 3
        assert daemon.wait_acked(500)
    assert {keys.find(params["text"]) for params in daemon.submits} == {
        keys.key(keys.MT, number) for number in range(500)
    }
    assert len({params["to"] for params in daemon.submits}) == 500


def test_refusals_are_kept_with_their_reason(tmp_path):
    with running(tmp_path / "s", refuse=[3, 5]) as daemon, loading(daemon, 10, first=100) as load:
        load.submit_all(stall=5)
        load.wait_ended(stall=5)
        assert load.refused == {103: "invalid_to", 105: "invalid_to"}
        assert load.accepted == 8
        assert load.ids[3] == ""


def test_a_killed_daemon_leaves_the_unanswered_ones_named(tmp_path):
    with running(tmp_path / "s", close_after=6) as daemon, loading(daemon, 10, first=50) as load:
        load.submit_all(stall=5)
        assert load.broken is not None
        assert load.unanswered == list(range(50 + load.accepted, 60))


def test_silence_is_an_error_and_not_a_hang(tmp_path):
    with running(tmp_path / "s", silent=[9]) as daemon, loading(daemon, 10, subscribe=None) as load:
        with pytest.raises(TimeoutError, match="9 of 10 answered"):
            load.submit_all(stall=0)
        assert load.unanswered == [9]


def test_a_missing_and_a_doubled_end_are_seen(tmp_path):
    with running(tmp_path / "s", twice=[2], keep_receipts=False) as daemon, loading(daemon, 5) as load:
        load.submit_all(stall=5)
        load.wait_ended(stall=5)
        # The doubled one came before the end of message 4, which wait_ended waits for.
        assert load.contradicted == ["0192-000002"]
    with running(tmp_path / "t", keep_receipts=True) as daemon, loading(daemon, 5) as load:
        load.submit_all(stall=5)
        daemon.receipt("0192-000000")
        load.wait_ended(stall=0)
        while len(load.ended) < 1:
            load.step(1.0)
        assert load.missing() == [f"0192-{index:06d}" for index in range(1, 5)]


def test_the_same_event_again_is_no_second_end(tmp_path):
    with running(tmp_path / "s", keep_receipts=True) as daemon, loading(daemon, 1) as load:
        load.submit_all(stall=5)
        daemon.receipt("0192-000000", event_id=7)
        daemon.receipt("0192-000000", event_id=7, redelivered=True)
        while load.redelivered < 1:
            load.step(1.0)
        assert load.contradicted == []
        assert load.ended == {"0192-000000": "delivered"}


def test_inbound_events_are_taken_and_acknowledged_in_bulk(tmp_path):
    with running(tmp_path / "s") as daemon, loading(daemon, 0) as load:
        for number in range(50):
            daemon.inbound(number, f"hello {keys.key(keys.MO, number)}")
        while len(load.inbound) < 50:
            load.step(1.0)
        assert [keys.find(event.text) for _, event in load.inbound] == [
            keys.key(keys.MO, number) for number in range(50)
        ]
        assert daemon.wait_acked(49)
    assert daemon.acks == sorted(daemon.acks)


def test_auth_goes_first_and_its_refusal_is_told(tmp_path):
    with running(tmp_path / "s") as daemon:
        with loading(daemon, 0, app="crm", token="right"):
            assert [method for method, _ in daemon.calls] == ["auth", "subscribe"]
        with pytest.raises(RuntimeError, match="auth: unauthorised"):
            Load(LoadOptions(daemon.path, LINES, 1, app="crm", token="wrong", subscribe=None)).connect()


def test_an_open_loop_counts_latency_from_the_intended_time(tmp_path):
    with running(tmp_path / "s") as daemon, loading(daemon, 20, rate=1000.0) as load:
        load.submit_all(stall=5)
        gaps = [b - a for a, b in zip(load.intended, load.intended[1:], strict=False)]
        assert gaps == pytest.approx([0.001] * 19)
        assert all(at >= intended for at, intended in zip(load.accepted_at, load.intended, strict=True))


def test_the_times_of_a_trace_are_kept_over_its_rounds(tmp_path):
    with running(tmp_path / "s") as daemon, loading(daemon, 45, speed=10.0) as load:
        load.submit_all(stall=5)
        began, _ = load.span()
        span = LINES[-1].at
        expected = [began + (index // 20 * span + LINES[index % 20].at) / 10 for index in range(45)]
        assert list(load.intended) == pytest.approx(expected)


def test_templates_keep_what_a_trace_line_says():
    line = trace.Line(
        "mt", "+12125550100", "Acme", '100% "sure" {key} ü', message_class="marketing", extras={"flash": True}
    )
    request = json.loads(templates([line], ref=True)[0] % (4, "+12125550199", "#T000004", "#T000004"))
    assert request["id"] == 4
    assert request["params"] == {
        "to": "+12125550199", "text": '100% "sure" #T000004 ü', "from": "Acme", "class": "marketing",
        "ref": "#T000004", "flash": True,
    }  # fmt: skip
    with pytest.raises(trace.TraceError, match="no outbound line"):
        templates(list(trace.inbound(3)))


def test_the_command_prints_what_came_of_it(tmp_path, capsys):
    with running(tmp_path / "s") as daemon:
        assert load_main(["--socket", daemon.path, "--messages", "50", "--trace", "otp:30:2"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert (printed["accepted"], printed["missing"], printed["ended"]) == (50, 0, {"delivered": 50})
        assert load_main(["--socket", str(tmp_path / "none")]) == 2
        assert load_main(["--socket", daemon.path, "--trace", "nope"]) == 2
        assert "no trace 'nope'" in capsys.readouterr().err
