"""A carrier that makes no progress though nothing keeps it: looked for now and then, and bound anew.

Two ways in which it happens. *Silent*: submits are written on a bind and none is answered, while the link lives by its
enquire_link. *Stuck*: there is something to send, a bind with a free slot and nothing that would keep it, and nothing
is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.carrier.bind import Bind
from gateway.log import logger

if TYPE_CHECKING:
    from gateway.carrier.carrier import Carrier

_log = logger(component="carrier")

MOST_SPANS: Final = 16
"""A carrier that stalls again and again is bound anew ever more rarely, to so many times `stall_after`."""


class StallWatch:
    """Watches one carrier. `look` is called every few seconds."""

    def __init__(self, carrier: Carrier) -> None:
        self.count = 0
        self._carrier = carrier
        self._spans = 1
        self._written = 0  # segments handed to sessions when last looked
        self._idle_since: float | None = None  # since when nothing was written though it could be
        self._told_at: float | None = None

    def look(self, now: float) -> list[Bind]:
        """The binds to be bound anew now, because nothing comes of them; mostly none."""
        carrier = self._carrier
        after = carrier.settings.stall_after
        stuck_for = self._stuck_for(now)
        self._over()
        if not after or (self._told_at is not None and now - self._told_at < after * self._spans):
            return []
        silent = [b for b in carrier.binds if b.can_send and self._unanswered_for(b) >= after]
        if silent:
            self._tell(now, "silent", silent)
            return silent
        if stuck_for >= after:
            found = [b for b in carrier.binds if b.can_send]
            self._tell(now, "stuck", found)
            return found
        return []

    def seen(self) -> dict[str, Any]:
        """What the judgement rests on, for the log and for `status`."""
        carrier = self._carrier
        return {
            "waiting": carrier.something_waits(),
            "claimed": carrier.claims_waiting,
            "in_use": carrier.in_use,
            "free": sum(max(0, b.free) for b in carrier.binds if b.can_send),
            "binds": ", ".join(f"{b.name} {b.state}" for b in carrier.binds),
        }

    def _unanswered_for(self, bind: Bind) -> float:
        """Seconds from the first submit that was not answered to the expiry of the last: an idle bind is not silent."""
        if not bind.expired:
            return 0.0
        return bind.expired_last - bind.expired_first + self._carrier.settings.response_timeout

    def _stuck_for(self, now: float) -> float:
        """Seconds for which nothing was written while something waits and could be."""
        carrier = self._carrier
        moved = carrier.written_total != self._written
        self._written = carrier.written_total
        if moved or not (carrier.could_write(now) and carrier.something_waits()):
            self._idle_since = None
            return 0.0
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since

    def _over(self) -> None:
        """Ends the alarm once an answer came after it."""
        if self._told_at is None:
            return
        told = self._told_at
        if any(b.answered_at > told for b in self._carrier.binds):
            self._told_at = None
            self._spans = 1
            self._carrier.alarm_list.set("stalled", None)

    def _tell(self, now: float, how: str, binds: list[Bind]) -> None:
        carrier = self._carrier
        self.count += 1
        if self._told_at is not None:
            self._spans = min(self._spans * 2, MOST_SPANS)
        self._told_at = now
        self._idle_since = None
        names = ", ".join(b.name for b in binds)
        seen = self.seen()
        _log.error("stalled", carrier=carrier.name, how=how, rebinds=names, **seen)
        if how == "silent":
            text = f"{names}: no answer to a submit for {max(b.silent_for(now) for b in binds):.0f} s"
        else:
            text = f"nothing written for {carrier.settings.stall_after:g} s with {seen['claimed']} segments claimed"
        carrier.alarm_list.set("stalled", text)
