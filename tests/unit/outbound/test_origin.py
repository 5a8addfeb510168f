"""Whom a message is from, where that is remembered: what one app, number or phone may is not what another may."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.outbound.origin import Origins
from gateway.outbound.request import App, Refusal
from gateway.settings import load
from tests.support.daemons import write_config

NOW = 1_760_000_000_000
FIRST, SECOND, PEER = "+15551230001", "+15551230002", "+12125550101"


def origins(tmp_path: Path, extra: str = "", apps: str = "", numbers: int = 2) -> Origins:
    return Origins(load(write_config(tmp_path, extra=extra, apps=apps, numbers=numbers)))


def refused(of: Origins, app: App, wanted: str | None, peer: str = PEER, now: int = NOW) -> str:
    with pytest.raises(Refusal) as caught:
        of.of(app, wanted, "transactional", peer, now)
    return caught.value.reason


def test_a_number_that_one_app_may_name_is_not_another_s(tmp_path: Path) -> None:
    of = origins(tmp_path)
    mine, other, every = App("a", frozenset({FIRST})), App("b", frozenset({SECOND})), App("c", None)
    for _ in range(2):
        assert of.of(mine, FIRST, "transactional", PEER, NOW) == (FIRST, "named", ())
        assert of.of(every, "+1 (555) 123-0001", "transactional", PEER, NOW).number == FIRST
        assert refused(of, other, FIRST) == "invalid_from"
        # The same app on a connection that was there before its numbers changed.
        assert refused(of, App("a", frozenset({SECOND})), FIRST) == "invalid_from"
        assert of.of(mine, None, "transactional", PEER, NOW) == (FIRST, "only", ())
        assert of.of(other, None, "transactional", PEER, NOW) == (SECOND, "only", ())


def test_where_an_app_may_not_send_everywhere_each_phone_is_looked_at(tmp_path: Path) -> None:
    of = origins(tmp_path, apps='[[apps]]\nname = "a"\nuid = [1]\ncountries = ["US"]\n')
    app = App("a", None)
    for _ in range(2):
        assert of.of(app, FIRST, "transactional", PEER, NOW).number == FIRST
        assert refused(of, app, FIRST, "+4915123241794") == "country_not_allowed"
        assert of.of(App("b", None), FIRST, "transactional", "+4915123241794", NOW).number == FIRST


def test_one_of_our_own_numbers_that_cannot_hear_is_looked_at_each_time(tmp_path: Path) -> None:
    path = write_config(tmp_path, numbers=1)
    deaf = f'[[numbers]]\nnumber = "{SECOND}"\ncarrier = "acme"\ncapabilities = ["sms_out"]\n'
    path.write_text(path.read_text() + deaf)
    of = Origins(load(path))
    app = App("a", None)
    for _ in range(2):
        assert of.of(app, FIRST, "transactional", PEER, NOW).number == FIRST
        assert refused(of, app, FIRST, SECOND) == "no_sms_capability"


def test_a_number_that_is_limited_is_looked_at_each_time(tmp_path: Path) -> None:
    path = write_config(tmp_path, numbers=1)
    held = f'[[numbers]]\nnumber = "{SECOND}"\ncarrier = "acme"\nstate = "held"\nheld_until = 2025-10-20\n'
    path.write_text(path.read_text() + held)
    of = Origins(load(path))
    app = App("a", frozenset({SECOND}))
    for wanted in (SECOND, None, SECOND):
        assert refused(of, app, wanted) == "number_held"
        assert refused(of, app, wanted, now=NOW + 20 * 86_400_000) == "number_released"
