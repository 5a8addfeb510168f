"""`python -m tests.system.hostile`: every case in full, against the real daemon, and a table of what came of it.

Each case lasts `--scale` times as long as in the tests, flapping a minute. The other carrier's messages are timed
before and during each; what was slow is tried twice more. The status is 0 when nothing was lost, copied without need or
told wrongly, and the other carrier's p99 stayed within twice its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Percentiles
from tests.system.hostile.cases import ALL, LONG, Case
from tests.system.hostile.playing import by_settings, played
from tests.system.hostile.stage import Outcome, Stage

_MINUTE = 60.0
_COLUMNS = ("accepted", "submits", "retries", "copies", "in_doubt", "receipts")
_HEAD = f"{'case':44}{''.join(f'{name:>9}' for name in _COLUMNS)}{'rest s':>8}{'alone':>8}{'beside':>8}{'MiB':>6}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.hostile", description=__doc__)
    parser.add_argument("cases", nargs="*", help="those with this in their names; all of them")
    parser.add_argument("--scale", type=float, default=8.0, help="how much longer than in the tests (%(default)s)")
    parser.add_argument("--rate", type=float, default=500.0, help="the other carrier's messages a second (%(default)s)")
    parser.add_argument("--floor", type=float, default=15.0, help="ms that its p99 may always have (%(default)s)")
    parser.add_argument("--seed", default="1", help="of the carriers' dice (%(default)s)")
    options = parser.parse_args(arguments)
    chosen = [c for c in (*ALL, *LONG) if not options.cases or any(name in c.name for name in options.cases)]
    print(_HEAD, flush=True)
    began = time.monotonic()
    failed = total = 0
    alone: list[float] = []
    beside: list[float] = []
    for group in by_settings(chosen):
        with (
            tempfile.TemporaryDirectory(prefix="smsgw-hostile-") as directory,
            Stage(
                Path(directory),
                seed=options.seed,
                carrier=group[0].carrier,
                accounts=group[0].accounts,
                honest_rate=options.rate,
                alone=2.0,
            ) as stage,
        ):
            for case in group:
                found: list[str] = []
                try:
                    for outcome, found in played(
                        stage, case, scale=_scale(case, options.scale), floor=options.floor / 1000, again=2
                    ):
                        total += outcome.judgement.counts["accepted"]
                        print("\n  ** ".join((_row(outcome), *found)), flush=True)
                        if case.timed:
                            alone += outcome.alone
                            beside += outcome.beside
                except AssertionError as error:
                    found = [str(error)]
                    print(f"{case.name}\n  ** {error}", flush=True)
                failed += bool(found)
    print(f"{total:,} messages, {failed} of {len(chosen)} cases failed, {time.monotonic() - began:.0f} s")
    print(f"the other carrier alone:  {Percentiles.of(alone)}")
    print(f"the other carrier beside: {Percentiles.of(beside)}")
    return 1 if failed else 0


def _scale(case: Case, scale: float) -> float:
    if case in LONG:
        return 1.0
    return _MINUTE / case.seconds if case.minute else scale


def _row(outcome: Outcome) -> str:
    counts = outcome.judgement.counts
    return (
        f"{outcome.case.name:44}{''.join(f'{counts[name]:9}' for name in _COLUMNS)}{outcome.settled_in:8.1f}"
        f"{outcome.p99_alone * 1000:8.1f}{outcome.p99_beside * 1000:8.1f}{outcome.memory:6.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
