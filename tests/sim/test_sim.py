"""The simulation in the suite: a hundred seeds, and equal traces of one seed."""

from __future__ import annotations

import re

from tests.sim.program import simulate

SEEDS = 100


def test_a_hundred_seeds_break_no_law() -> None:
    done = simulate("--seeds", str(SEEDS), "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.splitlines()[-1]
    assert summary.startswith(f"{SEEDS} seeds, 0 failed")
    # The days were bad enough to say something.
    counted = {what: int(n) for n, what in re.findall(r"(\d+) (messages|crashes|disk faults)", summary)}
    assert counted["messages"] > 20 * SEEDS, summary
    assert counted["crashes"] > SEEDS // 2, summary
    assert counted["disk faults"] > SEEDS, summary


def test_a_seed_is_the_same_however_its_objects_lie() -> None:
    # 1001 stops twice while three applications wait for replies: which of them is waited for first was chance once.
    done = simulate("--seeds", "2", "--from", "1001", "--twice")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "2 seeds, 0 played in two ways\n"


def test_another_seed_is_another_run() -> None:
    digests = {simulate("--seed", str(seed)).stdout.split("digest ")[1] for seed in (1, 2)}
    assert len(digests) == 2
