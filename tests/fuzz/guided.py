"""Inputs that hypothesis makes: it knows their parts, goes to their limits, and shrinks what fails."""

from __future__ import annotations

import gc
import os
import time
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from .octets import COMMANDS, GOLDEN, TAGS, VALUES, framed
from .runner import Chunk, Failure, resident
from .target import Target, counted

_octet = st.integers(0, 255).map(lambda value: bytes((value,)))
_c_string = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=70).map(lambda text: text.encode("latin-1") + b"\0"),
    st.just(b"\0"),
)
_address = st.tuples(_octet, _octet, _c_string).map(b"".join)
_message = st.binary(max_size=255).map(lambda octets: bytes((len(octets),)) + octets)
_tlv = st.tuples(st.sampled_from(TAGS), st.one_of(st.sampled_from(VALUES), st.binary(max_size=70)).map(counted)).map(
    b"".join
)
_tlvs = st.lists(_tlv, max_size=4).map(b"".join)
_piece = st.one_of(_octet, _c_string, _address, _message, _tlv, st.binary(max_size=20))
_header = st.tuples(
    st.just(bytes(4)),
    st.sampled_from(COMMANDS).map(lambda command: command.to_bytes(4, "big")),
    st.sampled_from((b"\0\0\0\0", b"\0\0\0\x58", b"\xff\xff\xff\xff")),
    st.integers(0, 8).map(lambda number: number.to_bytes(4, "big")),
).map(b"".join)
_submit = st.tuples(
    _c_string, _address, _address, st.binary(min_size=3, max_size=3), st.sampled_from((b"\0\0", b"0" * 15 + b"R\0\0")),
    st.binary(min_size=4, max_size=4), _message, _tlvs,
).map(b"".join)  # fmt: skip
_submit_header = st.sampled_from((4, 5)).map(lambda command: bytes(4) + command.to_bytes(4, "big") + bytes(7) + b"\2")
_frame = st.one_of(
    st.tuples(_header, st.lists(_piece, max_size=14).map(b"".join)).map(b"".join).map(framed),
    st.tuples(_submit_header, _submit).map(b"".join).map(framed),
    st.sampled_from(GOLDEN),
    st.binary(max_size=40),
)
_frames = st.lists(_frame, min_size=1, max_size=6).map(b"".join)
_two = st.binary(min_size=2, max_size=2)
_step = st.one_of(
    _frame.map(lambda frame: b"\0" + counted(frame)),
    _frame.map(lambda frame: b"\6" + counted(frame[:120])),
    st.tuples(st.integers(8, 15).map(lambda step: bytes((step,))), _octet).map(b"".join),
)
_said = st.text(max_size=400).map(str.encode)
_any_text = st.text(st.characters(), max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass"))
_key = st.sampled_from((b"id", b"sub", b"dlvrd", b"submit date", b"done date", b"stat", b"err", b"text", b"foo"))
_line = st.lists(
    st.tuples(_key, st.just(b":"), st.from_regex(rb"[A-Z0-9a-z ;,]{0,12}", fullmatch=True), st.just(b" ")).map(
        b"".join
    ),
    max_size=9,
).map(b"".join)
_element = st.tuples(
    st.sampled_from((b"\x00", b"\x08", b"\x24", b"\x25", b"\x05", b"\x70")),
    st.binary(max_size=5).map(lambda data: bytes((len(data),)) + data),
).map(b"".join)
_udh = st.lists(_element, max_size=4).map(b"".join).map(lambda body: bytes((len(body),)) + body)

STRATEGIES: Final[dict[str, st.SearchStrategy[bytes]]] = {
    "decode": _frame,
    "framing": st.tuples(_two, _frames).map(b"".join),
    "write": st.binary(max_size=90),
    "session": st.tuples(_two, st.lists(_step, max_size=14).map(b"".join)).map(b"".join),
    "split": st.tuples(_two, _frames).map(b"".join),
    "receipt": st.tuples(
        st.binary(min_size=3, max_size=3), st.one_of(_line, _said, st.binary(max_size=60)).map(counted), _tlvs
    ).map(b"".join),
    "time": st.tuples(_octet, st.one_of(st.from_regex(rb"[0-9]{15}[-+R]", fullmatch=True), st.binary(max_size=18))).map(
        b"".join
    ),
    "udh": st.tuples(_udh, st.binary(max_size=20)).map(b"".join),
    "part": st.tuples(
        _octet,
        st.lists(
            st.tuples(
                st.binary(min_size=3, max_size=3), st.tuples(_udh, st.binary(max_size=40)).map(b"".join).map(counted)
            ).map(b"".join),
            max_size=5,
        ).map(b"".join),
    ).map(b"".join),
    "text": st.tuples(_two, st.binary(max_size=170)).map(b"".join),
    "plan": st.tuples(st.binary(min_size=6, max_size=6), st.one_of(st.just(b""), _udh).map(counted), _any_text).map(
        b"".join
    ),
    "compose": st.tuples(st.binary(min_size=3, max_size=3), _any_text).map(b"".join),
}
"""By the name of the target."""


def run_examples(target: Target, seed: str, count: int) -> Chunk:
    """Checks so many examples of a seed; one that fails is as small as hypothesis can make it."""
    began = time.process_time()
    last = b""
    tried = octets = 0

    @seeded(f"{target.name} {seed}")
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(STRATEGIES[target.name])
    def check(one: bytes) -> None:
        nonlocal last, tried, octets
        last = one
        tried += 1
        octets += len(one)
        target.check(one)

    failures: tuple[Failure, ...] = ()
    try:
        check()
    except Exception as error:
        # The last one tried is the smallest that failed.
        failures = (Failure.of(target, last, error),)
    seconds = time.process_time() - began
    gc.collect()
    return Chunk(target.name, tried, seconds, octets, failures, len(failures), os.getpid(), resident())
