"""Peers, the people at the other end: who has written to us, and who was a stranger until now.

A thread is made by the first inbound message of its pair, a peer by its first one at all, in the same transaction. Who
sent it is a stranger where we never wrote to that phone either; then `peer.created` is told. A pair that wrote before
costs one look-up, and writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from gateway.policy.known import language, zone
from gateway.store.ends import rfc3339
from gateway.store.hot import Values
from gateway.store.tx import Tx

CREATED: Final = "peer.created"
"""The kind of the event."""

NEW_PAIRS: Final = Values(
    "WITH v(number, peer) AS (VALUES {values}) SELECT v.number, v.peer FROM v"
    " WHERE NOT EXISTS (SELECT 1 FROM thread t WHERE t.number = v.number AND t.peer = v.peer)",
    2,
)

INSERT_THREAD: Final = Values("INSERT OR FAIL INTO thread (number, peer, first_at, read_up_to) VALUES {values}", 4)

INSERT_PEER: Final = Values(
    "INSERT OR FAIL INTO peer (address, created_at) VALUES {values} ON CONFLICT DO NOTHING RETURNING address", 2
)

# Whether we wrote to a phone, by the index of messages alone.
WRITTEN_TO: Final = Values(
    "WITH v(address) AS (VALUES {values}) SELECT v.address FROM v"
    " WHERE EXISTS (SELECT 1 FROM message m WHERE m.peer = v.address)",
    1,
)


# The record of a person with several phones is at one of them.
FIELDS: Final = Values(
    "WITH v(address) AS (VALUES {values}) SELECT v.address, p.fields FROM v CROSS JOIN peer o ON o.address = v.address"
    " CROSS JOIN peer p ON p.address = coalesce(o.same_as, o.address) WHERE p.fields IS NOT NULL",
    1,
)


class PeerCreated(msgspec.Struct):
    """Payload of a ``peer.created`` event: the stranger, and the inbound message by which it is known.

    What the settings say of the number is there only where they say something.
    """

    at: str
    id: str
    number: str
    peer: str
    number_meta: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET
    group: str | msgspec.UnsetType = msgspec.UNSET


_encoder: Final = msgspec.json.Encoder()


def meet(tx: Tx, pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Makes threads of the pairs (number, peer) that are none, and peers; returns the strangers among these.

    A message without a sender's address makes no peer.
    """
    new = NEW_PAIRS.fetch(tx.con, list(dict.fromkeys(pairs)))
    if not new:
        return set()
    INSERT_THREAD.run(tx.con, [(number, peer, tx.now, 0) for number, peer in new])
    rows = [(address, tx.now) for address in dict.fromkeys([peer for _, peer in new]) if address]
    made = INSERT_PEER.fetch(tx.con, rows)
    if not made:
        return set()
    strangers = {address for (address,) in made}
    strangers.difference_update([address for (address,) in WRITTEN_TO.fetch(tx.con, made)])
    if strangers:
        tx.count("inbound_stranger", len(strangers))
    return strangers


def announce(tx: Tx, peer: str, number: str, message_id: int) -> None:
    """Tells of a stranger whose message has this stored id."""
    streams = tx.streams.for_created(number)
    if streams:
        event = PeerCreated(at=rfc3339(tx.now), id=tx.id_text.format(message_id), number=number, peer=peer)
        about = tx.streams.numbers.about.get(number)
        if about is not None:
            event.number_meta, event.owner, event.group = about.number_meta, about.owner, about.group
        tx.emit(streams, CREATED, message_id, _encoder.encode(event))


# --- what is known of them --------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """The IANA name of a peer's time zone and the tag of its language (RFC 5646), where they are known."""

    zone: str | None
    language: str | None


class _Fields(msgspec.Struct):
    zone: str | None = None
    language: str | None = None


_decoder: Final = msgspec.json.Decoder(_Fields)


def known_fields(con: sqlite3.Connection, peers: Iterable[str]) -> dict[str, Known]:
    """Zone and language of those of whom one is known, by their addresses; one statement for all of a burst.

    Both are good: what was noted by another version, or is in no database of zones any more, is as if it were not.
    """
    found: dict[str, Known] = {}
    for address, fields in FIELDS.fetch(con, [(peer,) for peer in dict.fromkeys(peers)]):
        given = _decoder.decode(fields)
        if given.zone is not None or given.language is not None:
            known = Known(_good(zone, given.zone), _good(language, given.language))
            if known != _NOTHING:
                found[address] = known
    return found


_NOTHING: Final = Known(None, None)


def _good(check: Callable[[str], str], text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return check(text)
    except ValueError:
        return None
