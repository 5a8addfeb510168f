"""For all tests: under `.ci/run` a skipped test fails the run."""

from tests.support.skips import pytest_configure

__all__ = ["pytest_configure"]
