"""`smsgw capture`: the PDUs of a carrier's binds, as a file that Wireshark reads."""

from __future__ import annotations

import base64
import os
import re
import stat
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway import pcapng
from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.errors import USAGE, Failure
from gateway.cli.output import emit, note

_NOTES: Final = {
    "cut": "the connection ended within this PDU",
    "no_pdu": "these octets are no PDU: the command_length cannot be",
}
_WITH_PASSWORD: Final = {1: "bind_receiver", 2: "bind_transmitter", 9: "bind_transceiver", 11: "outbind"}
_REASONS: Final = {
    "count": "as many PDUs as asked for",
    "seconds": "the time is up",
    "deaf": "the file could not be written as fast as PDUs came",
    "stopped": "the daemon ended it",
    "interrupted": "interrupted",
}


def capture(
    carrier: Annotated[str, typer.Option(help="The carrier.")],
    bind: Annotated[str | None, typer.Option(help="Only this bind: 1, or of a pair 1t or 1r. Else all.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="At most for so long.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="At most so many PDUs.")] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Else CARRIER-DATE-TIME.pcapng; - is standard output."),
    ] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Capture the PDUs of a carrier's binds for Wireshark, until Ctrl-C.

    Sessions that are up and those that follow, so a bind that fails can be seen. Passwords are blanked; the texts of
    messages and phone numbers are in the file, which only you can read. For operators.
    """
    if output == "-" and (as_json or sys.stdout.isatty()):
        raise Failure("the capture goes to standard output: send it to a file or a program, without --json", USAGE)
    limits = {name: value for name, value in (("bind", bind), ("seconds", seconds), ("count", count)) if value}
    with connect(socket, config, app) as client:
        begun = client.call("capture", carrier=carrier, **limits)
        path = output or re.sub(r"[^\w.-]", "_", carrier) + time.strftime("-%Y%m%d-%H%M%S.pcapng")
        file = _File(path)
        reason = "interrupted"
        try:
            file.begin()
            binds = ", ".join(f"{b['name']} ({b['state']})" for b in begun["binds"])
            until = "" if seconds or count else "; Ctrl-C ends it"
            note(f"capturing {binds} to {'standard output' if path == '-' else path}{until}")
            for told in client.notifications():
                if told.method == "capture":
                    file.add(told.params["records"])
                elif told.method == "capture_ended":
                    reason = told.params["reason"]
                    break
        except KeyboardInterrupt:
            pass
        finally:
            file.end()
    done = {
        "file": None if path == "-" else path,
        "pdus": file.pdus,
        "dropped": file.dropped,
        "connections": file.connections,
        "reason": reason,
    }
    if as_json:
        emit(done)
    else:
        dropped = f", {file.dropped} dropped" if file.dropped else ""
        seen = f"{file.pdus} PDU{'s'[: file.pdus != 1]}{dropped}, {file.connections} connection"
        note(f"{seen}{'s'[: file.connections != 1]}: {_REASONS.get(reason, reason)}")
    return 0


class _File:
    """The file. Every write is of whole blocks, so it is a valid one whenever it ends."""

    def __init__(self, path: str) -> None:
        self.pdus = self.dropped = self.connections = 0
        self._interfaces: dict[str, int] = {}
        self._counts: list[list[int]] = []  # by interface: PDUs, dropped ones
        self._connections: dict[int, tuple[str, pcapng.Conversation]] = {}
        self._comments: dict[int, str] = {}  # for the next packet of a connection
        self._last = 0
        self._descriptor = _opened(path)

    def begin(self) -> None:
        """What a file begins with."""
        self._write(pcapng.section(f"smsgw {version('smsgw')}"))

    def add(self, records: list[dict[str, Any]]) -> None:
        """Records as the daemon sends them."""
        self._write(b"".join([self._blocks(record) for record in records]))

    def end(self) -> None:
        """The counts of each interface, and the end."""
        try:
            self._write(
                b"".join(
                    pcapng.statistics(number, self._last, pdus, dropped)
                    for number, (pdus, dropped) in enumerate(self._counts)
                )
            )
        finally:
            if self._descriptor != 1:
                os.close(self._descriptor)

    def _blocks(self, record: dict[str, Any]) -> bytes:
        self._last = record["at"]
        what = record["what"]
        if what == "opened":
            return self._opened(record)
        bind, conversation = self._connections[record["connection"]]
        if what == "ended":
            del self._connections[record["connection"]]
            return conversation.ended(record["at"], record["by"], self._comments.pop(record["connection"], None))
        octets = base64.b64decode(record["data"])
        lost, lost_pdus = record.get("lost", 0), record.get("lost_pdus", 0)
        counts = self._counts[self._interfaces[bind]]
        counts[0] += 1 + lost_pdus
        counts[1] += lost_pdus
        self.pdus += 1
        self.dropped += lost_pdus
        return conversation.data(
            record["at"],
            octets,
            sent=record["sent"],
            comment=self._comment(record, octets),
            lost=lost,
            dropped=lost_pdus,
        )

    def _opened(self, record: dict[str, Any]) -> bytes:
        out = b""
        bind, number = record["bind"], record["connection"]
        if bind not in self._interfaces:
            self._interfaces[bind] = len(self._counts)
            self._counts.append([0, 0])
            out = pcapng.interface(bind, f"bind {bind} of carrier {bind.rpartition('/')[0]}")
        local, remote = ((a[0], a[1]) if a else None for a in (record["local"], record["remote"]))
        conversation = pcapng.Conversation(self._interfaces[bind], local, remote, ours=record["ours"])
        self._connections[number] = bind, conversation
        self.connections += 1
        words = [f"connection {number} of {bind}"]
        if not record["begun"]:
            words.append("it was up when the capture began")
        if record["tls"]:
            words.append("encrypted by TLS on the wire")
        if not conversation.known:
            words.append("its addresses are not known")
        comment = "; ".join(words)
        if record["begun"]:
            return out + conversation.begun(record["at"], comment)
        conversation.joined()
        self._comments[number] = comment
        return out

    def _comment(self, record: dict[str, Any], octets: bytes) -> str | None:
        words = [self._comments.pop(record["connection"], None), _NOTES.get(record.get("note", ""))]
        if lost := record.get("lost_pdus"):
            words.append(f"{lost} PDUs ({record['lost']} octets) before this one were dropped: they came too fast")
        if int.from_bytes(octets[4:8]) in _WITH_PASSWORD:
            words.append("the password is blanked")
        return "; ".join(filter(None, words)) or None

    def _write(self, octets: bytes) -> None:
        try:
            while octets:
                octets = octets[os.write(self._descriptor, octets) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Failure(f"the capture cannot be written: {error.strerror}") from None


def _opened(path: str) -> int:
    """A descriptor to write to. Only its owner may read a capture: it has texts and phone numbers."""
    if path == "-":
        return 1
    try:
        descriptor = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            if found.st_uid == os.geteuid():
                os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None
    return descriptor
