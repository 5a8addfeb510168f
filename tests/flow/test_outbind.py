"""Outbind: the carrier connects to us; who is not the carrier, or says nothing, is closed and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import memory_stream_pair

from gateway.carrier.bind import Bind
from gateway.carrier.capture import Capture, Captures, Opened, Piece
from gateway.carrier.outbind import MOST_OCTETS, MOST_OPEN, NEED_WAIT, OUTBIND_WAIT, REFUSED_WAIT, Outbinds
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Held, Notes, Wire, carrier, segments, settings

Clock = trio.testing.MockClock
SMSC = "192.0.2.7"
OUTBIND: dict[str, Any] = {
    "host": None,
    "outbind": "127.0.0.1:2776",
    "outbind_from": ["192.0.2.0/24", "2001:db8::1"],
    "outbind_password": "knock",
}
GOOD = p.Outbind("smsc", "knock")


class Called:
    """A carrier that is held, and calls us."""

    def __init__(self, held: Held, nursery: trio.Nursery) -> None:
        self.held = held
        self._nursery = nursery
        assert held.carrier.outbinds is not None
        self.door = held.carrier.outbinds

    def call(self, peer: str = SMSC) -> Wire:
        """A connection from an address."""
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self.door.serve, ours, peer)
        return Wire(theirs, "outbind", 0, None)

    async def asks(self, outbind: p.Outbind = GOOD, peer: str = SMSC) -> Wire:
        """A connection with its outbind."""
        wire = self.call(peer)
        await wire.send(outbind, 1)
        return wire

    async def bound(self) -> Wire:
        """A connection that was bound."""
        wire = await self.asks()
        await wire.accept()
        self._nursery.start_soon(wire.serve)
        return wire


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> None:
    """No port is listened on: connections are made in memory."""

    async def run(self: Outbinds) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(Outbinds, "run", run)


@asynccontextmanager
async def called(**given: Any) -> AsyncIterator[Called]:
    async with carrier(**{**OUTBIND, "bind": "receiver", **given}) as held, trio.open_nursery() as nursery:
        await held.notes.until(lambda: any(b.state == "awaiting" for b in held.carrier.binds))
        yield Called(held, nursery)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("kind", "pdu"), [("receiver", p.BindReceiver), ("transceiver", p.BindTransceiver)])
async def test_an_outbind_is_answered_with_a_bind(autojump_clock: Clock, port: None, kind: str, pdu: Any) -> None:
    async with called(bind=kind, system_id="user", password="secret") as c:
        wire = await c.asks()
        bind = await wire.accept()
        assert isinstance(bind, pdu)
        assert (bind.system_id, bind.password) == ("user", "secret")
        await wire.send(p.DeliverSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x"), 5)
        await c.held.notes.until(lambda: c.held.notes.came)
        assert c.held.bind.state == "bound"
        assert c.held.bind.host == "outbind"
        assert c.held.carrier.state == "up"
        assert c.held.line.attempts == []
        if kind == "transceiver":
            c.held.carrier.push(segments(1))
            await wire.expect(p.SubmitSm)
        assert c.door.counts["taken"] == 1
        assert c.door.open == 0


async def test_the_receiver_of_a_pair_waits_and_its_transmitter_connects(autojump_clock: Clock, port: None) -> None:
    async with called(bind="pair", host="smsc.example") as c:
        await c.held.bound(1)
        assert c.held.carrier.state == "degraded"
        await c.bound()
        await c.held.bound(2)
        assert isinstance(c.held.line.wires[0].received[0][3], p.BindTransmitter)


async def test_an_outbind_and_what_follows_it_in_one_read(autojump_clock: Clock, port: None) -> None:
    """A carrier that is in a hurry asks whether we are there before our bind has come."""
    async with called() as c:
        wire = c.call()
        await wire.stream.send_all(encode(p.EnquireLink(), 1))
        assert (await wire.expect(p.EnquireLinkResp))[0] == 1
        for octet in encode(GOOD, 2):
            await wire.stream.send_all(bytes([octet]))
        await wire.accept()
        await c.held.bound()


@pytest.mark.parametrize("peer", ["192.0.3.7", "::1", "no address", "2001:db8::2"])
async def test_other_addresses_are_closed_at_once(autojump_clock: Clock, port: None, peer: str) -> None:
    async with called() as c:
        start = trio.current_time()
        wire = c.call(peer)
        assert await wire.read() is None
        assert trio.current_time() == start
        assert c.door.counts["not_allowed"] == 1


@pytest.mark.parametrize("peer", ["::ffff:192.0.2.9", "2001:db8::1", "192.0.2.255"])
async def test_addresses_that_are_allowed(autojump_clock: Clock, port: None, peer: str) -> None:
    async with called() as c:
        await (await c.asks(peer=peer)).accept()
        await c.held.bound()


BAD = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bind": encode(p.BindReceiver("u", "p"), 1),
    "a submit": encode(p.SubmitSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x"), 1),
    "two": encode(GOOD, 1) + encode(GOOD, 2),
    "a length of nothing": b"\x00\x00\x00\x00" * 4,
    "much": encode(p.EnquireLink(), 1) * (MOST_OCTETS // 16 + 1),
    "the end": b"",
}


@pytest.mark.parametrize("octets", list(BAD.values()), ids=list(BAD))
async def test_garbage_is_closed_and_counted(autojump_clock: Clock, port: None, octets: bytes) -> None:
    async with called() as c:
        wire = c.call()
        if octets:
            await wire.stream.send_all(octets)
        else:
            await wire.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.1)
        assert c.door.counts["garbage"] == 1
        assert c.door.open == 0
        await c.bound()
        await c.held.bound()


@pytest.mark.parametrize("octets", [b"", b"\x00\x00", encode(GOOD, 1)[:-1]])
async def test_who_is_slow_is_closed(autojump_clock: Clock, port: None, octets: bytes) -> None:
    async with called() as c:
        start = trio.current_time()
        wire = c.call()
        await wire.stream.send_all(octets)
        assert await wire.read() is None
        assert trio.current_time() - start == OUTBIND_WAIT
        assert c.door.counts["slow"] == 1


@pytest.mark.parametrize(
    "outbind", [p.Outbind("smsc", "wrong"), p.Outbind("smsc", ""), p.Outbind("other", "knock"), p.Outbind("", "knock")]
)
async def test_wrong_credentials_are_closed_after_a_while(autojump_clock: Clock, port: None, outbind: Any) -> None:
    async with called(outbind_system_id="smsc") as c:
        start = trio.current_time()
        wire = await c.asks(outbind)
        assert await wire.read() is None
        assert wire.octets == b""
        assert trio.current_time() - start == REFUSED_WAIT, "guessing is slow"
        assert c.door.counts["refused"] == 1
        assert c.held.bind.state == "awaiting"


async def test_too_many_connections_are_closed_and_the_carrier_still_comes_through(
    autojump_clock: Clock, port: None
) -> None:
    async with called() as c:
        idle = [c.call() for _ in range(MOST_OPEN)]
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(50):
            wire = c.call()
            assert await wire.read() is None
        assert c.door.counts["too_many"] == 50
        for wire in idle:
            assert await wire.read() is None
        assert c.door.counts["slow"] == MOST_OPEN
        await c.bound()
        await c.held.bound()


async def test_an_outbind_that_nobody_needs_waits_and_is_closed(autojump_clock: Clock, port: None) -> None:
    async with called() as c:
        first = await c.bound()
        await c.held.bound()
        start = trio.current_time()
        second = await c.asks()
        assert await second.read() is None
        assert trio.current_time() - start == NEED_WAIT
        assert c.door.counts["not_needed"] == 1
        assert "EnquireLink" in first.kinds(), "whether the one before is alive is looked at"
        assert c.held.bind.state == "bound"


async def test_an_outbind_finds_the_session_before_it_dead(autojump_clock: Clock, port: None) -> None:
    """The carrier was started anew: of the session before it knows nothing, and we do not know of that."""
    async with called(enquire_link=60, response_timeout=4) as c:
        dead = await c.asks()
        await dead.accept()
        await c.held.bound()
        start = trio.current_time()
        wire = await c.asks()
        await wire.accept()
        await c.held.bound()
        assert trio.current_time() - start <= 6
        await dead.end()
        assert dead.ended_at is not None
        assert c.door.counts["taken"] == 2


async def test_a_lost_session_is_awaited_again_without_a_wait(autojump_clock: Clock, port: None) -> None:
    async with called() as c:
        for _ in range(5):
            wire = await c.asks()
            await wire.accept()
            await c.held.bound()
            await wire.close()
            await c.held.notes.until(lambda: c.held.bind.state == "awaiting")
        times = [at for at, _, state in c.held.notes.states if state == "binding"]
        assert min(b - a for a, b in pairwise(times)) >= 1 - 1e-9


async def test_refused_credentials_wait_long_here_too(autojump_clock: Clock, port: None) -> None:
    async with called(refused_delay=300) as c:
        wire = await c.asks()
        await wire.refuse(CommandStatus.ESME_RINVPASWD)
        await c.held.state("refused")
        start = trio.current_time()
        await c.held.notes.until(lambda: c.held.bind.state == "awaiting")
        assert 300 <= trio.current_time() - start <= 331


async def test_a_drain_and_a_stop_end_the_waiting(autojump_clock: Clock, port: None) -> None:
    async with called() as c:
        c.held.carrier.drain()
        await c.held.notes.until(lambda: c.held.carrier.state == "drained")
        wire = await c.asks()
        assert await wire.read() is None
        assert c.door.counts["not_needed"] == 1
        c.held.carrier.release()
        await c.bound()
        await c.held.bound()
        await c.held.carrier.stop()
        await c.held.notes.until(lambda: c.held.bind.state == "stopped")


def test_settings_say_who_connects_to_whom() -> None:
    for given, words in (
        ({"outbind_password": None}, "outbind_password beside outbind"),
        ({"outbind_from": []}, "outbind_from beside outbind"),
        ({"bind": "transmitter"}, "a bind that receives beside outbind"),
        ({"host": "smsc.example"}, "no host beside outbind"),
        ({"bind": "pair"}, "exactly one of host and hosts"),
        ({"outbind_from": ["x"]}, "addresses or networks"),
        ({"outbind": None, "host": "smsc.example"}, "outbind beside outbind_from"),
    ):
        with pytest.raises(ValueError, match=words):
            settings(**{**OUTBIND, "outbind": "127.0.0.1:2776", **given})
    assert settings(**{**OUTBIND, "outbind": "[::1]:2776", "outbind_password": ""}).outbind_address == ("::1", 2776)
    assert settings(**{**OUTBIND, "outbind": "0.0.0.0:2776"}).endpoints == ()


async def test_waiting_for_an_outbind_is_no_alarm_unless_there_is_something_to_send(
    autojump_clock: Clock, port: None
) -> None:
    class Waiting(Notes):
        def waiting(self, carrier: Any) -> bool:
            return True

    async with called(bind="transceiver") as c:
        await trio.sleep(1000)
        assert c.held.carrier.alarms() == []
        c.held.carrier.hooks = Waiting()
        await trio.sleep(10)
        assert [a["kind"] for a in c.held.carrier.alarms()] == ["down"]
        c.held.carrier.hooks = c.held.notes
        await c.bound()
        await c.held.bound()
        assert c.held.carrier.alarms() == []


async def test_a_capture_has_the_outbind_too(
    autojump_clock: Clock, port: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures, capture = Captures(), Capture(lambda _: True, None)
    async with called(password="secret") as c:
        captures.start(capture, c.held.carrier.binds)

        def state(bind: Bind) -> None:
            if bind.state == "binding" and bind.link is not None:
                captures.watch(bind, bind.link)

        monkeypatch.setattr(c.held.notes, "state", state)
        wire = c.call()
        for octet in encode(GOOD, 2):
            await wire.stream.send_all(bytes([octet]))
        await wire.accept()
        await wire.send(p.EnquireLink(), 3)
        await wire.expect(p.EnquireLinkResp)
        opened, *pieces = await capture.take()
        assert isinstance(opened, Opened)
        assert (opened.ours, opened.begun) == (False, True)
        seen = [(x.sent, decode(x.data)[2]) for x in pieces if isinstance(x, Piece)]
        assert [(sent, type(pdu)) for sent, pdu in seen] == [
            (False, p.Outbind),
            (True, p.BindReceiver),
            (False, p.BindReceiverResp),
            (False, p.EnquireLink),
            (True, p.EnquireLinkResp),
        ]
        assert [getattr(pdu, "password", None) for _, pdu in seen[:2]] == ["*****", "******"]
