"""The feed in the place of Kannel's smsbox: the messages that its boxes exchange, straight to bearerbox.

Undocumented, and the fastest way in that Kannel has, as opensmppbox and sqlbox use it. A message is its length,
its kind and its fields in a fixed order; a number has four octets, most significant first, a string its length in
front (-1: there is none). The order is that of Kannel 1.4.5.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from struct import Struct
from struct import error as StructError

from bench import keys
from bench.load import LoadOptions
from bench.peers.children import PeerError
from bench.peers.wiredfeed import WiredFeed
from bench.trace import Line

_INT = Struct(">i")
_BURST = 32
HEARTBEAT, ADMIN, SMS, ACK = 0, 1, 2, 3
_IDENTIFY = 3
"""Of ADMIN."""
_MT_PUSH, _REPORT_MO = 2, 3
"""sms_type."""
_ACCEPTED = (0, 3)
"""Of ACK: taken, and queued for there is no SMSC now."""

INT, STRING, UUID_ = "i", "s", "u"
FIELDS = {
    HEARTBEAT: {"load": INT},
    ADMIN: {"command": INT, "boxc_id": STRING},
    SMS: {
        "sender": STRING, "receiver": STRING, "udhdata": STRING, "msgdata": STRING, "time": INT,
        "smsc_id": STRING, "smsc_number": STRING, "foreign_id": STRING, "service": STRING, "account": STRING,
        "id": UUID_, "sms_type": INT, "mclass": INT, "mwi": INT, "coding": INT, "compress": INT, "validity": INT,
        "deferred": INT, "dlr_mask": INT, "dlr_url": STRING, "pid": INT, "alt_dcs": INT, "rpi": INT,
        "charset": STRING, "boxc_id": STRING, "binfo": STRING, "msg_left": INT, "priority": INT,
        "resend_try": INT, "resend_time": INT, "meta_data": STRING,
    },
    ACK: {"nack": INT, "time": INT, "id": UUID_},
}  # fmt: skip
"""Fields of each kind, in order. A UUID travels as a string of its 36 characters."""

Value = int | bytes | None


def _runs(forms: Iterable[str]) -> list[tuple[Struct, int]]:
    """Numbers that follow one another, read at once, and how many strings come behind them; and so on."""
    found = [[0, 0]]
    for form in forms:
        if form == INT and found[-1][1]:
            found.append([0, 0])
        found[-1][form != INT] += 1
    return [(Struct(f">{numbers}i"), strings) for numbers, strings in found]


_RUNS = {kind: _runs(fields.values()) for kind, fields in FIELDS.items()}


def pack(kind: int, fields: dict[str, Value]) -> bytes:
    """A message with its length in front; a number that is not given is -1, a string that is not given is none."""
    out = [_INT.pack(kind)]
    for name, form in FIELDS[kind].items():
        value = fields.get(name)
        if form == INT:
            assert not isinstance(value, bytes)
            out.append(_INT.pack(-1 if value is None else value))
        else:
            assert not isinstance(value, int)
            out.append(_INT.pack(-1) if value is None else _INT.pack(len(value)) + value)
    body = b"".join(out)
    return _INT.pack(len(body)) + body


def unpack(body: bytes) -> tuple[int, dict[str, Value]]:
    """Kind and fields of a message without its length. Raises PeerError when it is of another order."""
    kind, at = _INT.unpack_from(body)[0], 4
    values: list[Value] = []
    try:
        for numbers, strings in _RUNS[kind]:
            values += numbers.unpack_from(body, at)
            at += numbers.size
            for _ in range(strings):
                length = _INT.unpack_from(body, at)[0]
                at += 4
                values.append(body[at : at + length] if length >= 0 else None)
                at += max(length, 0)
    except (KeyError, StructError) as error:
        raise PeerError(f"not a message of a Kannel box: kind {kind}, {error!r}") from error
    if at != len(body):
        raise PeerError(f"a message of kind {kind} has {len(body)} octets, {at} of which are known: another Kannel?")
    return kind, dict(zip(FIELDS[kind], values, strict=True))


class BoxFeed(WiredFeed):
    """A box at 127.0.0.1:port, `window` messages unanswered at most; receipts are acknowledged as they come."""

    lost = closed = "bearerbox closed the connection"

    def __init__(self, options: LoadOptions, port: int, window: int) -> None:
        super().__init__(options, window)
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=10.0)
        except OSError as error:
            raise PeerError(f"bearerbox at port {port}: {error}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._use(sock)
        self._templates = [self._template(line) for line in self.lines]
        self._write(pack(ADMIN, {"command": _IDENTIFY, "boxc_id": b"bench"}))

    def _template(self, line: Line) -> bytes:
        """The octets of a line, with %b for peer, key, id and, with receipts, number; each keeps its length."""
        places = [b"\x01" * len(line.to), b"\x02" * keys.WIDTH, b"\x03" * len(_id(0)), b"\x04" * len(_number(0))]
        text = line.keyed().encode().replace(keys.PLACEHOLDER.encode(), places[1], 1)
        fields: dict[str, Value] = {
            "sender": (line.sender or "").encode(), "receiver": places[0], "msgdata": text, "time": 0,
            "id": places[2], "sms_type": _MT_PUSH, "coding": 0, "boxc_id": b"bench",
        }  # fmt: skip
        if self.options.receipts:
            fields |= {"dlr_mask": 3, "dlr_url": places[3]}
        found = pack(SMS, fields).replace(b"%", b"%%")
        for place in places:
            found = found.replace(place, b"%b", 1)
        return found

    def _send(self) -> None:
        room = self._window - (self.next - self.replies)
        if self._out or room < min(_BURST, self._window):
            return
        found = []
        for _ in range(room):
            taken = self._take()
            if taken is None:
                break
            number, _, peer = taken
            values = (peer.encode(), keys.key(keys.MT, number).encode(), _id(number), _number(number))
            template = self._templates[number % len(self._templates)]
            found.append(template % (values if self.options.receipts else values[:3]))
        self._write(b"".join(found))

    def _received(self, data: bytes) -> tuple[int, list[bytes]]:
        at, answers = 0, []
        while len(data) - at >= 4 and len(data) - at >= 4 + (length := _INT.unpack_from(data, at)[0]):
            kind, fields = unpack(data[at + 4 : at + 4 + length])
            at += 4 + length
            if kind == ACK:
                self._answered(fields)
            elif kind == SMS and fields["sms_type"] == _REPORT_MO:
                self._end(str(int(_octets(fields["dlr_url"]))), str(fields["dlr_mask"]))
                # Its time goes back with it; bearerbox keeps what is not acknowledged.
                answers.append(pack(ACK, {"nack": 0, "time": fields["time"], "id": fields["id"]}))
        return at, answers

    def _answered(self, fields: dict[str, Value]) -> None:
        number = int(_octets(fields["id"])[-12:], 16)
        if fields["nack"] in _ACCEPTED:
            self._accept(number, str(number))
        else:
            self._refuse(number, f"nack {fields['nack']!r}")


def _id(number: int) -> bytes:
    """The UUID of a message: its number in the last twelve digits, and a version and variant before them."""
    return b"6d736777-0000-4000-8000-%012x" % number


def _number(number: int) -> bytes:
    return b"%09d" % number


def _octets(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise PeerError(f"a string was expected of bearerbox, not {value!r}")
    return value
