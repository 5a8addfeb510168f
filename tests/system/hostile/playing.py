"""Cases by the settings that they need, and what is judged of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.figures import Percentiles
from tests.system.hostile.cases import FLOOR, Case
from tests.system.hostile.stage import Outcome, Stage


def by_settings(cases: Sequence[Case]) -> Iterator[tuple[Case, ...]]:
    """Cases that one daemon can play, one after the other."""

    def settings(case: Case) -> str:
        return json.dumps([case.accounts, dict(case.carrier)], sort_keys=True)

    for _, group in groupby(sorted(cases, key=settings), key=settings):
        yield tuple(group)


def played(
    stage: Stage, case: Case, *, scale: float = 1.0, floor: float = FLOOR, again: int = 1
) -> Iterator[tuple[Outcome, list[str]]]:
    """Plays a case; yields what came of it and what was wrong.

    Where nothing but times was, it is played again at most so often: a machine does other things as well, and those do
    not come back each time. The last one counts.
    """
    for left in range(again, -1, -1):
        outcome = stage.play(case, scale=scale)
        wrong, slow = faults(outcome, stage), slowness(outcome, stage, floor)
        yield outcome, wrong + slow
        if wrong or not slow or not left:
            return


def slowness(outcome: Outcome, stage: Stage, floor: float) -> list[str]:
    """The other carrier's p99 may be twice what it was alone, in all cases so far, or ``floor`` seconds."""
    alone = Percentiles.of(stage.alone).p99 / 1000
    if outcome.case.timed and outcome.p99_beside > max(2 * alone, floor):
        return [f"the other carrier's p99 was {outcome.p99_beside * 1000:.1f} ms, alone {alone * 1000:.1f} ms"]
    return []


def faults(outcome: Outcome, stage: Stage) -> list[str]:
    """What was wrong with a case but for times; nothing when all held."""
    found = [str(outcome.judgement)] if not outcome.judgement.clean else []
    if outcome.case.check is not None:
        try:
            outcome.case.check(outcome)
        except AssertionError as error:
            found.append(str(error))
    if stage.slowest_status > 1.0:
        found.append(f"status took {stage.slowest_status:.2f} s")
    return found
