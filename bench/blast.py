"""An ESME that does nothing but flood: what the sink can take, measured without any gateway.

Submits are cut from a block made beforehand, with only sequence numbers written in, and answers are counted
by their headers, so that the flood costs less than what it measures.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from struct import pack_into

from bench import keys, wire

_BURST = 64


@dataclass(frozen=True)
class BlastResult:
    """What came of a flood; seconds from the first submit to the last receipt acknowledged."""

    messages: int
    receipts: int
    seconds: float
    rate: float


def blast(
    host: str, port: int, messages: int, *, window: int = 1000, receipts: bool = True, timeout: float = 60.0
) -> BlastResult:
    """Submit `messages` single segments over one bind, `window` unanswered at most; wait for all receipts.

    Raises TimeoutError when nothing happens for `timeout` seconds, ConnectionError when the sink closes.
    """
    sock = _bound(host, port, timeout)
    try:
        return _flood(sock, messages, window, receipts, timeout)
    finally:
        sock.close()


def soak(host: str, port: int, segments: int, *, timeout: float = 60.0) -> float:
    """Acknowledge deliver_sm's until `segments` of them came; returns how many a second that were.

    Raises TimeoutError when none comes for `timeout` seconds, ConnectionError when the sink closes.
    """
    sock = _bound(host, port, timeout)
    try:
        sock.settimeout(timeout)
        began, tail, received = time.monotonic(), b"", 0
        while received < segments:
            data = sock.recv(1 << 18)
            if not data:
                raise ConnectionError("the sink closed the connection")
            data = tail + data
            acks, end = _acknowledge(data)
            tail = data[end:]
            received += len(acks)
            sock.sendall(b"".join(acks))
        return received / (time.monotonic() - began)
    finally:
        sock.close()


def _acknowledge(data: bytes) -> tuple[list[bytes], int]:
    """A deliver_sm_resp for each whole deliver_sm in data, and where the rest of data begins."""
    acks, end = [], 0
    for _, end, command, _, number in wire.frames(data):  # noqa: B007
        if command == wire.DELIVER_SM:
            acks.append(wire.HEADER.pack(17, wire.DELIVER_SM_RESP, 0, number) + b"\0")
    return acks, end


def _bound(host: str, port: int, timeout: float) -> socket.socket:
    """A connection that is bound as a transceiver and does not block."""
    sock = socket.create_connection((host, port), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(wire.pdu(wire.BIND_TRANSCEIVER, 1, wire.bind_body("blast")))
        # The header tells how much there is to read, so that no octet of what follows is taken.
        header = sock.recv(16, socket.MSG_WAITALL)
        if len(header) < 16:
            raise ConnectionError("the sink closed the connection")
        length, command, status, _ = wire.HEADER.unpack(header)
        if command != wire.BIND_TRANSCEIVER | wire.RESPONSE or status != wire.ROK:
            raise ConnectionError(f"the bind was answered with command {command:#x}, status {status:#x}")
        sock.recv(length - 16, socket.MSG_WAITALL)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _flood(sock: socket.socket, messages: int, window: int, receipts: bool, timeout: float) -> BlastResult:
    bodies = [
        wire.short_message_body(
            wire.address("+15551230001"),
            wire.address(keys.vary("+12125550100", index)),
            f"Your code is {index:06d}. {keys.key(keys.MT, index)}".encode(),
            registered_delivery=int(receipts),
        )
        for index in range(_BURST)
    ]
    block = bytearray(b"".join(wire.pdu(wire.SUBMIT_SM, 0, body) for body in bodies))
    starts = [start for start, *_ in wire.frames(bytes(block))] + [len(block)]
    wanted = messages if receipts else 0
    sent = answered = received = 0
    sequence, out, tail = 1, b"", b""
    poll = select.poll()
    began = time.monotonic()
    while answered < messages or received < wanted:
        if not out:
            count = min(_BURST, window - (sent - answered), messages - sent)
            if count == _BURST or count == messages - sent or sent == answered:
                for index in range(count):
                    sequence += 1
                    pack_into(">I", block, starts[index] + 12, sequence)
                out = bytes(block[: starts[count]])
                sent += max(count, 0)
        if out:
            with suppress(BlockingIOError):
                out = out[sock.send(out) :]
        poll.register(sock, select.POLLIN | (select.POLLOUT if out else 0))
        ready_to_send = not out and window - (sent - answered) >= _BURST and sent < messages
        events = poll.poll(0 if ready_to_send else timeout * 1000)
        if not events:
            if ready_to_send:
                continue
            raise TimeoutError(f"nothing for {timeout} s: {answered} answers and {received} receipts of {messages}")
        if events[0][1] & select.POLLIN:
            data = sock.recv(1 << 18)
            if not data:
                raise ConnectionError("the sink closed the connection")
            data = tail + data
            end = 0
            acks: list[bytes] = []
            for _, end, command, _, number in wire.frames(data):  # noqa: B007
                if command == wire.SUBMIT_SM_RESP:
                    answered += 1
                elif command == wire.DELIVER_SM:
                    received += 1
                    acks.append(wire.HEADER.pack(17, wire.DELIVER_SM_RESP, 0, number) + b"\0")
            tail = data[end:]
            out += b"".join(acks)
    seconds = time.monotonic() - began
    while out:
        poll.register(sock, select.POLLOUT)
        poll.poll(timeout * 1000)
        out = out[sock.send(out) :]
    return BlastResult(messages, received, seconds, messages / seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bench.blast`: flood an SMSC and print what came of it as JSON."""
    parser = argparse.ArgumentParser(prog="bench.blast", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2775)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=1000, help="submits unanswered at most")
    parser.add_argument("--no-receipts", action="store_true")
    options = parser.parse_args(arguments)
    result = blast(
        options.host, options.port, options.messages, window=options.window, receipts=not options.no_receipts
    )
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
