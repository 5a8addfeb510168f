"""The judge is judged: each kind of wrong is found, and what is in order is not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.hostile.apps import Message
from tests.system.hostile.cases import most_in_a_second
from tests.system.hostile.conduct import Conduct
from tests.system.hostile.receipts import Ids, fate
from tests.system.hostile.records import Connected, Report, Submitted
from tests.system.hostile.verdict import Judgement, judge

PEER, LABEL = "+12125550001", "a000001"


def submit(at: float = 1.0, status: int | None = 0, answered: float | None = 1.1, **given: Any) -> Submitted:
    values: dict[str, Any] = {"number": "+15551230001", "peer": PEER, "label": LABEL, "part": 1, "total": 1, **given}
    connection = values.pop("connection", 1)
    return Submitted(connection, at, **values, status=status, answered=answered)


TOLD = fate(submit(), 0)


def judged(
    *copies: Submitted,
    state: str = "delivered",
    in_doubt: int = 0,
    error: str | None = None,
    ends: int = 1,
    parts: int = 1,
    ended: Mapping[int, tuple[float, str]] | None = None,
    resend: bool = True,
    validity: float | None = None,
) -> Judgement:
    """What is said of one message with these submits, shown in this state."""
    message = Message(LABEL, PEER, 0.0, validity, 0.5, "id", parts)
    message.ends = [{"state": state, "reason": state}] * ends
    shown = {
        "state": state,
        "reason": state,
        "parts": [
            {
                "part": place + 1,
                "state": state,
                "in_doubt": in_doubt,
                "error_code": error if error is not None else f"{TOLD.error:03}",
            }
            for place in range(parts)
        ],
    }
    closed = ended or {}
    connections = [
        Connected(n, 0.0, closed=closed.get(n, (None, ""))[0], end=closed.get(n, (None, ""))[1]) for n in (1, 2)
    ]
    report = Report(list(copies), connections)
    return judge([message], {"id": shown}, report, Conduct(undelivered=0), response_timeout=0.5, resend=resend)


def wrong(judgement: Judgement) -> set[str]:
    return {kind for kind, found in judgement.wrong.items() if found}


@pytest.mark.parametrize(
    "judgement",
    [
        judged(submit()),
        judged(submit(status=0x58), submit(2.0, answered=2.1)),
        judged(submit(status=None, answered=None), submit(2.0, answered=2.1), in_doubt=1),
        judged(submit(answered=1.6), submit(1.55, answered=1.7), in_doubt=1),
        judged(submit(), submit(2.0, answered=2.1), in_doubt=1, ended={1: (1.2, "reset")}),
        judged(*[submit(float(at), None, None) for at in (1, 2)], state="in_doubt", in_doubt=2, ends=0),
        judged(submit(status=None, answered=None), state="in_doubt", in_doubt=1, ends=0, resend=False),
        judged(submit(status=0x0B), state="failed"),
        judged(submit(status=0x58), state="expired", validity=1.0),
    ],
)
def test_what_is_in_order(judgement: Judgement) -> None:
    assert not wrong(judgement), judgement
    assert judgement.clean


@pytest.mark.parametrize(
    ("kind", "judgement"),
    [
        ("lost", judged(submit(), state="sent", ends=0)),
        ("lost", judged(submit(status=0x58), state="queued", ends=0)),
        ("lost", judged(submit(status=None, answered=None), state="in_doubt", in_doubt=1, ends=0)),
        ("state", judged(submit(status=0x0B), state="delivered")),
        ("state", judged(submit(status=0x58), state="failed")),
        ("state", judged(submit(), state="expired", validity=1.0)),
        ("twice", judged(submit(), ends=2)),
        ("not told", judged(submit(), ends=0)),
        ("needless", judged(submit(), submit(2.0, answered=2.1), in_doubt=1)),
        ("needless", judged(submit(), submit(2.0, answered=2.1), in_doubt=1, ended={1: (1.2, "fin")})),
        ("needless", judged(submit(answered=1.6), submit(2.2, answered=2.3), in_doubt=1)),
        ("again", judged(submit(status=0x0B), submit(2.0, 0x0B, 2.1), state="failed")),
        ("unmarked", judged(submit(status=None, answered=None), submit(2.0, answered=2.1))),
        ("crowd", judged(*[submit(float(at), None, None) for at in (1, 2, 3)], state="in_doubt", in_doubt=3, ends=0)),
        ("wrong receipt", judged(submit(), state="undelivered")),
        ("wrong receipt", judged(submit(), error=f"{(TOLD.error + 1) % 1000:03}")),
        ("wrong receipt", judged(submit(status=None, answered=None), state="delivered", in_doubt=1)),
        ("stray", judged(submit(), submit(label="z999999"))),
    ],
)
def test_what_is_wrong_is_found(kind: str, judgement: Judgement) -> None:
    assert kind in wrong(judgement), judgement
    assert not judgement.clean


def test_one_that_passes_another_to_the_same_phone_is_found() -> None:
    other = "a000002"
    one, two = Message(LABEL, PEER, 0.0, None, 0.5, "1", 1), Message(other, PEER, 0.1, None, 0.6, "2", 1)
    parts = [{"part": 1, "state": "sent", "in_doubt": 0, "error_code": None}]
    shown = {m.id: {"state": "sent", "reason": None, "parts": parts} for m in (one, two)}
    for first, second in ((1.0, 2.0), (2.0, 1.0)):
        report = Report([submit(first), submit(second, label=other)], [Connected(1, 0.0)])
        found = judge([one, two], shown, report, Conduct(when="never"), response_timeout=2.0)
        assert wrong(found) == (set() if first < second else {"order"})


def test_a_refused_submit_is_told() -> None:
    message = Message(LABEL, PEER, 0.0, refused="queue_full")
    judgement = judge([message], {}, Report(), Conduct(), response_timeout=0.5)
    assert wrong(judgement) == {"refused"}


def test_the_most_in_a_second() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([0.0, 0.5, 0.99, 1.0, 1.4]) == 4
    assert most_in_a_second([3.0, 0.0, 1.0, 2.0]) == 1


def test_crossed_ids_are_each_others_hexadecimal_form() -> None:
    ids = Ids(random.Random(1))
    (first, first_told), (second, second_told) = ids.next("crossed"), ids.next("crossed")
    assert second_told == first
    assert int(first_told, 16) == int(first)
    assert int(second_told, 16) == int(second)
