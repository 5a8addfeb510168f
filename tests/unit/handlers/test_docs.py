"""docs/webhooks.md: its examples run, and its tables have every member and header."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.handlers import addresses, exchange, lineup, pace, post, turns
from gateway.handlers.webhook import body
from gateway.outbox import Delivery
from gateway.settings import Handler
from gateway.store.arrivals import LastMessage
from gateway.store.ends import ReceiptEvent
from gateway.store.inbound import InboundEvent

TEXT = (Path(__file__).parents[3] / "docs/webhooks.md").read_text()
KEY = "correct-horse-battery"
ID, STAMP = "3-17", 1772357400


def _block(language: str, number: int = 0) -> str:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)
    return [text for named, text in blocks if named == language][number]


REQUEST = _block("")
HEADERS = dict(line.split(": ", 1) for line in REQUEST.splitlines()[1:])
INBOUND = _block("json").strip().encode()
RECEIPT = _block("json", 1).strip().encode()


def _is_genuine() -> Callable[..., bool]:
    names: dict[str, Any] = {}
    exec(_block("python"), names)
    function: Callable[..., bool] = names["is_genuine"]
    return function


def test_the_documented_signature_is_ours() -> None:
    assert (HEADERS["Smsgw-Event-Id"], HEADERS["Smsgw-Timestamp"]) == (ID, str(STAMP))
    signature = post.sign(KEY.encode(), ID, STAMP, INBOUND)
    assert signature == HEADERS["Smsgw-Signature"]
    assert f"`{signature.removeprefix('v1=')}`" in TEXT


def test_the_python_example_takes_what_is_genuine() -> None:
    is_genuine = _is_genuine()
    assert is_genuine(HEADERS, INBOUND, KEY, lambda: STAMP + 10)
    other = {**HEADERS, "Smsgw-Signature": "v1=" + "0" * 64 + ", " + HEADERS["Smsgw-Signature"]}
    assert is_genuine(other, INBOUND, KEY, lambda: STAMP + 10)


@pytest.mark.parametrize(
    ("change", "text", "key", "now"),
    [
        ({}, INBOUND.replace(b"5", b"6"), KEY, 10),
        ({}, INBOUND + b"\n", KEY, 10),
        ({}, INBOUND, "another key", 10),
        ({}, INBOUND, KEY, 301),
        ({}, INBOUND, KEY, -301),
        ({"Smsgw-Event-Id": "3-18"}, INBOUND, KEY, 10),
        ({"Smsgw-Timestamp": str(STAMP + 1)}, INBOUND, KEY, 10),
        ({"Smsgw-Timestamp": "soon"}, INBOUND, KEY, 10),
        ({"Smsgw-Signature": ""}, INBOUND, KEY, 10),
        ({"Smsgw-Signature": HEADERS["Smsgw-Signature"][3:]}, INBOUND, KEY, 10),
    ],
)
def test_the_python_example_refuses_the_rest(change: dict[str, str], text: bytes, key: str, now: int) -> None:
    assert not _is_genuine()({**HEADERS, **change}, text, key, lambda: STAMP + now)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_the_shell_example(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(INBOUND)
    ran = subprocess.run(["sh", "-c", _block("sh")], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "v1=" + ran.stdout.split()[0] == HEADERS["Smsgw-Signature"]


def _members(section: str) -> list[str]:
    table = TEXT.split(f"### {section}\n")[1].split("\n#")[0]
    return [name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)]


@pytest.mark.parametrize(
    ("example", "kind", "struct"), [(INBOUND, "inbound", InboundEvent), (RECEIPT, "receipt", ReceiptEvent)]
)
def test_every_member_is_documented_and_in_the_example(example: bytes, kind: str, struct: type[msgspec.Struct]) -> None:
    fields = struct.__struct_encode_fields__
    seldom = fields[len(fields) - len(struct.__struct_defaults__) :]
    members = ["type", "event_id", "redelivered", *fields]
    assert _members(kind) == members
    assert list(json.loads(example)) == members[: len(members) - len(seldom)]


def test_the_example_is_what_would_be_posted() -> None:
    payload = msgspec.json.encode(msgspec.json.decode(INBOUND, type=InboundEvent))
    assert body(Delivery(3, 17, 0, "inbound", 0, payload, False)) == INBOUND
    payload = msgspec.json.encode(msgspec.json.decode(RECEIPT, type=ReceiptEvent))
    assert body(Delivery(3, 18, 0, "receipt", 0, payload, False)) == RECEIPT


def test_the_example_of_the_last_message() -> None:
    (example,) = re.findall(r'^\{"id":.*"age":.*$', TEXT, re.M)
    last = msgspec.json.decode(example, type=LastMessage)
    assert msgspec.json.encode(last).decode() == example
    assert f"`{{{', '.join(json.dumps(name) for name in LastMessage.__struct_encode_fields__)}}}`" in TEXT


def test_every_header_is_documented() -> None:
    table = re.findall(r"^\| `(Smsgw-[\w-]+)` \|", TEXT, re.M)
    assert table == [name for name in HEADERS if name.startswith("Smsgw-")]
    source = Path(sys.modules[post.__name__].__file__ or "").read_text()
    assert set(table) == set(re.findall(r'"(Smsgw-[\w-]+): ', source))


def test_the_figures_are_those_of_the_code() -> None:
    default = {name: field.default for name, field in Handler.model_fields.items()}
    for statement, figures in {
        "within `timeout` (10 seconds)": default["timeout"] == 10,
        "`retry_min` (5 seconds)": default["retry_min"] == 5,
        "`retry_max` (an hour)": default["retry_max"] == 3600,
        "`concurrency` (4)": default["concurrency"] == 4,
        "`dead_letter_after` (3 days)": default["dead_letter_after"] == 3 * 86_400,
        "`max_backlog` events (100,000)": default["max_backlog"] == 100_000,
        "At most 20,000 events": lineup.MOST_WAITING == 20_000,
        "(ten failures in a row)": pace.TRIP == 10,
        "ten others of 4xx in a row": pace.TRIP == 10,
        "every five minutes": pace.PAUSED_PROBE == 300,
        "After five failures": turns.STRIKES == 5,
        "at most 500 events": turns.HELD == 500,
        '`order = "thread"`': default["order"] == "thread",
        "up to a minute": pace.LONGEST_PAUSE == 60,
        "up to 64 KiB of it are read, for a second at most": (exchange.ANSWER_OCTETS, exchange.ANSWER_WAIT)
        == (65_536, 1),
        "100.64.0.0/10": addresses.refusal("100.64.0.1") == "shared",
    }.items():
        assert statement in TEXT
        assert figures, statement
