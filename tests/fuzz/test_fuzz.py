"""The quick form of `python -m tests.fuzz`: some tens of thousands of inputs, the same ones each time."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import pytest

from gateway.smpp.codec import PduError, decode
from gateway.sms.segment import MESSAGE_PAYLOAD

from .__main__ import LEFT_INPUTS, LEFT_MOST
from .guided import STRATEGIES, run_examples
from .octets import COMMANDS, GOLDEN, LONG, frame, framed
from .runner import left_behind, run_chunk
from .target import counted
from .targets import TARGETS

INPUTS = 40_000
EXAMPLES = 60
_REGRESSIONS = tomllib.loads((Path(__file__).parent / "regressions.toml").read_text())["input"]


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    whole = sum(target.share for target in TARGETS.values())
    chunk = run_chunk(TARGETS[name], "quick", INPUTS * TARGETS[name].share // whole)
    assert chunk.inputs > 500
    assert not chunk.failures, str(chunk.failures[0])


@pytest.mark.parametrize("name", TARGETS)
def test_examples(name: str) -> None:
    chunk = run_examples(TARGETS[name], "quick", EXAMPLES)
    assert chunk.inputs >= EXAMPLES // 2
    assert not chunk.failures, str(chunk.failures[0])


def test_every_target_has_examples() -> None:
    assert list(STRATEGIES) == list(TARGETS)


@pytest.mark.parametrize("one", _REGRESSIONS, ids=lambda one: f"{one['target']} {one['why']}")
def test_what_failed_once(one: dict[str, str]) -> None:
    TARGETS[one["target"]].check(bytes.fromhex(one["hex"]))


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_kept_of_an_input(name: str) -> None:
    assert left_behind(TARGETS[name], "quick left", LEFT_INPUTS) <= LEFT_MOST


@pytest.mark.parametrize("octets", [b"", b"\0", b"\xff", bytes(40), b"\xff" * 40])
@pytest.mark.parametrize("name", TARGETS)
def test_any_octets_are_an_input(name: str, octets: bytes) -> None:
    TARGETS[name].check(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_time_goes_with_length(name: str) -> None:
    """The longest that a TLV can say, of what repeats: the watch stops what takes the square of it."""
    units = iter(LONG)
    target = TARGETS[name]._replace(make=lambda _: _long(name, next(units)))
    chunk = run_chunk(target, "long", len(LONG))
    assert not chunk.failures, chunk.failures[0].error


def _long(name: str, unit: bytes) -> bytes:
    many = (unit * (0xFE00 // len(unit)))[:0xFE00]
    payload = MESSAGE_PAYLOAD.to_bytes(2, "big") + counted(many)
    data_sm = framed(bytes(4) + (0x103).to_bytes(4, "big") + bytes(8) + b"\0\1\0011\0\1\0012\0\4\0\0" + payload)
    return {
        "decode": data_sm,
        "framing": bytes((0, 255)) + data_sm,
        "write": many,
        "session": b"\x09\0\0" + counted(data_sm),
        "split": b"\x09\x27" + data_sm,
        "receipt": b"\4\0\1" + counted(b"id:" + many[:0x7000] + b"! stat:" + many[:0x7000] + b" text:x"),
        "time": b"\0" + many,
        "udh": many,
        "part": b"\0\x40\0\0" + counted(b"\x05\x00\x03\x01\x02\x01" + many),
        "text": b"\0\0" + many,
        "plan": bytes(6) + counted(b"") + many,
        "compose": bytes(3) + many,
    }[name]


def test_inputs_reach_every_command_and_both_outcomes() -> None:
    """Mutations that were all refused, or all read, would show nothing."""
    rng = random.Random("reach")

    read: set[int] = set()
    refused: set[int] = set()
    for _ in range(6000):
        octets = frame(rng)
        try:
            read.add(decode(octets)[2].command_id)
        except PduError:
            refused.add(int.from_bytes(octets[4:8], "big"))
    assert read == set(COMMANDS)
    # Requests with fields that can be wrong; a response is always read.
    requests = {command for command in COMMANDS if command < 0x80000000} - {0x06, 0x15}
    assert requests <= refused
    assert len(GOLDEN) >= 33


def test_the_same_seed_gives_the_same_inputs() -> None:
    for target in TARGETS.values():
        once, again, other = (
            [target.make(rng) for _ in range(20)]
            for rng in (random.Random("a"), random.Random("a"), random.Random("b"))
        )
        assert once == again
        assert once != other
