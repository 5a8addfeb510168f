"""The load generator: plays a trace into the daemon's socket, and knows what became of every message.

Closed loop (`outstanding` requests unanswered at most) or open loop (`rate` a second; latency counts from
when a message was to be sent, so that a daemon that stalls cannot hide it). One thread and one select for all
connections; requests are cut from templates, so that a message costs the generator a few microseconds.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Self

from bench import keys, trace
from bench.client import Connection, Disconnected, Event, Incoming, acknowledge
from bench.figures import Percentiles

_BURST = 256
"""Requests made before the replies are looked at again."""
_FINAL = frozenset({"delivered", "undelivered", "expired", "failed", "rejected", "cancelled"})


@dataclass(frozen=True)
class LoadOptions:
    """What to send. `lines` are of a trace, `messages` of them are played from number `first` on.

    outstanding: requests unanswered at most, where neither rate (messages a second) nor speed is set.
    speed: the trace's own times are kept, divided by this.
    ref: whether the key goes along as idempotency key.
    subscribe: name of the subscription that takes receipts and inbound messages, None for none.
    app, token: for daemons whose [[apps]] ask for them.
    """

    socket: str
    lines: Sequence[trace.Line]
    messages: int
    outstanding: int = 2000
    rate: float = 0.0
    speed: float = 0.0
    connections: int = 1
    first: int = 0
    ref: bool = False
    receipts: bool = True
    subscribe: str | None = "bench"
    max_unacked: int = 2000
    app: str | None = None
    token: str | None = None


def templates(lines: Sequence[trace.Line], *, ref: bool = False, receipts: bool = True) -> list[str]:
    """For each MT line a request with `%` places for: id, to, key, and with ref the key once more."""
    out = []
    for line in lines:
        if line.kind != "mt":
            continue
        params = {"to": "\x00to", "text": line.keyed().replace(keys.PLACEHOLDER, "\x00key", 1)}
        if line.sender is not None:
            params["from"] = line.sender
        if line.message_class != "transactional":
            params["class"] = line.message_class
        if ref:
            params["ref"] = "\x00key"
        members = params | ({} if receipts else {"receipt": False}) | line.extras
        text = json.dumps(members, ensure_ascii=False, separators=(",", ":")).replace("%", "%%")
        text = text.replace("\\u0000to", "%s").replace("\\u0000key", "%s")
        out.append('{"jsonrpc":"2.0","id":%d,"method":"submit","params":' + text + "}\n")
    if not out:
        raise trace.TraceError("no outbound line in the trace")
    return out


class Load:
    """A run: `with Load(options) as load:`, then submit_all() and wait_ended(), or step() in a loop.

    Messages are told by their number, `first` to `first + messages - 1`; lists and arrays start at `first`.
    """

    def __init__(self, options: LoadOptions) -> None:
        self.options = options
        count = options.messages
        self.intended = array("d", bytes(8 * count))
        """When a message was to be sent (open loop) or was sent, seconds of CLOCK_MONOTONIC."""
        self.accepted_at = array("d", bytes(8 * count))
        """When its reply came; 0.0: not yet, or refused."""
        self.ids: list[str] = [""] * count
        """message_id by number; "" while there is no reply, and for ever after a refusal."""
        self.refused: dict[int, str] = {}
        """Reason by number."""
        self.segments = 0
        self.ended: dict[str, str] = {}
        """State by message_id, of receipt events that were taken; the last one counts."""
        self.end_events: dict[str, int | str] = {}
        """event_id of the first end that was told, by message_id."""
        self.redelivered = 0
        self.contradicted: list[str] = []
        """message_ids that had two ends, which the same event coming again is not."""
        self.inbound: list[tuple[float, Event]] = []
        """(when it came, params) of every inbound notification."""
        self.broken: str | None = None
        """Why a connection was lost, None while all stand."""
        self.first_end = self.last_end = 0.0
        self.next = 0
        self.replies = 0
        self._accepted = 0
        self._began = 0.0
        self._templates = templates(options.lines, ref=options.ref, receipts=options.receipts) if count else []
        self._peers = [line.to for line in options.lines if line.kind == "mt"]
        self._vary = [line.vary and line.to.startswith("+") for line in options.lines if line.kind == "mt"]
        self._times = [line.at for line in options.lines if line.kind == "mt"]
        self._paced = bool(options.rate or options.speed)
        self._submitters: list[Connection] = []
        self._subscriber: Connection | None = None
        self.backlog = 0

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def connect(self) -> None:
        """Open the connections, authenticate and subscribe. Raises OSError, RuntimeError when refused."""
        try:
            self._connect(self.options)
        except BaseException:
            self.close()
            raise

    def _connect(self, options: LoadOptions) -> None:
        self._submitters = [Connection(options.socket) for _ in range(options.connections if options.messages else 0)]
        if options.subscribe is not None:
            self._subscriber = Connection(options.socket)
        for connection in self._all():
            if options.app is not None:
                connection.call("auth", app=options.app, token=options.token)
        if self._subscriber is not None:
            self.backlog = self._subscriber.call(
                "subscribe",
                name=options.subscribe,
                events=["inbound", "receipt"],
                max_unacked=options.max_unacked,
            ).backlog

    def _all(self) -> list[Connection]:
        return [*self._submitters, *([self._subscriber] if self._subscriber is not None else [])]

    def close(self) -> None:
        for connection in self._all():
            connection.close()
        self._submitters, self._subscriber = [], None

    # -- what is known

    @property
    def accepted(self) -> int:
        """Messages that were accepted."""
        return self._accepted

    @property
    def unanswered(self) -> list[int]:
        """Numbers that were sent and not answered: accepted or not, nobody told."""
        return [
            self.options.first + index
            for index in range(self.next)
            if not self.ids[index] and self.options.first + index not in self.refused
        ]

    def accept_latency(self) -> Percentiles:
        """From when a message was to be sent to its reply."""
        return Percentiles.of(
            accepted - intended for accepted, intended in zip(self.accepted_at, self.intended, strict=True) if accepted
        )

    def span(self) -> tuple[float, float]:
        """When the first message was sent and the last one accepted."""
        return self._began, max(self.accepted_at, default=0.0)

    def missing(self) -> list[str]:
        """message_ids that were accepted and whose end has not come."""
        return [message_id for message_id in self.ids if message_id and message_id not in self.ended]

    # -- the loop

    def submit_all(self, stall: float = 30.0) -> None:
        """Send everything and wait for all replies. A lost connection ends it and is told in `broken`.

        Raises TimeoutError when nothing happened for `stall` seconds.
        """
        self._began = time.monotonic()
        mark, since = -1, time.monotonic()
        while self.replies < self.options.messages and self.broken is None:
            self.step(1.0)
            if self.replies + self.next != mark:
                mark, since = self.replies + self.next, time.monotonic()
            elif time.monotonic() - since > stall:
                raise TimeoutError(f"{self.replies} of {self.next} answered, then nothing for {stall} s")

    def wait_ended(self, stall: float = 30.0) -> None:
        """Take receipts until every accepted message has ended, or nothing came for `stall` seconds."""
        since, mark = time.monotonic(), len(self.ended)
        while self.broken is None and len(self.ended) < self._accepted:
            self.step(0.2)
            if len(self.ended) != mark:
                since, mark = time.monotonic(), len(self.ended)
            elif time.monotonic() - since > stall:
                return

    def step(self, timeout: float) -> None:
        """Send what is due, then wait at most `timeout` seconds for something to come, and take it."""
        if not self._began:
            self._began = time.monotonic()
        try:
            due = self._send()
            if due is not None:
                timeout = min(timeout, max(due - time.monotonic(), 0.0))
            connections = self._all()
            writers = [connection for connection in connections if connection.out]
            # select, because its timeout counts in microseconds and epoll's in milliseconds.
            readable, _, _ = select.select(connections, writers, [], timeout)
            now = time.monotonic()
            for connection in readable:
                incoming = connection.receive()
                if connection is self._subscriber:
                    self._take_events(incoming, now)
                else:
                    self._take_replies(incoming, now)
            for connection in writers:
                connection.flush()
        except Disconnected as error:
            self.broken = str(error)

    def drain(self, timeout: float = 2.0) -> None:
        """Take what a daemon that is gone had still written: a reply that left it counts. Sends nothing."""
        end = time.monotonic() + timeout
        for connection in self._all():
            with suppress(Disconnected):
                while select.select([connection], [], [], max(end - time.monotonic(), 0.0))[0]:
                    incoming = connection.receive()
                    if connection is self._subscriber:
                        self._note_events(incoming, time.monotonic())
                    else:
                        self._take_replies(incoming, time.monotonic())
        self.broken = self.broken or "drained"

    def _send(self) -> float | None:
        """Write the requests that are due; returns when the next will be, None if that is up to replies."""
        options = self.options
        left = options.messages - self.next
        if not left:
            return None
        now = time.monotonic()
        if self._paced:
            count = 0
            while count < min(left, _BURST) and self._due(self.next + count) <= now:
                count += 1
        else:
            count = min(options.outstanding - (self.next - self.replies), left, _BURST)
            if count < min(left, _BURST, options.outstanding // 4 or 1):
                # Rather a burst a little later than a write for every reply.
                return None
        if count > 0:
            self._queue(count, now)
        if self.next == options.messages:
            return None
        return self._due(self.next) if self._paced else now

    def _due(self, index: int) -> float:
        """When a message is to be sent, where that does not depend on replies."""
        if self.options.rate:
            return self._began + index / self.options.rate
        passes, place = divmod(index, len(self._times))
        return self._began + (passes * self._times[-1] + self._times[place]) / self.options.speed

    def _queue(self, count: int, now: float) -> None:
        options, first = self.options, self.options.first
        lines, peers, vary = self._templates, self._peers, self._vary
        size = len(lines)
        share = -(-count // len(self._submitters))
        start, end = self.next, self.next + count
        for connection in self._submitters:
            burst = []
            for index in range(start, min(start + share, end)):
                number = first + index
                place = number % size
                key = keys.key(keys.MT, number)
                peer = keys.vary(peers[place], number) if vary[place] else peers[place]
                values = (index, peer, key, key) if options.ref else (index, peer, key)
                burst.append(lines[place] % values)
                self.intended[index] = self._due(index) if self._paced else now
            if burst:
                start += len(burst)
                connection.queue("".join(burst).encode())
                connection.flush()
        self.next = end

    def _take_replies(self, incoming: list[Incoming], now: float) -> None:
        ids, accepted_at = self.ids, self.accepted_at
        for reply in incoming:
            index, result = reply.id, reply.result
            if index is None:
                continue
            if result is not None:
                ids[index] = result.id
                accepted_at[index] = now
                self.segments += result.segments
                self._accepted += 1
            elif reply.error is not None:
                self.refused[self.options.first + index] = reply.error.reason
            self.replies += 1

    def _take_events(self, incoming: list[Incoming], now: float) -> None:
        last = self._note_events(incoming, now)
        if last is not None and self._subscriber is not None:
            self._subscriber.queue(acknowledge(last))
            self._subscriber.flush()

    def _note_events(self, incoming: list[Incoming], now: float) -> int | str | None:
        """Returns the event_id to acknowledge up to."""
        ended, last = self.ended, None
        for notification in incoming:
            event = notification.params
            if event is None:
                continue
            if notification.method == "replaced":
                raise Disconnected("another connection took the subscription over")
            if notification.method == "receipt":
                if event.state in _FINAL or event.state == "sent":
                    if event.redelivered:
                        self.redelivered += 1
                    if self.end_events.setdefault(event.id, event.event_id) != event.event_id:
                        self.contradicted.append(event.id)
                    ended[event.id] = event.state
                    self.last_end = now
                    self.first_end = self.first_end or now
            elif notification.method == "inbound":
                if event.redelivered:
                    self.redelivered += 1
                self.inbound.append((now, event))
            last = event.event_id
        return last


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bench.load`: load a running daemon, print the outcome as JSON; 1 if anything is missing."""
    parser = argparse.ArgumentParser(prog="bench.load", description="Play a trace into a daemon's socket.")
    parser.add_argument("--socket", required=True, help="path of the daemon's socket")
    parser.add_argument("--trace", default="otp")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--outstanding", type=int, default=2000, help="requests unanswered at most")
    parser.add_argument("--rate", type=float, default=0.0, help="a second; 0: as fast as they are accepted")
    parser.add_argument("--speed", type=float, default=0.0, help="keep the trace's times, so many times as fast")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first message, for further runs")
    parser.add_argument("--ref", action="store_true", help="send an idempotency key with each message")
    parser.add_argument("--subscription", default="bench", help="name; empty: take no receipts")
    parser.add_argument("--app")
    parser.add_argument("--token")
    chosen = parser.parse_args(arguments)
    try:
        lines = trace.load(chosen.trace)
    except trace.TraceError as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 2
    options = LoadOptions(
        socket=chosen.socket,
        lines=lines,
        messages=chosen.messages,
        outstanding=chosen.outstanding,
        rate=chosen.rate,
        speed=chosen.speed,
        connections=chosen.connections,
        first=chosen.first,
        ref=chosen.ref,
        subscribe=chosen.subscription or None,
        app=chosen.app,
        token=chosen.token,
    )
    try:
        with Load(options) as load:
            load.submit_all()
            if chosen.subscription:
                load.wait_ended()
    except (OSError, RuntimeError, trace.TraceError) as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 2
    began, last = load.span()
    missing = len(load.missing()) if chosen.subscription else 0
    print(
        json.dumps(
            {
                "messages": chosen.messages,
                "accepted": load.accepted,
                "segments": load.segments,
                "refused": Counter(load.refused.values()),
                "accepted_per_second": load.accepted / (last - began) if last else 0.0,
                "accept_ms": asdict(load.accept_latency()),
                "ended": Counter(load.ended.values()),
                "missing": missing,
                "broken": load.broken,
            }
        )
    )
    return 1 if missing or load.refused or load.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
