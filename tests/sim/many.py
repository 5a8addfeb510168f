"""Many seeds, in several processes."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.sim.planted import FIRST, PLANTED, planted
from tests.sim.run import play
from tests.sim.shaken import shake

REPLAY = "python -m tests.sim --seed {} --trace"
Result = tuple[int, list[str], float, float, Counter[str]]


def _play(seed: int) -> Result:
    outcome = play(seed)
    return seed, outcome.failures, outcome.virtual, outcome.real, outcome.counts


def play_many(seeds: Iterable[int], jobs: int) -> int:
    """Plays them, prints each failure and a summary; returns the exit status."""
    counts: Counter[str] = Counter()
    failed = played = 0
    virtual = real = 0.0
    for seed, failures, seconds, took, more in _results(seeds, jobs):
        played += 1
        virtual += seconds
        real += took
        counts += more
        if failures:
            failed += 1
            print(f"seed {seed}: {failures[0].splitlines()[0]}" + (f" (+{len(failures) - 1})" if failures[1:] else ""))
            print(f"  {REPLAY.format(seed)}", flush=True)
    said = ", ".join(
        f"{counts[key]} {words}"
        for key, words in (
            ("messages", "messages"),
            ("segments", "segments"),
            ("submit", "submits read by carriers"),
            ("deliver", "deliveries tried"),
            ("crashes", "crashes"),
            ("lives", "lives"),
            ("disk faults", "disk faults"),
        )
    )
    print(f"{played} seeds, {failed} failed; {virtual:.0f} s simulated in {real:.0f} s; {said}")
    return 1 if failed else 0


def _results(seeds: Iterable[int], jobs: int) -> Iterator[Result]:
    if jobs < 2:
        yield from map(_play, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(_play, seeds)


def play_twice(seeds: Iterable[int]) -> int:
    """Plays each in two processes that are shaken differently; returns the exit status: 1 when they do not agree."""
    spawn = multiprocessing.get_context("spawn")
    played = failed = 0
    with spawn.Pool(1, _shaken, (1,)) as one, spawn.Pool(1, _shaken, (2,)) as other:
        for (seed, first), (_, second) in zip(one.imap(_digest, seeds), other.imap(_digest, seeds), strict=True):
            played += 1
            if first != second:
                failed += 1
                print(f"seed {seed}: {first[:16]} and {second[:16]}")
                print(f"  {REPLAY.format(seed)} --shake 1, and with --shake 2", flush=True)
    print(f"{played} seeds, {failed} played in two ways")
    return 1 if failed else 0


def _shaken(salt: int) -> None:
    shake(salt)  # here, where all that is played with is imported already


def _digest(seed: int) -> tuple[int, str]:
    return seed, play(seed).digest


def find_planted(name: str, seeds: int) -> int:
    """Plays seeds with a planted defect until one of its laws is broken; ``all``: each of them in turn."""
    missed = 0
    for what in PLANTED if name == "all" else (name,):
        # First a seed that once found it: whether it still does depends on the code, that one of so many does must not.
        first = FIRST.get(what, 1)
        order = [first, *(seed for seed in range(1, seeds + 1) if seed != first)]
        with planted(what) as laws:
            found = next(((seed, law) for seed in order if (law := _sees(seed, laws))), None)
        if found is None:
            missed += 1
            print(f"{what}: not found in {seeds} seeds", flush=True)
        else:
            print(f"{what}: found by seed {found[0]}: {found[1]}", flush=True)
    return 1 if missed else 0


def _sees(seed: int, laws: frozenset[str]) -> str:
    return next((f for f in play(seed).failures if f.partition(":")[0] in laws), "")
