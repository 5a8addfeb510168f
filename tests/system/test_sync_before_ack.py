"""An acknowledgement leaves only after the store is synced: by the system calls of the real daemon."""

import json
import re
import struct
import sys

import pytest

from bench import keys, trace, wire
from bench.daemon import DaemonProcess, config
from bench.load import Load, LoadOptions
from bench.sinkprocess import SinkProcess
from tests.system import systrace

MESSAGES = 1000
INBOUND = 500
KEY = re.compile(rb"#[TM][0-9A-Z]{6}")
ID = re.compile(rb'"id":"([0-9a-f-]{36})"')
REASON = systrace.missing()


class Acknowledgements:
    """What left the daemon: (line, mark) of each reply, and of each deliver_sm_resp for a message and for a receipt."""

    def __init__(self, traced, log, ids):
        self.replies, self.inbound, self.receipts = [], [], []
        owner = {s.smsc_message_id: ids[keys.number(keys.find(s.text))].encode() for s in log.submits}
        delivered = {d.sequence: d for d in log.deliveries}
        for call in traced:
            if call.name not in ("write", "sendto", "sendmsg", "writev"):
                continue
            if call.target.startswith("UNIX-STREAM") and call.data.startswith(b"{"):
                for line in call.data.splitlines():
                    reply = json.loads(line)
                    if "segments" in reply.get("result", {}):
                        self.replies.append((call.entered, keys.key(keys.MT, reply["id"]).encode()))
            elif call.target.startswith("TCP"):
                for command, status, sequence in responses(call.data):
                    if command == wire.DELIVER_SM_RESP and status == wire.ROK:
                        delivery = delivered[sequence]
                        if delivery.kind == "mo":
                            self.inbound.append((call.entered, keys.find(delivery.text).encode()))
                        else:
                            self.receipts.append((call.entered, owner[delivery.smsc_message_id]))


def responses(data):
    """(command_id, command_status, sequence_number) of the PDUs in a write; the daemon writes whole ones."""
    at = 0
    while at < len(data):
        length, *rest = struct.unpack_from(">IIII", data, at)
        yield rest
        at += length


def early(acknowledgements, synced):
    """How many left before the sync of what they acknowledge."""
    return sum(synced.get(mark, sys.maxsize) >= line for line, mark in acknowledgements)


def traced_run(directory, synchronous):
    """1000 messages out with their receipts and 500 in, under the eyes of strace."""
    lines = [line for line in trace.load("otp") if line.text.isascii()][:100]
    inbound = directory / "inbound.ndjson"
    trace.write(inbound, [trace.Line("mo", trace.NUMBERS[0], "+14155550100", f"{{key}} yes {i}") for i in range(50)])
    with SinkProcess(log=directory / "sink.log", latency_ms=2, inbound_window=10, window=10) as sink:
        text = config(directory, sink.port, window=20, sections={"store": {"synchronous": synchronous}})
        with DaemonProcess(directory, text, command=systrace.command(directory / "trace"), timeout=60) as daemon:
            sink.wait_for(lambda stats: stats["binds"] == 1, timeout=30)
            with Load(LoadOptions(str(daemon.socket), lines, MESSAGES, outstanding=8)) as load:
                sink.command("inbound", trace_name=str(inbound), count=INBOUND)
                load.submit_all()
                while len(load.ended) < MESSAGES or len(load.inbound) < INBOUND:
                    load.step(0.1)
            sink.wait_for(lambda stats: not stats["owed"], timeout=30)
        log = sink.read_log()
    systrace.wait_for_end(directory / "trace", daemon.pid)
    traced = systrace.calls(directory / "trace")
    return systrace.Log(traced), Acknowledgements(traced, log, load.ids)


@pytest.mark.skipif(bool(REASON), reason=REASON)
@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_nothing_is_acknowledged_before_it_is_synced(tmp_path, synchronous):
    wal, left = traced_run(tmp_path, synchronous)
    assert len(left.replies) == len(left.receipts) == MESSAGES
    assert len(left.inbound) == INBOUND
    stored, told = wal.synced(KEY), wal.synced(ID)
    found = (early(left.replies, stored), early(left.inbound, stored), early(left.receipts, told))
    if synchronous == "full":
        assert found == (0, 0, 0)
    else:
        # The proof of the proof: without the sync of each transaction the same trace shows it.
        assert min(found) > 0
        assert sum(found) > (2 * MESSAGES + INBOUND) / 2
