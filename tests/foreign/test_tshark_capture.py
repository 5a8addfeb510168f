"""`smsgw capture` as Wireshark reads it: real connections, both directions, and no remark on any packet."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.foreign import needs_tshark
from tests.support.programs import ENVIRONMENT, Running, running, smsgw
from tests.support.tshark import SMPP, Fields, notes, read

pytestmark = needs_tshark

PEER = "+12015550147"
FIELDS = (
    "frame.time_epoch", "frame.comment", "frame.interface_name", "frame.packet_flags_direction",
    "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.flags.syn", "tcp.flags.fin", "tcp.seq_raw", "tcp.ack_raw",
    "smpp.command_id", "smpp.command_status", "smpp.password", "smpp.system_id", "smpp.message_text",
    "_ws.expert.message", "_ws.malformed",
)  # fmt: skip
SHUT = """
[[carriers]]
name = "shut"
host = "127.0.0.1"
port = {port}
system_id = "user"
password = "wrong-1"
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("house"), "--password", "s3cr3t", more=SHUT) as house:
        yield house


def capture(house: Running, *arguments: str) -> subprocess.Popen[str]:
    """The command, begun; it has said what it captures."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "capture", "-c", str(house.config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("capturing ")
    return process


def seen(path: Path, port: int) -> list[Fields]:
    """Packets, with SMPP at the port that it is at."""
    options = ["-d", f"tcp.port=={port},smpp", *SMPP[2:]]
    return read(path, FIELDS, options)


CHAT = ("Connection establish request", "Connection establish acknowledge", "Connection finish (FIN)")


def remarks(frames: list[Fields]) -> list[str]:
    """What Wireshark remarks, but for our comments and that a connection begins and ends."""
    return [
        note
        for frame in frames
        for note in notes(frame)
        if note not in frame.get("frame.comment", ()) and not note.startswith(CHAT)
    ]


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=30)
    return process.returncode, out, errors


def test_messages_and_receipts(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "acme.pcapng"
    process = capture(house, "--carrier", "acme", "--count", "8", "-o", str(path), "--json")
    assert smsgw("send", "-c", str(house.config), PEER, "Hello Wireshark").returncode == 0
    assert smsgw("send", "-c", str(house.config), PEER, "Zwei").returncode == 0
    code, out, _ = said(process)
    assert code == 0
    assert json.loads(out) == {
        "file": str(path),
        "pdus": 8,
        "dropped": 0,
        "connections": 1,
        "reason": "count",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    frames = seen(path, house.port)
    assert len(frames) == 8
    assert remarks(frames) == []
    by_command: dict[str, list[Fields]] = {}
    for frame in frames:
        by_command.setdefault(frame["smpp.command_id"][0], []).append(frame)
    assert {k: len(v) for k, v in by_command.items()} == {
        "0x00000004": 2, "0x80000004": 2, "0x00000005": 2, "0x80000005": 2
    }  # fmt: skip
    first = by_command["0x00000004"][0]
    assert first["smpp.message_text"] == ["Hello Wireshark"]
    assert first["tcp.dstport"] == [str(house.port)]
    assert (first["ip.src"], first["ip.dst"]) == (["127.0.0.1"], ["127.0.0.1"])
    assert first["frame.interface_name"] == ["acme/1"]
    assert first["frame.packet_flags_direction"] == ["0x00000002"]
    assert by_command["0x80000004"][0]["frame.packet_flags_direction"] == ["0x00000001"]
    assert "up when the capture began" in frames[0]["frame.comment"][0]
    times = [float(f["frame.time_epoch"][0]) for f in frames]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000


def test_binds_that_are_refused_with_their_passwords_blanked(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "shut.pcapng"
    process = capture(house, "--carrier", "shut", "--count", "2", "-o", str(path))
    smsgw("reload", "-c", str(house.config))  # harmless
    house.config.write_text(house.config.read_text().replace('"wrong-1"', '"wrong-22"'))
    assert smsgw("reload", "-c", str(house.config)).returncode == 0  # binds at once
    assert said(process)[0] == 0
    frames = seen(path, house.port)
    assert remarks(frames) == []
    assert [f.get("tcp.flags.syn") for f in frames[:3]] == [["1"], ["1"], ["0"]]
    bind, answer = (f for f in frames if "smpp.command_id" in f)
    assert bind["smpp.command_id"] == ["0x00000009"]
    assert bind["smpp.password"] == ["********"]
    assert "the password is blanked" in bind["frame.comment"][0]
    assert answer["smpp.command_id"] == ["0x80000009"]
    assert answer["smpp.command_status"] != ["0x00000000"]
    assert b"wrong-2" not in path.read_bytes()


def test_interrupted_it_leaves_a_whole_file(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "cut.pcapng"
    # Where the tests run in the background of a shell, interrupts are ignored, and what is started would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = capture(house, "--carrier", "acme", "-o", str(path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert smsgw("send", "-c", str(house.config), PEER, "One").returncode == 0
    while path.stat().st_size < 400:  # its packets are there
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, _, errors = said(process)
    assert code == 0
    assert "interrupted" in errors
    assert seen(path, house.port)


def test_to_standard_output(house: Running, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gateway",
            "capture",
            "-c",
            str(house.config),
            "--carrier",
            "acme",
            "--count",
            "1",
            "-o-",
        ],
        stdout=descriptor,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    os.close(descriptor)
    assert process.stderr is not None
    assert "standard output" in process.stderr.readline()
    assert smsgw("send", "-c", str(house.config), PEER, "One").returncode == 0
    assert said(process)[0] == 0
    assert len(seen(path, house.port)) == 1


def test_what_is_wrong_is_said(house: Running, tmp_path: Path) -> None:
    ran = smsgw("capture", "-c", str(house.config), "--carrier", "acne")
    assert ran.returncode == 2
    assert "did you mean 'acme'?" in ran.stderr
    ran = smsgw("capture", "-c", str(house.config), "--carrier", "acme", "-o", f"{tmp_path}/no/file")
    assert ran.returncode == 1
    assert "cannot be written" in ran.stderr
    ran = smsgw("capture", "-c", str(house.config), "--carrier", "acme", "-o", "-", "--json")
    assert ran.returncode == 2
