"""The whole work cut into jobs, each with a seed of its own, so that it does not matter how many processes share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .guided import run_examples
from .runner import Chunk, run_chunk
from .targets import TARGETS

CHUNK: Final = 10_000
EXAMPLES: Final = 1_000
EXAMPLES_SHARE: Final = 0.01
"""Of all inputs, those that hypothesis makes: each takes it a millisecond."""

Job = tuple[str, str, str, int]
"""How (mutations, examples), target, seed, and how many inputs."""


def jobs(chosen: Iterable[str], count: int, seed: str) -> Iterator[Job]:
    """So many inputs over the chosen targets. Targets take turns, so that each process has soon met all of them."""
    shares = {name: TARGETS[name].share for name in chosen}
    whole = sum(shares.values())
    queues: list[list[Job]] = []
    for name, share in shares.items():
        wanted = max(1, round(count * share / whole))
        examples = int(wanted * EXAMPLES_SHARE)
        queues.append(list(_chunks("mutations", name, seed, wanted - examples, CHUNK)))
        queues.append(list(_chunks("examples", name, seed, examples, EXAMPLES)))
    longest = max(map(len, queues))
    order = [(index * longest / len(queue), job) for queue in queues for index, job in enumerate(queue)]
    order.sort(key=lambda item: item[0])
    for _, job in order:
        yield job


def _chunks(how: str, name: str, seed: str, count: int, size: int) -> Iterator[Job]:
    for index, first in enumerate(range(0, count, size)):
        yield how, name, f"{seed} {index}", min(size, count - first)


def do(job: Job) -> Chunk:
    """Does one of them, in whatever process."""
    how, name, seed, count = job
    return (run_chunk if how == "mutations" else run_examples)(TARGETS[name], seed, count)
