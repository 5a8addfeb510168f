"""Wireshark's dissectors as a reader that is not ours: a capture in, the fields of each frame and its remarks out."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import pcap

Fields = dict[str, list[str]]
"""Values by field, each as often as it is in the frame; absent fields are absent."""

NOTES = ("_ws.expert.message", "_ws.malformed")
SMPP = (
    "-d", f"tcp.port=={pcap.PORT},smpp",
    # SMPP leaves open what data_coding 0 is (§5.2.19); to us it is the GSM alphabet, a septet in an octet.
    "-o", "smpp.decode_sms_over_smpp:gsm7",
    "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
    # What is behind a port number is not read: octets of tests are no WAP.
    "--disable-protocol", "wsp",
)  # fmt: skip
SMPP_PACKED = (*SMPP[:3], "smpp.decode_sms_over_smpp:gsm7-packed", *SMPP[4:], "-o", "smpp.gsm7_unpacked:FALSE")
GSM_SMS = ("-o", 'uat:user_dlts:"User 0 (DLT=147)","gsm_sms","0","","0",""')
"""For frames of link type `pcap.USER0` that hold an SMS TPDU each (TS 23.040 §9.2.2)."""


def read(path: Path, fields: Sequence[str], options: Sequence[str] = SMPP, seconds: float = 300) -> list[Fields]:
    """The asked fields of each frame of a capture."""
    command = ["tshark", "-n", "-r", str(path), *options, "-T", "json"]
    for field in fields:
        command += ["-e", field]
    result = subprocess.run(
        command, capture_output=True, timeout=seconds, env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    frames = json.loads(result.stdout.decode("utf-8", "surrogatepass"))
    return [frame["_source"]["layers"] for frame in frames]


def read_pdus(
    directory: Path, pdus: Iterable[bytes], fields: Sequence[str], options: Sequence[str] = SMPP
) -> list[Fields]:
    """The fields of PDUs, each in a frame of its own, with `NOTES` beside them."""
    path = directory / "pdus.pcap"
    count = pcap.write(path, pcap.Connection().frames((True, octets) for octets in pdus))
    found = read(path, (*fields, *NOTES), options)
    assert len(found) == count
    return found


def notes(frame: Fields) -> list[str]:
    """What Wireshark remarks on a frame, in any protocol."""
    return [note for name in NOTES for note in frame.get(name, ())]


def joined(text: str) -> str:
    """Text whose surrogate pairs came as two characters, with them as one.

    To the dissector data_coding 8 is UCS-2 by the letter: each unit is a character.
    """
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


class Version(NamedTuple):
    """Of the program."""

    major: int
    minor: int


def version() -> Version:
    """Of the tshark that runs."""
    said = subprocess.run(["tshark", "--version"], capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    assert found, said
    return Version(int(found[1]), int(found[2]))
