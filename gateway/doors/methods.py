"""The methods of the local socket apart from `submit` and `ack`, which are handled a burst at a time.

What looks messages up is in `lookup`, what acts on them in `acts`; the others have files of their own by subject.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.doors.acts import Acts, IdParams, ResolveParams, operator
from gateway.doors.backups import BackupParams, Backups
from gateway.doors.balances import BalanceAddParams, BalanceEntriesParams, Balances, BalancesParams
from gateway.doors.capturing import CaptureParams, Capturing
from gateway.doors.carriers import CarrierActs, CarrierParams
from gateway.doors.consents import (
    ConsentAskParams,
    ConsentChangesParams,
    ConsentParams,
    Consents,
    ConsentSetParams,
    ConsentsImportParams,
    ConsentsParams,
)
from gateway.doors.erase import EraseParams, Erases
from gateway.doors.events import EventParams, Events, EventsParams, ReplayParams, ResumeParams
from gateway.doors.lookup import HistoryParams, Lookup, MessageParams, SearchParams
from gateway.doors.optouts import (
    OptOutChangesParams,
    OptOutParams,
    OptOuts,
    OptOutSetParams,
    OptOutsImportParams,
    OptOutsParams,
)
from gateway.doors.peers import PeerMergeParams, PeerParams, Peers, PeerSetParams, PeersImportParams, PeersParams
from gateway.doors.replies import RepliesParams, ReplyReport
from gateway.doors.rules import Rules, RulesParams
from gateway.doors.threads import OwnerOf, ThreadParams, Threads, ThreadSetParams, ThreadsParams
from gateway.doors.usage import Usage, UsageParams
from gateway.outbound.erase import Erasure
from gateway.outbound.explain import Asked, sender_of
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import App, Refusal, Submit
from gateway.outbox import Outbox
from gateway.settings import Settings
from gateway.settings.routing import EventKind
from gateway.sms.preview import described
from gateway.store.ends import rfc3339
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.doors.connection import Connection


class SubscribeParams(msgspec.Struct, forbid_unknown_fields=True):
    """``subscribe``."""

    name: str = "default"
    numbers: list[str] | None = None
    events: list[EventKind] = msgspec.field(default_factory=lambda: ["inbound", "receipt"])
    max_unacked: int = 2000


class NameParams(msgspec.Struct, forbid_unknown_fields=True):
    """``unsubscribe``."""

    name: str = "default"


class NoParams(msgspec.Struct, forbid_unknown_fields=True):
    """``status`` and ``reload``."""


Method = Callable[["Connection", Any], Awaitable[object]]


def _campaign_of(settings: Callable[[], Settings], number: str) -> str | None:
    known = settings().numbers_by_value.get(number)
    return known.campaign_id if known is not None else None


class Methods:
    """What the methods do; one for all connections."""

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        outbox: Outbox,
        *,
        status: Callable[[App], Awaitable[dict[str, Any]]],
        reload: Callable[[], Awaitable[dict[str, Any]]],
        no_receipt_after: Callable[[], float],
        region: Callable[[], str | None],
        owner_of: OwnerOf,
        settings: Callable[[], Settings],
        replies_within: Callable[[], float],
    ) -> None:
        self.store = store
        self.outbound = outbound
        self.outbox = outbox
        self._status = status
        self._reload = reload
        lookup = self._lookup = Lookup(store, no_receipt_after=no_receipt_after, region=region)
        acts = Acts(store, outbound, lookup)
        capturing = Capturing(outbound)
        backups = Backups(store)
        erases = Erases(Erasure(store, outbox), lookup)
        carriers = CarrierActs(store, outbound)
        threads = Threads(store, lookup, owner_of)
        peers = Peers(store, lookup)
        optouts = OptOuts(store, lookup)
        consents = Consents(store, lookup, outbound.intake)
        balances = Balances(store, settings)
        usage = Usage(store)
        report = ReplyReport(store, lookup, replies_within, partial(_campaign_of, settings))
        told = Events(outbox)
        ruled = Rules(store, settings)
        self.table: dict[str, tuple[type[msgspec.Struct], Method]] = {
            "message": (MessageParams, lookup.message),
            "messages": (SearchParams, lookup.messages),
            "history": (HistoryParams, lookup.history),
            "threads": (ThreadsParams, threads.threads),
            "thread": (ThreadParams, threads.thread),
            "thread_set": (ThreadSetParams, threads.thread_set),
            "peers": (PeersParams, peers.peers),
            "peer": (PeerParams, peers.peer),
            "peer_set": (PeerSetParams, peers.peer_set),
            "peers_import": (PeersImportParams, peers.peers_import),
            "peer_merge": (PeerMergeParams, peers.peer_merge),
            "optouts": (OptOutsParams, optouts.optouts),
            "optout": (OptOutParams, optouts.optout),
            "optout_set": (OptOutSetParams, optouts.optout_set),
            "optouts_import": (OptOutsImportParams, optouts.optouts_import),
            "optout_changes": (OptOutChangesParams, optouts.optout_changes),
            "balances": (BalancesParams, balances.balances),
            "balance_entries": (BalanceEntriesParams, balances.balance_entries),
            "balance_add": (BalanceAddParams, balances.balance_add),
            "consent": (ConsentParams, consents.consent),
            "consent_set": (ConsentSetParams, consents.consent_set),
            "consent_ask": (ConsentAskParams, consents.consent_ask),
            "consents": (ConsentsParams, consents.consents),
            "consents_import": (ConsentsImportParams, consents.consents_import),
            "consent_changes": (ConsentChangesParams, consents.consent_changes),
            "usage": (UsageParams, usage.usage),
            "replies": (RepliesParams, report.replies),
            "events": (EventsParams, told.events),
            "event": (EventParams, told.event),
            "replay": (ReplayParams, told.replay),
            "resume": (ResumeParams, told.resume),
            "preview": (Submit, self.preview),
            "route": (Asked, self.route),
            "rules": (RulesParams, ruled.rules),
            "cancel": (IdParams, acts.cancel),
            "status": (NoParams, self.status),
            "subscribe": (SubscribeParams, self.subscribe),
            "unsubscribe": (NameParams, self.unsubscribe),
            "resolve": (ResolveParams, acts.resolve),
            "carrier": (CarrierParams, carriers.carrier),
            "capture": (CaptureParams, capturing.capture),
            "backup": (BackupParams, backups.backup),
            "erase": (EraseParams, erases.erase),
            "reload": (NoParams, self.reload),
        }

    async def preview(self, connection: Connection, params: Submit) -> object:
        """What would be sent, and why so. Takes what ``submit`` takes, and stores nothing."""
        now_ms = self.store.clock.now_ms()
        intake = self.outbound.intake
        known = await intake.known(connection.app, params)
        prepared, shown = intake.preparer.preview(connection.app, params, now_ms, known)
        await intake.weigh(prepared)
        origins, row = intake.preparer.origins, prepared.row
        room = origins.room(known, now_ms)
        return {
            **described(prepared.plan, prepared.outgoing.bodies[0].data_coding, shown),
            "from": prepared.row.number,
            "to": prepared.row.peer,
            "carrier": prepared.row.carrier,
            "send_at": None if row.due_at is None else rfc3339(row.due_at),
            "warnings": prepared.warnings,
            "sender": sender_of(
                origins, connection.app, params.from_, params.class_, row.peer, prepared.why, room, row.air
            ),
        }

    async def route(self, connection: Connection, params: Asked) -> object:
        """Which carrier a message would go to, and why. Nothing is sent."""
        return await self.outbound.explain(connection.app, params)

    # --- events -------------------------------------------------------------------------------------------------------

    async def subscribe(self, connection: Connection, params: SubscribeParams) -> object:
        """Makes a subscription, or takes it over."""
        if not 1 <= len(params.name) <= 64:
            raise Refusal("invalid_params", "name has 1 to 64 characters", field="name")
        if not 1 <= params.max_unacked <= 20_000 - 1:
            raise Refusal("invalid_params", "max_unacked is 1 to 19999", field="max_unacked")
        app = connection.app
        numbers: frozenset[str] | None = None
        if params.numbers is not None:
            numbers = frozenset(self._lookup.address(n) or n for n in params.numbers)
            if app.numbers is not None and not numbers <= app.numbers:
                raise Refusal("not_allowed", "not one of your numbers", field="numbers")
        feed = await self.outbox.open(
            "subscription", app.name, params.name, numbers=numbers, events=frozenset(params.events)
        )
        connection.subscribed(feed, params.max_unacked)
        return {"name": params.name, "backlog": feed.backlog}

    async def unsubscribe(self, connection: Connection, params: NameParams) -> object:
        """Ends a subscription; what waited in it is gone."""
        feed = self.outbox.find(connection.app.name, params.name)
        if feed is None:
            raise Refusal("not_found", "no such subscription", field="name")
        dropped = feed.backlog
        connection.server.subscriptions.end(feed.info.id)
        await self.outbox.close(feed)
        return {"name": params.name, "dropped": dropped}

    # --- the daemon ---------------------------------------------------------------------------------------------------

    async def status(self, connection: Connection, params: NoParams) -> object:
        """Binds, queues, rates; an app without the operator's right sees its own part."""
        return await self._status(connection.app)

    async def reload(self, connection: Connection, params: NoParams) -> object:
        """Reads the configuration again."""
        operator(connection.app)
        return await self._reload()
