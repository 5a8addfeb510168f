"""A run watched: sampled, and its bursts counted. Such a run is one of its own, for sampling costs time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench import bursts, functions, stages
from bench.daemon import DaemonProcess
from bench.profiler import Profile, Profiler

STAGES = stages.load()


@dataclass(frozen=True)
class Seen:
    """What a watched run showed. counted: about its bursts."""

    run: str
    messages: int
    profile: Profile
    counted: str

    def rows(self) -> list[stages.Row]:
        """The stages of the run's flow. Raises KeyError when it has none."""
        flow = STAGES.of(self.run)
        if flow is None:
            raise KeyError(self.run)
        sorter = stages.Sorter(flow)
        return stages.rows(flow, sorter, self.profile.stacks, self.profile.cpu, self.messages)

    def table(self) -> str:
        """The stages beside their budget, where the budget is meant for this run."""
        flow = STAGES.of(self.run)
        assert flow is not None
        return stages.table(flow, self.rows(), budget=self.run in flow.budget_for)

    def functions(self) -> str:
        """By function, of each kind of thread."""
        return functions.table(self.profile.stacks, self.messages)

    def __str__(self) -> str:
        missed = f", {self.profile.errors:,} more could not be read" if self.profile.errors else ""
        first, others = (seconds * 1e6 / self.messages for seconds in self.profile.kernel)
        kernel = f"in the kernel {first:.1f} µs of the loop, {others:.1f} of other threads"
        return f"{self.profile.samples:,} samples{missed}; {kernel}"


class Watch:
    """Watches a daemon from its making to stop(). Raises FileNotFoundError or ProfileError where it cannot."""

    def __init__(self, daemon: DaemonProcess, run: str, output: Path) -> None:
        self._run = run
        self._daemon = daemon
        flow = STAGES.of(run)
        assert flow is not None, run
        self._profiler = Profiler(daemon.pid, output, STAGES.waits, stages.Sorter(flow).syncs)
        self._before = self._scraped()

    def _scraped(self) -> dict[str, float]:
        try:
            return bursts.scrape(self._daemon.metrics) if self._daemon.metrics else {}
        except OSError:  # a gateway that has no such page: its bursts are not known
            return {}

    def stop(self, messages: int) -> Seen:
        """What was seen of a load of so many messages. Raises ProfileError."""
        profile = self._profiler.stop()
        return Seen(self._run, messages, profile, bursts.report(self._before, self._scraped(), messages))

    def end(self) -> None:
        """End the sampler whatever became of the run."""
        self._profiler.end()
