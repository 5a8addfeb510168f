"""Pauses, the window, the rate, dead links and the policy of doubt, each with settings of its own."""

import pytest

from tests.system.hostile.cases import SETTINGS, Case
from tests.system.hostile.conftest import Play, parameters


@pytest.mark.parametrize("case", parameters(SETTINGS))
def test_nothing_is_lost_and_the_other_carrier_is_served(play: Play, case: Case) -> None:
    play(case)
