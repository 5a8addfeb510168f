"""A connection that takes no octets: nothing more is put on it, it is given up, and what was not written is known."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio

from gateway.carrier.traffic import BLOCKED
from gateway.link import PIECE, Link
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.session import Session, SessionConfig
from gateway.smpp.states import Role
from tests.support.wire import Wire, carrier, hold, segments

Clock = trio.testing.MockClock

SUBMIT = p.SubmitSm(p.Address(1, 1, "15551230001"), p.Address(1, 1, "12125550101"), b"Hello")


async def deaf(wire: Wire) -> None:
    """Takes the bind, and reads no more."""
    await wire.accept()
    await trio.sleep_forever()


def block(link: Link | None) -> trio.Event:
    """From here on writes of a connection in memory wait for what this returns, and arrive then."""
    gate = trio.Event()
    stream = link.stream.send_stream  # type: ignore[union-attr]
    arrives = stream.send_all_hook

    async def wait() -> None:
        await gate.wait()
        stream.send_all_hook = arrives
        await arrives()

    stream.send_all_hook = wait
    return gate


def submits(wire: Wire) -> list[str]:
    """To whom the submits are that came."""
    return [pdu.destination.addr for _, _, _, pdu in wire.received if isinstance(pdu, p.SubmitSm)]


# --- over TCP ---------------------------------------------------------------------------------------------------------


async def tcp() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Both ends of a connection whose buffers are small."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    theirs = await listener.accept()
    await listener.aclose()
    return ours, theirs


async def numbers_read(stream: trio.SocketStream) -> tuple[list[int], bool]:
    """Sequence numbers of the submits that come whole until the end, and whether that is a reset."""
    octets, found, reset = b"", [], False
    while True:
        try:
            data = await stream.receive_some(65536)
        except trio.BrokenResourceError:
            data, reset = b"", True
        if not data:
            return found, reset
        octets += data
        while len(octets) >= 4 and len(octets) >= (length := int.from_bytes(octets[:4])):
            sequence, _, pdu = decode(octets[:length])
            octets = octets[length:]
            if isinstance(pdu, p.SubmitSm):
                found.append(sequence)


@pytest.mark.parametrize("end", ["abort", "close"])
async def test_what_tcp_did_not_take_is_known_and_never_arrives(end: str) -> None:
    ours, theirs = await tcp()
    session = Session(Role.ESME, SessionConfig(window=1 << 30, enquire_link=0), trio.current_time())
    freed = 0

    def free() -> None:
        nonlocal freed
        freed += 1

    link = Link(ours, session, lambda _: None, on_free=free)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            session.send_request(p.BindTransceiver("user", "secret"), trio.current_time())
            link.flush()
            await theirs.receive_some(4096)
            await theirs.send_all(encode(p.BindTransceiverResp("smsc"), 1))
            await trio.testing.wait_all_tasks_blocked()
            assert not link.blocked
            for n in range(20_000):
                session.send_request(SUBMIT, trio.current_time(), n)
            link.flush()
            await trio.testing.wait_all_tasks_blocked()
            assert link.blocked
            for n in range(20_000, 20_010):  # these wait in the session
                session.send_request(SUBMIT, trio.current_time(), n)
            getattr(link, end)()
        unwritten = link.unwritten()
        asked = [sequence for sequence, _ in session.outstanding_requests()]
        handed = [n for n in asked if n not in unwritten]
        assert unwritten == set(asked[len(handed) :]), "the last ones, and no others"
        assert set(asked[-10:]) <= unwritten
        assert freed == 0
        read, reset = await numbers_read(theirs)
        assert reset
        assert read == asked[: len(read)]
        # The system had taken more than it could send, and has thrown that away.
        assert 0 < len(read) < len(handed) < len(asked)
    await theirs.aclose()


async def test_tcp_that_takes_octets_again_is_free_and_all_arrives() -> None:
    ours, theirs = await tcp()
    session = Session(Role.ESME, SessionConfig(window=1 << 30, enquire_link=0), trio.current_time())
    freed = trio.Event()
    link = Link(ours, session, lambda _: None, on_free=freed.set)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            session.send_request(p.BindTransceiver("user", "secret"), trio.current_time())
            link.flush()
            await theirs.receive_some(4096)
            await theirs.send_all(encode(p.BindTransceiverResp("smsc"), 1))
            await trio.testing.wait_all_tasks_blocked()
            for n in range(5000):
                session.send_request(SUBMIT, trio.current_time(), n)
            link.flush()
            await trio.testing.wait_all_tasks_blocked()
            assert link.blocked
            assert link.blocked_for(trio.current_time()) > 0
            read: list[int] = []

            async def all_of_them() -> None:
                found, reset = await numbers_read(theirs)
                assert not reset
                read.extend(found)

            nursery.start_soon(all_of_them)
            await freed.wait()
            assert not link.blocked
            assert link.unwritten() == set()
            link.close()
    assert read == [sequence for sequence, _ in session.outstanding_requests()]
    await theirs.aclose()


# --- a carrier's bind -------------------------------------------------------------------------------------------------


async def test_what_waits_while_its_connection_takes_nothing_goes_once_and_elsewhere(autojump_clock: Clock) -> None:
    async with carrier(behave=deaf, window=4, response_timeout=10, enquire_link=60) as held:
        await held.bound()
        first, later = segments(2), segments(5)
        block(held.bind.link)
        start = trio.current_time()
        held.carrier.push(first)
        await trio.sleep(3)
        held.carrier.push(later)
        assert held.bind.in_use == 2, "it has free slots, and a submit would only wait in it"
        assert held.carrier.waiting_reason == "blocked"
        assert not held.carrier.could_write(trio.current_time())
        held.line.behave = hold
        await held.notes.until(lambda: held.notes.in_doubt)
        assert trio.current_time() - start == pytest.approx(10)
        assert held.notes.in_doubt == first
        assert held.bind.in_use == 0
        await held.attempts(2)
        assert held.notes.given_back == later, "there is no other bind, so they went back to the queue"
        assert held.bind.last_error == "the connection took nothing for 10 s"
        await held.bound()
        held.carrier.push(later)
        await held.notes.until(lambda: len(held.notes.answers) == 5)
        await trio.testing.wait_all_tasks_blocked()
        assert submits(held.line.wires[0]) == []
        assert submits(held.line.wires[1]) == [s.message.peer.lstrip("+") for s in later]


async def test_what_a_blocked_write_had_not_begun_is_not_in_doubt(autojump_clock: Clock) -> None:
    async with carrier(behave=deaf, window=1000, response_timeout=10, enquire_link=60) as held:
        await held.bound()
        sent = segments(1000)
        block(held.bind.link)
        held.carrier.push(sent)
        await held.attempts(2)
        begun = len(held.notes.in_doubt)
        length = len(encode(SUBMIT, 1))
        assert PIECE // (2 * length) < begun < 2 * PIECE // length
        assert held.notes.in_doubt == sent[:begun]
        assert held.notes.unwritten == sent[begun:]
        assert held.bind.in_use == 0


async def test_what_is_not_to_be_written_any_more_does_not_wait_in_a_connection(autojump_clock: Clock) -> None:
    """Somebody opts out whose text is behind others in a write that does not go on; what is begun is begun."""
    async with carrier(behave=deaf, window=1000, response_timeout=100, enquire_link=60) as held:
        await held.bound()
        sent = segments(1000)
        block(held.bind.link)
        held.carrier.push(sent)
        await trio.testing.wait_all_tasks_blocked()
        held.bind.let_go(lambda message: message is sent[0].message)
        held.bind.let_go(lambda message: False)
        await trio.testing.wait_all_tasks_blocked()
        assert held.bind.state == "bound"
        held.bind.let_go(lambda message: message is sent[-1].message)
        await held.attempts(2)
        assert held.notes.unwritten == sent[len(held.notes.in_doubt) :]
        assert sent[-1] in held.notes.unwritten
        assert "opted out" in (held.bind.last_error or "")


async def test_others_take_what_a_blocked_bind_does_not(autojump_clock: Clock) -> None:
    async with carrier(binds=2, window=4, response_timeout=10) as held:
        await held.bound(2)
        block(held.bind.link)
        held.carrier.push(segments(2))  # one each
        await held.notes.until(lambda: len(held.notes.answers) == 1)
        for _ in range(20):
            held.carrier.push(segments(4))
            await trio.sleep(0.1)
        assert len(held.notes.answers) == 81
        assert held.bind.in_use == 1


async def test_a_connection_that_takes_octets_again_is_used_at_once(autojump_clock: Clock) -> None:
    async with carrier(window=4, response_timeout=10) as held:
        await held.bound()
        gate = block(held.bind.link)
        held.carrier.push(segments(1))
        await trio.sleep(4)
        held.carrier.push(segments(3))
        gate.set()
        start = trio.current_time()
        await held.notes.until(lambda: len(held.notes.answers) == 4)
        assert trio.current_time() == start
        assert len(held.line.attempts) == 1
        assert held.notes.in_doubt == []


async def test_a_submit_that_expires_while_the_connection_takes_octets_ends_nothing(autojump_clock: Clock) -> None:
    async with carrier(behave=deaf, window=4, response_timeout=10, enquire_link=60) as held:
        await held.bound()
        gate = block(held.bind.link)
        held.carrier.push(segments(1))
        await trio.sleep(9.5)
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        block(held.bind.link)
        held.carrier.push(segments(1))
        # The first was taken, late; since then the connection was blocked for less than a second.
        await trio.sleep(BLOCKED / 2 + 0.1)
        assert len(held.notes.in_doubt) == 1
        assert held.bind.state == "bound"
        await held.attempts(2)
        assert len(held.notes.in_doubt) == 2


async def test_a_carrier_that_writes_and_reads_nothing_is_given_up_without_a_submit(autojump_clock: Clock) -> None:
    async def talks(wire: Wire) -> None:
        await wire.accept()
        for sequence in range(1, 1000):
            await wire.send(p.EnquireLink(), sequence)
            await trio.sleep(1)

    async with carrier(behave=talks, response_timeout=10) as held:
        await held.bound()
        block(held.bind.link)
        start = trio.current_time()
        await held.state("down")
        assert 10 <= trio.current_time() - start <= 17
        assert str(held.bind.last_error).startswith("the connection took nothing for 1")


async def test_an_operator_s_rebind_of_a_blocked_connection(autojump_clock: Clock) -> None:
    async with carrier(behave=deaf, window=1000, response_timeout=30, enquire_link=60) as held:
        await held.bound()
        block(held.bind.link)
        held.carrier.push(segments(1000))
        held.line.behave = hold
        shown: list[dict[str, Any]] = await held.carrier.rebind()
        assert [b["state"] for b in shown] == ["bound"]
        assert held.notes.unwritten
        assert len(held.notes.in_doubt) + len(held.notes.unwritten) == 1000
