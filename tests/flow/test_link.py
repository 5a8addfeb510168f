"""The pump of a session: one write a turn, timers, the last octets, and reading that can be held."""

from __future__ import annotations

import socket
from collections.abc import Callable

import trio
from trio.testing import MockClock, memory_stream_pair

from gateway.carrier.connection import connect_tcp
from gateway.link import FAREWELL, LAST_WORDS, Link
from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.events import Closed, CloseReason, Event, RequestReceived, ResponseReceived
from gateway.smpp.session import Session, SessionConfig
from gateway.smpp.states import Role

SUBMIT = p.SubmitSm(p.Address(1, 1, "15551230001"), p.Address(1, 1, "12125550101"), b"Hello")
DELIVER = p.DeliverSm(p.Address(1, 1, "12125550101"), p.Address(1, 1, "15551230001"), b"Hello")
BIND = encode(p.BindTransceiver("user", "secret"), 1)


class Smsc:
    """Our end as an SMSC: takes any bind and collects events."""

    def __init__(self, stream: trio.abc.Stream, **config: float) -> None:
        self.session = Session(Role.SMSC, SessionConfig(**config), trio.current_time())  # type: ignore[arg-type]
        self.events: list[Event] = []
        self.turns = 0
        self._more = trio.Event()
        self.freed = 0
        self.on_request: Callable[[RequestReceived], None] | None = None
        self.link = Link(stream, self.session, self._events, on_free=self._freed)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition on the events."""
        while not condition():
            await self._more.wait()

    def _freed(self) -> None:
        self.freed += 1

    def _events(self, events: list[Event]) -> None:
        self.turns += 1
        self.events += events
        self._more.set()
        self._more = trio.Event()
        for event in events:
            if isinstance(event, RequestReceived):
                if isinstance(event.pdu, p.BindTransceiver):
                    self.session.accept_bind(event.sequence, "smsc", trio.current_time())
                elif self.on_request is not None:
                    self.on_request(event)


class Counted(trio.abc.HalfCloseableStream):
    """A stream that counts writes."""

    def __init__(self, inner: trio.StapledStream[trio.abc.SendStream, trio.abc.ReceiveStream]) -> None:
        self.inner = inner
        self.writes: list[bytes] = []

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        await self.inner.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self.inner.send_eof()

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_all_output_of_a_turn_leaves_in_one_write() -> None:
    ours, theirs = memory_stream_pair()
    counted = Counted(ours)
    smsc = Smsc(counted)
    smsc.on_request = lambda e: smsc.session.send_response(e.sequence, p.SubmitSmResp("x"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc.link.run)
        await theirs.send_all(BIND)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(b"".join(encode(SUBMIT, n) for n in range(2, 202)))
        await trio.testing.wait_all_tasks_blocked()
        assert len(counted.writes) == 2
        assert counted.writes[1].count(b"x\x00") == 200
        assert smsc.turns == 2
        assert smsc.freed == 2
        assert (smsc.link.turns.reads, smsc.link.turns.writes) == (2, 2)
        nursery.cancel_scope.cancel()


async def test_what_is_put_in_between_turns_leaves_together_on_flush() -> None:
    ours, theirs = memory_stream_pair()
    counted = Counted(ours)
    smsc = Smsc(counted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc.link.run)
        await theirs.send_all(BIND)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(10):
            smsc.session.send_request(DELIVER, trio.current_time())
            smsc.link.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert len(counted.writes) == 2
        nursery.cancel_scope.cancel()


async def test_a_close_of_the_other_end_is_told_and_closes_ours() -> None:
    ours, theirs = memory_stream_pair()
    smsc = Smsc(ours)
    await theirs.send_all(BIND[:20])
    await theirs.aclose()
    closed = await smsc.link.run()
    assert closed == Closed(CloseReason.EOF, "with 20 octets of a PDU")
    assert smsc.events[-1] == closed
    try:
        await ours.send_all(b"x")
    except trio.ClosedResourceError:
        pass
    else:
        raise AssertionError("the stream is open")


async def test_the_last_octets_leave_whole_before_the_close() -> None:
    """Scheduling is random; the unbind_resp must not depend on which task comes first."""
    for _ in range(100):
        ours, theirs = memory_stream_pair()
        smsc = Smsc(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(smsc.link.run)
            await theirs.send_all(BIND)
            await theirs.receive_some()
            await theirs.send_all(encode(p.Unbind(), 2))
        assert smsc.link.closed == Closed(CloseReason.UNBOUND, "by the peer")
        left = b""
        while data := await theirs.receive_some(65536):
            left += data
        assert left.endswith(encode(p.UnbindResp(), 2))


async def test_the_last_octets_leave_over_tcp_too() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    for _ in range(30):
        client = await connect_tcp("127.0.0.1", port, None)
        ours = await listeners[0].accept()
        smsc = Smsc(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(smsc.link.run)
            await client.send_all(BIND)
            await client.receive_some()
            await client.send_all(encode(p.Unbind(), 2))
        left = b""
        while data := await client.receive_some(65536):
            left += data
        assert left.endswith(encode(p.UnbindResp(), 2))
        await client.aclose()
    await listeners[0].aclose()


async def test_a_peer_that_does_not_read_its_last_octets_is_left_in_time(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    smsc = Smsc(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc.link.run)
        await theirs.send_all(BIND)
        await theirs.receive_some()
        ours.send_stream.send_all_hook = trio.sleep_forever
        await theirs.send_all(encode(p.Unbind(), 2))
        start = trio.current_time()
    assert trio.current_time() - start <= FAREWELL


async def test_close_ends_it_without_a_word() -> None:
    ours, theirs = memory_stream_pair()
    smsc = Smsc(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc.link.run)
        await theirs.send_all(BIND)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.receive_some()
        smsc.link.close()
    assert smsc.link.closed is None
    assert await theirs.receive_some() == b""


async def test_timers_run_from_the_session_and_follow_a_flush(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    smsc = Smsc(ours, session_init=100, enquire_link=40, response_timeout=3)
    start = trio.current_time()

    async def bind_and_wait() -> None:
        await trio.sleep(50)
        await theirs.send_all(BIND)
        await trio.sleep(10)
        smsc.session.send_request(DELIVER, trio.current_time(), "token")
        smsc.link.flush()  # its deadline comes before the one that the timer waits for

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bind_and_wait)
        closed = await smsc.link.run()
    assert [type(e).__name__ for e in smsc.events] == ["RequestReceived", "RequestExpired", "Closed"]
    assert closed is not None
    assert closed.reason is CloseReason.ENQUIRE_LINK_TIMEOUT
    assert trio.current_time() - start == 50 + 40 + 3


async def test_an_end_that_never_binds_goes(autojump_clock: MockClock) -> None:
    ours, _theirs = memory_stream_pair()
    start = trio.current_time()
    closed = await Smsc(ours, session_init=30).link.run()
    assert closed is not None
    assert closed.reason is CloseReason.SESSION_INIT
    assert trio.current_time() - start == 30


async def test_a_write_that_breaks_ends_it_soon(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()

    async def broken() -> None:
        raise trio.BrokenResourceError("reset")

    ours.send_stream.send_all_hook = broken
    smsc = Smsc(ours)
    await theirs.send_all(BIND)
    start = trio.current_time()
    closed = await smsc.link.run()
    assert closed is not None
    assert closed.reason is CloseReason.EOF
    assert trio.current_time() - start <= LAST_WORDS
    assert isinstance(smsc.link.broken, trio.BrokenResourceError)


async def test_what_is_left_to_read_is_read_after_a_write_that_breaks(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    smsc = Smsc(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(smsc.link.run)
        await theirs.send_all(BIND)
        await trio.testing.wait_all_tasks_blocked()
        smsc.session.send_request(DELIVER, trio.current_time(), "token")
        smsc.link.flush()
        await trio.testing.wait_all_tasks_blocked()

        async def broken() -> None:
            raise trio.BrokenResourceError("reset")

        ours.send_stream.send_all_hook = broken
        smsc.session.send_request(DELIVER, trio.current_time(), "lost")
        smsc.link.flush()
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(encode(p.DeliverSmResp(), 1))
    assert [e.token for e in smsc.events if isinstance(e, ResponseReceived)] == ["token"]
    assert smsc.session.outstanding_tokens() == ["lost"]


async def test_held_reading_holds_the_other_end_back_by_tcp() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    client = await connect_tcp("127.0.0.1", port, None)
    ours = await listeners[0].accept()
    smsc = Smsc(ours, enquire_link=0)
    octets = encode(SUBMIT, 2) * 1000
    sent = 0
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(smsc.link.run)
            await client.send_all(BIND)
            await client.receive_some()
            smsc.link.hold()

            moved = trio.Event()

            async def flood() -> None:
                nonlocal sent, moved
                for _ in range(400):
                    await client.send_all(octets)
                    sent += 1
                    moved.set()
                    moved = trio.Event()

            nursery.start_soon(flood)
            # The socket's buffers fill, and no more; what a read under way brought in is the last of it.
            with trio.CancelScope(deadline=trio.current_time() + 0.5) as patience:
                while sent < 400:
                    await moved.wait()
                    patience.deadline = trio.current_time() + 0.5
            assert sent < 400
            held_at = len(smsc.events)
            assert held_at <= 1 + 65536 // (len(octets) // 1000) + 1
            smsc.link.release()
            await smsc.until(lambda: len(smsc.events) == 1 + 400_000)
            nursery.cancel_scope.cancel()
    await client.aclose()
    await listeners[0].aclose()


async def test_tcp_connections_have_nodelay_and_the_asked_local_address() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    for local in (None, "127.0.0.5"):
        stream = await connect_tcp("127.0.0.1", port, local)
        assert isinstance(stream, trio.SocketStream)
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        accepted = await listeners[0].accept()
        assert accepted.socket.getpeername()[0] == (local or "127.0.0.1")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "the end of a door needs it too"
        await stream.aclose()
        await accepted.aclose()
    await listeners[0].aclose()
