"""The rate that a carrier takes, found by what it accepts: it rises by steps and falls by a share (AIMD).

Without a limit a carrier is written to as fast as its window goes. When it throttles, the rate is lowered to a share of
what it accepted in the last second, and then rises again: back to nearly what was accepted, soon; there it stays for a
while; then it feels its way up, slowly at first, for the carrier may take more by now. Each time that it is throttled
at about the same rate, it stays longer. All times are seconds of one clock; "seconds in use" are those in which the
rate was what held segments back, for a rate that nobody needs says nothing.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

BETA: Final = 0.9
"""What a throttling leaves of the rate that was accepted."""
NEARLY: Final = 0.98
"""Share of the rate of the last throttling to which it comes back soon."""
AGREED: Final = 0.9
CHANCE_AFTER: Final = 5.0
"""Where at least this share of the cap was accepted, and nothing was throttled for so many seconds, it comes back to
the cap: what was agreed is thought to hold."""
STEP: Final = 0.05
"""Share of that rate that is added for each second in use on the way back."""
STAY: Final = 30.0
LONGEST_STAY: Final = 300.0
"""Seconds in use to stay there: at first, and as they double at most."""
FALLEN: Final = 0.5
STAY_FALLEN: Final = 5.0
"""Below this share of what it took or what was agreed it stays so long only: some carriers throttle everything for a
minute, and are well again."""
ABOUT: Final = 0.8
"""From this share on it is about the same rate."""
GROWTH: Final = 0.01
"""Share that is added for each second in use beyond; it doubles every `GROWTH_DOUBLES` seconds, to `GROWTH_MOST`."""
GROWTH_DOUBLES: Final = 5.0
GROWTH_MOST: Final = 0.5
START: Final = 10.0
STAY_UNKNOWN: Final = 2.0
"""Segments a second from no limit at all, where less than that was accepted before the throttling: it tells little of
what the carrier takes, and is left after so many seconds in use."""
LOWEST: Final = 1.0
"""Segments a second: a carrier that throttles everything is asked that often, or as often as a cap that is less."""
FLOOR: Final = 0.5
"""Not lower than this share of the most that was accepted in a second: the pauses slow down enough. Some carriers
throttle at random, whatever the rate."""
PEAK_HALVES: Final = 60.0
"""Seconds in which what is remembered of that most halves."""
SPAN: Final = 1.0
_BUCKET: Final = 0.02


class Load(Enum):
    """What a congestion_state asks for (SMPP 5.0 §4.8.4.18)."""

    NONE = "none"
    STEADY = "steady"  # "optimum load": no faster
    SLOWER = "slower"  # "nearing congestion"
    STOP = "stop"  # "congested"


CONGESTION: Final = ((100, Load.STOP), (90, Load.SLOWER), (80, Load.STEADY), (0, Load.NONE))
"""From which congestion_state on; below 80 the carrier is idle or its load low, medium or high, with room for more."""


def load_of(congestion_state: int) -> Load:
    """What a congestion_state asks for; reserved values above 100 count as 100."""
    return next(load for least, load in CONGESTION if congestion_state >= least)


class Rate:
    """``now``: segments a second, 0 for no limit; never above ``cap`` unless that is 0."""

    def __init__(self, cap: float, *, adapt: bool = True) -> None:
        self.cap = cap
        self.now = cap
        self.adapt = adapt
        self._accepted: deque[tuple[float, int]] = deque()  # of the last second, by fractions of it
        self._in_second = 0
        self._peak = 0.0
        self._peak_at = 0.0
        self._known = 0.0  # what was accepted when it was last lowered; 0: it never was
        self._level = 0.0  # to which it comes back soon
        self._in_use = 0.0  # seconds since then
        self._stay = STAY
        self._lowered_at = float("-inf")
        self._steady_until = float("-inf")
        self._first = False  # it was lowered once, from no limit at all

    def follow(self, other: Rate) -> None:
        """Goes on with what another has found, as after a reload."""
        if not self.adapt or not other._known:
            return
        for name in ("_known", "_level", "_in_use", "_stay", "_lowered_at", "_peak", "_peak_at"):
            setattr(self, name, getattr(other, name))
        self.now = min(other.now, self.cap) if self.cap else other.now

    @property
    def lowered(self) -> bool:
        """Whether it is below what it would be without any throttling."""
        return self.now != self.cap

    def accepted(self, segments: int, now: float, *, held_back: bool) -> bool:
        """So many segments were accepted; ``held_back``: since the last call some had to wait for the rate.

        Returns whether the rate changed.
        """
        if not self.adapt:
            return False
        self._count(segments, now)
        rate = self.now
        if rate and self._first and now < self._lowered_at + SPAN and self._in_second > self._known:
            # Of what was under way at the first throttling, it took more: that is what it takes in a second.
            self._known = float(self._in_second)
            self._level = NEARLY * self._known
            self._stay = STAY if self._known >= START else STAY_UNKNOWN
            self.now = min(BETA * self._known, self.cap or float("inf"))
            return True
        if not rate or not held_back or rate == self.cap or now < self._steady_until:
            return False
        seconds = min(segments / rate, SPAN)
        level = self._level
        if rate < level:
            rate = min(rate + STEP * self._known * seconds, level)
        else:
            self._in_use += seconds
            beyond = self._in_use - self._stay
            if beyond <= 0:
                return False
            rate += rate * min(GROWTH * 2 ** min(beyond / GROWTH_DOUBLES, 16), GROWTH_MOST) * seconds
        self.now = min(rate, self.cap) if self.cap else rate
        return True

    def throttled(self, now: float, written_at: float) -> bool:
        """A segment written then was throttled. Returns whether that lowered the rate.

        Once for all that were under way, or came while the carrier's second held what was sent at the rate before.
        """
        if not self.adapt or written_at <= self._lowered_at + SPAN:
            return False
        self._lower(now)
        return True

    def congested(self, load: Load, now: float) -> bool:
        """The carrier told how busy it is. Returns whether the rate changed."""
        if not self.adapt or load is Load.NONE:
            return False
        self._steady_until = now + SPAN
        if load is Load.STEADY or now < self._lowered_at + SPAN:
            return False
        self._lower(now)
        return True

    def _lower(self, now: float) -> None:
        self._count(0, now)
        measured = float(self._in_second)
        rate = self.now
        self._first = not rate
        if not rate:
            found = max(measured, START)
        elif now - self._lowered_at > 2 * SPAN and measured >= rate / 4:
            found = min(rate, measured)
        else:
            found = rate  # too little was sent, or too lately, to tell more than that it is too much
        known = self._known
        if measured < START and (not rate or self._stay == STAY_UNKNOWN):
            self._stay = STAY_UNKNOWN
        elif self._in_use > self._stay and found < 1.1 * known:
            # It felt its way up and gained nothing.
            self._stay = min(self._stay * 2, LONGEST_STAY)
        elif known and self._stay > STAY and ABOUT * known <= found < 1.1 * known:
            pass  # what it takes is known well, and it was at its edge
        else:
            # Well below what it took before, its trouble may be over soon; well above, something was gained.
            self._stay = STAY if found >= FALLEN * max(self._peak, self.cap) else STAY_FALLEN
        # What was agreed, once throttled after long: segments were delayed, and came together.
        chance = self.cap and found >= AGREED * self.cap and now - self._lowered_at > CHANCE_AFTER
        self._level = self.cap if chance else NEARLY * found
        self._known = found
        self._in_use = 0.0
        self._lowered_at = now
        lowest = max(min(LOWEST, self.cap) if self.cap else LOWEST, FLOOR * self._peak)
        self.now = min(max(BETA * found, lowest), rate or float("inf"), self.cap or float("inf"))

    def _count(self, segments: int, now: float) -> None:
        """Counts what was accepted in the last second, and the most of any, which is forgotten by and by."""
        accepted = self._accepted
        if segments:
            if accepted and now - accepted[-1][0] < _BUCKET:
                at, count = accepted[-1]
                accepted[-1] = (at, count + segments)
            else:
                accepted.append((now, segments))
            self._in_second += segments
        while accepted and accepted[0][0] <= now - SPAN:
            self._in_second -= accepted.popleft()[1]
        peak = self._peak * 0.5 ** ((now - self._peak_at) / PEAK_HALVES) if self._peak else 0.0
        self._peak, self._peak_at = max(peak, float(self._in_second)), now
