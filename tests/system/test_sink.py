"""The sink against a foreign ESME: smpplib's Client binds, submits, takes receipts and inbound texts."""

import json
import socket
import subprocess
import sys

import pytest
from smpplib import consts
from smpplib.client import Client
from smpplib.exceptions import ConnectionError as SmppConnectionError
from smpplib.gsm import make_parts

from bench import keys, sinkcommand, wire
from bench.blast import blast
from bench.daemon import ROOT
from bench.sinkprocess import SinkError, SinkProcess


class Esme:
    """smpplib's Client with what it received; it handles one PDU for each call of read_until's loop."""

    def __init__(self, sink: SinkProcess, system_id: str = "foreign", bind: str = "transceiver") -> None:
        self.client = Client(sink.host, sink.port, allow_unknown_opt_params=True, timeout=10)
        self.sent = []
        self.messages = []
        self.status = consts.SMPP_ESME_ROK
        self.client.set_message_sent_handler(lambda pdu: self.sent.append(pdu))
        self.client.set_message_received_handler(self._received)
        self.client.set_error_pdu_handler(lambda pdu: None)
        self.client.connect()
        getattr(self.client, f"bind_{bind}")(system_id=system_id, password="any")

    def _received(self, pdu):
        self.messages.append(pdu)
        return self.status

    def submit(self, text: str, destination: str = "12125550101") -> int:
        parts, coding, esm_class = make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=1, source_addr_npi=1, source_addr="15551230001",
                dest_addr_ton=1, dest_addr_npi=1, destination_addr=destination,
                short_message=part, data_coding=coding, esm_class=esm_class, registered_delivery=1,
            )  # fmt: skip
        return len(parts)

    def read_until(self, sent: int = 0, messages: int = 0) -> None:
        while len(self.sent) < sent or len(self.messages) < messages:
            self.client.read_once()

    def close(self) -> None:
        self.client.unbind()
        self.client.disconnect()


def test_a_foreign_client_submits_and_gets_receipts(tmp_path):
    text = f"{keys.key(keys.MT, 7)} Напоминаем о записи 📦 " + "завтра в 10:30. " * 8
    with SinkProcess(log=tmp_path / "sink.log") as sink:
        esme = Esme(sink)
        parts = esme.submit(text)
        esme.read_until(sent=parts, messages=parts)
        assert parts == 3
        assert all(pdu.esm_class == 0x04 for pdu in esme.messages)
        ids = [pdu.message_id for pdu in esme.sent]
        assert sorted(pdu.receipted_message_id for pdu in esme.messages) == sorted(ids)
        receipt = esme.messages[0].short_message
        assert receipt.startswith(b"id:" + ids[0] + b" sub:001 dlvrd:001 submit date:")
        assert b" stat:DELIVRD err:000 text:" in receipt
        esme.close()
        stats = sink.wait_for(lambda stats: stats["receipts_acked"] == parts)
        assert (stats["submits"], stats["accepted"], stats["owed"]) == (parts, parts, 0)
        log = sink.read_log()
    message = log.messages()[keys.key(keys.MT, 7)]
    assert (message.total, message.complete, message.copies) == (parts, True, [])
    assert message.text == text
    assert all(receipt.status == wire.ROK for receipt in log.deliveries)
    assert sorted(log.receipts()) == sorted(id.decode() for id in ids)
    assert log.connections[1].account == "foreign"


def test_inbound_text_reaches_the_foreign_client(tmp_path):
    with SinkProcess(log=tmp_path / "sink.log") as sink:
        esme = Esme(sink)
        sink.command("mo", **{"from": "+447700900123", "to": "+15551230001", "text": "on my way 🙂"})
        esme.read_until(messages=1)
        pdu = esme.messages[0]
        assert pdu.short_message.decode("utf-16-be") == "on my way 🙂"
        assert (pdu.source_addr, pdu.source_addr_ton) == (b"447700900123", 1)
        assert (pdu.destination_addr, pdu.data_coding, pdu.esm_class) == (b"15551230001", 8, 0)
        esme.close()


def test_what_was_not_acknowledged_goes_out_again_on_another_bind(tmp_path):
    with SinkProcess(log=tmp_path / "sink.log") as sink:
        first = Esme(sink)
        sink.command("inbound", trace_name="inbound", count=5)
        sink.wait_for(lambda stats: stats["mo_sent"] >= 5)
        # Its end closes without having read any.
        first.client.disconnect()
        sink.wait_for(lambda stats: stats["requeued"] >= 5)
        second = Esme(sink)
        owed = sink.wait_for(lambda stats: stats["mo_remaining"] == 0)["owed"]
        second.read_until(messages=owed)
        second.close()
        stats = sink.wait_for(lambda stats: stats["owed"] == 0)
        assert stats["mo_messages"] == 5
        log = sink.read_log()
    inbound = log.inbound()
    assert len(inbound) == 5
    for copies in inbound.values():
        assert [copy.connection for copy in copies if copy.acked is not None] == [2] * (len(copies) // 2)


def test_a_temporary_refusal_is_repeated_and_a_permanent_one_is_not():
    with SinkProcess(retry_ms=1) as sink:
        esme = Esme(sink)
        esme.status = consts.SMPP_ESME_RX_T_APPN
        sink.command("mo", **{"from": "+447700900123", "to": "+15551230001", "text": "again"})
        esme.read_until(messages=2)
        esme.status = consts.SMPP_ESME_RX_P_APPN
        esme.read_until(messages=3)
        stats = sink.wait_for(lambda stats: stats["deliver_refused"] == 1)
        assert stats["deliver_retried"] >= 2
        assert stats["owed"] == 0
        esme.close()


def test_faults_are_the_shares_that_were_asked_for():
    with SinkProcess(faults="0x58:0.5,0x45:0.5", seed=1) as sink:
        esme = Esme(sink)
        for number in range(40):
            esme.submit(f"{number}")
        esme.read_until(sent=40)
        statuses = [pdu.status for pdu in esme.sent]
        assert set(statuses) == {wire.RTHROTTLED, wire.RSUBMITFAIL}
        assert sink.stats()["refused"] == 40
        esme.close()


def test_silence_and_cuts_are_in_the_log_as_unanswered(tmp_path):
    with SinkProcess(log=tmp_path / "sink.log", faults="cut:1") as sink:
        esme = Esme(sink)
        esme.submit("gone #T000001")
        with pytest.raises(SmppConnectionError):
            esme.read_until(sent=1)
        esme.client.disconnect()
        sink.command("behave", faults="silent:1")
        esme = Esme(sink)
        esme.submit("silence #T000002")
        stats = sink.wait_for(lambda stats: stats["submits"] == 2)
        assert (stats["silent"], stats["accepted"]) == (2, 0)
        log = sink.read_log()
        esme.close()
    assert [submit.text for submit in log.unanswered()] == ["gone #T000001", "silence #T000002"]
    assert log.connections[1].reason == "cut by --faults"


def test_answers_and_receipts_keep_their_latency(tmp_path):
    with SinkProcess(log=tmp_path / "sink.log", latency_ms=30, receipt_delay_ms=30) as sink:
        esme = Esme(sink)
        esme.submit("slow")
        esme.read_until(sent=1, messages=1)
        esme.close()
        log = sink.read_log()
    submit, receipt = log.submits[0], log.deliveries[0]
    assert submit.answered - submit.t >= 0.03
    assert receipt.t - submit.t >= 0.06


def test_a_connection_dropped_on_command_is_closed():
    with SinkProcess() as sink:
        esme = Esme(sink, system_id="one")
        other = Esme(sink, system_id="two")
        assert sink.command("drop", account="one") == {"dropped": 1}
        assert sink.stats()["binds"] == 1
        assert sink.command("drop", account="nobody") == {"dropped": 0}
        esme.client.disconnect()
        other.close()


def test_commands_come_over_a_unix_socket_too(tmp_path):
    path = str(tmp_path / "c")
    command = [sys.executable, "-m", "bench.sink", "--port", "0", "--control", path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())["pid"] == process.pid
        with socket.socket(socket.AF_UNIX) as control, control.makefile("r") as replies:
            control.connect(path)
            control.sendall(b'inbound {"trace_name": "none"}\nstats {}\nst')
            assert "no trace 'none'" in json.loads(replies.readline())["error"]
            assert json.loads(replies.readline())["submits"] == 0
            control.sendall(b"ats\nquit\n")
            assert json.loads(replies.readline())["ok"] is True
        assert process.wait(10) == 0
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--faults", "sometimes:1"], "invalid literal"),
        (["--inbound", "none"], "no trace 'none'"),
        (["--host", "192.0.2.1"], "Cannot assign requested address"),
    ],
)
def test_a_sink_that_cannot_start_says_why(arguments, problem, capsys):
    assert sinkcommand.main(["--port", "0", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_receiver_may_not_submit_and_garbage_ends_only_its_own_connection():
    with SinkProcess() as sink:
        esme = Esme(sink, bind="receiver")
        esme.client._socket.sendall(wire.pdu(wire.SUBMIT_SM, 9, b"\0" * 20))
        esme.read_until(sent=1)
        assert esme.sent[0].status == wire.RINVBNDSTS
        with socket.create_connection((sink.host, sink.port)) as garbage:
            garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert garbage.recv(100) == b""
        assert sink.stats()["bad_frames"] == 1
        assert sink.stats()["binds"] == 1
        esme.close()


def test_the_flood_is_counted_by_both_ends():
    with SinkProcess() as sink:
        result = blast(sink.host, sink.port, 5000, window=500)
        assert (result.messages, result.receipts) == (5000, 5000)
        stats = sink.wait_for(lambda stats: stats["receipts_acked"] == 5000)
        assert stats["submits"] == 5000


def test_an_unknown_command_is_named():
    with SinkProcess() as sink, pytest.raises(SinkError, match="no command 'dance'; there are behave, drop"):
        sink.command("dance")
