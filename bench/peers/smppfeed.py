"""The feed over SMPP, into a gateway that is an SMSC to its applications: one bind as a transceiver.

submit_sm in bursts, `window` unanswered at most; receipts are acknowledged as they come.
"""

from __future__ import annotations

import socket

from bench import alphabet, keys, wire
from bench.load import LoadOptions
from bench.peers.children import PeerError
from bench.peers.wiredfeed import WiredFeed
from bench.wire import ShortMessage

_BURST = 16


class SmppFeed(WiredFeed):
    """Binds at 127.0.0.1:port under system_id and password. Raises PeerError when the bind is refused."""

    lost = "the SMPP connection was lost"
    closed = "the gateway closed the SMPP connection"

    def __init__(self, options: LoadOptions, port: int, system_id: str, password: str, window: int) -> None:
        super().__init__(options, window)
        self._use(_bound(port, system_id, password))
        self._sequence = 1
        self._waiting: dict[int, int] = {}
        """Message number by sequence number."""

    def _send(self) -> None:
        room = self._window - len(self._waiting)
        if self._out or room < min(_BURST, self._window):
            return
        pdus = []
        for _ in range(room):
            taken = self._take()
            if taken is None:
                break
            number, line, peer = taken
            text = line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MT, number), 1)
            body = wire.short_message_body(
                wire.address(line.sender or ""),
                wire.address(peer),
                alphabet.encode_gsm(text) or b"",
                registered_delivery=int(self.options.receipts),
            )
            self._sequence += 1
            self._waiting[self._sequence] = number
            pdus.append(wire.pdu(wire.SUBMIT_SM, self._sequence, body))
        self._write(b"".join(pdus))

    def _received(self, data: bytes) -> tuple[int, list[bytes]]:
        end, answers = 0, []
        for start, end, command, status, sequence in wire.frames(data):
            if command == wire.SUBMIT_SM_RESP:
                number = self._waiting.pop(sequence)
                if status == wire.ROK:
                    self._accept(number, wire.c_octets(data[start:end]))
                else:
                    self._refuse(number, f"command_status {status:#x}")
            elif command == wire.DELIVER_SM:
                self._end(*receipt_of(wire.parse_short_message(data[start:end])))
                answers.append(wire.pdu(wire.DELIVER_SM_RESP, sequence, b"\0"))
            elif command == wire.ENQUIRE_LINK:
                answers.append(wire.pdu(wire.ENQUIRE_LINK | wire.RESPONSE, sequence))
        return end, answers


def receipt_of(fields: ShortMessage) -> tuple[str, str]:
    """(message_id, state) of a receipt, by TLV or by the text of Appendix B; "" where it says nothing."""
    text = dict(part.split(":", 1) for part in fields.short_message.decode("latin-1").split(" ") if ":" in part)
    value = fields.tlvs.get(wire.RECEIPTED_MESSAGE_ID)
    message_id = value.rstrip(b"\0").decode("latin-1") if value is not None else text.get("id", "")
    return message_id, text.get("stat", "")


def _bound(port: int, system_id: str, password: str, timeout: float = 10.0) -> socket.socket:
    try:
        sock = socket.create_connection(("127.0.0.1", port), timeout)
    except OSError as error:
        raise PeerError(f"SMPP at port {port}: {error}") from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(wire.pdu(wire.BIND_TRANSCEIVER, 1, wire.bind_body(system_id, password)))
        header = sock.recv(16, socket.MSG_WAITALL)
        if len(header) < 16:
            raise PeerError("the gateway closed the SMPP connection at the bind")
        length, _, status, _ = wire.HEADER.unpack(header)
        if status != wire.ROK:
            raise PeerError(f"the bind was refused with command_status {status:#x}")
        sock.recv(length - 16, socket.MSG_WAITALL)
    except BaseException:
        sock.close()
        raise
    return sock
