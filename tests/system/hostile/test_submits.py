"""What a carrier does to submits: refuses, throttles, answers late, oddly or never."""

import pytest

from tests.system.hostile.cases import SUBMITS, Case
from tests.system.hostile.conftest import Play, parameters


@pytest.mark.parametrize("case", parameters(SUBMITS))
def test_nothing_is_lost_and_the_other_carrier_is_served(play: Play, case: Case) -> None:
    play(case)
