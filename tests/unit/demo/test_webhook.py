"""The demo's webhook takes what is signed as documented, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
import trio

from gateway.demo.webhook import Receiver
from gateway.handlers.post import sign

KEY = "a-key-of-the-demo"
BODY = json.dumps({"type": "inbound", "event_id": "1-7", "peer": "+12015550147", "text": "Hi 👋"}).encode()


def request(body: bytes = BODY, *, key: str = KEY, event_id: str = "1-7", at: int | None = None) -> bytes:
    stamp = int(time.time()) if at is None else at
    signed = f"{event_id}.{stamp}.".encode() + body
    signature = "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    head = (
        f"POST /sms HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nSmsgw-Event-Id: {event_id}\r\n"
        f"Smsgw-Timestamp: {stamp}\r\nSMSGW-SIGNATURE: {signature}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(KEY)


@pytest.fixture
async def stream(receiver: Receiver, nursery: trio.Nursery) -> AsyncIterator[trio.SocketStream]:
    port = await nursery.start(receiver.serve)
    async with await trio.open_tcp_stream("127.0.0.1", port) as connected:
        yield connected


async def answer(stream: trio.SocketStream) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = await stream.receive_some()
        if not more:
            break
        data += more
    return data.split(b"\r\n")[0]


async def test_posts_that_are_signed_are_taken(receiver: Receiver, stream: trio.SocketStream) -> None:
    both = request() + request(BODY.replace(b"Hi", b"Yo"))
    for octet in range(len(both)):  # cut everywhere, on one connection
        await stream.send_all(both[octet : octet + 1])
        if octet == len(request()) - 1:
            assert await answer(stream) == b"HTTP/1.1 204 No Content"
    assert await answer(stream) == b"HTTP/1.1 204 No Content"
    assert [post["text"][:2] for post in receiver.posts] == ["Hi", "Yo"]
    assert receiver.refused == []
    assert (await receiver.event("inbound", peer="+12015550147"))["text"] == "Hi 👋"


async def test_an_event_is_waited_for(receiver: Receiver, stream: trio.SocketStream, nursery: trio.Nursery) -> None:
    found: list[str] = []

    async def wait() -> None:
        found.append((await receiver.event("inbound"))["text"])

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert found == []
    await stream.send_all(request())
    await answer(stream)
    await trio.testing.wait_all_tasks_blocked()
    assert found == ["Hi 👋"]


@pytest.mark.parametrize(
    ("make", "why"),  # made when the test runs: a suite lasts longer than a signature
    [
        (lambda: request(key="another key"), "the signature is wrong"),
        (lambda: request().replace(b"Hi", b"Ho"), "the signature is wrong"),
        (lambda: request().replace(b"Event-Id: 1-7", b"Event-Id: 1-8"), "the signature is wrong"),
        (lambda: request(at=1_700_000_000), "the signature is old"),
        (lambda: request(event_id="1-8"), "the event's id is another than the signed one"),
    ],
)
async def test_posts_that_are_not_right_are_refused(
    receiver: Receiver, stream: trio.SocketStream, make: Callable[[], bytes], why: str
) -> None:
    await stream.send_all(make())
    assert await answer(stream) == b"HTTP/1.1 401 Unauthorized"
    assert receiver.refused == [why]
    assert receiver.posts == []


@pytest.mark.parametrize("octets", [b"\r\n\r\n" * 2, b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"x" * 40_000])
async def test_what_is_no_post_takes_nothing(receiver: Receiver, stream: trio.SocketStream, octets: bytes) -> None:
    await stream.send_all(octets)
    await stream.send_eof()
    while await stream.receive_some():
        pass
    assert receiver.posts == []


def test_the_handlers_signature_is_the_documented_one() -> None:
    head = request(at=1_760_000_000).split(b"SMSGW-SIGNATURE: ")[1].split(b"\r\n")[0].decode()
    assert sign(KEY.encode(), "1-7", 1_760_000_000, BODY) == head
