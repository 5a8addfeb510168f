"""Binds held over real sockets: a carrier that connects to us, one that goes deaf, and what a reload makes of them."""

import socket
import threading
import time
from datetime import datetime
from typing import ClassVar

import pytest

from bench.daemon import DaemonProcess, config
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.states import RESPONSE_TO
from tests.support.processes import SUBMIT, bound, call, carrier, events, log, until

OUTBIND = p.Outbind("smsc", "knock")
PHONE, NUMBER = p.Address(1, 1, "14155550123"), p.Address(1, 1, "15551230001")


class Smsc:
    """The carrier's end of a connection, blocking."""

    opened: ClassVar[list[socket.socket]] = []

    def __init__(self, connection: socket.socket) -> None:
        self.opened.append(connection)
        self.socket = connection
        self.socket.settimeout(10)
        self._octets = b""

    def send(self, pdu: p.Pdu, sequence: int) -> None:
        self.socket.sendall(encode(pdu, sequence))

    def read(self) -> tuple[int, p.Pdu] | None:
        """The next PDU; None at the end."""
        while len(self._octets) < 4 or len(self._octets) < int.from_bytes(self._octets[:4]):
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._octets += data
        length = int.from_bytes(self._octets[:4])
        frame, self._octets = self._octets[:length], self._octets[length:]
        sequence, _, pdu = decode(frame)
        return sequence, pdu

    def expect(self, kind: type[p.Pdu]) -> tuple[int, p.Pdu]:
        """The next PDU of a kind; an enquire_link before it is answered."""
        while True:
            found = self.read()
            assert found is not None, f"the end, not {kind.__name__}"
            if isinstance(found[1], p.EnquireLink):
                self.send(p.EnquireLinkResp(), found[0])
                continue
            assert isinstance(found[1], kind), found[1]
            return found

    def answer(self, kind: type[p.Pdu]) -> p.Pdu:
        """Takes a PDU of a kind and answers it."""
        sequence, pdu = self.expect(kind)
        words = () if kind is p.Unbind else ("id1",)  # a message_id, or a system_id
        self.send(RESPONSE_TO[kind](*words), sequence)
        return pdu


@pytest.fixture(autouse=True)
def closed():
    """No connection outlives its test."""
    yield
    while Smsc.opened:
        Smsc.opened.pop().close()


def ended(smsc: Smsc) -> bool:
    """Whether the other end has closed: what is sent to it is answered by a reset."""
    try:
        for _ in range(100):
            smsc.send(p.EnquireLink(), 1)
            time.sleep(0.01)
    except ConnectionError:
        return True
    return False


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def called(directory, port, **keys):
    """A configuration whose carrier connects to us."""
    keys = {"outbind": f"127.0.0.1:{port}", "outbind_from": ["127.0.0.1"], "outbind_password": "knock", **keys}
    return config(directory, 1, carrier=keys).replace('host = "127.0.0.1"\n', "")


def connect(port: int) -> Smsc:
    """Connects as soon as it is listened on."""
    end = time.monotonic() + 10
    while True:
        try:
            return Smsc(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def outbound(port: int) -> Smsc:
    """Connects, asks for a bind and takes it."""
    smsc = connect(port)
    smsc.send(OUTBIND, 1)
    smsc.answer(p.BindTransceiver)
    return smsc


def test_a_carrier_that_connects_to_us_over_reloads(tmp_path):
    port = free_port()
    text = called(tmp_path, port)
    with DaemonProcess(tmp_path, text) as daemon:
        smsc = outbound(port)
        bound(daemon)
        call(daemon, "submit", **SUBMIT)
        assert smsc.answer(p.SubmitSm).short_message == b"hello"
        smsc.send(p.DeliverSm(PHONE, NUMBER, b"hi"), 7)
        assert smsc.expect(p.DeliverSmResp)[0] == 7

        # Another part of the configuration changes: the bind stays, and so does the listening.
        (tmp_path / "smsgw.toml").write_text(text + "\n[limits]\nmax_segments = 2\n")
        call(daemon, "reload")
        call(daemon, "submit", **SUBMIT)
        smsc.answer(p.SubmitSm)

        # The carrier changes: it is unbound, and listened for anew on the same port.
        (tmp_path / "smsgw.toml").write_text(called(tmp_path, port, window=7))
        smsc.socket.settimeout(20)
        reloading = threading.Thread(target=call, args=(daemon, "reload"))
        reloading.start()
        smsc.answer(p.Unbind)
        assert smsc.read() is None
        reloading.join()
        smsc = outbound(port)
        until(lambda: carrier(daemon)["state"] == "up", daemon)
        assert carrier(daemon)["binds"][0]["window"] == 7
        call(daemon, "submit", **SUBMIT)
        smsc.answer(p.SubmitSm)

        stranger = connect(port)
        stranger.send(p.Outbind("smsc", "guess"), 1)
        assert stranger.read() is None
        assert "knock" not in log(daemon)
        assert "guess" not in log(daemon)


def test_an_address_that_cannot_be_listened_on_is_an_alarm_and_had_later(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with DaemonProcess(tmp_path, called(tmp_path, port)) as daemon:
            until(lambda: events(daemon, "alarm"), daemon)
            [alarm] = events(daemon, "alarm")
            assert alarm["kind"] == "outbind"
            assert f"cannot listen on 127.0.0.1:{port}" in alarm["detail"]
            other.close()
            until(lambda: events(daemon, "alarm_over"), daemon)
            outbound(port)
            bound(daemon)


@pytest.mark.parametrize("reads", [True, False])
def test_a_carrier_that_goes_deaf_while_we_send_is_noticed_in_two_intervals(tmp_path, reads):
    """It takes octets and answers nothing; or takes none, until our socket is full."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        keys = {"enquire_link": 2, "response_timeout": 60, "window": 10_000, "throughput": 0}
        with DaemonProcess(tmp_path, config(tmp_path, port, carrier=keys)) as daemon:
            first = Smsc(listener.accept()[0])
            first.answer(p.BindTransceiver)
            bound(daemon)
            start = time.monotonic()
            number = 0
            while not events(daemon, "bind_failed"):
                for _ in range(200 if not reads else 1):
                    number += 1
                    call(daemon, "submit", **SUBMIT | {"to": f"+1415555{number % 10_000:04}", "text": "x" * 150})
                if reads:
                    first.socket.settimeout(0.05)
                    try:
                        while first.socket.recv(65536):
                            pass
                    except (TimeoutError, ConnectionResetError):  # a reset: it was given up, with what was unsent
                        pass
                assert time.monotonic() - start < 30
            failed = events(daemon, "bind_failed")[0]
            assert "enquire link timeout" in failed["error"]
            # The carrier's last words were its answer to the bind.
            heard, noticed = (datetime.fromisoformat(e["ts"]) for e in (events(daemon, "bound")[0], failed))
            assert (noticed - heard).total_seconds() <= 2 * 2 + 1, "two intervals, and the time of a busy machine"
            second = Smsc(listener.accept()[0])
            # The old connection is gone before the new one is there.
            first.socket.settimeout(1)
            assert ended(first)
            second.answer(p.BindTransceiver)
            bound(daemon)
