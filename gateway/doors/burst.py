"""Requests of the most frequent methods, read many at once: `submit` and `ack`, under a number or none.

One step reads all lines of a burst into what they ask for, at less than half of what it takes line by line. It says yes
or no to the whole: whatever is anything else, or wrong, is left to `gateway.doors.rpc`, which knows what to say of it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from gateway.outbound.request import Submit

_Number = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)] | None
"""An id that comes out as it went in: -0, say, would not."""


class AckParams(msgspec.Struct, forbid_unknown_fields=True):
    """``ack``: single events, or everything up to one."""

    event_ids: list[str] | None = None
    up_to: str | None = None


class SubmitLine(msgspec.Struct, tag_field="method", tag="submit", gc=False):
    """One request ``submit``; without an id it is a notification."""

    params: Submit
    id: _Number = None
    jsonrpc: Literal["2.0"] = "2.0"


class AckLine(msgspec.Struct, tag_field="method", tag="ack", gc=False):
    """One request ``ack``, or a notification."""

    params: AckParams
    id: _Number = None
    jsonrpc: Literal["2.0"] = "2.0"


_decoder: Final = msgspec.json.Decoder(SubmitLine | AckLine)


def read_burst(octets: bytes) -> list[SubmitLine | AckLine] | None:
    """The requests in lines, of which the last has no line end; None where they are to be read one by one."""
    ends = octets.count(b"\n")
    # The decoder takes any blank between two objects, and a line end within one. Where all line ends stand between
    # braces they are between objects, since within one a comma would be there, and as many objects as lines are one to
    # each.
    if octets.count(b"}\n{") != ends:
        return None
    try:
        requests = _decoder.decode_lines(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return requests if len(requests) == ends + 1 else None
