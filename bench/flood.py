"""A flood of first parts: long messages that never end, from one peer, from many, and large ones.

    python -m bench.flood [--parts 100000] [--runs one,many,mixed,large] [--json]

Each run starts a daemon and sends it that many parts, each the first of a message of its own, and one real long
message between them. Prints how fast they were acknowledged, by how much the daemon's memory grew, how many were told
of as partial, and whether the real message arrived; ends with 1 when anything was refused or lost, the real message
did not arrive, or memory grew by more than 64 MiB (128 where the parts are large, as with any flood of large
messages: transactions of up to `limits.burst_bytes` gather while one is stored).
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import wire
from bench.daemon import DaemonError, DaemonProcess, config
from bench.figures import machine
from bench.trace import NUMBERS

WINDOW = 1000
MOST_GROWTH = {"large": 128.0}
"""MiB; 64 where nothing else is said."""
REAL = "A real long message, in the middle of it all."
HONEST = "+12125550100"
LARGE = 60_000
"""Octets of a large part, as message_payload."""
LARGE_SHARE = 100
"""Of so many parts one is large, in the run of large ones, so that as many octets come in less time."""


@dataclass(frozen=True)
class Result:
    """What one run showed."""

    name: str
    parts: int
    acknowledged: int
    seconds: float
    memory_before: float
    """MiB, resident, as all others."""
    memory_peak: float
    told: int
    """Messages told of as partial while the flood came."""
    waiting: int
    """Parts that waited at its end."""
    real: bool
    """Whether the real message arrived, whole and once."""

    @property
    def rate(self) -> float:
        return self.acknowledged / self.seconds

    @property
    def growth(self) -> float:
        return self.memory_peak - self.memory_before

    @property
    def passed(self) -> bool:
        """Whether all was acknowledged, nothing lost, memory bounded, and the real message there."""
        kept = self.told + self.waiting == self.parts
        return (
            self.acknowledged == self.parts + 3
            and kept
            and self.real
            and self.growth < MOST_GROWTH.get(self.name, 64.0)
        )


def peer(i: int) -> str:
    """One of ten million phones."""
    return f"+1213{i:07d}"


def _part(by: str, ref: int, total: int, seq: int, text: bytes) -> bytes:
    """The body of a deliver_sm with a 16-bit reference (TS 23.040 §9.2.3.24.8)."""
    header = bytes((6, 8, 4, ref >> 8, ref & 0xFF, total, seq))
    return wire.short_message_body(wire.address(by), wire.address(NUMBERS[0]), header + text, esm_class=wire.UDHI)


def _large(by: str, ref: int) -> bytes:
    """A part by SAR TLVs, its text in message_payload (SMPP 3.4 §5.3.2.22 to §5.3.2.24, §5.3.2.32)."""
    tlvs = (
        wire.tlv(wire.SAR_MSG_REF_NUM, ref.to_bytes(2, "big"))
        + wire.tlv(wire.SAR_TOTAL_SEGMENTS, b"\x02")
        + wire.tlv(wire.SAR_SEGMENT_SEQNUM, b"\x01")
        + wire.tlv(wire.MESSAGE_PAYLOAD, b"x" * LARGE)
    )
    return wire.short_message_body(wire.address(by), wire.address(NUMBERS[0]), b"", tlvs=tlvs)


TEXT = b"This is the first part of a long message whose other parts never come. " * 2


def one(i: int) -> bytes:
    """From one peer."""
    return _part(peer(0), i & 0xFFFF, 2 + (i >> 16), 1, TEXT)


def many(i: int) -> bytes:
    """Each from another peer."""
    return _part(peer(i), 7, 2, 1, TEXT)


def mixed(i: int) -> bytes:
    """Half of them from ten peers, the others each from another."""
    return many(i) if i % 2 else _part(peer(i % 20), i & 0xFFFF, 2 + (i >> 16), 1, TEXT)


def large(i: int) -> bytes:
    """Each from another peer, and each as large as it can be."""
    return _large(peer(i), i & 0xFFFF)


FLOODS: dict[str, Callable[[int], bytes]] = {"one": one, "many": many, "mixed": mixed, "large": large}


def bodies(make: Callable[[int], bytes], parts: int, apart: int) -> Iterator[bytes]:
    """The flood, and in its middle the parts of the real message, out of order, with so many others between them."""
    real = {parts // 2 - apart: 3, parts // 2: 1, parts // 2 + apart: 2}
    pieces = {seq: REAL[(seq - 1) * 15 : seq * 15].encode() for seq in (1, 2, 3)}
    for i in range(parts):
        if i in real:
            yield _part(HONEST, 99, 3, real[i], pieces[real[i]])
        yield make(i)


class Smsc:
    """The carrier: takes one bind, sends deliver_sm with a window, counts what is acknowledged."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket
        self._rest = b""
        self.acknowledged = 0
        self.refused = 0

    def accept(self) -> None:
        """Waits for the bind."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._read():
            pass

    def _read(self) -> bool:
        """Takes what has come; returns whether a bind was in it."""
        data = self._connection.recv(1 << 18)
        if not data:
            raise OSError("the daemon closed the bind")
        data, bound, end = self._rest + data, False, 0
        for _, end, command, status, sequence in wire.frames(data):  # noqa: B007
            if command == wire.DELIVER_SM_RESP:
                if status:
                    self.refused += 1
                else:
                    self.acknowledged += 1
            elif not command & wire.RESPONSE:
                bound = bound or command == wire.BIND_TRANSCEIVER
                body = b"flood\0" if command == wire.BIND_TRANSCEIVER else b""
                self._connection.sendall(wire.pdu(command | wire.RESPONSE, sequence, body))
        self._rest = data[end:]
        return bound

    def send(self, flood: Iterator[bytes]) -> None:
        """Sends all of it, at most `WINDOW` unanswered, and waits for the answers."""
        sent = 0
        out: list[bytes] = []
        for body in flood:
            sent += 1
            out.append(wire.pdu(wire.DELIVER_SM, sent, body))
            if len(out) == 100:
                self._connection.sendall(b"".join(out))
                out = []
                while sent - self.acknowledged - self.refused >= WINDOW:
                    self._read()
        self._connection.sendall(b"".join(out))
        while self.acknowledged + self.refused < sent:
            self._read()

    def close(self) -> None:
        self._connection.close()
        self._listener.close()


def run(name: str, parts: int, directory: Path) -> Result:
    """One flood against a daemon of its own."""
    directory.mkdir()
    smsc = Smsc()
    with DaemonProcess(directory, config(directory, smsc.port)) as daemon:
        smsc.accept()
        before = daemon.usage().resident
        count = parts // LARGE_SHARE if name == "large" else parts
        began = time.monotonic()
        # Of large parts a few hundred wait at most, and a transaction takes more than a hundred.
        smsc.send(bodies(FLOODS[name], count, count // (50 if name == "large" else 6)))
        seconds = time.monotonic() - began
        peak = daemon.usage().highest
    smsc.close()
    with sqlite3.connect(directory / "smsgw.db") as con:
        told = con.execute("SELECT count(*) FROM inbound WHERE complete = 0").fetchone()[0]
        waiting = con.execute("SELECT count(*) FROM mo_part").fetchone()[0]
        whole = con.execute("SELECT text, peer FROM inbound WHERE complete = 1").fetchall()
    con.close()
    return Result(name, count, smsc.acknowledged, seconds, before, peak, told, waiting, whole == [(REAL, HONEST)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print; 1 when a run did not pass, 2 on wrong usage."""
    parser = argparse.ArgumentParser("bench.flood", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", type=int, default=100_000, help="first parts of a run (%(default)s)")
    parser.add_argument("--runs", default=",".join(FLOODS), help="which, with commas (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.runs.split(",") if name not in FLOODS]
    if unknown or chosen.parts < LARGE_SHARE * 10:
        what = f"no run {unknown[0]!r}; there are {', '.join(FLOODS)}" if unknown else "--parts is 1000 or more"
        print(f"bench.flood: {what}", file=sys.stderr)
        return 2
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="smsgw-flood-") as temporary:
        about = machine(Path(temporary))
        if not chosen.json:
            print("machine: " + ", ".join(f"{name} {value}" for name, value in about.items()))
        for name in chosen.runs.split(","):
            try:
                result = results[name] = run(name, chosen.parts, Path(temporary) / name)
            except (DaemonError, OSError, wire.BadFrame) as error:
                print(f"bench.flood: {name}: {error}", file=sys.stderr)
                return 1
            if not chosen.json:
                print(
                    f"{name}: {result.acknowledged} acknowledged, {result.rate:.0f} a second; "
                    f"memory {result.memory_before:.0f} MiB and {result.growth:.1f} more at its highest; "
                    f"{result.told} told of as partial, {result.waiting} wait; "
                    f"the real message {'arrived' if result.real else 'DID NOT ARRIVE'}"
                    f"{'' if result.passed else ': FAILED'}"
                )
    if chosen.json:
        shown = {name: asdict(result) | {"passed": result.passed} for name, result in results.items()}
        print(json.dumps({"machine": about} | shown, indent=1))
    return int(not all(result.passed for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
