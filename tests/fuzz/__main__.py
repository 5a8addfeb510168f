"""`python -m tests.fuzz`: millions of hostile inputs over every target, in several processes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Final

from .jobs import Job, do, jobs
from .runner import Chunk, Failure, left_behind
from .targets import TARGETS

GROWTH_MOST: Final = 16 * 1024 * 1024
"""Octets by which the memory of a process may grow from its first tenth of the work to its last."""
LEFT_MOST: Final = 16 * 1024
"""Octets that 200 inputs may leave allocated; 80 for each would be a leak."""
LEFT_INPUTS: Final = 200


def main(arguments: list[str] | None = None) -> int:
    """0: nothing failed; 1: something did; 2: wrong usage."""
    options = _options(arguments)
    if options.repeat:
        return _repeat(*options.repeat)
    chosen = options.target or list(TARGETS)
    work = list(jobs(chosen, options.inputs, options.seed))
    print(f"seed {options.seed}, {sum(job[3] for job in work):,} inputs, {options.processes} processes", flush=True)
    began = time.monotonic()
    # Hypothesis keeps things of its own: it runs in other processes, whose memory says nothing.
    mutations = list(_run([job for job in work if job[0] == "mutations"], options.processes))
    examples = list(_run([job for job in work if job[0] == "examples"], options.processes))
    seconds = time.monotonic() - began
    sound = _report(mutations + examples, seconds)
    sound &= _memory(mutations)
    sound &= _left(chosen, options.seed)
    print("nothing failed" if sound else "FAILED")
    return 0 if sound else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="over all targets (%(default)s)")
    parser.add_argument("--seed", default="1", help="the same seed gives the same inputs (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(%(default)s)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--repeat", nargs=2, metavar=("TARGET", "HEX"), help="one input, with its traceback")
    options = parser.parse_args(arguments)
    if options.inputs < 1 or options.processes < 1:
        parser.error("--inputs and --processes: at least 1")
    if options.repeat and options.repeat[0] not in TARGETS:
        parser.error(f"--repeat: no target {options.repeat[0]!r}; there are {', '.join(TARGETS)}")
    return options


def _repeat(name: str, octets: str) -> int:
    try:
        given = bytes.fromhex(octets)
    except ValueError:
        print(f"--repeat: {octets[:40]!r} is not hexadecimal", file=sys.stderr)
        return 2
    TARGETS[name].check(given)
    print("nothing failed")
    return 0


def _run(work: list[Job], processes: int) -> Iterator[Chunk]:
    began = time.monotonic()
    whole = sum(job[3] for job in work)
    every = max(1, whole // 10)
    done = 0
    waiting = iter(work)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: set[Future[Chunk]] = set()
        while True:
            while len(running) < 2 * processes and (job := next(waiting, None)) is not None:
                running.add(pool.submit(do, job))
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                chunk = future.result()
                if done // every != (done + chunk.inputs) // every:
                    print(
                        f"{done + chunk.inputs:,} of {whole:,} inputs after {time.monotonic() - began:,.0f} s",
                        flush=True,
                    )
                done += chunk.inputs
                for failure in chunk.failures:
                    print(f"\n{failure}", flush=True)
                yield chunk


def _report(chunks: list[Chunk], seconds: float) -> bool:
    print(f"\n{'target':10} {'inputs':>12} {'inputs/s':>10} {'MB':>8} {'failed':>8}")
    for name in dict.fromkeys(chunk.target for chunk in chunks):
        own = [chunk for chunk in chunks if chunk.target == name]
        inputs = sum(chunk.inputs for chunk in own)
        spent = sum(chunk.seconds for chunk in own)
        octets = sum(chunk.octets for chunk in own) / 1e6
        failed = sum(chunk.failed for chunk in own)
        print(f"{name:10} {inputs:12,} {inputs / spent:10,.0f} {octets:8,.0f} {failed:8,}")
    inputs = sum(chunk.inputs for chunk in chunks)
    print(f"{'all':10} {inputs:12,} {inputs / seconds:10,.0f}   in {seconds:,.0f} s")
    print("inputs/s of a target: by the CPU that it took; of all: by the clock, all processes together")
    places: dict[tuple[str, str], Failure] = {}
    for chunk in chunks:
        for failure in chunk.failures:
            kept = places.setdefault((failure.target, failure.place), failure)
            if len(failure.octets) < len(kept.octets):
                places[failure.target, failure.place] = failure
    for failure in places.values():
        print(f"\n{failure}")
    return not places


def _memory(chunks: list[Chunk]) -> bool:
    sound = True
    for process in dict.fromkeys(chunk.process for chunk in chunks):
        held = [chunk.resident for chunk in chunks if chunk.process == process]
        some = max(1, len(held) // 10)
        growth = max(held[-some:]) - max(held[:some])
        sound &= growth <= GROWTH_MOST
        print(
            f"process {process}: {_mib(held[0])} MiB after its first chunk, {_mib(max(held[:some]))} after a tenth, "
            f"{_mib(max(held))} at most, {_mib(held[-1])} at the end; grown by {_mib(growth)}, "
            f"{_mib(GROWTH_MOST)} allowed"
        )
    return sound


def _mib(octets: int) -> str:
    return f"{octets / 1_048_576:.1f}"


def _left(chosen: Iterable[str], seed: str) -> bool:
    left = {name: left_behind(TARGETS[name], f"{seed} left", LEFT_INPUTS) for name in chosen}
    print(
        f"octets left allocated by {LEFT_INPUTS} inputs ({LEFT_MOST:,} allowed): "
        + ", ".join(f"{name} {octets:,}" for name, octets in left.items())
    )
    return all(octets <= LEFT_MOST for octets in left.values())


if __name__ == "__main__":
    sys.exit(main())
