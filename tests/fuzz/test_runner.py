"""The fuzzer itself: what it has to find, it finds, makes small, and prints so that it can be repeated."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .__main__ import main
from .guided import STRATEGIES, run_examples
from .jobs import jobs
from .runner import allocated_by, left_behind, run_chunk
from .target import Reader, Target, counted
from .targets import TARGETS

ROOT = Path(__file__).parents[2]


def planted(octets: bytes) -> None:
    """Fails for an exclamation mark with an 0x07 somewhere behind it."""
    if re.search(b"!.*\x07", octets, re.DOTALL):
        raise KeyError("planted")


def long_input(rng: random.Random) -> bytes:
    return rng.randbytes(200)


FAULTY = Target("planted", long_input, planted, 1)


def test_a_failure_is_found_and_made_small() -> None:
    chunk = run_chunk(FAULTY, "x", 2000)
    assert chunk.inputs == 2000
    assert chunk.octets == 400_000
    assert 0 < chunk.failed < 2000
    (failure,) = chunk.failures
    assert failure.octets == b"!\x07"
    assert failure.place.startswith("test_runner.py:")
    assert str(failure).endswith("python -m tests.fuzz --repeat planted 2107")
    assert "KeyError: 'planted'" in str(failure)


def test_examples_find_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "planted", STRATEGIES["text"])
    chunk = run_examples(FAULTY, "x", 3000)
    (failure,) = chunk.failures
    assert failure.octets.strip(b"\0") == b"!\x07"


def test_an_input_that_takes_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.runner.SECONDS_MOST", 0.1)

    def square(octets: bytes) -> None:
        if len(octets) > 100:
            re.search(rb"(a*)*b", b"a" * 60)

    chunk = run_chunk(Target("slow", long_input, square, 1), "x", 1)
    (failure,) = chunk.failures
    assert failure.error.startswith("TooSlow: ")
    assert not failure.place.startswith("runner.py:"), "the place is where it was stopped"


def test_what_an_input_leaves_behind_is_counted() -> None:
    kept: list[bytes] = []
    leaking = Target("leaking", long_input, lambda octets: kept.append(octets + b"!"), 1)
    assert left_behind(leaking, "x", 500) > 500 * 200
    assert left_behind(Target("tight", long_input, lambda octets: None, 1), "x", 500) < 2000
    assert allocated_by(lambda: kept.append(bytes(10_000))) >= 10_000


def test_reader_gives_zeros_after_the_end() -> None:
    reader = Reader(b"\1" + counted(b"abc") + b"\0\x09de")
    assert (reader.octet(), reader.counted(), reader.counted(), reader.more) == (1, b"abc", b"de", False)
    assert (reader.octet(), reader.counted(), reader.rest()) == (0, b"", b"")


def test_the_work_is_what_was_asked_for() -> None:
    work = list(jobs(TARGETS, 1_000_000, "7"))
    assert abs(sum(job[3] for job in work) - 1_000_000) < len(TARGETS)
    assert len({job[:3] for job in work}) == len(work), "a seed twice"
    assert {job[1] for job in work[: 2 * len(TARGETS)]} == set(TARGETS), "a target that comes late"
    assert {job[0] for job in work} == {"mutations", "examples"}


def test_a_failure_is_repeated_by_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(TARGETS, "planted", FAULTY)
    with pytest.raises(KeyError, match="planted"):
        main(["--repeat", "planted", "2107"])
    assert main(["--repeat", "planted", "07 21"]) == 0
    assert main(["--repeat", "planted", "no hex"]) == 2
    with pytest.raises(SystemExit):
        main(["--repeat", "no-such-target", "00"])
    assert "no target 'no-such-target'; there are decode, " in capsys.readouterr().err


def test_the_program_prints_rates_and_memory() -> None:
    names = ("decode", "udh", "time")
    targets = [word for name in names for word in ("--target", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--inputs", "900", "--processes", "2", "--seed", "x", *targets],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert re.search(rf"^{name} +[\d,]+ +[\d,]+ +[\d,]+ +0$", done.stdout, re.MULTILINE), done.stdout
    assert "grown by" in done.stdout
    assert "octets left allocated by 200 inputs" in done.stdout
    assert done.stdout.endswith("nothing failed\n")
