"""What a carrier does to connections: closes, resets, unbinds, flaps, does not read, does not bind."""

import pytest

from tests.system.hostile.cases import CONNECTIONS, Case
from tests.system.hostile.conftest import Play, parameters


@pytest.mark.parametrize("case", parameters(CONNECTIONS))
def test_nothing_is_lost_and_the_other_carrier_is_served(play: Play, case: Case) -> None:
    play(case)
