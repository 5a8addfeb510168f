"""Long inbound messages: their parts wait for each other in the store, within bounds, and end whole or partial.

Parts belong together by number, peer, reference and total (3GPP TS 23.040 §9.2.3.24.8), whichever bind, carrier and
scheme they came by. None that was acknowledged is dropped: what cannot wait any longer is told of as partial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.sms.reassembly import InboundPart
from gateway.store.arrivals import Arrival, Message
from gateway.store.hot import Row
from gateway.store.long import Key, Long, load, load_parts, message_of, part_of, save
from gateway.store.tx import Tx

PAGE: Final = 64
PAGE_UNITS: Final = 2000
"""Messages, and units of them, that are read at a time: half a MiB where parts are large."""
SLACK: Final = 500
"""Units that a transaction ends beyond what came in it: bounds that were lowered are reached in several."""
UNITS_AT_ONCE: Final = 4000
FORGET_AT_ONCE: Final = 5000
NEIGHBOURS_MS: Final = 60_000
"""What may be a copy is taken for a part of the next message where another part of that came within this time."""

# --- arrivals ---------------------------------------------------------------------------------------------------------


def add_parts(tx: Tx, arrivals: list[Arrival]) -> dict[int, list[Message]]:
    """Stores parts; returns the messages that they brought to an end, by the place of the arrival."""
    groups: dict[Key, list[tuple[int, Arrival, InboundPart]]] = {}
    ended: dict[int, list[Message]] = {}
    for position, a in enumerate(arrivals):
        part = a.part
        if part is None:
            continue
        key = (a.peer, a.number, part.ref, part.total)
        if part.total == 1:  # it waits for nobody, and comes again as any short message may
            ended[position] = [message_of(key, {1: part_of(tx, a, part)}, a.carrier)]
        else:
            groups.setdefault(key, []).append((position, a, part))
    if groups:
        longs = load(tx, list(groups))
        for long, of_group in zip(longs, groups.values(), strict=True):
            _take(tx, long, of_group, ended)
        save(tx, longs)
    return ended


def _take(
    tx: Tx, long: Long, arrivals: list[tuple[int, Arrival, InboundPart]], ended: dict[int, list[Message]]
) -> None:
    """Takes the parts under one key as they came.

    A part that is there already is a copy. One with the same number and other octets opens another message, since
    references are used again (an 8-bit one soon): what there was is told of as partial. Copies that come when their
    message is whole wait like parts, as the next message may share a part with this one; they give way to what comes
    under their number, and are dropped where the message that they make is the one that was told of.
    """
    total = long.key[3]
    for position, a, part in arrivals:
        arrived = part_of(tx, a, part)
        known = long.parts.get(part.seq)
        if known is not None:
            told = long.marks().get(part.seq)
            same = known.data == arrived.data and known.data_coding == arrived.data_coding
            if (same or told == arrived.digest) and told != known.digest:
                tx.count("inbound_part_duplicate")
                continue
            if told == known.digest:
                # A copy gives way, to one more also: what has its octets may be a part of the next message by now.
                tx.count("inbound_part_duplicate")
            else:
                message = _end_waiting(tx, long, "reference_reused", a.carrier)
                if message is not None:
                    ended.setdefault(position, []).append(message)
        long.put(part.seq, arrived)
        if len(long.parts) < total:
            continue
        digests = {seq: p.digest for seq, p in long.parts.items()}
        if long.told and digests == long.marks():
            tx.count("inbound_part_duplicate", total)
            long.clear()
        elif not (long.told and _strangers(long, digests)):  # else it waits for a part of its own, or its time
            ended.setdefault(position, []).append(message_of(long.key, long.parts, a.carrier))
            long.mark(digests)


def _strangers(long: Long, digests: dict[int, bytes]) -> set[int]:
    """Numbers of the waiting parts that are taken for copies of what was told of, not for parts of this message.

    What has the octets of a part that was told of may be a copy, or the part of a message that shares it; it is
    believed to be of this one when it came together with another part of it.
    """
    told = long.marks()
    copies = {seq for seq, digest in digests.items() if told.get(seq) == digest}
    own = [p.at for seq, p in long.parts.items() if seq not in copies]
    return {seq for seq in copies if not any(abs(long.parts[seq].at - at) <= NEIGHBOURS_MS for at in own)}


# --- ends -------------------------------------------------------------------------------------------------------------


def _end_waiting(tx: Tx, long: Long, cause: str, carrier: str | None = None) -> Message | None:
    """Ends what waits, most often as a partial message; None where all of it are copies, which are dropped.

    Where the same message was told of as partial before, and this is what was missing then, only what is new is told.
    """
    told = long.marks()
    digests = {seq: p.digest for seq, p in long.parts.items()}
    copies = {seq for seq, digest in digests.items() if told.get(seq) == digest}
    late = bool(told) and len(told) < long.key[3] and not any(seq in told for seq in digests.keys() - copies)
    evicted = cause.endswith("_limit")
    if len(digests) == long.key[3] and not evicted:
        # It was held for a part of its own in the place of a possible copy, and none came: it shares that part.
        message = message_of(long.key, long.parts, carrier or long.parts[1].carrier)
        long.mark(digests)
        return message
    dropped = copies if late else _strangers(long, digests)
    if dropped:
        tx.count("inbound_part_duplicate", len(dropped))
    shown = {seq: p for seq, p in long.parts.items() if seq not in dropped}
    if not shown:
        long.clear()
        return None
    flags: tuple[str, ...] = ("partial", "evicted") if evicted else ("partial",)
    message = message_of(
        long.key, shown, carrier or next(iter(shown.values())).carrier, (*flags, "late") if late else flags
    )
    tx.count("inbound_partial")
    tx.count("partial:" + cause)
    long.mark(told | digests if late else {seq: digests[seq] for seq in shown})
    return message


# --- bounds and time --------------------------------------------------------------------------------------------------


def over_bounds(tx: Tx) -> Iterator[list[Message]]:
    """Ends the messages that have waited longest for their next part while more waits than may, a page at a time.

    The marks are kept within their bound as well.
    """
    tuning, waiting = tx.tuning, tx.waiting
    slack = SLACK + sum([by for by in waiting.changed.values() if by > 0])
    for peer in list(waiting.changed):
        over = waiting.of(peer) - tuning.waiting_max_peer
        if over > 0:
            yield from _evict(tx, min(over, slack), "peer_limit", peer)
    over = waiting.units - tuning.waiting_max
    if over > 0:
        yield from _evict(tx, min(over, slack), "total_limit", None)
    over = waiting.marks - tuning.marks_max
    if over > 0:
        gone = tx.con.execute(_FORGET_OLDEST, (min(over, FORGET_AT_ONCE),)).rowcount
        waiting.marks -= gone
        tx.count("inbound_mark_evicted", gone)


def _evict(tx: Tx, over: int, cause: str, peer: str | None) -> Iterator[list[Message]]:
    while over > 0:
        sql, values = (_OLDEST, (PAGE,)) if peer is None else (_OLDEST_OF_PEER, (peer, PAGE))
        most = min(over, PAGE_UNITS)
        longs, left = _page(tx.con.execute(sql, values), most)
        if not longs:
            return
        over -= most - left
        yield _end(tx, longs, cause)


def give_up(tx: Tx, before: int, at_once: int) -> tuple[list[Message], int, bool]:
    """Ends at most ``at_once`` messages for which nothing came since ``before`` (ms), the oldest first.

    Returns those that are to be told of, how many were found, and whether there may be more.
    """
    longs, left = _page(tx.con.execute(_OLDER, (before, at_once)), UNITS_AT_ONCE)
    messages = _end(tx, longs, "age")
    return messages, len(longs), left <= 0 or len(longs) == at_once


def _page(rows: Iterable[Row], units: int) -> tuple[list[Long], int]:
    """The messages of these rows until they make up ``units``, and how many of these are left."""
    longs: list[Long] = []
    for id, peer, number, ref, total, stored, told in rows:
        if units <= 0:
            break
        longs.append(Long((peer, number, ref, total), id, stored, told))
        units -= stored
    return longs, units


def _end(tx: Tx, longs: list[Long], cause: str) -> list[Message]:
    load_parts(tx, longs)
    messages = [_end_waiting(tx, long, cause) for long in longs]
    save(tx, longs)
    return [message for message in messages if message is not None]


def forget_marks(tx: Tx, before: int) -> bool:
    """Forgets messages that were told of before ``before`` (ms); returns whether there may be more of them."""
    gone = tx.con.execute(_FORGET, (before, FORGET_AT_ONCE)).rowcount
    tx.waiting.marks -= gone
    return gone == FORGET_AT_ONCE


_ROW: Final = "SELECT id, peer, number, ref, total, units, told FROM mo_message WHERE units > 0"
_OLDEST: Final = f"{_ROW} ORDER BY received_at, id LIMIT ?"
_OLDEST_OF_PEER: Final = f"{_ROW} AND peer = ? ORDER BY received_at, id LIMIT ?"
_OLDER: Final = f"{_ROW} AND received_at < ? ORDER BY received_at, id LIMIT ?"
_FORGET: Final = (
    "DELETE FROM mo_message WHERE id IN"
    " (SELECT id FROM mo_message WHERE units = 0 AND received_at < ? ORDER BY received_at LIMIT ?)"
)
_FORGET_OLDEST: Final = (
    "DELETE FROM mo_message WHERE id IN (SELECT id FROM mo_message WHERE units = 0 ORDER BY received_at, id LIMIT ?)"
)
