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
    ordered = sorted(cases, key=lambda case: json.dumps(dict(case.carrier), sort_keys=True))
    for _, group in groupby(ordered, key=lambda case: dict(case.carrier)):
        yield tuple(group)


def faults(outcome: Outcome, stage: Stage, *, floor: float = FLOOR) -> list[str]:
    """What was wrong with a case; nothing when all held. The other carrier's p99 may be twice its own, or `floor`."""
    found = [str(outcome.judgement)] if not outcome.judgement.clean else []
    if outcome.case.check is not None:
        try:
            outcome.case.check(outcome)
        except AssertionError as error:
            found.append(str(error))
    alone = Percentiles.of(stage.alone).p99 / 1000
    if outcome.case.timed and outcome.p99_beside > max(2 * alone, floor):
        found.append(f"the other carrier's p99 was {outcome.p99_beside * 1000:.1f} ms, alone {alone * 1000:.1f} ms")
    if stage.slowest_status > 1.0:
        found.append(f"status took {stage.slowest_status:.2f} s")
    return found
