"""For all tests: under `.ci/run` a skipped test fails the run; Trio's order of tasks is the same in each run."""

from tests.support.order import pytest_runtest_setup
from tests.support.skips import pytest_configure

__all__ = ["pytest_configure", "pytest_runtest_setup"]
