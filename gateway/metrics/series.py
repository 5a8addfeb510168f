"""The kinds of series that prometheus_client has not: counted with no lock, or read when the page is asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECEIPT_TIME: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0)
BURST: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


class Histogram(Collector):
    """A histogram that takes a burst of values with no lock: all counting is in Trio's thread or under the writer's."""

    def __init__(self, name: str, text: str, label: str | None, bounds: tuple[float, ...]) -> None:
        self.name = name
        self._text = text
        self._label = label
        self._bounds = bounds
        self._series: dict[str, _Series] = {}

    def labels(self, value: str = "") -> _Series:
        """The series of a label value."""
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = _Series(self._bounds)
        return series

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """For the registry."""
        family = HistogramMetricFamily(self.name, self._text, labels=[self._label] if self._label else [])
        for value, series in self._series.items():
            total = 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*self._bounds, float("inf")), series.counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            family.add_metric([value] if self._label else [], buckets, sum_value=series.total)
        yield family


class _Series:
    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, values: Iterable[float]) -> None:
        """Counts a burst of values."""
        counts, bounds = self.counts, self._bounds
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            self.total += value


class Live(Collector):
    """Gauges, or counters, that are read from the daemon's state when the page is asked for."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], *, counter: bool = False) -> None:
        self.name = name
        self._text = text
        self._labels = labels
        self._family = CounterMetricFamily if counter else GaugeMetricFamily
        self.read: Callable[[], Iterable[tuple[tuple[str, ...], float]]] = tuple

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """For the registry."""
        family = self._family(self.name, self._text, labels=self._labels)
        for values, number in self.read():
            family.add_metric(values, number)
        yield family
