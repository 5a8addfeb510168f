"""``python -m tests.sim``: plays seeds; exit status 1 when a law was broken.

python -m tests.sim --seeds 1000 --from 1 --jobs 2
python -m tests.sim --seed 7 --trace
python -m tests.sim --seeds 100 --twice
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.sim.many import find_planted, play_many, play_twice
from tests.sim.shaken import shake


def main() -> int:
    """Plays what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--plant", metavar="NAME", help="a planted defect to be found, or `all`")
    parser.add_argument("--trace", action="store_true", help="print what happens")
    parser.add_argument("--twice", action="store_true", help="whether what a seed plays depends on it alone")
    parser.add_argument("--shake", type=int, metavar="SALT", help="set otherwise what it must not depend on")
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of words is part of a run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    seeds = range(given.first, given.first + given.seeds)
    if given.twice:
        return play_twice(seeds)
    if given.shake is not None:
        shake(given.shake)
    if given.plant:
        return find_planted(given.plant, given.seeds)
    if given.seed is not None:
        return _one(given.seed, trace=given.trace)
    return play_many(seeds, given.jobs)


def _one(seed: int, *, trace: bool) -> int:
    from tests.sim.run import play

    outcome = play(seed, trace=trace)
    for line in outcome.lines:
        print(line)
    print(f"seed {seed}: {outcome.virtual:.0f} s in {outcome.real:.2f} s, digest {outcome.digest[:16]}")
    for failure in outcome.failures:
        print(f"BROKEN {failure}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
