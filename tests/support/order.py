"""The order in which Trio runs what is ready at one instant: drawn for each test from its name, so always the same.

Trio promises no order and draws one. A test that passes in one and fails in another would fail now and then, and not
where it is looked at; so it fails each time or never. SMSGW_ORDER=2, or any other word, draws other orders: that is how
to look for tests, and for code, that depend on one.
"""

from __future__ import annotations

import os

import pytest
import trio._core._run as scheduler


def draw(name: str) -> None:
    """Has Trio draw the orders of this name from now on."""
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(f"{os.environ.get('SMSGW_ORDER', '1')}/{name}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    draw(item.nodeid)
