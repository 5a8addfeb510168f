"""A run of the tests in which nothing may be left out: every skip is then a failure of the run.

A developer without node or tshark still runs the rest: what needs them is skipped with the name of what is
missing. Where everything is installed, as by `.ci/run`, a skip is a proof that was not made, so the run ends
with the exit status of failed tests and lists what was skipped. That is so under CI=true, and under
SMSGW_REQUIRE_FOREIGN=1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest


def nothing_may_be_skipped(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is such a run."""
    return environment.get("CI", "").lower() in ("1", "true") or environment.get("SMSGW_REQUIRE_FOREIGN") == "1"


class Skips:
    """Writes down the tests that were skipped, or the files, with the reasons."""

    def __init__(self) -> None:
        self.skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that is expected to fail reports as skipped when it does; strictness is set, so that is a result.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped[report.nodeid] = _reason(report.longrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("skipped, where nothing may be", sep="=", red=True)
            for name, reason in self.skipped.items():
                terminalreporter.write_line(f"FAILED {name}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    if nothing_may_be_skipped():
        config.pluginmanager.register(Skips(), "smsgw-skips")


def _reason(longrepr: object) -> str:
    # (path, line, "Skipped: why")
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(text).removeprefix("Skipped: ")
