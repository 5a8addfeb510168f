"""A capture over the socket: what passes on a carrier's binds, and nobody is held up or told a password."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.carrier import capture as module
from gateway.smpp.codec import decode
from gateway.smpp.pdu import BindTransceiver, BindTransceiverResp, DeliverSm, Pdu, SubmitSm, SubmitSmResp
from tests.support.apps import AppClient, RpcError
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import address, peers

NUMBER, TO = "+15551230001", peers(1)[0]


def records(app: AppClient) -> list[dict[str, Any]]:
    """All records that came."""
    return [r for e in app.events if e["method"] == "capture" for r in e["params"]["records"]]


def pdus(app: AppClient) -> Iterator[tuple[bool, Pdu]]:
    """(whether we sent it, PDU) of all that are whole."""
    for record in records(app):
        if record["what"] == "pdu" and "note" not in record:
            yield record["sent"], decode(base64.b64decode(record["data"]))[2]


def ends(app: AppClient) -> list[dict[str, Any]]:
    return [e["params"] for e in app.events if e["method"] == "capture_ended"]


def taps(g: Gateway) -> list[Any]:
    return [b.link.tap for c in g.daemon.outbound.carriers.values() for b in c.binds if b.link is not None]


async def test_a_session_that_is_up(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        begun = await app.call("capture", carrier="acme")
        assert begun == {"carrier": "acme", "binds": [{"name": "acme/1", "state": "bound"}]}
        await app.call("submit", to=TO, text="seen")
        await app.until(lambda: len(list(pdus(app))) == 2)
        (opened, *_) = records(app)
        assert opened == {
            "what": "opened",
            "at": opened["at"],
            "connection": 1,
            "bind": "acme/1",
            "local": None,
            "remote": None,
            "ours": True,
            "tls": False,
            "begun": False,
        }
        (out, submit), (back, response) = pdus(app)
        assert (out, back) == (True, False)
        assert isinstance(submit, SubmitSm)
        assert submit.short_message == b"seen"
        assert isinstance(response, SubmitSmResp)


async def test_from_before_the_bind_with_no_password(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        bound = await g.smsc.bound()
        await app.call("capture", carrier="acme")
        bound.disconnect()
        await g.smsc.bound(2)
        await app.until(lambda: len(list(pdus(app))) == 2)
        assert [r["what"] for r in records(app)] == ["opened", "ended", "opened", "pdu", "pdu"]
        assert records(app)[1]["by"] == "carrier"
        assert records(app)[2]["begun"] is True
        (out, bind), (_, response) = pdus(app)
        assert out
        assert isinstance(bind, BindTransceiver)
        assert (bind.system_id, bind.password) == ("user", "******")
        assert isinstance(response, BindTransceiverResp)
        assert "secret" not in str(app.lines)


async def test_a_bind_that_is_refused_is_seen(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        bound = await g.smsc.bound()
        await app.call("capture", carrier="acme")
        g.smsc.bind_status = 0x0E
        bound.disconnect()
        await app.until(lambda: len([r for r in records(app) if r["what"] == "ended"]) == 2)
        *_, request, response, end = records(app)
        assert (request["sent"], response["sent"]) == (True, False)
        assert decode(base64.b64decode(response["data"]))[1] == 0x0E
        assert end["by"] == "us"


async def test_one_bind_alone(autojump_clock: MockClock) -> None:
    async with gateway(carrier='bind = "pair"\nbinds = 2') as g:
        app = await g.connect()
        await g.smsc.bound(4)
        begun = await app.call("capture", carrier="acme", bind="2")
        assert [b["name"] for b in begun["binds"]] == ["acme/2t", "acme/2r"]
        other = await g.connect()
        begun = await other.call("capture", carrier="acme", bind="acme/1r")
        assert [b["name"] for b in begun["binds"]] == ["acme/1r"]
        await g.settled()
        assert {r["bind"] for r in records(app)} == {"acme/2t", "acme/2r"}
        assert {r["bind"] for r in records(other)} == {"acme/1r"}


async def test_it_ends_by_count_and_the_link_is_free_again(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("capture", carrier="acme", count=3)
        for number in range(4):
            await app.call("submit", to=TO, text=str(number))
        await app.until(lambda: ends(app))
        assert ends(app) == [{"reason": "count", "pdus": 3, "dropped": 0}]
        assert len(list(pdus(app))) == 3
        assert taps(g) == [None]
        assert g.daemon.outbound.captures["acme"].active == []


async def test_it_ends_by_time(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("capture", carrier="acme", seconds=5)
        await app.call("submit", to=TO, text="seen")
        started = trio.current_time()
        await app.until(lambda: ends(app))
        assert trio.current_time() - started == pytest.approx(5, abs=0.5)
        assert ends(app) == [{"reason": "seconds", "pdus": 2, "dropped": 0}]
        assert taps(g) == [None]


async def test_it_ends_with_the_connection_of_its_reader(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("capture", carrier="acme")
        assert taps(g) != [None]
        await app.close()
        await g.until(lambda: taps(g) == [None])
        assert g.daemon.outbound.captures["acme"].active == []


async def test_a_reload_does_not_end_it(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("capture", carrier="acme")
        g.config.write_text(g.config.read_text().replace('"secret"', '"another"'))
        assert (await app.call("reload"))["changed"] == ["carriers.acme"]
        await g.smsc.bound(2)
        await app.until(lambda: any(isinstance(p, BindTransceiver) for _, p in pdus(app)))
        assert ends(app) == []


async def test_a_reader_that_does_not_read_is_left_behind_and_no_bind_waits(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RECORDS", 20)
    async with gateway() as g:
        app = await g.connect()
        bound = await g.smsc.bound()
        await app.call("capture", carrier="acme")
        await g.settled()
        (capture,) = g.daemon.outbound.captures["acme"].active
        (tap,) = taps(g)
        for _ in range(150):  # in one turn, before the reader has its
            tap.received(bytes.fromhex("00000010000000150000000000000001"))
        assert capture.dropped == 130
        bound.deliver(DeliverSm(source=address(TO), destination=address(NUMBER), short_message=b"after"))
        await app.until(lambda: any(isinstance(p, DeliverSm) for _, p in pdus(app)))
        (after,) = [r for r in records(app) if r.get("lost")]
        assert (after["lost_pdus"], after["lost"]) == (130, 130 * 16)
        assert app.events[-1]["params"]["dropped"] == 130


async def test_a_capture_that_nobody_reads_ends(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = module.Capture(lambda _: True, None)
    monkeypatch.setattr(module, "MOST_RECORDS", 2)
    piece = module.Piece(1, 1, True, b"x" * 16)
    for _ in range(3):
        capture.add(piece)
    assert (capture.dropped, capture.over) == (1, None)
    await trio.sleep(module.DEAF_AFTER + 1)
    capture.add(piece)
    assert capture.over == "deaf"
    assert len(await capture.take()) == 2
    assert await capture.take() == []


async def test_octets_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = module.Capture(lambda _: True, None)
    monkeypatch.setattr(module, "MOST_OCTETS", 100)
    for _ in range(5):
        capture.add(module.Piece(1, 1, False, b"x" * 40))
    assert (capture.pdus, capture.dropped) == (2, 3)
    await capture.take()
    capture.add(module.Piece(2, 1, False, b"y"))
    (piece,) = await capture.take()
    assert isinstance(piece, module.Piece)
    assert (piece.lost, piece.lost_pdus) == (120, 3)


async def test_octets_that_are_no_pdu_are_shown_without_what_we_know_to_be_secret(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await g.smsc.bound()
        await app.call("capture", carrier="acme")
        (tap,) = taps(g)
        tap.received(b"GET /?password=secret HTTP/1.1\r\n")
        await app.until(lambda: len(records(app)) == 2)
        piece = records(app)[1]
        assert piece["note"] == "no_pdu"
        assert base64.b64decode(piece["data"]) == b"GET /?password=****** HTTP/1.1\r\n"


async def test_a_pdu_that_the_end_of_the_connection_cuts(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        bound = await g.smsc.bound()
        await app.call("capture", carrier="acme")
        (tap,) = taps(g)
        tap.received(bytes.fromhex("000000400000000500000000"))
        bound.disconnect()
        await app.until(lambda: any(r["what"] == "ended" for r in records(app)))
        _, piece, ended, *_ = records(app)
        assert (piece["note"], len(base64.b64decode(piece["data"]))) == ("cut", 12)
        assert ended["by"] == "carrier"


async def test_only_so_many_at_a_time(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        for _ in range(module.MOST_CAPTURES):
            await app.call("capture", carrier="acme")
        with pytest.raises(RpcError) as refused:
            await app.call("capture", carrier="acme")
        assert refused.value.reason == "too_many"


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"carrier": "acne"}, "carrier", "did you mean 'acme'?"),
        ({"carrier": "zzz"}, "carrier", "there is acme"),
        ({"carrier": "acme", "bind": "7"}, "bind", "it has 1"),
        ({"carrier": "acme", "seconds": 0}, "seconds", "seconds"),
        ({"carrier": "acme", "count": 0}, "count", "at least 1"),
        ({}, "carrier", "required"),
    ],
)
async def test_what_cannot_be_captured_is_said(
    autojump_clock: MockClock, params: dict[str, Any], field: str, said: str
) -> None:
    async with gateway() as g:
        app = await g.connect()
        with pytest.raises(RpcError) as refused:
            await app.call("capture", **params)
        assert refused.value.code == -32602
        assert refused.value.field == field
        assert said in str(refused.value)
