"""``rules``: what the rules would make of an inbound message, and why. Nothing is stored or sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.doors.acts import operator
from gateway.doors.lookup import moment
from gateway.outbound.request import Refusal
from gateway.policy.decision import Facts
from gateway.policy.explained import explained, heard
from gateway.policy.optout import OptOuts
from gateway.policy.rules import RuleBook
from gateway.settings import Settings
from gateway.sms.address import AddressError, normalise_sender
from gateway.store.ends import rfc3339
from gateway.store.facts import facts_now
from gateway.store.ruled import held_back_now
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection


class RulesParams(msgspec.Struct, forbid_unknown_fields=True):
    """``rules``: a message as it may come in; ``at`` is a time as in RFC 3339, None: now."""

    from_: str = msgspec.field(name="from")
    number: str | None = None
    text: str | None = None
    at: str | None = None


class Rules:
    """Answers by the rules that the daemon has, and by what its database knows of the peer."""

    def __init__(self, store: Store, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._settings = settings
        self._book: tuple[Settings, RuleBook] | None = None

    async def rules(self, connection: Connection, params: RulesParams) -> object:
        """The rules that were tried, what did not match, and what would be done."""
        operator(connection.app)
        settings = self._settings()
        if self._book is None or self._book[0] is not settings:
            self._book = (settings, RuleBook(settings))
        book = self._book[1]
        if params.number is None and len(settings.numbers) != 1:
            raise Refusal("invalid_params", "number is needed, as there is not just one", field="number")
        number = settings.numbers[0].number if params.number is None else params.number
        ours = settings.numbers_by_value.get(_address(number, "number", settings))
        if ours is None:
            raise Refusal("invalid_params", "number is none of ours", field="number")
        peer = _address(params.from_, "from", settings)
        at = moment(params.at, "at")
        if at is None:
            at = self._store.clock.now_ms()
        facts, held_back = await self._store.reader.read(
            partial(_looked_up, settings, book, self._store.writer.base.optouts, ours.number, peer, params.text, at)
        )
        if not heard(ours, at):
            held_back = []
        return {"at": rfc3339(at), **explained(book, facts, ours), "held_back": held_back}


def _looked_up(
    settings: Settings,
    book: RuleBook,
    optouts: OptOuts,
    number: str,
    peer: str,
    text: str | None,
    at: int,
    con: sqlite3.Connection,
) -> tuple[Facts, list[str]]:
    facts = facts_now(con, book, number, peer, text, at, optouts)
    interval = int(settings.limits.reply_interval * 1000)
    return facts, held_back_now(con, book, facts, settings.numbers_by_value, interval, optouts)


def _address(raw: str, field: str, settings: Settings) -> str:
    try:
        return normalise_sender(raw, settings.default_region).value
    except AddressError as error:
        raise Refusal("invalid_params", error.detail, field=field) from None
