"""From a stored row to a message on its way, as it was made when it was taken: the same octets, whatever was set since.

When more is accepted than is sent, most messages come by here: what is usual is not looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any, cast

from gateway.carrier.outgoing import ONLY_PART, Outgoing
from gateway.model import CLASSES
from gateway.outbound.options import USUAL, restored
from gateway.policy.quiet import QuietHours
from gateway.smpp.pdu import Tlv
from gateway.sms.segment import SegmentBody, render
from gateway.store.pages import Queued


def restore(row: Queued, quiet: QuietHours | None = None, now_ms: int = 0) -> Outgoing:
    """The message of a stored row with its queued segments.

    ``quiet`` are the quiet hours that hold for it from now on.

    Raises ValueError when the row cannot be put on the air any more.
    """
    body = row.body
    if body is None:
        raise ValueError(row.damage or "it has no body")
    options = restored(row.options)
    content: str | bytes = bytes.fromhex(body) if row.encoding == "binary" else body
    bodies: tuple[SegmentBody, ...]
    encoding, scheme = cast(Any, row.encoding), cast(Any, row.scheme)
    if options is USUAL:
        bodies = render(content, encoding=encoding, scheme=scheme, ref=row.concat_ref)
    else:
        bodies = render(
            content,
            encoding=encoding,
            scheme=scheme,
            alphabet=cast(Any, options.alphabet),
            udh=options.udh,
            flash=options.flash_way,
            shift=options.shift,
            added=options.added,
            ref=row.concat_ref,
        )
    parts = row.parts
    if len(bodies) != parts:
        raise ValueError(f"the stored message has {parts} parts, its text makes {len(bodies)}")
    segments = row.segments
    waiting: Sequence[int] = ONLY_PART
    due_at = attempts = 0
    if segments is not None:
        waiting = row.waiting
        due_at = max([segment.due_at or 0 for segment in segments])
        attempts = max([segment.attempts for segment in segments])
    expires_at = row.expires_at
    until = expires_at
    rest = None if quiet is None else quiet.of(CLASSES[row.klass], row.peer, options.zone or None, row.app)
    if rest is not None:
        until = min(rest.goes_until(now_ms), expires_at) or expires_at
    # By position, as in `gateway.outbound.prepare`; what many have in common is kept once.
    return Outgoing(
        row.id,
        intern(row.app),
        intern(row.number),
        row.peer,
        intern(row.carrier),
        row.lane,
        row.rank,
        parts,
        row.receipt,
        expires_at,
        until,
        options.validity,
        tuple([Tlv(tag, value) for tag, value in options.tlvs]) if options.tlvs else (),
        bodies,
        waiting,
        due_at,
        attempts,
        options.protocol_id,
        rest,
    )
