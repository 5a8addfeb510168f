"""The webhook handler against a receiver on loopback: what is on the wire, and every way in which it can go wrong."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing

from gateway import log
from gateway.handlers import exchange
from gateway.handlers.webhook import Webhook
from gateway.handlers.wire import Dialer
from gateway.settings import Handler, Log
from tests.support import httpd
from tests.support.events import NUMBER, PEER, SECRET, Events, handler
from tests.support.httpd import Server, answer


@pytest.fixture
async def server(nursery: trio.Nursery) -> Server:
    return await nursery.start(Server().run)


@pytest.fixture
async def events(nursery: trio.Nursery) -> Events:
    return await Events().start(nursery)


def quick(server: Server, **values: object) -> Handler:
    """A handler for the receiver that tries again at once."""
    values = {"allow_private": True, "retry_min": 0.1, "retry_max": 1, **values}
    return handler(server.url, **values)


async def serve(nursery: trio.Nursery, events: Events, settings: Handler) -> Webhook:
    feed = await events.feed(settings.name)
    webhook = Webhook(settings, feed, events.outbox, events.metrics, events.clock)
    await nursery.start(webhook.run)
    return webhook


async def test_what_is_posted(nursery, server, events):
    webhook = await serve(nursery, events, quick(server))
    before = events.clock.now_ms() // 1000
    await events.arrive('Hi there 👋 ünï "quoted"\n</script>')
    await events.until(lambda: not webhook.feed.backlog)
    (request,) = server.requests
    assert request.line == "POST /sms?key=marked-query HTTP/1.1"
    at, message_id = request.json["at"], request.json["id"]
    assert request.json == {
        "type": "inbound",
        "event_id": f"{webhook.feed.info.id}-1",
        "redelivered": False,
        "at": at,
        "id": message_id,
        "number": NUMBER,
        "peer": PEER,
        "text": 'Hi there 👋 ünï "quoted"\n</script>',
        "data": None,
        "encoding": "gsm7",
        "parts": 1,
        "complete": True,
        "carrier": "acme",
    }
    assert list(request.json)[:3] == ["type", "event_id", "redelivered"]
    headers = request.headers
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("smsgw/")
    assert headers["smsgw-event-id"] == request.json["event_id"]
    assert headers["smsgw-attempt"] == "1"
    assert before <= int(headers["smsgw-timestamp"]) <= before + 2
    signed = f"{headers['smsgw-event-id']}.{headers['smsgw-timestamp']}.".encode() + request.body
    assert headers["smsgw-signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert events.stored_cursor(webhook.feed) == (1, [])
    assert events.count("smsgw_handler_deliveries_total", handler="crm") == 1
    assert events.count("smsgw_handler_failures_total", handler="crm") == 0


async def test_one_connection_serves_many_posts_in_order(nursery, server, events):
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    await events.arrive(*(str(n) for n in range(100)))
    await events.until(lambda: not webhook.feed.backlog)
    assert [request.json["text"] for request in server.requests] == [str(n) for n in range(100)]
    assert server.connections == 1


REDIRECT = answer(302, "Location: /elsewhere\r\n")
FAILURES = {
    "500": (answer(500), "status 500"),
    "404": (answer(404), "status 404"),
    "409": (answer(409, body=b""), "status 409"),
    "302": (REDIRECT, "status 302: redirects are not followed"),
    "308": (answer(308, "Location: http://127.0.0.1/\r\n"), "status 308: redirects are not followed"),
    "304": (answer(304, body=b""), "status 304: redirects are not followed"),
    "closes": (httpd.close, "no proper HTTP answer"),
    "garbage": (httpd.garbage, "no proper HTTP answer"),
    "header fields without end": (httpd.endless_head, "no proper HTTP answer"),
    "half a head": (httpd.half_a_head, "no answer within 0.3 s"),
    "hangs": (httpd.hang, "no answer within 0.3 s"),
    "resets": (httpd.reset, "the connection broke: Connection reset by peer"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_is_tried_again_as_the_same_event(nursery, server, events, name):
    behaviour, words = FAILURES[name]
    server.behaviours.append(behaviour)
    webhook = await serve(nursery, events, quick(server, timeout=0.3))
    await events.arrive("hello")
    await events.until(lambda: bool(webhook.failures))
    assert webhook.last_error == words
    (stored,) = events.stored_retries(webhook.feed).values()
    assert (stored[0], stored[2]) == (1, words)
    assert (webhook.waiting, webhook.feed.backlog) == (1, 0)
    await events.until(lambda: not webhook.failures)
    first, second = server.requests
    assert (first.line, second.line) == ("POST /sms?key=marked-query HTTP/1.1",) * 2
    assert first.event_id == second.event_id
    assert (first.headers["smsgw-attempt"], second.headers["smsgw-attempt"]) == ("1", "2")
    assert (first.json["redelivered"], second.json["redelivered"]) == (False, True)
    assert {**first.json, "redelivered": True} == second.json
    assert events.stored_retries(webhook.feed) == {}
    assert (webhook.waiting, webhook.last_error) == (0, None)
    assert events.count("smsgw_handler_deliveries_total", handler="crm") == 1
    assert events.count("smsgw_handler_failures_total", handler="crm") == 1


async def test_an_answer_is_to_one_post(nursery, server, events):
    server.behaviours += [httpd.answer_twice, answer(500)]
    webhook = await serve(nursery, events, quick(server, concurrency=1))
    await events.arrive("one")
    await events.until(lambda: not webhook.feed.backlog)
    await events.arrive("two")
    await events.until(lambda: bool(webhook.failures))
    assert webhook.last_error == "status 500"
    await events.until(lambda: not webhook.failures)
    assert [request.json["text"] for request in server.requests] == ["one", "two", "two"]
    assert server.connections == 2


async def test_nobody_listens(nursery, server, events):
    webhook = await serve(nursery, events, handler("http://127.0.0.1:1/", allow_private=True))
    await events.arrive("hello")
    await events.until(lambda: bool(webhook.failures))
    assert webhook.last_error == "cannot connect: Connection refused"


async def test_what_does_not_speak_tls(nursery, server, events):
    url = server.url.replace("http:", "https:")
    webhook = await serve(nursery, events, handler(url, allow_private=True, timeout=0.3))
    await events.arrive("hello")
    await events.until(lambda: bool(webhook.failures))
    assert webhook.last_error == "connecting took too long"
    assert server.requests == []


GOLDEN = Path(__file__).parents[1] / "golden/tls"


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "trusted", "error"),
    [
        ("receiver.example", True, None),
        ("receiver.example", False, "certificate refused: unable to get local issuer certificate"),
        (
            "other.example",
            True,
            "certificate refused: Hostname mismatch, certificate is not valid for 'other.example'.",
        ),
    ],
)
async def test_the_certificate_has_to_be_that_of_the_name(nursery, server, events, host, trusted, error):
    """Although the connection goes to an address that was looked up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(GOLDEN / "receiver.pem")
    tls = await nursery.start(Server().run_tls, context)
    connect = None
    if trusted:
        connect = Dialer(host, tls.port, ssl.create_default_context(cafile=GOLDEN / "ca.pem"))
    settings = handler(f"https://{host}:{tls.port}/sms", allow_private=True)
    feed = await events.feed()
    webhook = Webhook(settings, feed, events.outbox, events.metrics, events.clock, resolver=loopback, connect=connect)
    await nursery.start(webhook.run)
    await events.arrive("hello")
    await events.until(lambda: webhook.failures == 1 or not feed.backlog)
    assert webhook.last_error == error
    assert tls.names == [host]
    assert [request.headers["host"] for request in tls.requests] == ([] if error else [f"{host}:{tls.port}"])


SUCCESSES = {
    "200": answer(200),
    "201": answer(201),
    "202": answer(202, body=b""),
    "299": answer(299),
    "200 with cookies": answer(200, "Set-Cookie: a=b\r\n"),
    "200 with 64 KiB": answer(200, body=b"x" * 65_536),
    "200 with 900 KiB": answer(200, body=b"x" * 900_000),
    "200 said to be gzip": answer(200, "Content-Encoding: gzip\r\n"),
    "a body without end": httpd.endless_body,
    "a body that drips": httpd.drip,
}


@pytest.mark.parametrize("name", SUCCESSES)
async def test_an_answer_of_2xx_is_enough(nursery, server, events, name):
    server.behaviours.append(SUCCESSES[name])
    webhook = await serve(nursery, events, quick(server, timeout=0.3, concurrency=1))
    await events.arrive("one", "two")
    await events.until(lambda: not webhook.feed.backlog)
    assert [request.json["text"] for request in server.requests] == ["one", "two"]
    assert "cookie" not in server.requests[1].headers
    # What fits into the buffers of both sockets was poured, and what we read before that: no more.
    assert server.poured < 16 << 20
    assert events.count("smsgw_handler_failures_total", handler="crm") == 0


@pytest.mark.parametrize(
    ("behaviour", "bound", "value"),
    [(httpd.endless_body, "ANSWER_WAIT", 60), (httpd.drip, "ANSWER_WAIT", 0.05)],
    ids=["octets of the body", "time of the body"],
)
async def test_each_bound_of_an_answer_holds_by_itself(nursery, server, events, monkeypatch, behaviour, bound, value):
    """With the other bounds far away, the next event would wait for half a minute."""
    monkeypatch.setattr(exchange, bound, value)
    server.behaviours.append(behaviour)
    webhook = await serve(nursery, events, quick(server, timeout=30, concurrency=1))
    await events.arrive("one", "two")
    await events.until(lambda: not webhook.feed.backlog)
    assert len(server.requests) == 2


async def test_a_slow_receiver_holds_up_nobody_else(nursery, server, events):
    slow = await nursery.start(Server(default=httpd.hang).run)
    slow_hook = await serve(nursery, events, quick(slow, name="slow", timeout=30, concurrency=3))
    hook = await serve(nursery, events, quick(server))
    await events.arrive(*(str(n) for n in range(200)))
    await events.until(lambda: not hook.feed.backlog)
    assert len({request.event_id for request in server.requests}) == 200
    await slow.got(3)
    assert (slow.most_open, slow_hook.feed.backlog) == (3, 200)


async def test_concurrency_is_bounded_and_used(nursery, server, events):
    server.default = httpd.hang
    await serve(nursery, events, quick(server, timeout=30, concurrency=7))
    await events.arrive(*(str(n) for n in range(50)))
    await server.got(7)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert (len(server.requests), server.most_open) == (7, 7)


async def test_a_stop_within_a_post_loses_nothing(nursery, server, events):
    server.default = httpd.hang
    feed = await events.feed()
    async with trio.open_nursery() as first:
        webhook = Webhook(quick(server, timeout=30), feed, events.outbox, events.metrics, events.clock)
        await first.start(webhook.run)
        await events.arrive("one", "two", "three")
        await server.got(3)
        first.cancel_scope.cancel()
    await server.until(lambda: server.open == 0)
    assert (feed.backlog, events.stored_retries(feed)) == (3, {})
    server.default = answer()
    webhook = Webhook(quick(server), feed, events.outbox, events.metrics, events.clock)
    await nursery.start(webhook.run)
    await events.until(lambda: not feed.backlog)
    again = server.requests[3:]
    assert sorted(request.json["text"] for request in again) == ["one", "three", "two"]
    assert all(request.json["redelivered"] for request in again)


INNER = {
    "127.0.0.1": "loopback",
    "localhost": "loopback",
    "2130706433": "loopback",  # decimal
    "0x7f000001": "loopback",
    "017700000001": "loopback",  # octal
    "0x7f.0.0.1": "loopback",
    "127.1": "loopback",
    "0": "unspecified",
    "[::1]": "loopback",
    "[::]": "unspecified",
    "[::ffff:127.0.0.1]": "loopback",
    "[::ffff:7f00:1]": "loopback",
    "[64:ff9b::7f00:1]": "loopback",
    "[2002:7f00:1::]": "6to4",
    "169.254.169.254": "link-local",  # metadata of clouds
    "2852039166": "link-local",
    "[::ffff:169.254.169.254]": "link-local",
    "[fd00:ec2::254]": "private",
    "[fe80::1]": "link-local",
    "10.0.0.1": "private",
    "0xa000001": "private",
    "192.168.257": "private",
    "100.100.100.200": "shared",
}
"""Hosts as somebody writes them who wants to reach what is inside, and as what they are refused."""


@pytest.mark.parametrize("host", INNER)
async def test_no_inner_address_is_reached(nursery, server, events, host):
    webhook = await serve(nursery, events, handler(f"http://{host}:{server.port}/", retry_min=0.1, retry_max=1))
    await events.arrive("hello")
    await events.until(lambda: webhook.failures >= 2)
    assert webhook.last_error is not None
    assert webhook.last_error.startswith("address refused: ")
    assert webhook.last_error.endswith(f" is {INNER[host]}")
    assert server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_inside(nursery, server, events, status):
    """Not even where the receiver itself may be inside."""
    inside = await nursery.start(Server().run)
    server.default = answer(status, f"Location: http://127.0.0.1:{inside.port}/admin\r\n")
    webhook = await serve(nursery, events, quick(server))
    await events.arrive("hello")
    await events.until(lambda: webhook.failures >= 2)
    assert webhook.last_error == f"status {status}: redirects are not followed"
    assert inside.connections == 0


async def test_no_secret_and_no_text_in_the_log(nursery, server, events):
    stream = io.StringIO()
    log.configure(Log(level="debug", format="json"), stream=stream)
    try:
        server.behaviours += [answer(500, "X-Marked: marked-reply\r\n", b"marked-reply"), httpd.close, httpd.close]
        webhook = await serve(nursery, events, quick(server))
        await events.arrive("marked-text", peer="+4915799988877")
        await events.until(lambda: not webhook.failures and not webhook.waiting and not webhook.feed.backlog)
    finally:
        log.configure(Log())
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["delivery_failed", "delivery_failed", "delivered"]
    assert all(line["event_id"] and line["handler"] == "crm" for line in lines)
    for marked in ("marked", SECRET, "15799988877", "/sms"):
        assert marked not in stream.getvalue()
