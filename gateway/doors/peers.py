"""Methods for peers: what is known of those at the other end. For operators, as the book is one for all apps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from gateway.doors.acts import operator
from gateway.doors.imports import Import
from gateway.doors.lookup import Lookup, page_limit
from gateway.outbound.request import Refusal
from gateway.plain import inert, one_line
from gateway.policy.known import FIELDS
from gateway.store.addressbook import Change, MergeOp, PeersOp, Record, known_addresses, record_of, record_page
from gateway.store.ends import rfc3339
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

LONGEST_NAME: Final = 200
LONGEST_WORD: Final = 64
"""Characters of the name of a field or a list."""
LONGEST_VALUE: Final = 1000
_AT_ONCE: Final = 50
"""Numbers that are read without a pause: a national form costs 70 µs, and messages wait meanwhile."""
COLUMNS: Final = ("peer", "name", "lists", "phones", "created_at")
"""What a CSV file has beside the fields, so that no field can have such a name."""
_MARKS: Final = "\u061c\u200e\u200f"  # of direction, which names in Hebrew and Arabic may need


class PeersParams(msgspec.Struct, forbid_unknown_fields=True):
    """``peers``: a page of all, or of a list."""

    list: str | None = None
    after: str = ""
    limit: int = 50


class PeerParams(msgspec.Struct, forbid_unknown_fields=True):
    """``peer``."""

    peer: str


class PeerSetParams(msgspec.Struct, forbid_unknown_fields=True):
    """``peer_set``: what is to be known; what is absent stays."""

    peer: str
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    fields: dict[str, str | None] = {}
    lists: list[str] | None = None
    join: list[str] = []
    leave: list[str] = []
    phones: list[str] = []  # further ones of the same person


class PeersImportParams(msgspec.Struct, forbid_unknown_fields=True):
    """``peers_import``: up to 500 at a time."""

    peers: list[PeerSetParams]


class PeerMergeParams(msgspec.Struct, forbid_unknown_fields=True):
    """``peer_merge``: ``into`` null takes the phone out again."""

    peer: str
    into: str | None


class Peers:
    """Reads and changes what is known of peers."""

    def __init__(self, store: Store, lookup: Lookup) -> None:
        self._store = store
        self._lookup = lookup

    async def peers(self, connection: Connection, params: PeersParams) -> object:
        """A page of records in the order of their phones."""
        operator(connection.app)
        page_limit(params.limit)
        page = await self._store.reader.read(
            partial(record_page, after=params.after, of_list=params.list, limit=params.limit)
        )
        return {"peers": [_shown(record) for record in page.records], "next": page.next}

    async def peer(self, connection: Connection, params: PeerParams) -> object:
        """One record, by any of its phones."""
        operator(connection.app)
        return await self._record(self._lookup.address(params.peer) or params.peer)

    async def peer_set(self, connection: Connection, params: PeerSetParams) -> object:
        """Notes what is known of a peer; makes it where it is none yet."""
        operator(connection.app)
        change = _change(params, await self._addresses([params]))
        op = await self._store.writer.do(PeersOp([change]))
        if op.refused:
            field, detail = op.refused[0]
            raise Refusal("invalid_params", detail, field=field)
        return await self._record(change.address)

    async def peers_import(self, connection: Connection, params: PeersImportParams) -> object:
        """Several of these at once; what cannot be taken is named by its place, and the others are."""
        operator(connection.app)
        entries = Import(params.peers, "peers", "peers")
        changes = entries.changes(partial(_change, addresses=await self._addresses(params.peers)))
        made = 0
        if changes:
            op = await self._store.writer.do(PeersOp(changes))
            made = op.made
            for at, (field, detail) in op.refused.items():
                entries.refuse(at, field, detail)
        return entries.answer(made=made)

    async def peer_merge(self, connection: Connection, params: PeerMergeParams) -> object:
        """Two phones are of one person; or one is not after all."""
        operator(connection.app)
        address = self._lookup.address(params.peer) or params.peer
        op = await self._store.writer.do(MergeOp(address, self._lookup.address(params.into)))
        if op.problem is not None:
            raise Refusal("invalid_params", op.problem, field="into" if params.into is not None else "peer")
        return await self._record(address)

    async def _record(self, address: str) -> dict[str, Any]:
        record = await self._store.reader.read(partial(record_of, address=address))
        if record is None:
            raise Refusal("not_found", "no such peer", field="peer")
        return _shown(record)

    async def _addresses(self, given: list[PeerSetParams]) -> dict[str, str]:
        """Addresses of all that is named: of phone numbers and short codes, or as it is of who wrote already."""
        named = dict.fromkeys([text for one in given for text in (one.peer, *one.phones)])
        addresses: dict[str, str] = {}
        for place, text in enumerate(named, 1):
            if (address := self._lookup.phone(text)) is not None:
                addresses[text] = address
            if place % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        others = [text for text in named if text not in addresses]
        known = await self._store.reader.read(partial(known_addresses, addresses=others)) if others else set()
        return addresses | {text: text for text in known}


def _change(given: PeerSetParams, addresses: Mapping[str, str]) -> Change:
    """The change that is asked for. Raises Refusal naming what cannot be taken."""
    for field, texts in (("peer", [given.peer]), ("phones", given.phones)):
        for text in texts:
            if text not in addresses:
                detail = f'"{one_line(text, 40)}" is no phone number or short code, and nobody who wrote'
                raise Refusal("invalid_params", detail, field=field)
    if isinstance(given.name, str):
        _plain(given.name, LONGEST_NAME, "name")
    fields: dict[str, str | None] = {}
    for name, value in given.fields.items():
        _plain(name, LONGEST_WORD, "fields")
        if name in COLUMNS:
            raise Refusal("invalid_params", f'no field can be called "{name}"', field="fields")
        if value is None:
            fields[name] = None
            continue
        _plain(value, LONGEST_VALUE, "fields")
        try:
            fields[name] = FIELDS[name](value) if name in FIELDS else value
        except ValueError as error:
            raise Refusal("invalid_params", f'{name} is {error}, not "{one_line(value, 40)}"', field="fields") from None
    for field, names in (("lists", given.lists or ()), ("join", given.join), ("leave", given.leave)):
        for name in names:
            _plain(name, LONGEST_WORD, field)
            if ";" in name:
                raise Refusal("invalid_params", "the name of a list has no semicolon", field=field)
    return Change(
        address=addresses[given.peer],
        name=given.name,
        fields=fields,
        lists=tuple(given.lists) if given.lists is not None else None,
        join=tuple(given.join),
        leave=tuple(given.leave),
        phones=tuple([addresses[text] for text in given.phones]),
    )


def _plain(text: str, most: int, field: str) -> None:
    if not 1 <= len(text) <= most or text != text.strip():
        raise Refusal("invalid_params", f"1 to {most} characters, without spaces around them", field=field)
    if inert(text, keep=_MARKS) != text:
        raise Refusal("invalid_params", "no control characters, and none that turn the direction", field=field)


def _shown(record: Record) -> dict[str, Any]:
    return {
        "peer": record.address,
        "name": record.name,
        "fields": record.fields,
        "lists": record.lists,
        "phones": record.phones,
        "created_at": rfc3339(record.created_at),
    }
