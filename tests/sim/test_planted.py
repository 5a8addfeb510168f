"""Planted defects of every kind are found; apart from the seeds that have none, as each takes half a minute."""

from __future__ import annotations

from functools import cache

import pytest

from tests.sim.planted import PLANTED
from tests.sim.program import simulate

WITHIN = 25
"""Seeds within which each planted defect has to be found."""


@cache
def _found() -> dict[str, str]:
    """What is said of each planted defect."""
    done = simulate("--plant", "all", "--seeds", str(WITHIN))
    assert not done.stderr, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found(defect: str) -> None:
    assert _found()[defect].startswith("found by seed"), _found()[defect]
