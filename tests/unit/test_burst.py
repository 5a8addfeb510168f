"""gateway.doors.burst: many requests read in one go are what they are line by line, or are not taken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.doors import rpc
from gateway.doors.burst import AckLine, AckParams, SubmitLine, read_burst
from gateway.outbound.request import Refusal, Submit

SUBMIT = b'{"jsonrpc":"2.0","id":1,"method":"submit","params":{"to":"+12125550101","text":"a } \\n { b"}}'
FULL = (
    b'{"params":{"to":"1","from":"+15551230001","class":"marketing","meta":{"a":[{}]},"ref":"r"},'
    b' "method":"submit","other":[{"method":"ack"}],"jsonrpc":"2.0","id":9223372036854775807}'
)
TOLD = b'{"method":"submit","params":{"to":"2","text":"\xf0\x9f\x91\x8b"}}'
ACK = b'{"jsonrpc":"2.0","method":"ack","params":{"up_to":"3-17"}}'
EVENTS = b'{"jsonrpc":"2.0","id":2,"method":"ack","params":{"event_ids":["3-1","3-2"]}}'


def one_by_one(line: bytes) -> tuple[str, Any, bytes | None]:
    """Method, parameters and id of a line as `gateway.doors.rpc` reads it."""
    request = rpc.read_request(line)
    params = rpc.read_params(request.params, Submit if request.method == "submit" else AckParams)
    return request.method, params, None if request.id is None else bytes(request.id)


def in_one_go(line: SubmitLine | AckLine) -> tuple[str, Any, bytes | None]:
    """The same of one that was read in one go."""
    method = "submit" if isinstance(line, SubmitLine) else "ack"
    return method, line.params, None if line.id is None else str(line.id).encode()


@pytest.mark.parametrize("lines", [[SUBMIT], [ACK], [TOLD, SUBMIT, ACK, FULL, EVENTS] * 40])
def test_a_burst_is_what_its_lines_are(lines: list[bytes]) -> None:
    burst = read_burst(b"\n".join(lines))
    assert burst is not None
    assert [in_one_go(line) for line in burst] == [one_by_one(line) for line in lines]


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        SUBMIT + ACK,
        SUBMIT[:-1] + b",\n" + b'"x":1}',
        SUBMIT + SUBMIT + b"\n" + SUBMIT[:-1] + b"\n}",
        b'{"jsonrpc":"2.0","id":1,"method":"status","params":{}}',
        SUBMIT.replace(b'"2.0"', b'"1.0"'),
        SUBMIT.replace(b'"id":1', b'"id":"a"'),
        SUBMIT.replace(b'"id":1', b'"id":-0'),
        SUBMIT.replace(b'"id":1', b'"id":1.0'),
        SUBMIT.replace(b'"id":1', b'"id":[1]'),
        SUBMIT.replace(b'"id":1', b'"id":true'),
        SUBMIT.replace(b'"id":1', b'"id":9223372036854775808'),
        SUBMIT.replace(b'"to"', b'"too"'),
        SUBMIT.replace(b'"text"', b'"validity":"x","text"'),
        SUBMIT.replace(b"a }", b"\xff"),
        SUBMIT.replace(b"a }", b"\\ud800"),
        SUBMIT.replace(b'"method":"submit"', b'"method":"submit","method":"ack"'),
        b'{"jsonrpc":"2.0","id":1,"method":"submit"}',
        b"[" + SUBMIT + b"]",
        b"{",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"method":"submit","params":{"to":"1","meta":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}}",
    ],
)
def test_whatever_is_anything_else_is_left_to_be_read_line_by_line(odd: bytes) -> None:
    assert read_burst(odd) is None
    assert read_burst(SUBMIT + b"\n" + odd + b"\n" + ACK) is None


@pytest.mark.parametrize("odd", [b" " + SUBMIT, SUBMIT + b"\r", SUBMIT + b" "])
def test_blanks_about_a_line_do_no_harm(odd: bytes) -> None:
    assert read_burst(odd) == [msgspec.json.decode(SUBMIT, type=SubmitLine)]
    assert read_burst(SUBMIT + b"\n" + odd + b"\n" + SUBMIT) is None


def test_replies_are_the_same_for_an_id_read_either_way() -> None:
    outcome = {"id": "x"}
    refusal = Refusal("queue_full", retry_after=10)
    for written in (b"1", b"4711", b"9223372036854775807"):
        raw = one_by_one(SUBMIT.replace(b'"id":1', b'"id":' + written))[2]
        (line,) = read_burst(SUBMIT.replace(b'"id":1', b'"id":' + written)) or ()
        assert raw == written
        assert rpc.result(line.id, outcome) == b'{"jsonrpc":"2.0","id":' + written + b',"result":{"id":"x"}}\n'
        assert rpc.lines([rpc.refused(line.id, refusal)]) == rpc.refusal(line.id, refusal)
        assert rpc.refusal(line.id, refusal) == (
            b'{"jsonrpc":"2.0","id":' + written + b',"error":{"code":-32001,"message":"the stored queue of this carrier'
            b' and app is at its bound","data":{"reason":"queue_full","retry_after":10}}}\n'
        )
