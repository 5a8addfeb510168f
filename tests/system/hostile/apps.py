"""Applications at the daemon's socket: messages at a steady rate for each carrier, and what they were told of them."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINAL = frozenset({"delivered", "undelivered", "expired", "failed", "rejected", "cancelled"})


@dataclass
class Message:
    """One that was submitted. Times are seconds of CLOCK_MONOTONIC; ``due``: when it was to be."""

    label: str
    peer: str
    due: float
    validity: float | None = None
    accepted: float | None = None
    id: str = ""
    segments: int = 0
    refused: str = ""
    ends: list[dict[str, Any]] = field(default_factory=list)
    """Events of its end, each once."""


class Stream:
    """Messages from numbers in turn at a rate: ``long_every`` so many is of three segments; peers in turn.

    Labels begin with ``letter`` and count from ``first``; each segment of a message has it in its text.
    """

    def __init__(
        self,
        letter: str,
        numbers: Sequence[str],
        rate: float,
        *,
        first: int = 0,
        count: int | None = None,
        peers: int = 400,
        long_every: int = 10,
        validity: float | None = None,
        area: str = "212555",
    ) -> None:
        self.letter, self.numbers, self.rate, self.count = letter, numbers, rate, count
        self.messages: list[Message] = []
        self._first, self._peers, self._long_every, self._validity = first, peers, long_every, validity
        self._area = area
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        return self.count is not None and len(self.messages) >= self.count

    @property
    def next_at(self) -> float:
        """When the next one is due."""
        return self._began + len(self.messages) / self.rate

    def next(self) -> tuple[Message, dict[str, Any]]:
        """The next message and the parameters of its submit."""
        place = self._first + len(self.messages)
        label = f"{self.letter}{place:06}"
        peer = f"+1{self._area}{place % self._peers:04}"
        message = Message(label, peer, self.next_at, self._validity)
        self.messages.append(message)
        long = self._long_every and place % self._long_every == 0
        params = {
            "to": peer,
            "from": self.numbers[place % len(self.numbers)],
            "text": f"{label} " * (50 if long else 3),
        }
        if self._validity is not None:
            params["validity"] = self._validity
        return message, params


class _Connection:
    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.sock.setblocking(False)
        self.out = bytearray()
        self._tail = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def queue(self, number: int | None, method: str, params: dict[str, Any]) -> None:
        head = {"jsonrpc": "2.0"} if number is None else {"jsonrpc": "2.0", "id": number}
        self.out += json.dumps(head | {"method": method, "params": params}).encode() + b"\n"

    def flush(self) -> None:
        if self.out:
            try:
                del self.out[: self.sock.send(self.out)]
            except BlockingIOError:
                pass

    def lines(self) -> list[dict[str, Any]]:
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return []
        if not data:
            raise ConnectionResetError("the daemon closed the connection")
        *lines, self._tail = (self._tail + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self.sock.close()


class Applications:
    """One connection for submits and requests, one that takes events. `step` does what is due."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.streams: list[Stream] = []
        self.by_id: dict[str, Message] = {}
        self.inbound: dict[str, dict[str, Any]] = {}
        """Inbound events by event_id."""
        self.wrong: list[str] = []
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._events: set[str] = set()
        self._asked: dict[int, Message] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._next = 0
        self.connect()

    def connect(self) -> None:
        """To a daemon that has started."""
        self._submits, self._subscription = _Connection(self._path), _Connection(self._path)
        self._subscription.queue(-1, "subscribe", {"name": "hostile", "events": ["inbound", "receipt"]})
        self._subscription.flush()

    def disconnect(self) -> None:
        """Before a daemon stops. Raises AssertionError when a submit has no reply."""
        self.until(lambda: not self._asked, 10, "replies to submits")
        self.close()

    def close(self) -> None:
        self._submits.close()
        self._subscription.close()

    def step(self, timeout: float) -> None:
        """Submits what is due, and takes what comes within the timeout."""
        now = time.monotonic()
        for stream in self.streams:
            while not stream.done and stream.next_at <= now:
                message, params = stream.next()
                self._next += 1
                self._asked[self._next] = message
                self._submits.queue(self._next, "submit", params)
            if not stream.done:
                timeout = min(timeout, max(0.0, stream.next_at - now))
        both = (self._submits, self._subscription)
        for connection in both:
            connection.flush()
        readable, _, _ = select.select(both, [c for c in both if c.out], [], timeout)
        for connection in readable:
            for line in connection.lines():
                self._take(line, time.monotonic())

    def run(self, seconds: float) -> None:
        """Steps for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.step(left)

    def until(self, condition: Any, seconds: float, what: str) -> None:
        """Steps until a condition holds. Raises AssertionError when it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            self.step(0.02)

    def call(self, method: str, /, **params: Any) -> Any:
        """A request; events and replies that come meanwhile are taken."""
        self._next += 1
        number = self._next
        self._submits.queue(number, method, params)
        self._answers[number] = {}
        self.until(lambda: self._answers[number], 10, f"an answer to {method}")
        answer = self._answers.pop(number)
        assert "result" in answer, f"{method}: {answer}"
        return answer["result"]

    def shown(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """What the `message` method shows, by id."""
        found: dict[str, dict[str, Any]] = {}
        for at in range(0, len(ids), 500):
            for message in self.call("message", ids=ids[at : at + 500])["messages"]:
                found[message["id"]] = message
        return found

    def _take(self, line: dict[str, Any], now: float) -> None:
        number, method = line.get("id"), line.get("method")
        if number in self._answers:
            self._answers[number] = line
        elif number in self._asked:
            message = self._asked.pop(number)
            if "error" in line:
                message.refused = str(line["error"].get("data", line["error"]))
                return
            message.id, message.segments, message.accepted = line["result"]["id"], line["result"]["segments"], now
            self.by_id[message.id] = message
            message.ends += self._early.pop(message.id, [])
        elif number == -1:
            if "error" in line:
                self.wrong.append(f"subscribe: {line['error']}")
        elif method in ("receipt", "inbound"):
            params = line["params"]
            self._subscription.queue(None, "ack", {"up_to": params["event_id"]})
            if params["event_id"] in self._events:
                if not params["redelivered"]:
                    self.wrong.append(f"event {params['event_id']} came twice and is not marked")
                return
            self._events.add(params["event_id"])
            if method == "inbound":
                self.inbound[params["event_id"]] = params
            elif params["id"] in self.by_id:
                self.by_id[params["id"]].ends.append(params)
            else:
                self._early.setdefault(params["id"], []).append(params)
        else:
            self.wrong.append(f"unexpected: {line}")
