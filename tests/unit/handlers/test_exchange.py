"""A request and its answer, octet by octet, and the connections that are kept."""

from __future__ import annotations

import errno

import h11
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gateway.handlers import exchange
from gateway.handlers.exchange import (
    ANSWER_OCTETS,
    HEAD_OCTETS,
    INTERIM,
    KEEP_ALIVE,
    LOOK_UP_AFTER,
    PLAIN_OCTETS,
    Connection,
    Kept,
    plain,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
RESET = ConnectionResetError(errno.ECONNRESET, "reset")


class Script:
    """A wire on which ``pieces`` come, one by one, then an end. ``put``: what becomes of a request."""

    def __init__(self, *pieces: bytes | Exception, put: bool | Exception = True) -> None:
        self.pieces = list(pieces)
        self.sent = b""
        self.closed = False
        self.noise = False
        self.flushed = trio.Event()
        self._put = put

    def put(self, data: bytes) -> bool:
        assert not self.closed
        self.sent += data
        if isinstance(self._put, Exception):
            raise self._put
        return self._put

    async def flush(self) -> None:
        await self.flushed.wait()

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def quiet(self) -> bool:
        return not self.noise

    def close(self) -> None:
        self.closed = True


START = b"HTTP/1.1 200 OK\r\n"
PARTS = (
    *(START, b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"X: y\r\n", b"Connection: close\r\n"),
    *(b"connection:keep-alive\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"ok", b" ", b"\n"),
)
"""Of which answers are made at random."""


def octets(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


HEADS: dict[str, tuple[list[bytes | Exception], int | type[Exception]]] = {
    "whole": ([OK], 200),
    "octet by octet": ([*octets(OK)], 200),
    "behind 100": ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], 200),
    "behind as many of 1xx as may be": ([HINTS * INTERIM + OK], 200),
    "behind one more": ([HINTS * (INTERIM + 1) + OK], h11.RemoteProtocolError),
    "1xx without end": ([HINTS] * 1000, h11.RemoteProtocolError),
    "another protocol": ([b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n"], h11.RemoteProtocolError),
    "a head too long": ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * HEAD_OCTETS], h11.RemoteProtocolError),
    "two lengths": ([OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n")], h11.RemoteProtocolError),
    "no HTTP": ([b"SSH-2.0-x\r\n\r\n"], h11.RemoteProtocolError),
    "an end at once": ([], h11.RemoteProtocolError),
    "an end in the head": ([OK[:20]], h11.RemoteProtocolError),
    "a reset": ([RESET], ConnectionResetError),
}


@pytest.mark.parametrize("name", HEADS)
async def test_heads(name: str) -> None:
    pieces, expected = HEADS[name]
    wire = Script(*pieces)
    connection = Connection(wire)
    if isinstance(expected, int):
        assert (await connection.ask(REQUEST)).status == expected
    else:
        with pytest.raises(expected):
            await connection.ask(REQUEST)
    assert wire.sent == REQUEST
    assert wire.closed is not isinstance(expected, int)
    assert connection.heard is bool(pieces and isinstance(pieces[0], bytes))


def lasting(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length


BODIES: dict[str, tuple[list[bytes | Exception], bool]] = {
    "with a length": ([OK], True),
    "empty": ([lasting(0)], True),
    "none": ([b"HTTP/1.1 204 No Content\r\n\r\n"], True),
    "in pieces": ([*octets(OK)], True),
    "in chunks": ([CHUNKS + b"2\r\nok\r\n0\r\nX: y\r\n\r\n"], True),
    "as long as may be": ([lasting(ANSWER_OCTETS)], True),
    "longer": ([lasting(ANSWER_OCTETS + 1)], False),
    "much longer": ([lasting(1 << 20)], False),
    "in a few small chunks": ([CHUNKS + b"1\r\nx\r\n" * 100 + b"0\r\n\r\n"], True),
    "in many small chunks": ([CHUNKS, *[b"1\r\nx\r\n" * 100] * 100, b"0\r\n\r\n"], False),
    "up to the end": ([b"HTTP/1.1 200 OK\r\n\r\nok"], False),
    "of HTTP/1.0": ([OK.replace(b"1.1", b"1.0")], False),
    "said to be the last": ([OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")], False),
    "with more behind it": ([OK + b"\r\n"], False),
    "twice": ([OK + OK], False),
    "cut": ([OK[:-1]], False),
    "reset": ([OK[:-1], RESET], False),
    "bad chunks": ([CHUNKS, b"zz\r\n"], False),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bodies(name: str) -> None:
    """Whatever follows the head, the status counts; whether the connection is kept depends on it."""
    pieces, kept = BODIES[name]
    wire = Script(*pieces)
    connection = Connection(wire)
    assert (await connection.ask(REQUEST)).status in (200, 204)
    assert await connection.finish() is kept
    assert wire.closed is not kept
    if kept:
        wire.pieces = [OK.replace(b"200", b"500")]
        assert (await connection.ask(REQUEST)).status == 500
        assert await connection.finish()
        assert wire.sent == REQUEST * 2


PLAIN: dict[bytes, int | None] = {
    OK: 200,
    lasting(0): 200,
    lasting(PLAIN_OCTETS - 50): 200,
    lasting(PLAIN_OCTETS): None,
    OK.replace(b"200 OK", b"299 "): 299,
    OK.replace(b"OK\r\n", b"OK\r\nServer: x\r\nDATE: \t\r\nConnection: Keep-Alive \r\n"): 200,
    b"HTTP/1.1 204 No Content\r\n\r\n": 204,
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n": None,
    b"HTTP/1.1 204 No Content\r\n\r\nx": None,
    OK[:-1]: None,
    OK + b"\r\n": None,
    OK + OK: None,
    HINTS + OK: None,
    b"": None,
    b"HTTP/1.1 200 OK\r\n\r\n": None,
    OK.replace(b"200", b"500"): None,
    OK.replace(b"200 OK", b"200"): None,
    OK.replace(b"1.1", b"1.0"): None,
    OK.replace(b": 2", b": +2"): None,
    OK.replace(b": 2", b": 2, 2"): None,
    OK.replace(b": 2", b":"): None,
    OK.replace(b"Content", b" Content"): None,
    OK.replace(b"-Length", b"-Length "): None,
    OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nConnection: keep-alive, close\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding: chunked\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nContent-Length: 2\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nX: y\r\n Connection: close\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nX: y\nConnection: close\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\nX: y\r\n"): None,
    OK.replace(b"OK\r\n", b"OK\r\nX: \x00\r\n"): None,
}


@pytest.mark.parametrize("data", PLAIN)
async def test_plain_answers(data: bytes) -> None:
    """What is said of one without h11, h11 says of it, too."""
    status = PLAIN[data]
    answer = plain(data)
    assert (answer.status if answer is not None else None) == status
    if answer is not None:
        wire = Script(data[:9], data[9:])
        connection = Connection(wire)
        assert (await connection.ask(REQUEST)).status == status
        assert connection._http is not None
        assert await connection.finish()


@given(st.lists(st.sampled_from(PARTS), max_size=4).map(lambda parts: b"".join([START, *parts, b"\r\nok"])))
def test_what_is_plain_to_us_is_so_to_h11(data: bytes) -> None:
    answer = plain(data)
    if answer is None:
        return
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
    http.send(h11.EndOfMessage())
    http.receive_data(data)
    head = http.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == answer.status
    while not isinstance(http.next_event(), h11.EndOfMessage):
        pass
    http.start_next_cycle()
    assert http.trailing_data == (b"", False)


async def test_a_body_that_does_not_come(autojump_clock: trio.testing.MockClock) -> None:
    class Drip(Script):
        async def receive(self) -> bytes:
            if not self.pieces:
                await trio.sleep(0.3)
                return b"x"
            return await super().receive()

    wire = Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    connection = Connection(wire)
    await connection.ask(REQUEST)
    before = trio.current_time()
    assert not await connection.finish()
    assert trio.current_time() - before == pytest.approx(exchange.ANSWER_WAIT)
    assert wire.closed


async def test_an_answer_before_the_request_is_sent_whole() -> None:
    wire = Script(OK.replace(b"200", b"413"), put=False)
    connection = Connection(wire)
    assert (await connection.ask(REQUEST)).status == 413
    assert not await connection.finish()
    assert wire.closed


async def test_a_request_that_goes_in_pieces() -> None:
    class Slow(Script):
        async def receive(self) -> bytes:
            self.flushed.set()
            await trio.testing.wait_all_tasks_blocked()
            return await super().receive()

    connection = Connection(Slow(OK, put=False))
    assert (await connection.ask(REQUEST)).status == 200
    assert await connection.finish()


async def test_a_request_that_breaks_off_has_its_answer_if_there_is_one() -> None:
    pipe = BrokenPipeError(errno.EPIPE, "pipe")
    wire = Script(OK.replace(b"200", b"413"), put=pipe)
    connection = Connection(wire)
    assert (await connection.ask(REQUEST)).status == 413
    assert not await connection.finish()
    for wire in (Script(put=pipe), Script(RESET, put=pipe)):
        connection = Connection(wire)
        with pytest.raises(BrokenPipeError):
            await connection.ask(REQUEST)
        assert wire.closed


async def test_who_is_cancelled_leaves_no_connection() -> None:
    class Silent(Script):
        async def receive(self) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

    for wire in (Silent(), Silent(put=False)):
        with trio.CancelScope() as scope:
            scope.cancel()
            await Connection(wire).ask(REQUEST)
        assert wire.closed


# --- what is kept -----------------------------------------------------------------------------------------------------


async def served(kept: Kept) -> Script:
    wire = Script(OK)
    connection = Connection(wire)
    await connection.ask(REQUEST)
    assert await connection.finish()
    kept.put(connection)
    return wire


async def test_the_last_one_goes_first_and_no_more_are_kept_than_may_be() -> None:
    kept = Kept(2)
    first, second, third = [await served(kept) for _ in range(3)]
    assert [wire.closed for wire in (first, second, third)] == [False, False, True]
    one, two = kept.take(), kept.take()
    assert one is not None
    assert two is not None
    assert (one._wire, two._wire, kept.take()) == (second, first, None)


async def test_one_on_which_something_came_is_passed_over() -> None:
    kept = Kept(2)
    first, second = await served(kept), await served(kept)
    second.noise = True
    taken = kept.take()
    assert taken is not None
    assert (taken._wire, second.closed) == (first, True)


async def test_idle_ones_are_closed(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    kept = Kept(2)
    nursery.start_soon(kept.tend)
    wire = await served(kept)
    await trio.sleep(KEEP_ALIVE - 0.1)
    assert not wire.closed
    await trio.sleep(exchange.SWEEP)
    assert (wire.closed, len(kept)) == (True, 0)
    # One that the other end closes, soon after.
    wire = await served(kept)
    wire.noise = True
    await trio.sleep(exchange.SWEEP + 0.1)
    assert (wire.closed, len(kept)) == (True, 0)


async def test_none_serves_for_ever(autojump_clock: trio.testing.MockClock) -> None:
    kept, uses = Kept(1), 0
    wire = await served(kept)
    for _ in range(10):
        await trio.sleep(LOOK_UP_AFTER / 6)
        connection = kept.take()
        if connection is None:
            break
        uses += 1
        wire.pieces = [OK]
        await connection.ask(REQUEST)
        assert await connection.finish()
        kept.put(connection)
    assert uses == 5
    assert wire.closed
