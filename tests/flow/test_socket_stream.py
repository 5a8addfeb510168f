"""The socket as a stream: many requests in a write, half lines, line ends, ids, and readers that do not read."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import Commits, Gateway, gateway
from tests.support.smsc import peers

TO = "+12125550101"
SUBMIT = b'{"jsonrpc":"2.0","id":%d,"method":"submit","params":{"to":"+1212555%04d","text":"x","ref":"%d"}}\n'


@pytest.mark.parametrize(
    "id",
    [
        "1",
        "0",
        "-7",
        "1.5",
        "1e3",
        "123456789012345678901234567890",
        '""',
        '"abc"',
        r'"a\"b\\"',
        r'"\u00e4"',
        '"ä👋"',
        '"null"',
    ],
)
@pytest.mark.parametrize("method", ["submit", "status", "nonsense"])
async def test_an_id_comes_back_as_it_was_written(autojump_clock: MockClock, id: str, method: str) -> None:
    async with gateway() as g:
        stream = await trio.open_unix_socket(str(g.daemon.settings.socket.path))
        async with stream:
            await stream.send_all(
                f'{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"to":"{TO}","text":"x"}}}}\n'.encode()
                if method == "submit"
                else f'{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}\n'.encode()
            )
            data = b""
            while not data.endswith(b"\n"):
                data += await stream.receive_some()
            assert data.startswith(f'{{"jsonrpc":"2.0","id":{id},"'.encode())
            json.loads(data)


async def test_requests_without_an_id_are_carried_out_and_not_answered(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        lines: list[dict[str, Any]] = [
            {"method": "submit", "params": {"to": TO, "text": "one"}},
            {"method": "submit", "params": {"to": TO, "text": "two"}, "id": None},
            {"method": "submit", "params": {"to": "nobody", "text": "x"}},
            {"method": "submit", "params": {"txt": "x"}},
            {"method": "nonsense"},
            {"method": "status", "params": {}},
            {"method": "subscribe", "params": {"max_unacked": -1}},
            {"method": "ack", "params": {"up_to": "9-9"}},
            {"method": "ack", "params": {}},
            {"method": "subscribe", "params": {"name": "quiet"}},
        ]
        await app.write(b"".join(json.dumps({"jsonrpc": "2.0"} | line).encode() + b"\n" for line in lines))
        await app.call("status")
        await g.smsc.came(2)
        await g.settled()
        assert [line for line in app.lines if "method" not in line] == app.lines
        assert len(app.lines) == 1
        assert g.smsc.texts == ["one", "two"]
        assert await app.call("unsubscribe", name="quiet") == {"name": "quiet", "dropped": 0}


@pytest.mark.parametrize("size", [1, 7, 100, 4096])
async def test_lines_may_come_in_pieces(autojump_clock: MockClock, size: int) -> None:
    """With CRLF, blanks and empty lines between them."""
    async with gateway() as g:
        app = await g.connect()
        count = 20
        data = b"\r\n\n  \n" + b"\r\n \t".join((SUBMIT % (i, i, i)).strip() for i in range(count)) + b"\r\n"
        for at in range(0, len(data), size):
            await app.write(data[at : at + size])
            await g.settled()
        ids = set()
        for i in range(count):
            ids.add((await app.reply(i))["result"]["id"])
        assert len(ids) == count


async def test_many_requests_in_one_write(autojump_clock: MockClock) -> None:
    """Each gets its own answer, whatever is between; nothing is answered twice."""
    async with gateway() as g:
        app = await g.connect()
        lines = []
        for i in range(3000):
            if i % 7 == 3:
                lines.append(b'{"jsonrpc":"2.0","id":%d,"method":"message","params":{"id":"x"}}\n' % i)
            elif i % 7 == 5:
                lines.append(b'{"jsonrpc":"2.0","id":%d,"method":"submit","params":{"to":"x","text":"x"}}\n' % i)
            else:
                lines.append(SUBMIT % (i, i, i))
        await app.write(b"".join(lines))
        for i in range(3000):
            line = await app.reply(i)
            if i % 7 == 3:
                assert line["error"]["data"]["reason"] == "not_found"
            elif i % 7 == 5:
                assert line["error"]["data"]["reason"] == "invalid_to"
            else:
                assert line["result"]["to"] == f"+1212555{i:04}"
        assert len(app.lines) == 3000


async def test_a_reply_leaves_after_its_commit(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        commits.hold()
        await app.write(SUBMIT % (1, 1, 1))
        await trio.sleep(5)
        assert not app.lines
        commits.release()
        id = (await app.reply(1))["result"]["id"]
        # And the message is there at once.
        assert (await app.message(id))["id"] == id


async def test_a_reference_is_taken_once(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        one, two = await g.connect(), await g.connect()
        same = ("submit", {"to": TO, "text": "x", "ref": "r"})
        outcomes = await one.calls([same] * 3)
        again = await two.call(*same[:1], **same[1])
        assert len({o["id"] for o in outcomes} | {again["id"]}) == 1
        assert [o["duplicate"] for o in outcomes] == [False, True, True]
        assert again["duplicate"] is True
        for other in ({"text": "y"}, {"to": peers(1)[0]}, {"class": "marketing"}, {"meta": {}}):
            error = await one.refused("submit", **(same[1] | other))
            assert (error.code, error.reason, error.field) == (-32000, "ref_conflict", "ref")
        await g.settled()
        assert g.smsc.texts == ["x"]
        assert again["state"] in ("queued", "submitting", "sent")
        assert (await one.call("submit", **same[1]))["state"] == "sent"


async def test_a_line_may_have_a_mebibyte_and_no_more(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        head, tail = b'{"jsonrpc":"2.0","id":1,"method":"message","params":{"id":"', b'"}}'
        fits = head + b"x" * ((1 << 20) - len(head) - len(tail)) + tail
        app = await g.connect()
        await app.write(fits + b"\n")
        assert (await app.reply(1))["error"]["data"]["reason"] == "not_found"
        await app.write(head + b"x" + fits[len(head) :] + b"\n" + SUBMIT % (2, 2, 2))
        await app.end()
        error = app.lines[-1]["error"]
        assert error["code"] == -32700
        assert "1048576" in error["message"]
        assert not g.segments()


async def test_a_line_without_an_end_is_given_up(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await app.write(b"x" * (64 << 20))
        await app.end()
        assert app.lines[-1]["error"]["code"] == -32700
        await g.settled()
        assert not g.daemon.server.connections


async def test_half_a_line_at_the_end_is_nothing(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.write(SUBMIT % (1, 1, 1) + (SUBMIT % (2, 2, 2))[:-2])
        await app.stream.send_eof()
        assert "result" in await app.reply(1)
        await app.end()
        assert len(app.lines) == 1
        assert len(g.segments()) == 1


async def test_who_closes_its_writing_end_still_gets_all_replies(autojump_clock: MockClock) -> None:
    """As `nc -U` does; more than a socket's buffer holds, and read slowly."""
    async with gateway() as g:
        count = 4000
        stream = await trio.open_unix_socket(str(g.daemon.settings.socket.path))
        async with stream:
            await stream.send_all(b"".join(SUBMIT % (i, i, i) for i in range(count)))
            await stream.send_eof()
            await g.settled()
            data = bytearray()
            while chunk := await stream.receive_some(10_000):
                data += chunk
        lines = [json.loads(line) for line in data.splitlines()]
        assert sorted(line["id"] for line in lines) == list(range(count))


SMALL = "max_output = 65536\nmax_unanswered = 50"


class Deaf:
    """An application that writes and, until it is told to, does not read."""

    def __init__(self, g: Gateway, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.lines: list[dict[str, Any]] = []
        (self.connection,) = g.daemon.server.connections

    @classmethod
    async def connect(cls, g: Gateway) -> Deaf:
        stream = await trio.open_unix_socket(str(g.daemon.settings.socket.path))
        stream.socket.setsockopt(1, 8, 4096)  # SOL_SOCKET, SO_RCVBUF
        await g.settled()
        return cls(g, stream)

    def within_bounds(self, more: int) -> None:
        """At the bound reading stops; what one read brought is still answered, with ``more`` octets."""
        assert self.connection._out_octets <= 65_536 + more
        assert self.connection._unanswered <= 50 + 3000

    async def read(self, count: int) -> None:
        """Reads until there are so many lines."""
        data = b""
        while len(self.lines) < count:
            *whole, data = (data + await self.stream.receive_some(65_536)).split(b"\n")
            self.lines += [json.loads(line) for line in whole]


async def serves_others(g: Gateway) -> None:
    """An honest application is answered at once."""
    app = await g.connect()
    before = trio.current_time()
    await app.submit("honest")
    assert trio.current_time() - before < 0.1
    await app.close()


@pytest.mark.parametrize("method", ["submit", "message", "nonsense", "ack"])
async def test_who_reads_no_replies_is_read_no_more(autojump_clock: MockClock, method: str) -> None:
    """Its memory here is bounded, others are served, and nothing is lost once it reads."""
    async with gateway(socket=SMALL) as g:
        deaf = await Deaf.connect(g)
        count = 5000
        params = {"submit": {"to": "x"}, "ack": {"up_to": "1-1"}}.get(method, {"id": "x"})
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": f"{i}" + "x" * 200, "method": method, "params": params})
            for i in range(count)
        ]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deaf.stream.send_all, "".join(line + "\n" for line in lines).encode())
            for _ in range(20):
                await trio.sleep(0.5)
                deaf.within_bounds(450_000)
            await serves_others(g)
            await deaf.read(count)
        assert sorted(line["id"] for line in deaf.lines) == sorted(json.loads(line)["id"] for line in lines)
        await deaf.stream.aclose()


async def test_who_reads_neither_replies_nor_events_is_served_again_when_it_reads(autojump_clock: MockClock) -> None:
    """The reader and two subscriptions of one connection all wait for the same room."""
    async with gateway(socket=SMALL, answer=lambda _: 0x0B) as g:
        helper = await g.connect()
        for name in ("a", "b"):
            await helper.call("subscribe", name=name)
        await helper.close()
        helper = await g.connect()
        # Each is refused by the carrier, which makes an event with the meta in it.
        ids = await helper.submits([{"to": p, "text": "x", "meta": {"m": "y" * 500}} for p in peers(1000)])
        await g.until(lambda: g.segments("1", "state < 5") == [])
        await helper.close()
        await g.settled()
        deaf = await Deaf.connect(g)
        subscribe = b'{"jsonrpc":"2.0","id":"%s","method":"subscribe","params":{"name":"%s","max_unacked":19999}}\n'
        async with trio.open_nursery() as nursery:
            requests = b"".join(SUBMIT % (i, i, i) for i in range(3000))
            nursery.start_soon(deaf.stream.send_all, subscribe % (b"a", b"a") + subscribe % (b"b", b"b") + requests)
            for _ in range(20):
                await trio.sleep(0.5)
                deaf.within_bounds(1_000_000)
            await serves_others(g)
            # Two replies, 3000 more, 2000 events that waited and one for each new message in each subscription, and
            # that of the honest one.
            await deaf.read(2 + 3000 + 2 * (1000 + 3000 + 1))
        replies = [line for line in deaf.lines if "id" in line]
        assert len(replies) == 3002
        told = [line["params"]["id"] for line in deaf.lines if line.get("method") == "receipt"]
        assert {id: told.count(id) for id in ids} == dict.fromkeys(ids, 2)
        await deaf.stream.aclose()
