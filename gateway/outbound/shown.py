"""A carrier as `status` shows it: how it is, why nothing is sent just now, and what waits for it."""

from __future__ import annotations

from typing import Any, Final

from gateway.carrier.carrier import Carrier
from gateway.model import id_ms
from gateway.outbound.choice import PassedOver
from gateway.store.ends import rfc3339
from gateway.store.forms import View
from gateway.store.messages import Held
from gateway.store.queries import QueueLine
from gateway.store.wishes import Wish

LANES: Final = ("transactional", "marketing")
"""By number; messages of class `direct` go in the first."""


def carrier_shown(
    carrier: Carrier,
    wish: Wish | None,
    lines: list[QueueLine],
    held: Held,
    passed_over: list[PassedOver],
    ids: View,
    now_ms: int,
) -> dict[str, Any]:
    """What an operator is shown of a carrier, apart from what was counted; what is given is of this carrier alone."""
    settings = carrier.settings
    oldest = min((line.oldest for line in lines), default=None)
    return {
        "why": why(carrier, wish),
        "waiting": carrier.waiting_reason or None,
        "held_for": carrier.held_for,
        "held_since": rfc3339(wish.at) if wish is not None else None,
        "profile": settings.profile,
        "ready": carrier.claims_waiting,
        "in_flight": carrier.in_use,
        "window": sum(settings.window for b in carrier.binds if b.can_send),
        "queues": [
            {
                "lane": LANES[line.lane],
                "app": line.app,
                "queued": line.segments,
                "oldest_seconds": _age(line.oldest, now_ms),
            }
            for line in lines
        ],
        "oldest_seconds": _age(oldest, now_ms) if oldest is not None else None,
        "held_in_doubt": {"segments": held.segments, "past_validity": held.past_validity},
        "passed_over": [{"route": one.route, "to": one.to} for one in passed_over],
        "rate_allowed": carrier.rate_now,
        "rate_cap": settings.throughput or None,
        "rate_learnt": carrier.pace.rate.lowered,
        "congestion": carrier.congestion,
        "alarms": [{**alarm, "since": rfc3339(int(alarm["since"] * 1000))} for alarm in carrier.alarms()],
        "stalls": carrier.stalls.count,
        "message_id": {"form": ids.form, "source": ids.source, "seen": ids.seen, "against": ids.against},
        "binds": [
            {
                "name": b.name,
                "kind": b.kind,
                "state": b.state,
                "host": b.host,
                "since": rfc3339(int(b.since * 1000)),
                "seconds": round(max(0.0, now_ms / 1000 - b.since), 1),
                "window": settings.window if b.kind != "receiver" else 0,
                "in_use": b.in_use,
                "version": b.version,
                "congestion": b.congestion,
                "reconnects": b.reconnects,
                "last_error": b.last_error,
            }
            for b in carrier.binds
        ],
    }


def _age(message_id: int, now_ms: int) -> float:
    return round(max(0, now_ms - id_ms(message_id)) / 1000, 1)


def why(carrier: Carrier, wish: Wish | None) -> str | None:
    """In words why it sends nothing just now, or less than there is; None: nothing keeps it."""
    if carrier.ending or carrier.stopping:
        return "it is being stopped: the daemon stops, or a reload replaces it"
    reason = carrier.waiting_reason
    if reason == "paused":
        words = _HELD.get(carrier.state, "held by an operator")
        return words + (f": {wish.reason}" if wish is not None and wish.reason else "")
    if reason == "down":
        senders = [b for b in carrier.binds if b.kind != "receiver"]
        error = next((b.last_error for b in senders if b.last_error), None)
        before = f" (before: {error})" if error else ""
        if any(b.state in _COMING for b in senders):
            return "no bind that sends is up yet; it connects just now" + before
        if any(b.state == "unbinding" for b in senders):
            return "no bind that sends is up; one is being unbound, and connects after that" + before
        return "no bind that sends is up" + (f": {error}" if error else "")
    if reason == "congested":
        return f"the carrier says that it is congested ({carrier.congestion} of 100)"
    return _WHY.get(reason)


_COMING: Final = ("connecting", "binding", "drained")
"""States of a bind on its way up, where no operator wants it drained any more."""
_HELD: Final = {
    "paused": "paused by an operator",
    "draining": "drained by an operator: answers to what was written are awaited",
    "drained": "drained by an operator",
}
_WHY: Final = {
    "throttled": "throttled: the carrier answered ESME_RTHROTTLED",
    "full": "the carrier's queue is full: many phones in a row answered ESME_RMSGQFUL",
    "pace": "more waits than the rate allows",
    "window": "the window is full: answers of the carrier are awaited",
    "blocked": "no connection to the carrier takes octets: it does not read",
}
