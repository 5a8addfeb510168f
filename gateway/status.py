"""What `status` shows, and the gauges of the metrics: one reading of the daemon's state for both."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import trio

from gateway.carrier.alarms import KINDS as ALARMS
from gateway.carrier.life import STATES
from gateway.doors.socket import SocketServer
from gateway.handlers.pusher import Pusher
from gateway.log import counters as log_counters
from gateway.metrics import Metrics
from gateway.model import id_ms
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import App
from gateway.outbound.shown import carrier_shown
from gateway.outbox import Feed, Outbox
from gateway.store import queries
from gateway.store.balance import left_of
from gateway.store.ends import rfc3339
from gateway.store.messages import Held, held_in_doubt
from gateway.store.retention import oldest
from gateway.store.store import Store
from gateway.store.streams import HANDLER

RATE_SPAN: Final = 10
"""Seconds over which rates are shown."""


class Status:
    """Reads the parts of the daemon."""

    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        outbox: Outbox,
        metrics: Metrics,
        handlers: Mapping[str, Pusher],
    ) -> None:
        self._store = store
        self._outbound = outbound
        self._outbox = outbox
        self._metrics = metrics
        self._handlers = handlers
        self._started = time.monotonic()
        self._samples: deque[dict[str, float]] = deque(maxlen=RATE_SPAN + 1)
        self.server: SocketServer | None = None
        self.oldest: dict[str, int] = {}
        self.prepaid: tuple[str, ...] = ()  # apps that pay in advance
        self.balances: dict[str, int] = {}
        self._connect_gauges()

    def sample(self) -> None:
        """Called once a second, for the rates."""
        self._samples.append({name: self._submitted(name) for name in self._outbound.carriers})

    async def look_at_disk(self) -> None:
        """Reads from the database what gauges show; now and then."""
        self.oldest = await self._store.reader.read(queries.queued_oldest)
        if self._store.writer.base.charges:
            self.balances = await self._store.reader.read(left_of)

    def _submitted(self, name: str) -> float:
        return _value(self._metrics.carrier(name).submitted)

    def _rate(self, name: str) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return round((last.get(name, 0.0) - first.get(name, 0.0)) / (len(self._samples) - 1), 1)

    # --- status -------------------------------------------------------------------------------------------------------

    async def read(self, app: App) -> dict[str, Any]:
        """All of it for an operator; an app sees how its own messages can be sent, and its subscriptions."""
        counts = await self._store.reader.read(queries.counts_by_state)
        waiting: dict[str, list[queries.QueueLine]] = {}
        held: dict[str, Held] = {}
        if app.admin:
            held = await self._store.reader.read(partial(held_in_doubt, now=self._store.clock.now_ms()))
            for line in await self._store.reader.read(queries.queue_lines):
                waiting.setdefault(line.carrier, []).append(line)
        failed, receipts = _by_carrier(self._metrics.failed), _by_carrier(self._metrics.receipts)
        shown: dict[str, Any] = {
            "version": version("smsgw"),
            "uptime": round(time.monotonic() - self._started, 1),
            "stopping": self._outbound.stopping,
            "carriers": [
                self._carrier(
                    name, app, failed.get(name, 0), receipts.get(name, 0), waiting.get(name, []), held.get(name, Held())
                )
                for name in self._outbound.carriers
            ],
            "subscriptions": self._subscriptions(None if app.admin else app.name),
        }
        if app.admin:
            writer, database = self._store.writer, self._store.database
            first = await self._store.reader.read(oldest)
            shown |= {
                "pid": os.getpid(),
                "node": self._store.ids.node,
                "epoch": self._store.epoch,
                "store": {
                    "url": database.url,
                    "healthy": writer.healthy,
                    "disk_full": writer.disk_full,
                    "wal_bytes": database.wal_size(),
                    "free_bytes": database.free_disk(),
                    "bursts": writer.stats.bursts,
                    "rows": writer.stats.rows,
                    "oldest": rfc3339(id_ms(first)) if first is not None else None,
                },
                "handlers": self._handler_rows(),
                "counts": counts,
                "parked_receipts": writer.base.parked,
                "not_configured": {
                    name: sum(line.segments for line in lines)
                    for name, lines in waiting.items()
                    if name not in self._outbound.carriers
                },
            }
        return shown

    def _carrier(
        self, name: str, app: App, failed: int, receipts: int, lines: list[queries.QueueLine], held: Held
    ) -> dict[str, Any]:
        carrier = self._outbound.carriers[name]
        queue = self._outbound.queues[name]
        metrics = self._metrics.carrier(name)
        queued = queue.queued if app.admin else queue.stored.get(app.name, 0)
        shown: dict[str, Any] = {"name": name, "state": carrier.state, "queued": queued}
        if not app.admin:
            return shown
        ids = self._store.writer.base.forms.view(name)
        wish = self._outbound.wishes.get(name)
        planner = self._outbound.rerouter.planner
        over = self._outbound.choice.passed_over(planner.left, planner.ready).get(name, [])
        return shown | {
            **carrier_shown(carrier, wish, lines, held, over, ids, self._store.clock.now_ms()),
            "submitted": int(_value(metrics.submitted)),
            "accepted": int(_value(metrics.accepted)),
            "failed": failed,
            "in_doubt": int(_value(metrics.in_doubt)),
            "receipts": receipts,
            "inbound": int(_value(metrics.inbound)),
            "rate": self._rate(name),
            "numbers_waiting": queue.slow.numbers,
        }

    def _subscriptions(self, app: str | None) -> list[dict[str, Any]]:
        return [
            {
                "app": feed.info.app,
                "name": feed.info.name,
                "connected": self.server is not None and self.server.subscriptions.connected(feed.info.id),
                "backlog": feed.backlog,
            }
            for feed in self._outbox.feeds.values()
            if feed.info.kind != HANDLER and (app is None or feed.info.app == app)
        ]

    def _handler_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for feed in self._outbox.feeds.values():
            if feed.info.kind == HANDLER:
                webhook = self._handlers.get(feed.info.name)
                rows.append(
                    {
                        "name": feed.info.name,
                        "configured": webhook is not None,
                        "backlog": self._handler_backlog(feed),
                        "down": webhook.down if webhook is not None else False,
                        "paused": webhook.paused if webhook is not None else False,
                        "paused_since": rfc3339(since) if (since := _paused_since(webhook)) is not None else None,
                        "dead": feed.dead,
                        "failures": webhook.failures if webhook is not None else 0,
                        "last_error": webhook.last_error if webhook is not None else None,
                    }
                )
        return rows

    # --- gauges -------------------------------------------------------------------------------------------------------

    def _connect_gauges(self) -> None:
        m, outbound, store = self._metrics, self._outbound, self._store
        m.window.read = lambda: [((c.name,), c.in_use) for c in outbound.carriers.values()]
        m.rate_limit.read = lambda: [((c.name,), c.rate_now or 0.0) for c in outbound.carriers.values()]
        m.slow_numbers.read = lambda: [((name,), q.slow.numbers) for name, q in outbound.queues.items()]
        m.retries.read = lambda: [
            ((name, where), count)
            for name, q in outbound.queues.items()
            for where, count in (("memory", q.retries.in_memory), ("disk", len(q.retries.left)))
        ]
        m.pairs_on_disk.read = lambda: [((name,), q.pairs.on_disk) for name, q in outbound.queues.items()]
        m.queue.read = lambda: [((name,), queue.queued) for name, queue in outbound.queues.items()]
        m.oldest.read = self._ages
        m.bind_up.read = lambda: [
            ((c.name, b.name), float(b.state == "bound")) for c in outbound.carriers.values() for b in c.binds
        ]
        m.alarm.read = lambda: [
            ((c.name, b.name), float(b.refused)) for c in outbound.carriers.values() for b in c.binds
        ]
        m.carrier_state.read = lambda: [
            ((c.name, state), float(c.state == state)) for c in outbound.carriers.values() for state in STATES
        ]
        m.alarms.read = lambda: [
            ((c.name, kind), float(kind in c.alarm_list)) for c in outbound.carriers.values() for kind in ALARMS
        ]
        m.stalls.read = lambda: [((c.name,), float(c.stalls.count)) for c in outbound.carriers.values()]
        m.rebinds.read = lambda: [
            ((c.name, cause), float(count)) for c in outbound.carriers.values() for cause, count in c.rebinds.items()
        ]
        m.outbinds.read = lambda: [
            ((c.name, outcome), float(count))
            for c in outbound.carriers.values()
            if c.outbinds is not None
            for outcome, count in c.outbinds.counts.items()
        ]
        m.backlog.read = self._backlogs
        m.balances.read = lambda: [((app,), float(self.balances.get(app, 0))) for app in self.prepaid]
        m.handler_paused.read = lambda: [((name,), float(one.paused)) for name, one in self._handlers.items()]
        m.store_state.read = lambda: [((), float(store.writer.healthy))]
        m.store_failures.read = lambda: [((), float(store.writer.stats.failures))]
        m.disk_full.read = lambda: [((), float(store.writer.disk_full))]
        m.wal.read = lambda: [((), store.database.wal_size())]
        m.parked.read = lambda: [((), store.writer.base.parked)]
        m.waiting_parts.read = lambda: [((), store.writer.base.waiting.units)]
        m.tasks.read = lambda: [((), trio.lowlevel.current_statistics().tasks_living)]
        m.connections.read = lambda: [((), len(self.server.connections) if self.server is not None else 0)]
        m.reading_stopped.read = lambda: (
            [((cause,), float(count)) for cause, count in self.server.reading_stopped.items()] if self.server else []
        )
        m.bind_reading_stopped.read = lambda: [
            ((c.name,), float(sum(b.holds for b in c.binds))) for c in outbound.carriers.values()
        ]
        m.bind_reads.read = lambda: [
            ((c.name,), float(sum(b.turns.reads for b in c.binds))) for c in outbound.carriers.values()
        ]
        m.bind_writes.read = lambda: [
            ((c.name,), float(sum(b.turns.writes for b in c.binds))) for c in outbound.carriers.values()
        ]
        m.socket_reads.read = lambda: [((), float(self.server.turns.reads if self.server is not None else 0))]
        m.socket_writes.read = lambda: [((), float(self.server.turns.writes if self.server is not None else 0))]
        m.build.read = lambda: [((version("smsgw"),), 1.0)]
        m.log_lines.read = lambda: [
            (("suppressed",), log_counters().suppressed),
            (("lost",), log_counters().lost),
        ]

    def _backlogs(self) -> Iterable[tuple[tuple[str, ...], float]]:
        for feed in self._outbox.feeds.values():
            if feed.info.kind == HANDLER:
                yield ("handler", feed.info.name), self._handler_backlog(feed)
            else:
                yield ("subscription", f"{feed.info.app}/{feed.info.name}"), feed.backlog

    def _handler_backlog(self, feed: Feed) -> int:
        """Events that a handler has still to deliver: those not tried, and those tried in vain so far."""
        webhook = self._handlers.get(feed.info.name)
        return feed.backlog + (webhook.waiting if webhook is not None else 0)

    def _ages(self) -> Iterable[tuple[tuple[str, ...], float]]:
        now = self._store.clock.now_ms()
        return [
            ((name,), max(0.0, (now - self.oldest[name]) / 1000) if name in self.oldest else 0.0)
            for name in self._outbound.carriers
        ]


def _paused_since(handler: Pusher | None) -> int | None:
    return handler.paused_since if handler is not None else None


def _value(counter: Any) -> float:
    return float(counter._value.get())


def _by_carrier(counter: Any) -> dict[str, int]:
    """A counter's sum for each carrier: not by `collect`, which makes an object of every status of every carrier."""
    found: dict[str, int] = {}
    for (name, *_), child in counter._metrics.items():
        found[name] = found.get(name, 0) + int(_value(child))
    return found
