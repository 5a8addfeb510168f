"""Captures: the PDUs of a carrier's binds for an operator who wants to see them, as they were read and written.

A link with no capture has no tap, and pays one comparison for each read and write. One that is captured hands its
octets to a tap, which cuts them into PDUs, makes passwords illegible, and puts them into the queue of each capture.
That queue is bounded: what a slow reader does not take in time is dropped and counted, and no bind waits for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import trio

from gateway.link import Link
from gateway.settings.secret import Secret
from gateway.smpp.constants import CommandId
from gateway.smpp.framing import HEADER_LENGTH, MAX_PDU
from gateway.smpp.session import CloseReason

if TYPE_CHECKING:
    from gateway.carrier.bind import Bind

MOST_OCTETS: Final = 8 << 20
MOST_RECORDS: Final = 20_000
"""What a capture holds that its reader has not taken; more is dropped."""
DEAF_AFTER: Final = 60.0
"""Seconds after which a capture whose queue is full and whose reader takes nothing is ended."""
CHUNK_OCTETS: Final = 128 << 10
CHUNK_RECORDS: Final = 500
"""What a reader gets at a time, at most (a single PDU may be larger)."""
MOST_CAPTURES: Final = 4
"""At the same time, of one carrier."""

Address = tuple[str, int]


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="what"):
    """A connection that is captured from here on. ``begun``: it was made just now; else it was up before.

    ``ours``: we connected; else the carrier did (outbind). Addresses are null where the stream has none. ``tls``: what
    is captured was encrypted on the wire. ``at`` is microseconds since 1970, here and below.
    """

    at: int
    connection: int
    bind: str
    local: Address | None
    remote: Address | None
    ours: bool
    tls: bool
    begun: bool


class Piece(msgspec.Struct, frozen=True, tag="pdu", tag_field="what", omit_defaults=True):
    """One PDU. ``sent``: by us. ``lost`` octets of the same direction, in ``lost_pdus``, were dropped before it.

    ``note``: ``cut``, the connection ended within it; ``no_pdu``, octets that are none.
    """

    at: int
    connection: int
    sent: bool
    data: bytes
    note: Literal["cut", "no_pdu"] | None = None
    lost: int = 0
    lost_pdus: int = 0


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="what"):
    """A connection is over: closed by the ``carrier``, by ``us``, or ``broken``."""

    at: int
    connection: int
    by: Literal["carrier", "us", "broken"]


Record = Opened | Piece | Ended


class Capture:
    """One capture: what was captured and not taken yet. ``over`` says why it ended: `count`, `deaf`."""

    def __init__(self, wanted: Callable[[str], bool], count: int | None) -> None:
        self.wanted = wanted  # by the name of a bind
        self.pdus = 0
        self.dropped = 0
        self.over: str | None = None
        self._count = count
        self._records: deque[Record] = deque()
        self._octets = 0
        self._lost: dict[tuple[int, bool], tuple[int, int]] = {}
        self._wake = trio.Event()
        self._taken_at = trio.current_time()

    def add(self, record: Record) -> None:
        """Takes a record, or drops it."""
        if self.over is not None:
            return
        if isinstance(record, Piece):
            key = record.connection, record.sent
            octets, pdus = self._lost.get(key, (0, 0))
            if self._octets + len(record.data) > MOST_OCTETS or len(self._records) >= MOST_RECORDS:
                self._lost[key] = octets + len(record.data), pdus + 1
                self.dropped += 1
                if trio.current_time() - self._taken_at > DEAF_AFTER:
                    self.end("deaf")
                return
            if pdus:
                record = msgspec.structs.replace(record, lost=octets, lost_pdus=pdus)
                del self._lost[key]
            self._octets += len(record.data)
            self.pdus += 1
        self._records.append(record)
        self._wake.set()
        if self.pdus == self._count:
            self.end("count")

    def end(self, why: str) -> None:
        """Nothing more is taken; what is here can still be read."""
        if self.over is None:
            self.over = why
        self._wake.set()

    async def take(self) -> list[Record]:
        """Waits for records and returns some, in their order; none when the capture is over."""
        while not self._records and self.over is None:
            self._wake = trio.Event()
            await self._wake.wait()
        self._taken_at = trio.current_time()
        out: list[Record] = []
        octets = 0
        while self._records and len(out) < CHUNK_RECORDS and octets < CHUNK_OCTETS:
            record = self._records.popleft()
            out.append(record)
            if isinstance(record, Piece):
                octets += len(record.data)
        self._octets -= octets
        return out


class Captures:
    """The captures of one carrier's binds. It outlives the `Carrier`: a reload does not end a capture."""

    def __init__(self) -> None:
        self.active: list[Capture] = []
        self._taps: dict[Link, _Tap] = {}
        self._connections = 0

    def start(self, capture: Capture, binds: Iterable[Bind]) -> None:
        """Begins a capture: of the sessions that are up, and of those that follow."""
        self.active.append(capture)
        for bind in binds:
            if bind.link is not None and capture.wanted(bind.name):
                self._tap(bind, bind.link, begun=False).join(capture)

    def stop(self, capture: Capture) -> None:
        """Ends a capture; links that nobody captures any more have no tap."""
        capture.end("stopped")
        if capture in self.active:
            self.active.remove(capture)
        for link, tap in list(self._taps.items()):
            tap.leave(capture)
            if not tap.captures:
                self._forget(link)

    def watch(self, bind: Bind, link: Link) -> None:
        """A bind has a new connection, of which nothing was read or written, but for an outbind."""
        wanted = [c for c in self.active if c.wanted(bind.name)]
        if wanted:
            tap = self._tap(bind, link, begun=True)
            for capture in wanted:
                tap.join(capture)
            door = bind.carrier.outbinds
            if door is not None and (begun := door.begun.get(link.stream)):
                tap.begin_with(begun)  # the outbind, read before it was known for which bind the connection is

    def _tap(self, bind: Bind, link: Link, *, begun: bool) -> _Tap:
        tap = self._taps.get(link)
        if tap is None:
            self._connections += 1
            tap = self._taps[link] = _Tap(self._connections, bind, link, begun, self._forget)
            link.tap = tap
        return tap

    def _forget(self, link: Link) -> None:
        link.tap = None
        self._taps.pop(link, None)


class _Tap:
    """Sits on one link; implements `gateway.link.Tap`."""

    def __init__(self, number: int, bind: Bind, link: Link, begun: bool, forget: Callable[[Link], None]) -> None:
        self.captures: list[Capture] = []
        self._forget = forget
        self._link = link
        self._number = number
        self._begun = begun
        self._bind = bind.name
        self._ours = not bind.by_outbind
        known = (value.reveal() for value in vars(bind.carrier.settings).values() if isinstance(value, Secret))
        self._secrets = tuple(text.encode("latin-1", "replace") for text in known if text)
        # What was read of a PDU before the tap was there is put before what comes.
        self._in = _Cut(link.session.partial)
        self._out = _Cut()

    def join(self, capture: Capture) -> None:
        """One more who captures it."""
        self.captures.append(capture)
        local, remote, tls = endpoints(self._link.stream)
        capture.add(Opened(_now(), self._number, self._bind, local, remote, self._ours, tls, self._begun))

    def leave(self, capture: Capture) -> None:
        """One less."""
        if capture in self.captures:
            self.captures.remove(capture)

    def begin_with(self, data: bytes) -> None:
        """All octets that were read of a connection before it had a tap."""
        self._in = _Cut()
        self.received(data)

    def received(self, data: bytes) -> None:
        """Octets that were read."""
        self._pass(self._in.feed(data), False)

    def sent(self, data: bytes) -> None:
        """Octets that are being written."""
        self._pass(self._out.feed(data), True)

    def ended(self) -> None:
        """The connection is over."""
        self._pass(self._in.rest(), False)
        link = self._link
        by: Literal["carrier", "us", "broken"] = "us"
        if link.broken is not None:
            by = "broken"
        elif link.closed is not None and link.closed.reason is CloseReason.EOF:
            by = "carrier"
        for capture in self.captures:
            capture.add(Ended(_now(), self._number, by))
        self._forget(link)

    def _pass(self, pdus: Iterator[tuple[bytes, Literal["cut", "no_pdu"] | None]], sent: bool) -> None:
        at = _now()
        for data, note in pdus:
            shown = blanked(data) if note is None else self._without_secrets(data)
            piece = Piece(at, self._number, sent, shown, note)
            for capture in self.captures:
                capture.add(piece)

    def _without_secrets(self, data: bytes) -> bytes:
        """Octets that are no whole PDU: fields cannot be told, so what we know is looked for."""
        data = blanked(data)
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        return data


class _Cut:
    """Cuts octets into PDUs; what cannot be one, and all after it, is passed on as it comes."""

    def __init__(self, begun: bytes = b"") -> None:
        self._partial = bytearray(begun)
        self._lost = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Literal["no_pdu"] | None]]:
        buffer = self._partial
        buffer += data
        at = 0
        while not self._lost and len(buffer) - at >= 4:
            length = int.from_bytes(buffer[at : at + 4])
            if not HEADER_LENGTH <= length <= MAX_PDU:
                self._lost = True
            elif len(buffer) - at < length:
                break
            else:
                yield bytes(buffer[at : at + length]), None
                at += length
        del buffer[:at]
        if self._lost and buffer:
            octets = bytes(buffer)
            buffer.clear()
            yield octets, "no_pdu"

    def rest(self) -> Iterator[tuple[bytes, Literal["cut"]]]:
        """What there is of a PDU that never came whole."""
        if self._partial:
            octets = bytes(self._partial)
            self._partial.clear()
            yield octets, "cut"


_WITH_PASSWORD: Final = frozenset(
    {CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER, CommandId.OUTBIND}
)


def blanked(pdu: bytes) -> bytes:
    """A PDU with asterisks for the password, as many as it has octets (SMPP 3.4 §4.1.1, §4.1.7.1: the second field)."""
    if len(pdu) < 8 or int.from_bytes(pdu[4:8]) not in _WITH_PASSWORD:
        return pdu
    start = pdu.find(b"\0", HEADER_LENGTH) + 1
    if not start:
        start = min(HEADER_LENGTH, len(pdu))  # no end to the system_id: nothing of it can be told from a password
    end = pdu.find(b"\0", start)
    if end < 0:
        end = len(pdu)
    return pdu[:start] + b"*" * (end - start) + pdu[end:]


def endpoints(stream: trio.abc.Stream) -> tuple[Address | None, Address | None, bool]:
    """Local and remote address of a connection, None where it has none, and whether it is encrypted."""
    tls = isinstance(stream, trio.SSLStream)
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if not isinstance(stream, trio.SocketStream):
        return None, None, tls
    try:
        local, remote = stream.socket.getsockname(), stream.socket.getpeername()
        return (local[0], local[1]), (remote[0], remote[1]), tls
    except (OSError, LookupError, TypeError):  # it is closed already, or no TCP
        return None, None, tls


def _now() -> int:
    return time.time_ns() // 1000
