"""What goes through the store shows neither texts nor what apps wrote where it is printed: in logs and tracebacks."""

from __future__ import annotations

import pytest

from gateway.outbox.feed import Delivery
from gateway.store.ends import Facts
from gateway.store.matching import Match
from gateway.store.pages import Queued
from gateway.store.tx import Live

SECRET = "Your code is 029178"
FACTS = (7, "shop", "+15551230001", "+12125550101", None, 1, 1, SECRET)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Live(3, 4, 0, "receipt", 7, SECRET.encode()), "<Live 3-4 of receipt>"),
        (Delivery(3, 4, 0, "receipt", 7, SECRET.encode(), False), "<Delivery 3-4 of receipt>"),
        (Facts(*FACTS), "<Facts 7>"),
        (Match(*FACTS, 0, "AB12", 1, 3, None, None, 0), "<Match 7>"),
        (
            Queued(
                7,
                "shop",
                "+15551230001",
                "+12125550101",
                0,
                SECRET,
                "gsm7",
                None,
                "udh8",
                0,
                1,
                1,
                0,
                "acme",
                0,
                9,
                None,
            ),
            "<Queued 7>",
        ),
    ],
)
def test_what_is_shown_of_it(value: object, shown: str) -> None:
    assert repr(value) == shown
    assert SECRET not in f"{[value]!s} {value}"
