"""The pace of a carrier: its rate, which follows what it takes, and the pauses that its answers ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.carrier.pacer import Pacer
from gateway.carrier.rate import Load, Rate, load_of
from gateway.carrier.status import FullQueues

if TYPE_CHECKING:
    from gateway.settings import Carrier as CarrierSettings

CONGESTED_PAUSE: Final = 1.0
"""Seconds of pause when a carrier says that it is congested (congestion_state 100): it is asked again after them."""


class Pace:
    """``paused_until``: before it nothing is written, and ``why`` says for what: `throttled`, `full` or `congested`.

    Times are Trio's seconds.
    """

    def __init__(self, settings: CarrierSettings) -> None:
        self._throttle_pause = settings.throttle_pause
        self._burst = settings.burst
        self.pacer = Pacer(settings.throughput, settings.burst)
        self.rate = Rate(settings.throughput, adapt=settings.adapt)
        self.full_queues = FullQueues()
        self.paused_until = 0.0
        self.why = ""
        self.held_back = False  # since the last answers a segment had to wait for the rate

    def follow(self, other: Pace) -> None:
        """Goes on where another of the same carrier stopped."""
        self.pacer.follow(other.pacer)
        self.rate.follow(other.rate)
        self.paused_until, self.why = other.paused_until, other.why
        self._apply()

    def answers(self, now: float, accepted: int, throttled_at: float | None, *, full: bool) -> float:
        """What the answers of one read come to; returns the seconds of pause that they add.

        ``throttled_at``: when the last written of those that were throttled was written. ``full``: the queues of so
        many peers are full that it is the carrier's.
        """
        changed = False
        if accepted:
            self.full_queues.taken(accepted)
            changed = self.rate.accepted(accepted, now, held_back=self.held_back)
            self.held_back = False
        if throttled_at is not None:
            changed |= self.rate.throttled(now, throttled_at)
        if changed:
            self._apply()
        if throttled_at is None and not full:
            return 0.0
        return self.pause(now, self._throttle_pause, "throttled" if throttled_at is not None else "full")

    def congested(self, now: float, congestion_state: int) -> float:
        """The carrier told how busy it is, 0 to 100; returns the seconds of pause that this adds."""
        load = load_of(congestion_state)
        if self.rate.congested(load, now):
            self._apply()
        return self.pause(now, CONGESTED_PAUSE, "congested") if load is Load.STOP and self.rate.adapt else 0.0

    def pause(self, now: float, seconds: float, why: str) -> float:
        """Nothing is written for so long; returns the seconds that this adds."""
        before = max(self.paused_until, now)
        if now + seconds <= before:
            return 0.0
        self.paused_until, self.why = now + seconds, why
        return self.paused_until - before

    def _apply(self) -> None:
        # A burst is for the rate agreed; while it is lowered it would only be throttled again.
        self.pacer.set(self.rate.now, 0 if self.rate.lowered else self._burst)
