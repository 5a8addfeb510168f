"""A stream of octets cut into PDUs."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from gateway.smpp.codec import FrameBuffer, UnrecoverablePduError, encode
from gateway.smpp.pdu import EnquireLink, SubmitSmResp

from .golden import OCTETS

ALL = list(OCTETS.values())
STREAM = b"".join(ALL)


def feed_all(frames: FrameBuffer, pieces: list[bytes]) -> None:
    for piece in pieces:
        frames.feed(piece)


def test_all_in_one_piece() -> None:
    frames = FrameBuffer()
    assert frames.feed(STREAM) == ALL
    assert frames.waiting == 0


def test_one_octet_at_a_time() -> None:
    frames = FrameBuffer()
    got: list[bytes] = []
    for octet in STREAM:
        got += frames.feed(bytes((octet,)))
    assert got == ALL
    assert frames.waiting == 0


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size(seed: int) -> None:
    rng = random.Random(seed)
    frames = FrameBuffer()
    got: list[bytes] = []
    position = 0
    while position < len(STREAM):
        size = rng.choice((0, 1, 2, 3, 4, 5, 15, 16, 17, 200))
        got += frames.feed(STREAM[position : position + size])
        position += size
    assert got == ALL


def test_every_place_to_cut_in_two() -> None:
    two = ALL[0] + ALL[1]
    for cut in range(len(two) + 1):
        frames = FrameBuffer()
        assert frames.feed(two[:cut]) + frames.feed(two[cut:]) == [ALL[0], ALL[1]], cut


def test_other_buffers_than_bytes() -> None:
    assert FrameBuffer().feed(bytearray(STREAM)) == ALL
    frames = FrameBuffer().feed(memoryview(STREAM))
    assert frames == ALL
    assert all(type(frame) is bytes for frame in frames)


def test_what_waits_is_counted() -> None:
    frames = FrameBuffer()
    frames.feed(STREAM[:3])
    assert frames.waiting == 3
    frames.feed(STREAM[3:20])
    assert frames.waiting == 20
    frames.feed(STREAM[20 : len(ALL[0])])
    assert frames.waiting == 0


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"HTTP/1.1 400", "command_length 1213486160, which is the text 'HTTP'"),
        (b"GET / HTTP/1.1\r\n", "'GET '"),
        (b"\x16\x03\x01\x02", "369295618, which is how TLS begins"),
        (b"\0\0\0\0", "command_length 0: not from 16 to 131072"),
        (b"\0\0\0\x0f", "command_length 15"),
        (b"\0\x02\0\x01", "command_length 131073"),
        (b"\xff\xff\xff\xff", "command_length 4294967295"),
    ],
)
def test_a_bad_length_is_refused_with_its_four_octets(octets: bytes, said: str) -> None:
    for pieces in ([octets], [octets[:1], octets[1:3], octets[3:]]):
        frames = FrameBuffer()
        with pytest.raises(UnrecoverablePduError, match=said):
            feed_all(frames, pieces)
        assert frames.waiting == 0
        with pytest.raises(UnrecoverablePduError, match=said) as again:
            frames.feed(ALL[0])
        assert again.value.frames == ()


def test_nothing_is_said_of_a_length_that_is_not_complete() -> None:
    assert FrameBuffer().feed(b"HTT") == []


def test_frames_before_a_bad_length_are_not_lost() -> None:
    frames = FrameBuffer()
    frames.feed(ALL[0][:10])
    with pytest.raises(UnrecoverablePduError) as caught:
        frames.feed(ALL[0][10:] + ALL[1] + b"HTTP")
    assert caught.value.frames == (ALL[0], ALL[1])


def test_the_cap_is_the_longest_that_is_taken() -> None:
    longest = encode(SubmitSmResp("x" * 64), 1)
    assert FrameBuffer(len(longest)).feed(longest) == [longest]
    with pytest.raises(UnrecoverablePduError):
        FrameBuffer(len(longest) - 1).feed(longest)


def test_an_announced_length_takes_no_memory() -> None:
    # Lengths are judged before memory is taken.
    tracemalloc.start()
    try:
        kept = []
        for _ in range(100):
            frames = FrameBuffer()
            frames.feed(b"\0\x02\0\0" + b"\0" * 12)
            kept.append(frames)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_octets_are_copied_a_fixed_number_of_times() -> None:
    # 500 PDUs in one piece, and one of 128 KiB in pieces of 16: as many octets kept as came, no more.
    small = encode(EnquireLink(), 7)
    assert FrameBuffer().feed(small * 500) == [small] * 500
    big = b"\0\x02\0\0" + b"x" * (131072 - 4)
    frames = FrameBuffer()
    got: list[bytes] = []
    for at in range(0, len(big), 16):
        got += frames.feed(big[at : at + 16])
    assert got == [big]
