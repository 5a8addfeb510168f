"""Waits that double, and the circuit."""

from __future__ import annotations

import random

import pytest

from gateway.handlers.pace import LONGEST_PAUSE, TRIP, Backoff, Circuit


class Fixed(random.Random):
    """A source of randomness that always gives one value."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(1, 2.5, 5), (2, 5, 10), (3, 10, 20), (10, 1280, 2560), (11, 1800, 3600), (12, 1800, 3600), (5000, 1800, 3600)],
)
def test_waits_double_with_jitter(failures: int, least: float, most: float) -> None:
    assert Backoff(5, 3600, Fixed(0.0)).wait(failures) == least
    assert Backoff(5, 3600, Fixed(1.0)).wait(failures) == most


def _tripped(first: float = 5, longest: float = 3600) -> Circuit:
    circuit = Circuit(Backoff(first, longest, Fixed(1.0)))
    assert [circuit.failed(0.0) for _ in range(TRIP)] == [False] * (TRIP - 1) + [True]
    return circuit


def test_the_circuit_opens_once_after_failures_in_a_row() -> None:
    circuit = _tripped()
    assert circuit.open
    assert not circuit.failed(0.0)


def test_a_success_starts_the_count_anew() -> None:
    circuit = Circuit(Backoff(5, 3600, Fixed(1.0)))
    for _ in range(TRIP - 1):
        circuit.failed(0.0)
    assert not circuit.succeeded()
    for _ in range(TRIP - 1):
        circuit.failed(0.0)
    assert not circuit.open


def test_probes_slow_down_to_a_minute() -> None:
    circuit = _tripped()
    pauses = [circuit.probe_at]
    for _ in range(5):
        circuit.failed(1000.0)
        pauses.append(circuit.probe_at - 1000)
    assert pauses == [5, 10, 20, 40, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_success_closes_it_and_the_next_time_starts_with_short_pauses() -> None:
    circuit = _tripped()
    for _ in range(5):
        circuit.failed(0.0)
    assert circuit.succeeded()
    assert not circuit.open
    for _ in range(TRIP):
        circuit.failed(100.0)
    assert circuit.probe_at == 105


def test_what_the_receiver_asks_for_is_honoured() -> None:
    circuit = _tripped()
    circuit.failed(100.0, at_least=300)
    assert circuit.probe_at == 400
