"""The rate that follows what a carrier takes, against carriers played in virtual time."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable

import pytest

from gateway.carrier.pacer import Pacer
from gateway.carrier.rate import FLOOR, LOWEST, START, Load, Rate, load_of

Takes = Callable[[float], bool]


def sliding(cap: int) -> Takes:
    """A carrier that takes so many in any second."""
    taken: deque[float] = deque()

    def takes(now: float) -> bool:
        while taken and taken[0] <= now - 1:
            taken.popleft()
        if len(taken) >= cap:
            return False
        taken.append(now)
        return True

    return takes


def by_the_second(cap: int) -> Takes:
    """A carrier that counts anew with each second of its clock."""
    count = [0, 0]

    def takes(now: float) -> bool:
        if int(now + 0.37) != count[0]:
            count[:] = int(now + 0.37), 0
        count[1] += 1
        return count[1] <= cap

    return takes


def bucket(cap: int) -> Takes:
    """A carrier with a bucket of so many tokens, filled at that rate."""
    state = [float(cap), 0.0]

    def takes(now: float) -> bool:
        state[0] = min(cap, state[0] + (now - state[1]) * cap)
        state[1] = now
        if state[0] < 1:
            return False
        state[0] -= 1
        return True

    return takes


class Run:
    """A sender that always has something to send, with a window, for so many seconds."""

    def __init__(
        self, rate: Rate, takes: Takes, seconds: float, *, window: int = 50, latency: float = 0.01, pause: float = 0.5
    ) -> None:
        self.rate = rate
        self.accepted = self.throttled = 0
        self.written: list[float] = []
        self.rates: list[float] = []
        rng = random.Random(7)
        pacer = Pacer(rate.now)
        now = start = 100.0
        paused = 0.0
        under_way: list[tuple[float, float]] = []
        held_back = False
        while now < start + seconds:
            while now >= paused and len(under_way) < window:
                if not pacer.allow(now):
                    held_back = True
                    break
                self.written.append(now)
                heapq.heappush(under_way, (now + latency * rng.uniform(0.9, 1.1), now))
            times = [start + seconds, *(at for at, _ in under_way[:1])]
            if now < paused:
                times.append(paused)
            elif len(under_way) < window:
                times.append(pacer.next_at + rng.uniform(0, 0.001))
            now = max(min(times), now + 1e-6)
            taken = 0
            while under_way and under_way[0][0] <= now:
                _, written_at = heapq.heappop(under_way)
                if takes(now):
                    taken += 1
                    continue
                self.throttled += 1
                paused = now + pause
                if rate.throttled(now, written_at):
                    pacer.set(rate.now)
                    self.rates.append(rate.now)
            if taken:
                self.accepted += taken
                if rate.accepted(taken, now, held_back=held_back):
                    pacer.set(rate.now)
                held_back = False
        self.a_second = self.accepted / seconds
        self.throttled_share = self.throttled / (self.accepted + self.throttled)


CARRIERS = {"sliding": sliding, "by the second": by_the_second, "bucket": bucket}


@pytest.mark.parametrize("seconds", [30, 60])
@pytest.mark.parametrize("window", [10, 50, 200])
@pytest.mark.parametrize("carrier", list(CARRIERS.values()), ids=list(CARRIERS))
def test_the_rate_is_found_where_none_is_set(carrier: Callable[[int], Takes], window: int, seconds: int) -> None:
    run = Run(Rate(0), carrier(200), seconds, window=window)
    assert run.a_second >= 0.9 * 200
    assert run.throttled_share < 0.05


@pytest.mark.parametrize("carrier", list(CARRIERS.values()), ids=list(CARRIERS))
def test_the_rate_agreed_is_reached(carrier: Callable[[int], Takes]) -> None:
    run = Run(Rate(200), carrier(200), 60)
    assert run.a_second >= 0.95 * 200
    assert run.throttled_share < 0.005


def test_the_rate_agreed_is_never_passed() -> None:
    rate = Rate(100)
    run = Run(rate, sliding(1000), 60)
    assert rate.now == 100
    second: deque[float] = deque()
    for at in run.written:
        second.append(at)
        while second[0] <= at - 1:
            second.popleft()
        assert len(second) <= 100


def test_a_carrier_that_takes_less_than_agreed() -> None:
    run = Run(Rate(500), sliding(200), 60)
    assert run.a_second >= 0.9 * 200
    assert run.throttled_share < 0.01


def test_a_carrier_that_takes_more_by_now_is_found_out() -> None:
    caps = (sliding(100), sliding(1000))
    run = Run(rate := Rate(0), lambda now: caps[now > 130](now), 150)
    assert rate.now > 800
    assert run.throttled_share < 0.01


def test_a_carrier_that_takes_less_by_now_is_heeded() -> None:
    caps = (sliding(200), sliding(50))
    run = Run(rate := Rate(0), lambda now: caps[now > 130](now), 130)
    assert 45 <= rate.now <= 75
    assert run.throttled_share < 0.05


def test_refused_once_for_all_that_was_under_way() -> None:
    rate = Rate(100)
    assert rate.throttled(10.0, 9.9)
    lowered = rate.now
    assert lowered < 100
    assert not rate.throttled(10.1, 9.95)
    assert rate.now == lowered
    assert not rate.throttled(10.9, 10.8), "its second still holds what was sent before"
    assert rate.throttled(12.0, 11.1)
    assert rate.now < lowered


def test_who_throttles_everything_is_still_asked() -> None:
    rate = Rate(0)
    for i in range(1000):
        rate.throttled(2.0 * i, 2.0 * i - 0.1)
    assert rate.now == LOWEST
    slow = Rate(0.25)
    for i in range(100):
        slow.throttled(2.0 * i, 2.0 * i - 0.1)
    assert slow.now == 0.25


def test_little_known_is_soon_left() -> None:
    """Throttled with the first segments: that says nothing of what it takes."""
    first = [True] * 20
    run = Run(rate := Rate(0), lambda _: not (first and first.pop()), 90, window=5)
    assert run.rates[0] < START
    assert rate.now > 100
    assert run.accepted > 1000


def test_throttling_at_random_does_not_bring_it_to_a_stop() -> None:
    rng = random.Random(3)
    run = Run(Rate(0), lambda _: rng.random() > 0.3, 60, pause=0.05)
    assert run.a_second > 10
    assert FLOOR > 0


@pytest.mark.parametrize("cap", [0, 200, 1000])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_after_a_minute_of_throttling_it_comes_back_within_another(cap: float, share: float) -> None:
    """What it throttles in that minute says nothing of what it takes: at random, or everything."""
    rng = random.Random(3)
    good = sliding(200)
    run = Run(Rate(cap), lambda now: rng.random() >= share if now < 160 else good(now), 60 + 60 + 10)
    assert sum(at > 220 for at in run.written) >= 0.85 * 200 * 10
    assert sum(at > 100 for at in run.written if at < 160) < 0.5 * 200 * 60, "else there was nothing to come back from"


def test_what_is_not_needed_does_not_rise() -> None:
    rate = Rate(0)
    rate.accepted(100, 10.0, held_back=False)
    rate.throttled(10.5, 10.4)
    now = rate.now
    for i in range(1000):
        assert not rate.accepted(1, 12.0 + i, held_back=False)
    assert rate.now == now


def test_without_adapting_nothing_changes() -> None:
    rate = Rate(100, adapt=False)
    assert not rate.throttled(10.0, 9.0)
    assert not rate.congested(Load.STOP, 10.0)
    assert rate.now == 100


def test_a_reload_goes_on_with_what_was_found() -> None:
    before = Rate(0)
    before.accepted(50, 10.0, held_back=False)
    before.throttled(10.5, 10.4)
    after = Rate(0)
    after.follow(before)
    assert after.now == before.now
    capped = Rate(20)
    capped.follow(before)
    assert capped.now == 20


@pytest.mark.parametrize(
    ("state", "load"),
    [
        *((0, Load.NONE), (29, Load.NONE), (79, Load.NONE), (80, Load.STEADY), (89, Load.STEADY)),
        *((90, Load.SLOWER), (99, Load.SLOWER), (100, Load.STOP), (255, Load.STOP)),
    ],
)
def test_what_congestion_states_ask_for(state: int, load: Load) -> None:
    assert load_of(state) is load


def test_a_carrier_near_congestion_gets_less_once_a_second() -> None:
    rate = Rate(100)
    rate.accepted(50, 10.0, held_back=True)
    assert not rate.congested(Load.STEADY, 10.0)
    assert rate.congested(Load.SLOWER, 10.0)
    lowered = rate.now
    assert lowered < 100
    assert not rate.congested(Load.SLOWER, 10.5)
    assert not rate.accepted(30, 10.9, held_back=True), "no faster while it says so"
    assert rate.congested(Load.SLOWER, 11.1)
    assert rate.now < lowered
    assert rate.accepted(20, 13.0, held_back=True), "it rises again"
