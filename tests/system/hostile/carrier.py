"""The scripted carrier: an SMSC that takes octets by hand, so that it may misbehave freely, and writes down all it did.

One thread, one selector. Nothing of the gateway is in it. What it has taken it delivers: a receipt is kept until it is
acknowledged, over connections and over changes of conduct.
"""

from __future__ import annotations

import random
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush

from bench import wire
from tests.system.hostile.conduct import ACCOUNT_FORMS, HONEST, Conduct
from tests.system.hostile.connection import Connection
from tests.system.hostile.receipts import STATES, Ids, Owed, contradiction, fate, orphan, owed
from tests.system.hostile.records import TEMPORARY, Report, Submitted, Told

QUERY_SM, RTHROTTLED, RQUERYFAIL = 0x03, 0x58, 0x67
_KINDS = {wire.BIND_RECEIVER: "receiver", wire.BIND_TRANSMITTER: "transmitter", wire.BIND_TRANSCEIVER: "transceiver"}
_LABEL = re.compile(rb"[a-z]\d{6}")
_RECEIPTS_OPEN = 200
"""Receipts that wait for their answer on one connection."""
_GOLDEN = (5**0.5 - 1) / 2
_SHUFFLED_AFTER = 0.05
_RETRY_AFTER = 0.2


class ScriptedCarrier:
    """Listens on a free port; `turn` serves what there is."""

    def __init__(self, seed: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._rng = random.Random(seed)
        self._ids = Ids(self._rng)
        self.conduct = HONEST
        self.log = Report()
        self.connections: dict[int, Connection] = {}
        self.owed: deque[Owed] = deque()
        self._held: list[Owed] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._shuffled: list[tuple[Connection, int, Submitted, int]] = []
        self._chance = 0.0
        self._recent: deque[float] = deque()
        self._count = {"connections": 0, "timers": 0, "submits": 0, "answers": 0, "receipts": 0}

    # --- commands -----------------------------------------------------------------------------------------------------

    def begin(self, conduct: Conduct) -> None:
        """A new log, and a conduct."""
        self.log = Report(connections=[c.record for c in self.connections.values()])
        self._count["submits"] = self._count["answers"] = 0
        self.behave(conduct)
        if conduct.hang_up or conduct.bind_status:
            for c in list(self.connections.values()):
                self._end(c)
        for _ in range(conduct.orphans):
            peer = f"+1415555{self._rng.randrange(10_000):04}"
            self.owed.append(orphan(self._ids.never_given(), peer, "+15551230001"))

    def behave(self, conduct: Conduct) -> None:
        """Behaves so from now on."""
        before, self.conduct = self.conduct, conduct
        if before.stuck and not conduct.stuck:
            # What was not read is gone, as when a process is started again.
            for c in list(self.connections.values()):
                self._close(c, "reset")
        if conduct.when != "held":
            self.owed.extend(self._held)
            self._held.clear()
        for c in self.connections.values():
            self._live(c)
            self._watch(c)

    def stats(self) -> dict[str, int]:
        """What has come, and what is still to be done."""
        connections = self.connections.values()
        return {
            "submits": len(self.log.submits),
            "bound": sum(bool(c.record.kind) and not c.ending for c in connections),
            "owed": len(self.owed) + len(self._held) + sum(len(c.unacknowledged) for c in connections),
            "timers": len(self._timers) + len(self._shuffled) + sum(len(c.out) for c in connections),
        }

    # --- the loop -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Waits for something to do, and does it."""
        due = self._timers[0][0] - time.monotonic() if self._timers else 1.0
        for key, events in self.selector.select(min(max(due, 0.0), 1.0)):
            key.data(events)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heappop(self._timers)[2]()
        self._send_receipts()
        for c in list(self.connections.values()):
            self._write(c)

    def _at(self, seconds: float, what: Callable[[], None]) -> None:
        self._count["timers"] += 1
        heappush(self._timers, (time.monotonic() + seconds, self._count["timers"], what))

    def _accept(self, _events: int) -> None:
        sock, _ = self._listener.accept()
        self._count["connections"] += 1
        c = Connection(sock, self._count["connections"])
        self.log.connections.append(c.record)
        if self.conduct.hang_up:
            c.close("reset")
            return
        self.connections[c.number] = c
        self._live(c)
        self._watch(c)

    def _live(self, c: Connection) -> None:
        # A closure of this conduct: another conduct arranges its own.
        conduct = self.conduct
        for seconds, what in ((conduct.flap, self._end), (conduct.unbind, self._unbind)):
            if seconds:
                self._at(seconds, lambda what=what: what(c) if self.conduct is conduct else None)  # type: ignore[misc]

    def _watch(self, c: Connection) -> None:
        wanted = (0 if self.conduct.stuck else selectors.EVENT_READ) | (selectors.EVENT_WRITE if c.blocked else 0)
        if c.watched == wanted:
            return
        if c.watched:
            self.selector.unregister(c.sock)
        if wanted:
            self.selector.register(c.sock, wanted, lambda events: self._ready(c, events))
        c.watched = wanted

    def _ready(self, c: Connection, events: int) -> None:
        if events & selectors.EVENT_READ and c.number in self.connections:
            frames = c.read()
            for frame in frames or ():
                if c.number in self.connections:
                    self._frame(c, frame)
            if frames is None:
                self._close(c, c.record.end or "peer")

    def _write(self, c: Connection) -> None:
        conduct = self.conduct
        if c.number not in self.connections or conduct.stuck:
            return
        if conduct.gather and len(c.out) < conduct.gather and c.waited() < 0.3:
            if c.out and not c.timed:
                c.timed = True
                self._at(0.3 - c.waited(), lambda: None)
            return
        c.timed = False
        self.log.at_once = max(self.log.at_once, len(c.out))
        if not c.write(octets=conduct.octets):
            self._close(c, "peer")
            return
        if conduct.octets and c.out and not c.blocked:
            self._at(0.0, lambda: None)
        if c.ending and not c.out and not c.finished:
            c.finish()
            self._at(2.0, lambda: self._close(c, c.record.end))
        self._watch(c)

    def _end(self, c: Connection, end: str = "fin") -> None:
        """Ends a connection: by FIN after what is written, and what still comes is read; or by RST."""
        if c.number not in self.connections or c.ending:
            return
        if end == "reset":
            self._close(c, end)
            return
        c.ending = True
        c.record.end = end

    def _unbind(self, c: Connection) -> None:
        if c.record.kind and not c.ending:
            c.send(wire.pdu(wire.UNBIND, c.sequence()))

    def _close(self, c: Connection, end: str) -> None:
        if self.connections.pop(c.number, None) is None:
            return
        if c.watched:
            self.selector.unregister(c.sock)
        c.close(end)
        self.owed.extendleft(reversed(c.unacknowledged.values()))

    # --- PDUs ---------------------------------------------------------------------------------------------------------

    def _frame(self, c: Connection, frame: bytes) -> None:
        _, command, status, sequence = wire.HEADER.unpack_from(frame)
        if command == wire.SUBMIT_SM:
            self._submit(c, sequence, frame)
        elif self.conduct.deaf or c.ending:
            pass
        elif command == wire.DELIVER_SM_RESP:
            self._acknowledged(c, sequence, status)
        elif command in _KINDS:
            if self.conduct.bind_status:
                c.send(wire.pdu(command | wire.RESPONSE, sequence, status=self.conduct.bind_status))
                self._end(c)
            else:
                c.record.account = int("".join(filter(str.isdigit, wire.c_octets(frame))) or 0)
                c.record.kind, c.record.bound = _KINDS[command], time.monotonic()
                c.send(wire.pdu(command | wire.RESPONSE, sequence, b"scripted\0"))
        elif command in (wire.ENQUIRE_LINK, wire.UNBIND):
            c.send(wire.pdu(command | wire.RESPONSE, sequence))
            if command == wire.UNBIND:
                self._end(c)
        elif command == wire.UNBIND | wire.RESPONSE:
            self._end(c)
        elif command == QUERY_SM:
            self.log.queries += 1
            self._query(c, sequence, wire.c_octets(frame))

    def _query(self, c: Connection, sequence: int, smsc_id: str) -> None:
        asked = next((s for s in self.log.submits if s.taken and s.smsc_id == smsc_id), None)
        if asked is None:
            c.send(wire.pdu(QUERY_SM | wire.RESPONSE, sequence, status=RQUERYFAIL))
            return
        state, error = fate(asked, self.conduct.undelivered)
        body = smsc_id.encode() + b"\0\0" + bytes((STATES[state], error & 0xFF))
        c.send(wire.pdu(QUERY_SM | wire.RESPONSE, sequence, body))

    def _submit(self, c: Connection, sequence: int, frame: bytes) -> None:
        read = wire.parse_short_message(frame)
        concat, text = read.content()
        found = _LABEL.search(text)
        submit = Submitted(
            c.number,
            time.monotonic(),
            f"+{read.source}",
            f"+{read.destination}",
            found[0].decode() if found else "",
            concat.part,
            concat.total,
        )
        self.log.submits.append(submit)
        self._count["submits"] += 1
        c.open += 1
        c.record.most = max(c.record.most, c.open)
        conduct = self.conduct
        if conduct.deaf or c.ending:
            return
        if conduct.drop and self._count["submits"] % conduct.drop == 0:
            self._drop(c, sequence, submit, conduct.dropped)
            return
        for_peer = conduct.peers.get(submit.peer)
        if for_peer == "drop":
            self._drop(c, sequence, submit, "take")
        elif for_peer is not None:
            self._later(c, sequence, submit, int(for_peer, 0))
        else:
            self._judge(c, sequence, submit)

    def _judge(self, c: Connection, sequence: int, submit: Submitted) -> None:
        conduct = self.conduct
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if conduct.rate and len(self._recent) >= conduct.rate:
            self._later(c, sequence, submit, RTHROTTLED)
            return
        self._recent.append(now)
        # Shares that hold for few as for many, and in no rhythm with anything.
        self._chance = chance = (self._chance + _GOLDEN) % 1.0
        for status, share in conduct.refuse.items():
            chance -= share
            if chance < 0:
                self._later(c, sequence, submit, int(status, 0))
                return
        chance -= conduct.silent
        if chance < 0:
            self._take(c, submit)
            return
        chance -= conduct.late
        self._later(c, sequence, submit, 0, conduct.late_by if chance < 0 else 0.0)

    def _later(self, c: Connection, sequence: int, submit: Submitted, status: int, seconds: float = 0.0) -> None:
        seconds += self.conduct.delay
        if seconds:
            self._at(seconds, lambda: self._answer(c, sequence, submit, status))
        elif self.conduct.shuffle:
            if not self._shuffled:
                self._at(_SHUFFLED_AFTER, self._shuffle)
            self._shuffled.append((c, sequence, submit, status))
            if len(self._shuffled) >= self.conduct.shuffle:
                self._shuffle()
        else:
            self._answer(c, sequence, submit, status)

    def _shuffle(self) -> None:
        waiting, self._shuffled = self._shuffled, []
        self._rng.shuffle(waiting)
        for c, sequence, submit, status in waiting:
            self._answer(c, sequence, submit, status)

    def _answer(self, c: Connection, sequence: int, submit: Submitted, status: int) -> None:
        if c.number not in self.connections or c.ending:
            return
        conduct = self.conduct
        self._count["answers"] += 1
        place = self._count["answers"]
        for _ in range(conduct.enquires):
            c.send(wire.pdu(wire.ENQUIRE_LINK, c.sequence()))
        if conduct.malformed:
            c.send(bytes.fromhex(conduct.malformed[self.log.malformed % len(conduct.malformed)]))
            self.log.malformed += 1
        submit.status = status
        body = b""
        if not status:
            receipt = self._take(c, submit)
            body = submit.smsc_id.encode() + b"\0"
            if receipt is not None:
                self.owed.remove(receipt)
                c.send(wire.pdu(wire.DELIVER_SM, self._expects(c, receipt), receipt.body))
        c.send(wire.pdu(wire.SUBMIT_SM_RESP, sequence, body, status), submit)
        c.open -= 1
        if conduct.lies and place % conduct.lie_every == 0:
            c.send(bytes.fromhex(conduct.lies[self.log.malformed % len(conduct.lies)]))
            self.log.malformed += 1
            self._end(c)

    def _take(self, c: Connection, submit: Submitted) -> Owed | None:
        """Delivers it; returns its receipt where that is to go before the answer, on the same bind."""
        conduct = self.conduct
        submit.smsc_id, submit.receipt_id = self._ids.next(
            ACCOUNT_FORMS[c.record.account] if conduct.form == "account" else conduct.form
        )
        submit.taken = True
        if conduct.when == "never":
            return None
        self._count["receipts"] += 1
        one = owed(conduct, submit, c.record.account, self._count["receipts"], fate(submit, conduct.undelivered))
        (self._held if conduct.when == "held" else self.owed).extend([one] * (1 + conduct.again))
        return one if conduct.when == "before" and not conduct.other_bind else None

    def _drop(self, c: Connection, sequence: int, submit: Submitted, how: str) -> None:
        self._take(c, submit)
        if how == "half":
            c.send(wire.pdu(wire.SUBMIT_SM_RESP, sequence, submit.smsc_id.encode() + b"\0")[:20])
        self._end(c, "reset" if how == "reset" else "fin")

    # --- receipts -----------------------------------------------------------------------------------------------------

    def _expects(self, c: Connection, receipt: Owed) -> int:
        sequence = c.sequence()
        c.unacknowledged[sequence] = receipt
        return sequence

    def _send_receipts(self) -> None:
        receivers = [
            c for c in self.connections.values() if c.record.kind in ("receiver", "transceiver") and not c.ending
        ]
        if self.conduct.deaf or self.conduct.stuck or not receivers:
            return
        for _ in range(len(self.owed)):
            receipt = self.owed.popleft()
            fitting = [c for c in receivers if len(c.unacknowledged) < _RECEIPTS_OPEN]
            if receipt.submit is not None:
                fitting = [c for c in fitting if c.record.account == receipt.account]
                if self.conduct.other_bind and len(fitting) > 1:
                    fitting = [c for c in fitting if c.number != receipt.submit.connection]
            if not fitting:
                self.owed.append(receipt)
                continue
            c = self._rng.choice(fitting)
            c.send(wire.pdu(wire.DELIVER_SM, self._expects(c, receipt), receipt.body))

    def _acknowledged(self, c: Connection, sequence: int, status: int) -> None:
        receipt = c.unacknowledged.pop(sequence, None)
        if receipt is None:
            return
        if status in TEMPORARY:
            self._at(_RETRY_AFTER, lambda: self.owed.append(receipt))
            return
        self.log.receipts.append(Told(receipt.smsc_id, *receipt.fate, status, orphan=receipt.submit is None))
        submit = receipt.submit
        if self.conduct.contradict and submit is not None and not receipt.contradicts:
            other = contradiction(receipt.fate)
            self.owed.append(owed(self.conduct, submit, receipt.account, 0, other, contradicts=True))

    def stop(self) -> None:
        """Closes everything."""
        with suppress(OSError):
            self._listener.close()
        for c in list(self.connections.values()):
            self._close(c, "fin")
