"""The comparison with other gateways, as far as it needs none of them."""

from __future__ import annotations

import configparser
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from bench import trace, wire
from bench.load import LoadOptions
from bench.peers import bars, jasmin, jcli, kannel
from bench.peers.__main__ import main, most, present
from bench.peers.boxfeed import ACK, ADMIN, SMS, BoxFeed, pack, unpack
from bench.peers.cases import CASES, Setup
from bench.peers.children import Children, PeerError, free_ports
from bench.peers.feed import single_segments
from bench.peers.httpfeed import HttpFeed, content
from bench.peers.measured import Run, settled, spent
from bench.peers.smppfeed import SmppFeed, receipt_of
from bench.peers.table import HEAD, Summary, figure, markdown, ratio, rows
from bench.reconcile import outbound
from bench.sinkprocess import SinkProcess
from bench.trace import Line

OTP = Line("mt", "+12125550100", "+15551230001", "Café & more? 100% {key} @x #1")


def run(gateway: str, rate: float, cpu: dict[str, float], **more: object) -> Run:
    return Run(gateway, "receipts", 1000, rate, 2 * rate, rate, cpu, 20.0, 50.0, **more)  # type: ignore[arg-type]


# -- the table


def test_rounds_become_least_median_and_most_and_what_is_wrong_adds_up() -> None:
    found = Summary.of(
        [
            run("kannel", 300.0, {"bearerbox": 400.0, "smsbox": 200.0}, wrong={"lost": 2}),
            run("kannel", 100.0, {"bearerbox": 500.0, "smsbox": 400.0}, refused=3),
            run("kannel", 200.0, {"bearerbox": 100.0, "smsbox": 300.0}, wrong={"lost": 1, "doubled": 4}),
        ]
    )
    assert found.rates == (100.0, 200.0, 300.0)
    assert (found.accepted, found.sent) == (400.0, 200.0)
    assert found.cpu == (400.0, 600.0)
    assert found.parts == {"bearerbox": 400.0, "smsbox": 300.0}
    assert found.wrong == {"lost": 3, "refused": 3, "doubled": 4}


def test_ratios_are_of_the_medians_and_only_where_smsgw_ran() -> None:
    ours = Summary.of([run("smsgw", 9000.0, {"daemon": 100.0})])
    theirs = Summary.of([run("jasmin", 90.0, {"jasmind": 2000.0})])
    first, second = (dict(zip(HEAD, row, strict=True)) for row in rows([ours, theirs]))
    assert (first["smsgw has"], first["smsgw uses"]) == ("", "")
    assert (second["smsgw has"], second["smsgw uses"]) == ("100x", "0.05x")
    assert rows([theirs])[0][HEAD.index("smsgw has")] == ""


def test_a_ratio_to_nothing_is_no_ratio() -> None:
    assert [ratio(10.0, 3.0), ratio(5000.0, 2.0), ratio(1.0, 0.0)] == ["3.3x", "2,500x", "-"]
    assert [figure(12345.6), figure(18.94), figure(0.5)] == ["12,346", "18.9", "0.5"]


def test_the_table_is_markdown_in_columns() -> None:
    assert markdown(("a", "bbb"), [("1", "2")]) == "| a | bbb |\n| - | --- |\n| 1 | 2   |"


def test_a_process_that_came_meanwhile_counts_from_nothing() -> None:
    assert spent({"a": 1.0}, {"a": 1.5, "b": 0.1}, 1000) == {"a": 500.0, "b": 100.0}


def test_what_the_windows_allow_for_is_said_where_answers_take_their_time() -> None:
    assert most(CASES["far"], Setup(binds=3)) == "; at most 6,000 a second"
    assert most(CASES["receipts"], Setup()) == ""


def test_the_picture_has_a_bar_for_each_and_longer_ones_for_more() -> None:
    found = {
        "receipts": [Summary.of([run("smsgw", 9000.0, {"d": 90.0})]), Summary.of([run("jasmin", 9.0, {"j": 9000.0})])],
        "plain": [Summary.of([run("smsgw", 900.0, {"d": 90.0})]), Summary.of([run("<new>", 0.0, {})])],
    }
    drawn = ElementTree.fromstring(bars.svg(found, "2 cores"))
    places = [
        (float(bar.get("x", "")), float(bar.get("y", "")), float(bar.get("width", "")))
        for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if bar.get("x") is not None
    ]
    rates, cpu = places[:4], places[4:]
    assert rates[0][2] > rates[2][2] > rates[1][2] > rates[3][2] == 0
    assert cpu[1][2] > cpu[0][2] == cpu[2][2] > cpu[3][2] == 0
    # Beside one another, and none over another.
    assert [y for _, y, _ in rates] == [y for _, y, _ in cpu] == sorted({y for _, y, _ in rates})
    assert all(x + width < cpu[0][0] for x, _, width in rates)


def test_a_scale_begins_below_the_least_and_ends_above_the_most() -> None:
    assert bars.decades([9.0, 9000.0]) == (0, 4)
    assert bars.decades([10.0, 10.0]) == (0, 1)
    assert bars.decades([0.0, 0.0]) == (-1, 0)


# -- Kannel


def test_kannel_gets_the_window_of_the_case_and_a_store() -> None:
    setup = Setup(window=200, binds=2, kannel_store="spool")
    text = kannel.config(kannel.core(setup, CASES["far"], 2775, 1, 2) + kannel.boxes(2, 3))
    for line in ("max-pending-submits = 100", "instances = 2", "port = 2775", "store-type = spool", "sendsms-port = 3"):
        assert f"\n{line}\n" in text
    assert text.count("group = ") == 5
    assert "max-pending-submits = 200" in kannel.config(kannel.core(setup, CASES["plain"], 1, 2, 3))


def test_what_kannel_is_asked_for_reads_back_as_the_line_and_its_receipt_has_the_number() -> None:
    target = kannel.sendsms_target(OTP, 8080).format(to="%2B12125550100", key="%23T00000A", number=10)
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query, strict_parsing=True).items()}
    assert query["text"] == "Café & more? 100% #T00000A @x #1"
    assert (query["from"], query["to"]) == ("+15551230001", "+12125550100")
    # Kannel puts 1 or 2 in place of %d.
    receipt = parse_qs(urlsplit(query["dlr-url"].replace("%d", "1")).query)
    assert kannel.read_receipt({name: values[0] for name, values in receipt.items()}) == ("10", "1")
    assert "dlr" not in kannel.sendsms_target(OTP, None)


def test_kannel_accepts_with_202_and_nothing_else() -> None:
    assert kannel.read_reply(7, 202, "0: Accepted for delivery") == "7"
    assert kannel.read_reply(7, 202, "3: Queued for later delivery") == "7"
    assert kannel.read_reply(7, 403, "Authorization failed for sendsms") is None


# -- Jasmin


def test_jasmins_configuration_reads_back_with_every_port_of_its_own(tmp_path: Path) -> None:
    ports = {name: 20000 + index for index, name in enumerate(jasmin.PORTS)}
    parser = configparser.RawConfigParser()
    parser.read_string(jasmin.config(jasmin.sections(tmp_path, tmp_path / "r", ports)))
    assert parser["amqp-broker"]["spec"] == str(tmp_path / "r" / "amqp0-9-1.xml")
    used = [int(section["port"]) for section in parser.values() if "port" in section]
    # dlrd calls the port that jasmind listens on.
    assert used.count(ports["smpps-pb"]) == 2
    assert set(used) == set(ports.values()) - {ports["dist"], ports["epmd"]}


def test_a_broker_of_its_own_touches_nothing_of_the_systems(tmp_path: Path) -> None:
    (tmp_path / "rabbitmq").mkdir()
    env = jasmin.broker(tmp_path, dict.fromkeys(jasmin.PORTS, 1))
    for name in ("HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE", "RABBITMQ_ENABLED_PLUGINS_FILE"):
        assert env[name].startswith(str(tmp_path))


def test_several_binds_are_a_route_over_all_of_them() -> None:
    assert "type RandomRoundrobinMTRoute" not in jcli.setting_up(2775, 1)
    lines = jcli.setting_up(2775, 3)
    assert "connectors smppc(sink1);smppc(sink2);smppc(sink3)" in lines
    assert lines.count("port 2775") == lines.count("submit_throughput 0") == 3


def test_what_jasmin_answers_and_tells() -> None:
    assert jasmin.read_reply(1, 200, 'Success "ab-12"') == "ab-12"
    assert jasmin.read_reply(1, 412, 'Error "No route found"') is None
    query = parse_qs(urlsplit(jasmin.send_target(OTP, 8080).format(digits="1212", key="k")).query)
    assert query["content"] == ["Café & more? 100% k @x #1"]
    assert (query["from"], query["to"]) == (["15551230001"], ["1212"])
    assert (query["dlr-url"], query["dlr-level"]) == (["http://127.0.0.1:8080/"], ["2"])


def test_jasmins_console_is_told_line_by_line_and_a_complaint_is_an_error() -> None:
    with console({b"": b"jcli : ", b"user -a": b"> ", b"uid x": b"Unknown key\r\n> "}) as (port, said):
        jcli.configure(port, ["user -a"])
        with pytest.raises(PeerError, match=r"'uid x': Unknown key"):
            jcli.configure(port, ["user -a", "uid x"])
    assert said == [b"", b"user -a", b"", b"user -a", b"uid x"]


# -- what is missing


def test_what_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    setup = Setup(jasmin=tmp_path)
    assert kannel.Kannel(setup).missing() == [
        "bearerbox: apt-get install kannel",
        "smsbox: apt-get install kannel",
    ]
    assert f"{tmp_path}/bin/jasmind.py: sh bench/peers/install.sh {tmp_path}" in jasmin.Jasmin(setup).missing()
    assert present([kannel.Kannel(setup), jasmin.Jasmin(setup)]) == []
    said = capsys.readouterr().out
    assert "kannel: left out" in said
    assert "redis-server: apt-get install redis-server" in said


def test_without_the_others_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert main(["--gateways", "kannel,jasmin", "--jasmin", str(tmp_path)]) == 0
    assert "jasmin: left out" in capsys.readouterr().out
    assert main(["--gateways", "kanel"]) == 2
    assert "no gateway 'kanel'" in capsys.readouterr().err


# -- feeds


def test_a_trace_of_other_than_single_gsm_segments_is_refused() -> None:
    assert single_segments([OTP]) == [OTP]
    for text in ("x" * 160 + "{key}", "Привет {key}"):
        with pytest.raises(trace.TraceError, match="not one GSM segment"):
            single_segments([Line("mt", "+1", "+2", text)])


def test_a_body_is_read_by_its_length_or_in_chunks() -> None:
    assert content(b"HTTP/1.1 202 Accepted\r\nContent-Length: 3", b"0: ") == b"0: "
    assert content(b"HTTP/1.1 202 Accepted\r\nContent-Length: 3", b"0:") is None
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
    whole = b"5\r\nSucce\r\n2\r\nss\r\n0\r\n\r\n"
    assert content(chunked, whole) == b"Success"
    assert all(content(chunked, whole[:size]) is None for size in range(len(whole)))


def test_a_receipt_is_read_by_its_tlv_or_its_text() -> None:
    text = b"id:abc sub:001 dlvrd:001 submit date:2611220000 done date:2611220000 stat:DELIVRD err:000 text:-"
    fields = wire.ShortMessage("1", "2", 4, 0, 0, text, {})
    assert receipt_of(fields) == ("abc", "DELIVRD")
    assert receipt_of(fields._replace(tlvs={wire.RECEIPTED_MESSAGE_ID: b"xyz\0"})) == ("xyz", "DELIVRD")


def test_what_goes_in_by_smpp_reconciles_with_the_sinks_log(tmp_path: Path) -> None:
    # The sink stands for a gateway here: it takes submits and sends receipts as one does.
    with SinkProcess(log=tmp_path / "log") as sink:
        options = LoadOptions("", trace.load("otp"), 300)
        with SmppFeed(options, sink.port, "bench", "bench", window=50) as feed:
            feed.submit_all(stall=5.0)
            feed.wait_ended(stall=5.0)
            settled(sink, 300, stall=5.0)
        found = outbound(feed, sink.read_log())
    assert found.clean, str(found)
    assert (feed.accepted, len(feed.ended), set(feed.ended.values())) == (300, 300, {"delivered"})
    began, accepted = feed.span()
    assert began < min(accepted, feed.last_end)


def test_what_goes_in_by_http_is_answered_and_its_receipts_come_back() -> None:
    def target(line: Line, port: int) -> str:
        return kannel.sendsms_target(line, port)

    with web_gateway(refuse=13, tell_twice=7) as port:
        options = LoadOptions("", trace.load("otp"), 40)
        feed = HttpFeed(options, port, 4, target, kannel.read_reply, kannel.read_receipt)
        with feed:
            feed.submit_all(stall=5.0)
            feed.wait_ended(stall=5.0)
    assert feed.accepted == len(feed.ended) == 39
    assert list(feed.refused) == [13]
    assert feed.refused[13].startswith("HTTP 503")
    assert feed.contradicted == ["7"]


def test_a_box_message_has_its_fields_in_kannels_order() -> None:
    assert pack(ADMIN, {"command": 3, "boxc_id": b"bench"}).hex(" ", -4) == (
        "00000011 00000001 00000003 00000005 62656e63 68"
    )
    fields = {"sender": b"1", "msgdata": b"x", "time": 7, "id": b"u" * 36, "dlr_url": b"9", "dlr_mask": 1}
    kind, found = unpack(pack(SMS, fields)[4:])
    assert kind == SMS
    assert {name: value for name, value in found.items() if value not in (None, -1)} == fields
    # Of another version of Kannel: told, not guessed.
    with pytest.raises(PeerError, match="another Kannel"):
        unpack(pack(SMS, fields)[4:] + b"more")
    with pytest.raises(PeerError, match="kind 9"):
        unpack(b"\0\0\0\x09")
    with pytest.raises(PeerError, match="kind 3"):
        unpack(pack(ACK, {"nack": 0})[4:8])


def test_what_goes_in_by_the_box_is_answered_and_its_receipts_come_back() -> None:
    options = LoadOptions("", [OTP, *trace.load("otp")], 100)
    with bearerbox(refuse=13) as (port, taken), BoxFeed(options, port, window=30) as feed:
        feed.submit_all(stall=5.0)
        feed.wait_ended(stall=5.0)
    assert feed.accepted == len(feed.ended) == 99
    assert feed.refused == {13: "nack 1"}
    assert set(feed.ended.values()) == {"delivered"}
    kinds = [kind for kind, _ in taken]
    assert kinds[0] == ADMIN
    assert kinds.count(ACK) == 99
    first = next(fields for kind, fields in taken if kind == SMS)
    assert first["msgdata"] == "Café & more? 100% #T000000 @x #1".encode()
    assert first["receiver"] == b"+12121234567"
    assert first["dlr_url"] == b"000000000"


# -- processes


def test_whatever_a_process_starts_is_measured_under_its_name_and_gone_at_the_end(tmp_path: Path) -> None:
    # The grandchild leaves the session and its parent, as Erlang's port mapper does.
    busy = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nwhile True: pass"
    command = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
    with Children(tmp_path) as children:
        children.start("broker", [sys.executable, "-c", command, busy])
        end = time.monotonic() + 10
        while (used := children.cpu().get("broker", 0.0)) < 0.1 or len(children.pids()["broker"]) < 2:
            assert time.monotonic() < end, children.log_end("broker")
            os.sched_yield()
        assert used > 0
        assert children.resident() > 1
        pids = children.pids()["broker"]
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Whether it runs; who was killed and not waited for by its parent yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_ends_by_itself_is_told_with_what_it_said(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        children.start("smsbox", [sys.executable, "-c", "print('no such file'); raise SystemExit(3)"])
        with pytest.raises(PeerError, match=r"(?s)status 3.*no such file"):
            children.wait_port("smsbox", free_ports(1)[0], timeout=20.0)


def test_ports_are_different_and_nobodys() -> None:
    found = free_ports(5)
    assert len(set(found)) == 5
    assert all(20000 <= port < 32768 for port in found)


# -- stand-ins


@contextmanager
def console(answers: dict[bytes, bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """A console that says what is in `answers` to a line, on a port of its own; and the lines that it was told."""
    said: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as lines:
                for line in lines:
                    said.append(line.strip())
                    sock.sendall(answers[line.strip()])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], said
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@contextmanager
def bearerbox(refuse: int) -> Iterator[tuple[int, list[tuple[int, dict[str, object]]]]]:
    """A bearerbox that refuses one number and tells of every other; and the messages that it was sent."""
    taken: list[tuple[int, dict[str, object]]] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        with sock, sock.makefile("rb") as octets:
            while head := octets.read(4):
                kind, fields = unpack(octets.read(int.from_bytes(head, "big")))
                taken.append((kind, dict(fields)))
                if kind == SMS:
                    refused = int(fields["dlr_url"] or b"0") == refuse
                    sock.sendall(pack(ACK, {"nack": int(refused), "time": 0, "id": fields["id"]}))
                    if not refused:
                        sock.sendall(pack(SMS, fields | {"sms_type": 3, "dlr_mask": 1, "msgdata": b"id:1"}))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], taken
    finally:
        thread.join(5.0)
        listener.close()


@contextmanager
def web_gateway(refuse: int, tell_twice: int) -> Iterator[int]:
    """A gateway as Kannel's smsbox is: takes a GET, calls dlr-url back; one number is refused, one told twice."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            url = urlsplit(query["dlr-url"][0].replace("%d", "1"))
            number = int(parse_qs(url.query)["n"][0])
            status, body = (503, b"Temporal failure") if number == refuse else (202, b"0: Accepted for delivery")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            for _ in range(0 if number == refuse else 2 if number == tell_twice else 1):
                caller = HTTPConnection(url.netloc, timeout=5)
                caller.request("GET", f"{url.path}?{url.query}")
                caller.getresponse().read()
                caller.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
