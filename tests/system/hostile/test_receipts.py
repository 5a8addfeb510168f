"""How a carrier sends receipts: early, on another bind, with ids in any form, twice, for nobody, after a restart."""

import pytest

from tests.system.hostile.cases import RECEIPTS, Case
from tests.system.hostile.conftest import Play, parameters


@pytest.mark.parametrize("case", parameters(RECEIPTS))
def test_nothing_is_lost_and_the_other_carrier_is_served(play: Play, case: Case) -> None:
    play(case)
