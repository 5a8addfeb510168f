"""Connections to a receiver of webhooks: kept, closed, looked up again, over TLS, and full."""

from __future__ import annotations

import errno
import socket
import ssl
import time

import pytest
import trio
import trio.testing

from gateway.handlers.exchange import KEEP_ALIVE, LOOK_UP_AFTER, SWEEP, Connection
from gateway.handlers.post import ADDRESSES
from gateway.handlers.webhook import Webhook
from gateway.handlers.wire import OCTETS, Dialer, NotConnectedError, SocketWire, Tls
from gateway.settings import Handler
from tests.flow.test_webhook import GOLDEN, loopback, quick, serve
from tests.support import httpd
from tests.support.events import Events, handler, trio_clock
from tests.support.httpd import Request, Server, answer
from tests.support.transport import Posts, public

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
async def server(nursery: trio.Nursery) -> Server:
    return await nursery.start(Server().run)


@pytest.fixture
async def events(nursery: trio.Nursery) -> Events:
    return await Events().start(nursery)


async def answer_and_close(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """An answer that does not say that it is the last one."""
    await stream.send_all(OK)
    return False


async def some_octets(server: Server, request: Request, stream: trio.SocketStream) -> bool:
    """The first octets of an answer, and an end."""
    await stream.send_all(b"HTTP/1.")
    return False


# --- kept, and closed -------------------------------------------------------------------------------------------------


async def test_a_post_by_a_connection_that_was_closed_is_made_again_at_once(nursery, server, events):
    server.behaviours += [answer(), httpd.close]
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    await events.arrive("one", "two")
    await events.until(lambda: not webhook.feed.backlog)
    assert [request.json["text"] for request in server.requests] == ["one", "two", "two"]
    _, first, again = server.requests
    assert (first.connection, again.connection) == (1, 2)
    assert (first.event_id, first.body, first.headers["smsgw-attempt"]) == (again.event_id, again.body, "1")
    assert events.count("smsgw_handler_failures_total", handler="crm") == 0
    assert events.stored_retries(webhook.feed) == {}


async def test_it_is_made_again_once(nursery, server, events):
    server.behaviours += [answer(), httpd.close, httpd.close]
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    await events.arrive("one", "two")
    await events.until(lambda: webhook.failures == 1)
    assert webhook.last_error == "no proper HTTP answer"
    await events.until(lambda: not webhook.waiting)
    assert [request.headers["smsgw-attempt"] for request in server.requests] == ["1", "1", "1", "2"]


async def test_it_is_not_made_again_once_an_answer_began(nursery, server, events):
    server.behaviours += [answer(), some_octets]
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    await events.arrive("one", "two")
    await events.until(lambda: webhook.failures == 1)
    assert len(server.requests) == 2


async def test_a_connection_that_the_other_end_closed_is_not_used(nursery, server, events):
    server.default = answer_and_close
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    for n in range(5):
        await events.arrive(str(n))
        await events.until(lambda: not webhook.feed.backlog)
        await server.until(lambda: not server.open)
    assert [(request.json["text"], request.connection) for request in server.requests] == [
        (str(n), n + 1) for n in range(5)
    ]


async def test_a_name_is_looked_up_for_each_connection_and_none_lasts(autojump_clock, nursery):
    """A name that comes to be an inner one: nothing is posted any more once the connection is as old as it may be."""
    addresses, lookups = ["93.184.216.34"], []

    async def moving(host: str, port: int) -> list[str]:
        lookups.append(trio.current_time() - began)
        return addresses

    events = await Events(trio_clock()).start(nursery)
    posts = Posts(keep=True)
    feed = await events.feed()
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=moving, connect=posts)
    await nursery.start(hook.run)
    began = trio.current_time()
    for _ in range(50):
        await events.arrive("hello")
        await trio.sleep(1)
        if len(posts.log) == 5:
            addresses = ["93.184.216.34", "10.0.0.1"]
        if hook.failures:
            break
    assert hook.last_error == "address refused: 10.0.0.1 is private"
    assert lookups == [pytest.approx(0, abs=0.1), pytest.approx(LOOK_UP_AFTER, abs=1.1)]
    assert posts.hosts == ["93.184.216.34"]
    assert len(posts.log) == LOOK_UP_AFTER
    assert not posts.open


async def test_connections_of_a_handler_that_has_nothing_to_post_are_closed(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    feed, posts = await events.feed(), Posts(keep=True)
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=public, connect=posts)
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: not feed.backlog)
    assert len(posts.open) == 1
    await trio.sleep(KEEP_ALIVE + SWEEP)
    assert not posts.open


async def test_so_many_addresses_of_a_name_are_tried_and_no_more(autojump_clock, nursery):
    async def many(host: str, port: int) -> list[str]:
        return [f"93.184.216.{n}" for n in range(10)]

    events = await Events(trio_clock()).start(nursery)
    feed, posts = await events.feed(), Posts(NotConnectedError("cannot connect: No route to host"))
    hook = Webhook(handler(), feed, events.outbox, events.metrics, events.clock, resolver=many, connect=posts)
    await nursery.start(hook.run)
    await events.arrive("hello")
    await events.until(lambda: hook.failures == 1)
    assert hook.last_error == "cannot connect: No route to host"
    assert posts.hosts == [f"93.184.216.{n}" for n in range(ADDRESSES)]


async def test_a_kept_connection_by_which_nothing_comes_counts_against_the_time(nursery, server, events):
    server.behaviours += [answer(), httpd.hang]
    webhook = await serve(nursery, events, quick(server, concurrency=1, timeout=0.3))
    await events.arrive("one", "two")
    await events.until(lambda: webhook.failures == 1)
    assert webhook.last_error == "no answer within 0.3 s"
    await events.until(lambda: not webhook.waiting)
    assert [request.headers["smsgw-attempt"] for request in server.requests] == ["1", "1", "2"]


async def test_what_this_machine_cannot_connect_to_is_no_connection(monkeypatch):
    """Such as an IPv6 address where there is none: the next address is tried."""

    def none(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported")

    dial = Dialer("receiver.example", 443, None)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", none)
        with pytest.raises(NotConnectedError, match=r"^cannot connect: Address family not supported"):
            await dial("2606:2800:220:1::1", 1)


# --- what is in the address -------------------------------------------------------------------------------------------

TARGETS = {
    "": "/",
    "/": "/",
    "?a=b": "/?a=b",
    "/a/b?c=d&e=%20+": "/a/b?c=d&e=%20+",
    "/ä?ö=\N{GRINNING FACE}": "/%C3%A4?%C3%B6=%F0%9F%98%80",
    '/a"<>\\^`{|}': "/a%22%3C%3E%5C%5E%60%7B%7C%7D",
    "/100%/%zz": "/100%25/%25zz",
    "/a:b@c;d=e,f!$'()*~.": "/a:b@c;d=e,f!$'()*~.",
}


async def test_the_target_is_what_the_address_says(autojump_clock, nursery):
    events = await Events(trio_clock()).start(nursery)
    for n, (written, asked) in enumerate(TARGETS.items()):
        posts = Posts()
        feed = await events.feed(f"h{n}")
        settings: Handler = handler(f"http://[2606:2800:220:1::1]:81{written}", name=f"h{n}")
        hook = Webhook(settings, feed, events.outbox, events.metrics, events.clock, connect=posts)
        await nursery.start(hook.run)
        await events.arrive("hello")
        (request,) = [await posts.got(1), posts.requests][1][:1]
        assert request.line == f"POST {asked} HTTP/1.1"
        assert request.headers["host"] == "[2606:2800:220:1::1]:81"
        assert posts.hosts == ["2606:2800:220:1::1"]


# --- TLS --------------------------------------------------------------------------------------------------------------


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    ours = ssl.create_default_context(cafile=GOLDEN / "ca.pem")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(GOLDEN / "receiver.pem")
    return ours, theirs


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_one_connection_by_tls_serves_many_posts(nursery, events, version):
    ours, theirs = contexts()
    theirs.minimum_version = theirs.maximum_version = version
    server = await nursery.start(Server().run_tls, theirs)
    settings = handler(f"https://receiver.example:{server.port}/sms", allow_private=True, concurrency=1)
    feed = await events.feed()
    connect = Dialer("receiver.example", server.port, ours)
    hook = Webhook(settings, feed, events.outbox, events.metrics, events.clock, resolver=loopback, connect=connect)
    await nursery.start(hook.run)
    await events.arrive(*(str(n) for n in range(20)))
    await events.until(lambda: not feed.backlog)
    assert [request.json["text"] for request in server.requests] == [str(n) for n in range(20)]
    assert (server.connections, server.names) == (1, ["receiver.example"])


class Far:
    """The other end of a pair of sockets, which blocks; by TLS if there are contexts for both."""

    def __init__(self, both: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
        near, self.socket = socket.socketpair()
        self.socket.settimeout(10)
        near.setblocking(False)
        self.wire = SocketWire(near)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None
        if both is not None:
            ours, theirs = both
            self.wire = SocketWire(near, Tls(ours, "receiver.example"))
            self._tls = theirs.wrap_bio(self._in, self._out, server_side=True)

    def shake(self) -> None:
        assert self._tls is not None
        while True:
            try:
                return self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                self._in.write(self.socket.recv(OCTETS))

    def records(self, *pieces: bytes) -> bytes:
        """What goes onto the wire for them, each in a record of its own."""
        if self._tls is None:
            return b"".join(pieces)
        for piece in pieces:
            self._tls.write(piece)
        return self._out.read()


@pytest.fixture(params=["plain", "tls"])
async def far(request: pytest.FixtureRequest) -> Far:
    made = Far(contexts() if request.param == "tls" else None)
    if request.param == "tls":
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.wire.handshake)
            await trio.to_thread.run_sync(made.shake)
    return made


async def test_what_lies_behind_an_answer_is_seen(far):
    """Also what came in the same packet as a record of its own, which TLS has not opened yet."""
    far.socket.sendall(far.records(OK, OK))
    assert (await far.wire.receive()).startswith(OK)
    if far._tls is not None:
        assert not far.wire.quiet()
    far.wire.close()
    far.socket.close()


async def test_a_quiet_one_is_quiet_until_something_comes_or_it_ends(far):
    far.socket.sendall(far.records(OK))
    assert await far.wire.receive() == OK
    assert far.wire.quiet()
    far.socket.sendall(far.records(b"x"))
    assert not far.wire.quiet()
    assert await far.wire.receive() == b"x"
    assert far.wire.quiet()
    far.socket.close()
    assert not far.wire.quiet()
    assert await far.wire.receive() == b""
    far.wire.close()
    far.wire.close()


async def test_what_tls_has_to_say_while_we_only_read_is_said():
    """Such as a server that asks for a certificate of ours when the connection stands already (RFC 8446 §4.6.2)."""
    ours, theirs = contexts()
    ours.post_handshake_auth = True
    theirs.load_verify_locations(GOLDEN / "ca.pem")
    theirs.verify_mode = ssl.CERT_OPTIONAL
    theirs.post_handshake_auth = True
    far = Far((ours, theirs))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.wire.handshake)
        await trio.to_thread.run_sync(far.shake)
    assert far._tls is not None
    far._tls.verify_client_post_handshake()
    far.socket.sendall(far.records(b"x"))
    assert await far.wire.receive() == b"x"

    def answered() -> bytes:
        return far.socket.recv(OCTETS)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.wire.receive)
        assert await trio.to_thread.run_sync(answered)
        nursery.cancel_scope.cancel()
    far.wire.close()
    far.socket.close()


async def test_who_answers_without_reading_is_heard(far):
    connection = Connection(far.wire)
    far.socket.sendall(far.records(OK.replace(b"200", b"413")))
    began = time.monotonic()
    response = await connection.ask(b"x" * (16 << 20))
    assert response.status == 413
    assert not await connection.finish()
    assert time.monotonic() - began < 5
    while far.socket.recv(1 << 20):
        pass  # what fitted into the buffers, and an end
    far.socket.close()


async def test_a_long_request_arrives_whole(far):
    request = b"POST / HTTP/1.1\r\n" + bytes(range(256)) * 16_384
    got = bytearray()

    def read() -> None:
        while len(got) < len(request):
            data = far.socket.recv(OCTETS)
            if far._tls is None:
                got.extend(data)
                continue
            far._in.write(data)
            try:
                while data := far._tls.read(OCTETS):
                    got.extend(data)
            except ssl.SSLWantReadError:
                pass
        far.socket.sendall(far.records(OK))

    connection = Connection(far.wire)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, read)
        assert (await connection.ask(request)).status == 200
        assert await connection.finish()
    assert got == request
    connection.close()
    far.socket.close()
