"""Freed memory is given back, again and again, until the end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from gateway import heap

SCRIPT = """
import random
from gateway.heap import trimmer

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

rng, kept = random.Random(1), []
for _ in range(8):
    some = [bytes(rng.randrange(600, 60_000)) for _ in range(3000)]
    kept.append(some[::300])  # what stays is everywhere between what goes
    del some
before = resident()
trimmer()(0)
print(before, resident())
"""


@pytest.mark.skipif(heap.trimmer() is None, reason="this C library gives back by itself")
def test_what_was_freed_between_what_stays_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 60
    assert after < before - 50


def test_it_goes_on_until_it_is_left() -> None:
    asked, again = [], threading.Event()

    def trim(left: int) -> None:
        asked.append(left)
        if len(asked) == 3:
            again.set()

    trimming = heap.Trimming(trim, every=0.001)
    with trimming:
        assert again.wait(10)
    count = len(asked)
    assert set(asked) == {0}
    assert not [thread for thread in threading.enumerate() if thread.name == "heap"]
    assert len(asked) == count


def test_a_library_that_has_no_such_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert heap.trimmer() is None
    with heap.Trimming():
        assert not [thread for thread in threading.enumerate() if thread.name == "heap"]
