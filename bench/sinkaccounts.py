"""Who is connected to the sink, and what it owes to whom."""

from __future__ import annotations

import socket
from collections import deque


class Account:
    """What is owed to the ESME behind one system_id, and its binds that can take it."""

    __slots__ = ("inbound", "name", "receipts", "receivers")

    def __init__(self, name: str) -> None:
        self.name = name
        self.receivers: list[Peer] = []
        self.receipts: deque[bytes] = deque()
        self.inbound: deque[bytes] = deque()


class Peer:
    """One connection."""

    __slots__ = (
        "account", "fd", "id", "inbound", "out", "paused", "receipts", "rest", "sequence", "sock", "tail",
        "transmits",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.id = number
        self.account: Account | None = None
        self.transmits = False
        self.sequence = 0
        self.tail = b""
        self.out: list[bytes] = []
        self.rest = memoryview(b"")
        self.paused = False
        self.receipts: dict[int, bytes] = {}
        """deliver_sm bodies written and not acknowledged, by sequence number."""
        self.inbound: dict[int, bytes] = {}
