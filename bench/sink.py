"""A fast SMSC to drive a gateway against: answers submits, sends receipts and inbound messages, keeps a log.

One thread, one epoll, octets parsed by hand, one write for each burst. What it owes (receipts, inbound
messages) it keeps until that was acknowledged: the deliver_sm's of a lost connection go out again on another
bind of the same account (system_id). Run it as `python -m bench.sink --port N`; bench/README.md has the
options and the commands.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from bench import sinklog, wire
from bench.behaviour import Behaviour, orphan_body, receipt_body
from bench.inbound import Inbound
from bench.sinkaccounts import Account, Peer
from bench.wire import HEADER, ROK, SUBMIT_SM, SUBMIT_SM_RESP, TEMPORARY

_TRANSMITS = {wire.BIND_TRANSMITTER, wire.BIND_TRANSCEIVER}
_RECEIVES = {wire.BIND_RECEIVER, wire.BIND_TRANSCEIVER}
_RECV = 1 << 18
_MAX_OUTPUT = 8 << 20
"""Octets waiting for a peer that does not read, after which the sink does not read from it either."""


class Sink:
    """The sink on a listening socket; run() serves until quit() is called.

    behaviour says how it answers; log, if any, gets every octet; window is how many receipts may be
    unacknowledged on a bind (inbound.window says it for inbound segments); quickack=True has TCP acknowledge
    at once, False late, None when the kernel likes; first_id is the message_id before the first, None: by the clock.
    """

    def __init__(
        self,
        host: str,
        port: int,
        behaviour: Behaviour,
        log: sinklog.SinkLogWriter | None = None,
        *,
        window: int = 200,
        quickack: bool | None = None,
        first_id: int | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.inbound = Inbound()
        self.window = window
        self._log = log
        self._quickack = quickack
        self._listener = socket.create_server((host, port), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self.watch(self._listener.fileno(), self._accept)
        self.accounts: dict[str, Account] = {}
        self.peers: dict[int, Peer] = {}
        self._dirty: set[Peer] = set()
        self._late: list[tuple[float, int, Peer | Account, bytes]] = []
        """(due, order, to whom, octets): answers, receipts and repeats that wait for their time."""
        self._late_order = 0
        self._connections = 0
        # Ids rise over restarts too, as a carrier's do: the second of the start leads.
        self._next_id = int(time.time()) * 1_000_000 if first_id is None else first_id
        self._orphans = 0
        self._receipt_share = 0.0
        self._running = True
        self.counts: dict[str, int] = dict.fromkeys(
            ("connections", "submits", "refused", "silent", "receipts", "receipts_sent", "receipts_acked",
             "mo_sent", "mo_acked", "deliver_retried", "deliver_refused", "requeued", "bad_frames"), 0,
        )  # fmt: skip
        self.first_submit = 0.0
        self.last_submit = 0.0

    def watch(self, fd: int, handler: Callable[[int], None]) -> None:
        """Call handler(events) when fd is readable."""
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        self._handlers.pop(fd, None)
        self._epoll.unregister(fd)

    def quit(self) -> None:
        self._running = False

    def run(self) -> None:
        """Serve. The log is flushed when nothing happened for 50 ms, and at the end."""
        handlers = self._handlers
        try:
            while self._running:
                if self._late:
                    # Its timeout counts in microseconds, and epoll's in milliseconds, rounded up.
                    select.select([self._epoll], [], [], self._timeout())
                    events = self._epoll.poll(0)
                else:
                    events = self._epoll.poll(self._timeout())
                for fd, event in events:
                    handler = handlers.get(fd)
                    if handler is not None:
                        handler(event)
                if self._late:
                    self._release(time.monotonic())
                for account in self.accounts.values():
                    self._pump(account)
                for peer in self._dirty:
                    self._write(peer)
                self._dirty.clear()
                if not events and self._log is not None:
                    self._log.flush()
        finally:
            for peer in list(self.peers.values()):
                self._close(peer, "the sink stops")
            self._listener.close()
            self._epoll.close()
            if self._log is not None:
                self._log.close()

    def _timeout(self) -> float:
        due = self._late[0][0] if self._late else float("inf")
        if any(account.receivers for account in self.accounts.values()):
            due = min(due, self.inbound.next_due())
        return min(max(due - time.monotonic(), 0.0), 0.05)

    # -- connections

    def _accept(self, _event: int) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections += 1
            self.counts["connections"] += 1
            peer = Peer(sock, self._connections)
            self.peers[peer.fd] = peer
            if self._log is not None:
                self._log.add(sinklog.OPEN, peer.id, b"{}")
            self.watch(peer.fd, lambda event, peer=peer: self._ready(peer, event))  # type: ignore[misc]

    def _close(self, peer: Peer, reason: str) -> None:
        """Close a connection; what it had not acknowledged is owed again, oldest first."""
        if self.peers.pop(peer.fd, None) is None:
            return
        self.unwatch(peer.fd)
        peer.sock.close()
        account = peer.account
        if account is not None:
            if peer in account.receivers:
                account.receivers.remove(peer)
            self.counts["requeued"] += len(peer.receipts) + len(peer.inbound)
            account.receipts.extendleft(reversed(peer.receipts.values()))
            account.inbound.extendleft(reversed(peer.inbound.values()))
        if self._log is not None:
            self._log.add(sinklog.CLOSE, peer.id, reason.encode())

    def drop(self, account: str | None = None) -> int:
        """Cut the connections of an account, or all; returns how many."""
        peers = [p for p in self.peers.values() if account is None or (p.account and p.account.name == account)]
        for peer in peers:
            self._close(peer, "dropped on command")
        return len(peers)

    def _ready(self, peer: Peer, event: int) -> None:
        if event & select.EPOLLOUT:
            self._write(peer)
        if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not peer.paused:
            try:
                data = peer.sock.recv(_RECV)
            except BlockingIOError:
                return
            except OSError as error:
                self._close(peer, f"{type(error).__name__}: {error}")
                return
            if not data:
                self._close(peer, "closed by the peer")
                return
            if self._log is not None:
                self._log.add(sinklog.IN, peer.id, data)
            if self._quickack is not None:
                # The option does not stay: the kernel takes it back when it likes, so set it at every read.
                peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, self._quickack)
            if peer.tail:
                data = peer.tail + data
            try:
                peer.tail = data[self._consume(peer, data) :]
            except (wire.BadFrame, ValueError, IndexError) as error:
                self.counts["bad_frames"] += 1
                self._close(peer, f"bad octets: {error}")

    def _write(self, peer: Peer) -> None:
        """Send what has gathered, in one call where the kernel takes it."""
        if peer.fd not in self.peers:
            return
        data = memoryview(b"".join((peer.rest, *peer.out)))
        peer.out.clear()
        if not data:
            return
        try:
            sent = peer.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._close(peer, f"{type(error).__name__}: {error}")
            return
        if self._log is not None and sent:
            self._log.add(sinklog.OUT, peer.id, bytes(data[:sent]))
        waited = bool(peer.rest)
        peer.rest = data[sent:]
        if waited or peer.rest:
            peer.paused = len(peer.rest) > _MAX_OUTPUT
            wanted = (0 if peer.paused else select.EPOLLIN) | (select.EPOLLOUT if peer.rest else 0)
            self._epoll.modify(peer.fd, wanted)

    # -- PDUs

    def _consume(self, peer: Peer, data: bytes) -> int:
        """Serve all whole PDUs in data; returns where the rest begins."""
        at, size, out = 0, len(data), peer.out
        unpack, find = HEADER.unpack_from, data.index
        behaviour, account = self.behaviour, peer.account
        plain, latency = behaviour.plain, behaviour.latency
        now = time.monotonic()
        submits = 0
        while size - at >= 16:
            length, command, status, sequence = unpack(data, at)
            if not 16 <= length <= wire.MAX_PDU:
                raise wire.BadFrame(f"command_length {length}")
            end = at + length
            if end > size:
                break
            if command == SUBMIT_SM and peer.transmits and account is not None:
                submits += 1
                if plain:
                    outcome = ROK
                else:
                    outcome = behaviour.outcome()
                    if outcome < 0:
                        self.counts["silent"] += 1
                        at = end
                        if outcome == behaviour.CUT:
                            self._late_call(now, peer, b"")
                        continue
                if outcome == ROK:
                    self._next_id += 1
                    smsc_id = b"%d" % self._next_id
                    answer = HEADER.pack(17 + len(smsc_id), SUBMIT_SM_RESP, 0, sequence) + smsc_id + b"\0"
                    self._receipt_share += behaviour.receipts
                    if self._receipt_share >= 1.0:
                        self._receipt_share -= 1.0
                        # Past service_type and both addresses to registered_delivery (§4.4.1).
                        source = find(0, at + 16) + 1
                        destination = find(0, source + 2) + 1
                        fixed = find(0, destination + 2) + 1
                        registered = find(0, find(0, fixed + 3) + 1) + 1
                        if data[registered] & 0x03:
                            body = receipt_body(data, source, destination, fixed, registered, smsc_id, behaviour)
                            self.counts["receipts"] += 1
                            if behaviour.immediate:
                                account.receipts.append(body)
                            else:
                                self._late_call(now + behaviour.receipt_after, account, body)
                else:
                    self.counts["refused"] += 1
                    answer = HEADER.pack(16, SUBMIT_SM_RESP, outcome, sequence)
                if latency:
                    self._late_call(now + latency, peer, answer)
                else:
                    out.append(answer)
            elif command == wire.DELIVER_SM_RESP:
                body = peer.receipts.pop(sequence, b"")
                if body:
                    name = "receipts_acked"
                else:
                    body, name = peer.inbound.pop(sequence, b""), "mo_acked"
                if body and status == ROK:
                    self.counts[name] += 1
                elif body and status in TEMPORARY and account is not None:
                    self.counts["deliver_retried"] += 1
                    self._late_call(now + behaviour.retry_after, account, body)
                elif body:
                    self.counts["deliver_refused"] += 1
            else:
                self._other(peer, command, status, sequence, data[at:end])
                account = peer.account
            at = end
        if submits:
            self.counts["submits"] += submits
            self.last_submit = now
            self.first_submit = self.first_submit or now
        self._dirty.add(peer)
        return at

    def _other(self, peer: Peer, command: int, status: int, sequence: int, frame: bytes) -> None:
        """Everything but the two hot PDUs: binds, enquire_link, unbind; unknown requests get generic_nack."""
        out = peer.out
        if command in _TRANSMITS or command in _RECEIVES:
            if peer.account is not None:
                out.append(wire.pdu(command | wire.RESPONSE, sequence, status=wire.RALYBND))
                return
            name = wire.c_octets(frame)
            peer.account = self.accounts.setdefault(name, Account(name))
            peer.transmits = command in _TRANSMITS
            version = wire.tlv(wire.SC_INTERFACE_VERSION, b"\x34")
            out.append(wire.pdu(command | wire.RESPONSE, sequence, b"sink\0" + version))
            if command in _RECEIVES:
                peer.account.receivers.append(peer)
        elif command in (wire.ENQUIRE_LINK, wire.UNBIND):
            out.append(wire.pdu(command | wire.RESPONSE, sequence))
            if command == wire.UNBIND and peer.account is not None and peer in peer.account.receivers:
                peer.account.receivers.remove(peer)
        elif command == SUBMIT_SM:
            out.append(wire.pdu(SUBMIT_SM_RESP, sequence, status=wire.RINVBNDSTS))
        elif not command & wire.RESPONSE:
            out.append(wire.pdu(wire.GENERIC_NACK, sequence, status=wire.RINVCMDID))

    # -- what is owed

    def _late_call(self, due: float, to: Peer | Account, data: bytes) -> None:
        self._late_order += 1
        heappush(self._late, (due, self._late_order, to, data))

    def _release(self, now: float) -> None:
        late = self._late
        while late and late[0][0] <= now:
            _, _, to, data = heappop(late)
            if isinstance(to, Account):
                esm_class = data[wire.esm_class_at(data)]
                (to.receipts if esm_class & wire.TYPE_MASK else to.inbound).append(data)
            elif not data:
                self._close(to, "cut by --faults")
            elif to.fd in self.peers and self.peers[to.fd] is to:
                to.out.append(data)
                self._dirty.add(to)

    def _pump(self, account: Account) -> None:
        """Write what is owed to the binds of an account in turn, as far as their windows are open."""
        if not account.receivers:
            return
        if account.receipts:
            self._deal(account, account.receipts, "receipts", self.window)
        if account.inbound or self.inbound.running:
            room = sum(self.inbound.window - len(peer.inbound) for peer in account.receivers)
            account.inbound.extend(self.inbound.take(room - len(account.inbound), time.monotonic()))
            self._deal(account, account.inbound, "inbound", self.inbound.window)

    def _deal(self, account: Account, owed: deque[bytes], kind: str, window: int) -> None:
        pack, sent = HEADER.pack, 0
        share = -(-len(owed) // len(account.receivers))
        for peer in account.receivers:
            unacked: dict[int, bytes] = getattr(peer, kind)
            out, sequence = peer.out, peer.sequence
            count = min(window - len(unacked), share, len(owed))
            for _ in range(count):
                body = owed.popleft()
                sequence = sequence + 1 if sequence < 0x7FFFFFFF else 1
                unacked[sequence] = body
                out.append(pack(16 + len(body), 5, 0, sequence))
                out.append(body)
            if count > 0:
                sent += count
                peer.sequence = sequence
                self._dirty.add(peer)
        self.counts["receipts_sent" if kind == "receipts" else "mo_sent"] += sent

    def stats(self) -> dict[str, Any]:
        """Counts so far, what is still owed, and when submits came (CLOCK_MONOTONIC seconds)."""
        accounts = self.accounts.values()
        unacked = sum(len(peer.receipts) + len(peer.inbound) for peer in self.peers.values())
        waiting = sum(len(account.receipts) + len(account.inbound) for account in accounts)
        return {
            **self.counts,
            "accepted": self.counts["submits"] - self.counts["refused"] - self.counts["silent"],
            "binds": sum(peer.account is not None for peer in self.peers.values()),
            "owed": unacked + waiting + len(self._late),
            "mo_messages": self.inbound.messages,
            "mo_remaining": self.inbound.remaining,
            "first_submit": self.first_submit,
            "last_submit": self.last_submit,
            "cpu": time.process_time(),
        }

    def flush(self) -> None:
        """Hand the log to the kernel, so that it can be read."""
        if self._log is not None:
            self._log.flush()

    def send_text(self, account: str | None, source: str, destination: str, text: str) -> int:
        """Owe an inbound message to an account (None: the first that bound); returns its number of segments.

        Raises LookupError when no such account ever bound.
        """
        chosen = self._chosen(account)
        bodies = self.inbound.bodies(source, destination, text)
        chosen.inbound.extend(bodies)
        return len(bodies)

    def send_orphans(self, account: str | None, count: int) -> int:
        """Owe an account (None: the first that bound) receipts for ids that no submit was ever given.

        Raises LookupError when no such account ever bound.
        """
        chosen = self._chosen(account)
        for _ in range(count):
            self._orphans += 1
            chosen.receipts.append(orphan_body(self._orphans, self.behaviour))
        return count

    def _chosen(self, account: str | None) -> Account:
        found = self.accounts.get(account) if account is not None else next(iter(self.accounts.values()), None)
        if found is None:
            raise LookupError("no such account has bound")
        return found


if __name__ == "__main__":
    from bench.sinkcommand import main

    raise SystemExit(main())
