"""Every error of the local socket: what is wrong is named, the connection lives unless its framing is in doubt."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.apps import AppClient
from tests.support.daemons import gateway

TO = "+12125550101"

# params of submit, field, reason
BAD_SUBMITS: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, "to", "invalid_params"),
    ({"text": "x"}, "to", "invalid_params"),
    ({"to": 12125550101, "text": "x"}, "to", "invalid_params"),
    ({"to": None, "text": "x"}, "to", "invalid_params"),
    ({"to": "", "text": "x"}, "to", "invalid_to"),
    ({"to": "+1", "text": "x"}, "to", "invalid_to"),
    ({"to": "hello", "text": "x"}, "to", "invalid_to"),
    ({"to": "+1212555010112345678", "text": "x"}, "to", "invalid_to"),
    ({"to": "2125550101", "text": "x"}, "to", "invalid_to"),  # national, and no default_region
    ({"to": "1" * 100_000, "text": "x"}, "to", "invalid_to"),
    ({"to": "+1 212\u0000 555 0101", "text": "x"}, "to", "invalid_to"),
    ({"to": TO}, "text", "empty"),
    ({"to": TO, "text": ""}, "text", "empty"),
    ({"to": TO, "text": 5}, "text", "invalid_params"),
    ({"to": TO, "text": ["x"]}, "text", "invalid_params"),
    ({"to": TO, "txt": "x"}, "txt", "invalid_params"),
    ({"to": TO, "text": "x", "form": "+15551230001"}, "form", "invalid_params"),
    ({"to": TO, "text": "x", "from": "+15559999999"}, "from", "invalid_from"),
    ({"to": TO, "text": "x", "from": "no such sender!"}, "from", "invalid_from"),
    ({"to": TO, "text": "x", "from": 1}, "from", "invalid_params"),
    ({"to": TO, "text": "x", "class": "urgent"}, "class", "invalid_params"),
    ({"to": TO, "text": "x", "encoding": "utf8"}, "encoding", "invalid_params"),
    ({"to": TO, "text": "x", "encoding": "binary"}, "encoding", "invalid_params"),
    ({"to": TO, "text": "ż", "encoding": "gsm7"}, "text", "unencodable"),
    ({"to": TO, "text": "€", "encoding": "latin1"}, "text", "unencodable"),
    ({"to": TO, "text": "x" * 10_000}, "text", "too_long"),
    ({"to": TO, "data": "0x"}, "data", "invalid_params"),
    ({"to": TO, "data": "abc"}, "data", "invalid_params"),
    ({"to": TO, "data": "00", "text": "x"}, "data", "invalid_params"),
    ({"to": TO, "data": "00", "encoding": "gsm7"}, "encoding", "invalid_params"),
    ({"to": TO, "data": ""}, "text", "empty"),
    ({"to": TO, "text": "x", "udh": "zz"}, "udh", "invalid_params"),
    ({"to": TO, "text": "x", "udh": "05"}, "udh", "invalid_params"),
    ({"to": TO, "text": "x", "udh": "00" * 200}, "udh", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"tag": "00"}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x10000": "00"}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0": "00"}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x1400": "0"}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": ["0x1400"]}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x1400": 7}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x1400": "00" * 70_000}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x0424": "41"}}, "tlvs", "invalid_params"),  # message_payload is ours
    ({"to": TO, "text": "x", "tlvs": {"0x020E": "41"}}, "tlvs", "invalid_params"),  # and so is the concatenation
    ({"to": TO, "text": "x", "tlvs": {"0x0204": "01"}}, "tlvs", "invalid_params"),  # two octets, not one
    ({"to": TO, "text": "x", "validity": 0}, "validity", "invalid_params"),
    ({"to": TO, "text": "x", "validity": -5}, "validity", "invalid_params"),
    ({"to": TO, "text": "x", "validity": 1e300}, "validity", "invalid_params"),
    ({"to": TO, "text": "x", "validity": "60"}, "validity", "invalid_params"),
    ({"to": TO, "text": "x", "validity": True}, "validity", "invalid_params"),
    ({"to": TO, "text": "x", "send_at": "tomorrow"}, "send_at", "invalid_params"),
    ({"to": TO, "text": "x", "send_at": "2025-10-10T10:00:00"}, "send_at", "invalid_params"),
    ({"to": TO, "text": "x", "send_at": "2099-01-01T00:00:00Z"}, "send_at", "invalid_params"),
    ({"to": TO, "text": "x", "send_at": 1_760_000_000}, "send_at", "invalid_params"),
    ({"to": TO, "text": "x", "priority": 10}, "priority", "invalid_params"),
    ({"to": TO, "text": "x", "priority": -1}, "priority", "invalid_params"),
    ({"to": TO, "text": "x", "priority": 1.5}, "priority", "invalid_params"),
    ({"to": TO, "text": "x", "priority": 10**30}, "priority", "invalid_params"),
    ({"to": TO, "text": "x", "ref": ""}, "ref", "invalid_params"),
    ({"to": TO, "text": "x", "ref": "r" * 129}, "ref", "invalid_params"),
    ({"to": TO, "text": "x", "ref": 7}, "ref", "invalid_params"),
    ({"to": TO, "text": "x", "receipt": "yes"}, "receipt", "invalid_params"),
    ({"to": TO, "text": "x", "flash": 1}, "flash", "invalid_params"),
    ({"to": TO, "text": "x", "transliterate": "yes"}, "transliterate", "invalid_params"),
    ({"to": TO, "text": "x", "national": ["klingon"]}, "national", "invalid_params"),
    ({"to": TO, "text": "x", "national": "turkish"}, "national", "invalid_params"),
    ({"to": TO, "text": "x", "destination_port": 65536}, "destination_port", "invalid_params"),
    ({"to": TO, "text": "x", "destination_port": "2948"}, "destination_port", "invalid_params"),
    ({"to": TO, "text": "x", "source_port": 1}, "source_port", "invalid_params"),
    ({"to": TO, "text": "x", "protocol_id": 256}, "protocol_id", "invalid_params"),
    ({"to": TO, "text": "x", "replace": 8}, "replace", "invalid_params"),
    ({"to": TO, "text": "x", "replace": 1, "protocol_id": 1}, "replace", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"0x1400": 1}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {"no_such_tlv": "00"}}, "tlvs", "invalid_params"),
    ({"to": TO, "text": "x", "meta": []}, "meta", "invalid_params"),
    ({"to": TO, "text": "x", "meta": {"x": "y" * 20_000}}, "meta", "invalid_params"),
    ({"to": TO, "text": "x", "tlvs": {f"0x{0x1400 + i:x}": "00" * 500 for i in range(9)}}, "tlvs", "invalid_params"),
]

# method, params, field, reason
BAD_CALLS: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("message", {}, "id", "invalid_params"),
    ("message", {"id": "x", "ids": ["x"]}, "id", "invalid_params"),
    ("message", {"id": "x"}, "id", "not_found"),
    ("message", {"id": ""}, "id", "not_found"),
    ("message", {"id": 5}, "id", "invalid_params"),
    ("message", {"id": "01890000-0000-7000-8000-000000000000"}, "id", "not_found"),
    ("message", {"ids": ["x"] * 501}, "ids", "invalid_params"),
    ("message", {"ids": "x"}, "ids", "invalid_params"),
    ("message", {"id": "x", "texts": True}, "texts", "invalid_params"),
    ("history", {"id": "x"}, "id", "not_found"),
    ("cancel", {"id": "x"}, "id", "not_found"),
    ("cancel", {}, "id", "invalid_params"),
    ("messages", {"state": "lost"}, "state", "invalid_params"),
    ("messages", {"limit": 0}, "limit", "invalid_params"),
    ("messages", {"limit": 501}, "limit", "invalid_params"),
    ("messages", {"since": "yesterday"}, "since", "invalid_params"),
    ("messages", {"until": "2025-10-10T10:00:00"}, "until", "invalid_params"),
    ("messages", {"before": "x"}, None, "not_found"),
    ("preview", {"to": TO, "text": "ż", "encoding": "gsm7"}, "text", "unencodable"),
    ("preview", {"text": "x"}, "to", "invalid_params"),
    ("resolve", {}, "action", "invalid_params"),
    ("resolve", {"action": "forget", "ids": []}, "action", "invalid_params"),
    ("resolve", {"action": "fail"}, "ids", "invalid_params"),
    ("resolve", {"action": "fail", "ids": ["x"]}, None, "not_found"),
    ("ack", {}, "event_ids", "invalid_params"),
    ("ack", {"up_to": "1-1", "event_ids": []}, "event_ids", "invalid_params"),
    ("ack", {"up_to": "1-1"}, "up_to", "not_found"),
    ("ack", {"event_ids": ["1-1"]}, "event_ids", "not_found"),
    (
        "ack",
        {"event_ids": ["", "-", "1-", "x-y", "9" * 400 + "-1", "1-" + "9" * 400, "-1--1", "1-1-1"]},
        None,
        "not_found",
    ),
    ("unsubscribe", {"name": "x"}, "name", "not_found"),
    ("status", {"all": True}, "all", "invalid_params"),
    ("subscribe", {"numbers": "+1"}, "numbers", "invalid_params"),
]


async def test_bad_requests_name_what_is_wrong(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        cases = [("submit", *case) for case in BAD_SUBMITS] + [("preview", *case) for case in BAD_SUBMITS] + BAD_CALLS
        wrong: list[str] = []
        for method, params, field, reason in cases:
            try:
                with trio.fail_after(5):
                    error = await app.refused(method, **params)
            except (AssertionError, trio.TooSlowError) as failure:
                wrong.append(f"{method} {str(params)[:100]}: {failure!r}"[:250])
                if app.ended:
                    app = await g.connect()
                continue
            code = -32602 if reason == "invalid_params" else -32000
            if (error.code, error.reason) != (code, reason) or (field is not None and error.field != field):
                wrong.append(f"{method} {str(params)[:100]}: {error}"[:250])
        assert not wrong, "\n" + "\n".join(wrong)
        assert not g.segments(), "something was stored"
        # All of that on one connection, which still works.
        assert (await app.call("submit", to=TO, text="x"))["segments"] == 1


@pytest.mark.parametrize(
    ("method", "params", "hint"),
    [
        ("submit", {"to": TO, "txt": "x"}, "'text'"),
        ("submit", {"to": TO, "text": "x", "priorty": 1}, "'priority'"),
        ("submit", {"to": TO, "text": "x", "form": "x"}, "'from'"),
        ("message", {"id": "x", "txt": True}, "'text'"),
        ("subscribe", {"number": []}, "'numbers'"),
        ("submit", {"to": TO, "text": "x", "From": "x"}, "'from'"),
        ("sumbit", {}, "'submit'"),
        ("mesage", {}, "'message'"),
        ("Submit", {}, "'submit'"),
    ],
)
async def test_the_nearest_known_name_is_given(
    autojump_clock: MockClock, method: str, params: dict[str, Any], hint: str
) -> None:
    async with gateway() as g:
        app = await g.connect()
        error = await app.refused(method, **params)
        assert error.code == (-32602 if method in ("submit", "message", "subscribe") else -32601)
        assert f"did you mean {hint}?" in str(error)


SUBMIT = b'{"jsonrpc":"2.0","id":7,"method":"submit","params":{"to":"+12125550101","text":"x",%s}}'


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("submit", {"to": TO, "class": "x"}, "class is one of transactional, direct, marketing"),
        (
            "subscribe",
            {"events": ["receipt", "x"]},
            "events is one of inbound, receipt, peer.created, optout, optin, optout_suspected, consent",
        ),
        ("resolve", {"action": ""}, "action is one of resend, fail"),
    ],
)
async def test_the_words_that_a_member_may_be_are_given(
    autojump_clock: MockClock, method: str, params: dict[str, Any], message: str
) -> None:
    async with gateway() as g:
        app = await g.connect()
        assert json.loads(str(await app.refused(method, **params)))["message"] == message


# a line, code, id of the reply, whether the connection ends
LINES: list[tuple[bytes, int, Any, bool]] = [
    (b"hello", -32700, None, True),
    (b"{", -32700, None, True),
    (b'{"jsonrpc":"2.0","id":1,"method":"status"', -32700, None, True),
    (b'{"jsonrpc":"2.0","id":1,"method":"status"}}', -32700, None, True),
    (b'{"jsonrpc":"2.0","id":1,"method":"status"} {}', -32700, None, True),
    (b'{"id":1,"method":"status","params":{"a":NaN}}', -32700, None, True),
    (b'{"id":NaN,"method":"status"}', -32700, None, True),
    (b'{"id":1,"method":"st\xff\xfeatus"}', -32700, None, True),
    (b"\xff\xfe{\x00}\x00", -32700, None, True),
    (b"GET / HTTP/1.1\r", -32700, None, True),
    (b"[" * 100_000, -32600, None, False),  # a batch in any case
    (b'{"id":1,"method":"status","params":' + b'{"a":' * 100_000, -32700, None, True),
    # Deeper than any Python reads; how deep that is differs: some 1000 in 3.11, 1500 in 3.12.1, 10,000 in 3.13.0.
    (b'{"id":1,"method":"status","params":' + b"[" * 400_000 + b"]" * 400_000 + b"}", -32700, None, True),
    (b'[{"jsonrpc":"2.0","id":1,"method":"status"}]', -32600, None, False),
    (b"[]", -32600, None, False),
    (b"5", -32600, None, False),
    (b"null", -32600, None, False),
    (b'"status"', -32600, None, False),
    (b"{}", -32600, None, False),
    (b'{"jsonrpc":"2.0","id":7}', -32600, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":5}', -32600, 7, False),
    (b'{"jsonrpc":"1.0","id":7,"method":"status"}', -32600, 7, False),
    (b'{"jsonrpc":2.0,"id":"x","method":"status"}', -32600, "x", False),
    (b'{"jsonrpc":"2.0","id":{"a":1},"method":"status"}', -32600, None, False),
    (b'{"jsonrpc":"2.0","id":[1],"method":"status"}', -32600, None, False),
    (b'{"jsonrpc":"2.0","id":true,"method":"status"}', -32600, None, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"status","params":[]}', -32602, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"status","params":5}', -32602, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"submit","params":["+12125550101","x"]}', -32602, 7, False),
    (SUBMIT % b'"meta":{"x":1e999}', -32602, 7, False),
    (SUBMIT % (b'"meta":{"x":' + b"9" * 5000 + b"}"), -32602, 7, False),
    (SUBMIT % b'"validity":1e999', -32602, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":""}', -32601, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"rpc.discover"}', -32601, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"' + b"m" * 900_000 + b'"}', -32601, 7, False),
    (b'{"jsonrpc":"2.0","id":7,"method":"submit","params":{"' + b"m" * 900_000 + b'":1}}', -32602, 7, False),
]


async def lines_of(app: AppClient, data: bytes) -> list[dict[str, Any]]:
    """What is answered to octets, up to the answer to a request behind them or the end."""
    seen = len(app.lines)
    try:
        await app.write(data + b'\n{"jsonrpc":"2.0","id":"probe","method":"status"}\n')
    except trio.BrokenResourceError:
        pass
    while not app.ended and not any(line.get("id") == "probe" for line in app.lines[seen:]):  # noqa: ASYNC110
        await trio.sleep(0.001)
    return app.lines[seen:]


async def test_lines_that_are_no_requests(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        wrong: list[str] = []
        for data, code, id, ends in LINES:
            got = await lines_of(app, data)
            first = got[0] if got else {}
            error = first.get("error", {})
            if (error.get("code"), first.get("id"), app.ended, len(got)) != (code, id, ends, 1 if ends else 2):
                wrong.append(f"{data[:80]!r}: {len(got)} lines, ended={app.ended}, {str(first)[:200]}")
            elif len(json.dumps(error)) > 2000:
                wrong.append(f"{data[:80]!r}: an error of {len(json.dumps(error))} octets")
            if app.ended:
                app = await g.connect()
        assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("depth", [10, 100, 500, 900, 950, 980, 990, 995, 1000, 2000, 5000, 9990, 50_000])
async def test_deep_nesting_is_an_answer_not_an_accident(autojump_clock: MockClock, depth: int) -> None:
    """Whatever the depth at which something gives up: others in the same write are served."""
    async with gateway() as g:
        app = await g.connect()
        meta = b'{"a":' * depth + b"1" + b"}" * depth
        submit = b'{"jsonrpc":"2.0","id":%d,"method":"submit","params":{"to":"+12125550101","text":"x","ref":"%d"%s}}\n'
        await app.write(submit % (101, 1, b"") + submit % (102, 2, b',"meta":' + meta) + submit % (103, 3, b""))
        await trio.sleep(1)
        assert "result" in await app.reply(101)
        if not app.ended:
            assert "result" in await app.reply(103)
            second = await app.reply(102)
            assert "result" in second or second["error"]["code"] == -32602
            if "result" in second:
                shown = await app.call("message", id=second["result"]["id"])
                assert shown["meta"] is not None
        else:
            # Nested deeper than it can be read. What came before is carried out and answered.
            assert [line["error"]["code"] for line in app.lines if "error" in line] == [-32700]
            assert len(app.lines) == 2
            assert depth > 500


async def test_what_can_be_read_and_not_be_written_again_is_refused(autojump_clock: MockClock) -> None:
    """Where the reader still goes down and the writer, called from further down, does not; also under a ref in use."""
    async with gateway() as g:
        app = await g.connect()
        refused = 0
        await app.write(
            b'{"jsonrpc":"2.0","id":1,"method":"submit","params":{"to":"+12125550101","text":"x","ref":"r"}}\n'
        )
        for depth in range(999, 880, -1):
            meta = b'{"a":' * depth + b"1" + b"}" * depth
            params = b'{"to":"+12125550101","text":"x","ref":"r","meta":%s}' % meta
            await app.write(b'{"jsonrpc":"2.0","id":%d,"method":"submit","params":%s}\n' % (depth, params))
            await trio.sleep(0.1)
            if app.ended:
                assert [one["error"]["code"] for one in app.lines if "error" in one] == [-32700]
                app = await g.connect()
                continue
            error = (await app.reply(depth))["error"]
            refused += error["data"]["detail"] == "meta is nested too deeply" if "detail" in error["data"] else 0
            assert (error["code"], error["data"]["reason"]) in {(-32602, "invalid_params"), (-32000, "ref_conflict")}
        assert error["data"]["reason"] == "ref_conflict"
        assert refused


@pytest.mark.parametrize("escaped", [rb"\ud800", rb"\udc00", rb"\ud83d", rb"\ud83dx", rb"\udc4b\ud83d"])
async def test_lone_surrogates_are_refused_by_name(autojump_clock: MockClock, escaped: bytes) -> None:
    """What a careless language writes of half an emoji. It is not text, and must neither be stored nor end the
    connection."""
    async with gateway() as g:
        app = await g.connect()
        line = b'{"jsonrpc":"2.0","id":%d,"method":"submit","params":{"to":"+12125550101","text":"Hi %s"}}\n'
        await app.write(line % (101, b"") + line % (102, escaped) + line % (103, rb"\ud83d\udc4b"))
        assert "result" in await app.reply(101)
        error = (await app.reply(102))["error"]
        assert (error["code"], error["data"]) == (-32602, {"reason": "invalid_params", "field": "text"})
        id = (await app.reply(103))["result"]["id"]
        assert (await app.call("message", id=id, text=True))["text"] == "Hi 👋"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        (rb'"to":"+12125550101","text":"Hi","meta":{"a":["\ud800"]}', "meta"),
        (rb'"to":"+12125550101","text":"Hi","tlvs":{"\udc00":"00"}', "tlvs"),
        (rb'"\ud800":"\ud800"', None),  # no name to give back
    ],
)
async def test_the_member_with_half_of_a_surrogate_pair_is_named(
    autojump_clock: MockClock, members: bytes, field: str | None
) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.write(b'{"jsonrpc":"2.0","id":101,"method":"submit","params":{%s}}\n' % members)
        assert (await app.reply(101))["error"]["data"].get("field") == field
