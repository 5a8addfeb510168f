"""The pace of a carrier: never more than the rate in any sliding second, smooth, and hardly less than the rate."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from gateway.carrier.pacer import Pacer

Late = Callable[[random.Random], float]


def run(rate: float, seconds: float, late: Late, *, start: float = 1000.0, seed: int = 1) -> list[float]:
    """The times at which a pump, woken late, writes all it may."""
    rng = random.Random(seed)
    pacer = Pacer(rate)
    now = start
    sent: list[float] = []
    while now < start + seconds:
        while pacer.allow(now):
            sent.append(now)
        assert pacer.next_at > now
        now = pacer.next_at + late(rng)
    return sent


def most_in(sent: list[float], span: float) -> int:
    """The most that fall into any half-open interval of this length."""
    most = first = 0
    for i, at in enumerate(sent):
        while at - sent[first] >= span:
            first += 1
        most = max(most, i - first + 1)
    return most


LATE: dict[str, Late] = {
    "never": lambda rng: 0.0,
    "a little": lambda rng: rng.uniform(0, 0.002),
    "by a tick of a busy loop": lambda rng: rng.uniform(0, 0.01),
    "seldom, and by much": lambda rng: 0.3 if rng.random() < 0.001 else 0.001,
}


@pytest.mark.parametrize("late", list(LATE.values()), ids=list(LATE))
@pytest.mark.parametrize("rate", [1, 2, 7, 10, 50, 333, 1000, 5000])
def test_at_most_the_rate_in_any_second(rate: float, late: Late) -> None:
    sent = run(rate, 10 if rate > 1000 else 30, late)
    assert most_in(sent, 1.0) <= rate


@pytest.mark.parametrize("late", list(LATE.values())[:3], ids=list(LATE)[:3])
@pytest.mark.parametrize("rate", [1, 2, 7, 10, 50, 333, 1000, 5000])
def test_at_least_96_percent_of_the_rate(rate: float, late: Late) -> None:
    seconds = 10 if rate > 1000 else 60
    sent = run(rate, seconds, late)
    assert len(sent) >= 0.96 * rate * seconds


@pytest.mark.parametrize("rate", [2, 10, 100, 1000])
def test_it_is_smooth(rate: float) -> None:
    sent = run(rate, 10, LATE["a little"])
    # a tenth of a second brings about a tenth of the rate, and never a burst
    assert most_in(sent, 0.1) <= 0.15 * rate + 1.0001


@pytest.mark.parametrize("rate", [0.999, 0.5, 0.1, 1 / 60])
def test_rates_below_one(rate: float) -> None:
    sent = run(rate, 40 / rate, LATE["by a tick of a busy loop"])
    gaps = [b - a for a, b in itertools.pairwise(sent)]
    assert min(gaps) >= 1 / rate
    assert len(sent) >= 0.97 * 40


@pytest.mark.parametrize("rate", [1.5, 2.25, 10.9, 33.3])
def test_a_fraction_above_one_never_makes_a_second_too_full(rate: float) -> None:
    sent = run(rate, 60, LATE["a little"])
    assert most_in(sent, 1.0) <= rate
    assert len(sent) >= 0.96 * 60 * int(rate)


@pytest.mark.parametrize("rate", [1, 10, 500])
def test_idle_time_saves_up_no_burst(rate: float) -> None:
    pacer = Pacer(rate)
    assert pacer.allow(10.0)
    later = 100_000.0
    count = 0
    while pacer.allow(later):
        count += 1
    assert count <= 1 + 0.06 * rate
    sent = [later] * count
    now = later
    while now < later + 3:
        now = pacer.next_at
        if pacer.allow(now):
            sent.append(now)
    assert most_in(sent, 1.0) <= rate


def test_what_is_written_a_little_later_than_allowed_still_keeps_the_rate() -> None:
    # The pump reads the clock, the writer writes some milliseconds after it, and not always the same number of them.
    rng = random.Random(5)
    sent = sorted(at + rng.uniform(0, 0.008) for at in run(100, 30, LATE["a little"]))
    assert most_in(sent, 1.0) <= 100


def test_no_rate_is_no_wait() -> None:
    pacer = Pacer(0)
    assert all(pacer.allow(1.0) for _ in range(100_000))


def test_asking_in_vain_changes_nothing() -> None:
    pacer = Pacer(10)
    assert pacer.allow(0.0)
    due = pacer.next_at
    for i in range(100):
        assert not pacer.allow(due * i / 101)
    assert pacer.next_at == due
    assert pacer.allow(due)
