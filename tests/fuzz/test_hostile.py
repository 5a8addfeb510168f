"""The quick form of `python -m tests.fuzz.hostile`: real processes, some thousands of mutated PDUs, always the same."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import PduError, decode, encode

from .hostile import BATCH, CLOSED_IN, GROWTH_MOST, Outcome, against_daemon, against_simulator
from .line import SERVED_IN, Gone, Line, batches, half_a_frame, mutants

PDUS = 8000


@pytest.mark.parametrize("attack", [against_daemon, against_simulator])
def test_honest_pdus_are_served_between_mutated_ones(tmp_path: Path, attack: Callable[..., Outcome]) -> None:
    outcome = attack(tmp_path, PDUS, "quick", lies=3, patient=False)
    assert outcome.pdus == PDUS
    assert outcome.probes >= 2 * PDUS // BATCH
    # Many were read and answered, some taken: what is refused at the first field would test nothing.
    assert outcome.answers > PDUS // 3
    assert outcome.taken > PDUS // 50
    assert outcome.slowest < SERVED_IN
    assert outcome.growth < GROWTH_MOST
    assert len(outcome.tenths) == 10
    assert "8,000 mutated PDUs" in str(outcome)


@pytest.fixture
def lines() -> Iterator[tuple[Line, Line]]:
    """Both ends of a connection."""
    server = socket.create_server(("127.0.0.1", 0))
    one = Line(socket.create_connection(server.getsockname()))
    other = Line(server.accept()[0])
    server.close()
    yield one, other
    one.close()
    other.close()


def answering(line: Line, *answers: bytes) -> threading.Thread:
    """The other end: it reads one frame and sends these."""

    def run() -> None:
        next(line.frames(20))
        for answer in answers:
            line.send(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


REQUEST = p.SubmitSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"honest")
FIRST = 0x7000_0001


def test_a_probe_waits_for_its_own_answer(lines: tuple[Line, Line]) -> None:
    one, other = lines
    others = encode(p.SubmitSmResp("7"), 7), encode(p.GenericNack(), FIRST), encode(p.EnquireLink(), 9)
    thread = answering(other, *others, encode(p.SubmitSmResp("8"), FIRST))
    one.probe(REQUEST)
    thread.join()
    assert 0 < one.slowest < 20
    assert (one.probes, one.answers, one.taken) == (1, 2, 2)
    assert decode(next(other.frames(20)))[2] == p.EnquireLinkResp()


def test_a_refused_probe_a_silent_one_and_a_closed_connection_fail(lines: tuple[Line, Line]) -> None:
    one, other = lines
    thread = answering(other, encode(p.SubmitSmResp(), FIRST, 8))
    with pytest.raises(AssertionError, match="was answered 0x00000008"):
        one.probe(REQUEST)
    thread.join()
    with pytest.raises(TimeoutError, match="no answer to an honest SubmitSm"):
        one.ask(REQUEST, 0.01)
    with pytest.raises(AssertionError, match="is open after"):
        one.until_closed(0.01)
    other.close()
    assert one.until_closed(20) < CLOSED_IN
    with pytest.raises(Gone):
        next(one.frames(20))


def test_a_slow_answer_fails(lines: tuple[Line, Line], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = lines
    monkeypatch.setattr("tests.fuzz.line.SERVED_IN", 0.0)
    thread = answering(other, encode(p.SubmitSmResp("8"), FIRST))
    with pytest.raises(AssertionError, match="an honest SubmitSm waited"):
        one.probe(REQUEST)
    thread.join()


def test_mutants_are_whole_and_of_both_kinds() -> None:
    rng = random.Random("mutants")
    source = mutants(rng, (4,))
    good = 0
    for _ in range(3000):
        octets = next(source)
        assert int.from_bytes(octets[:4], "big") == len(octets)
        try:
            good += isinstance(decode(octets)[2], p.SubmitSm)
        except PduError:
            pass
    assert 300 < good < 2700
    assert len(list(batches(rng, (4,), 1001, 250))) == 5
    assert int.from_bytes(half_a_frame()[:4], "big") > len(half_a_frame())
