"""Replies are attributed to what was sent last to the pair, within a span; what rules sent is answered by nobody."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import State, id_ms
from gateway.store import replies as module
from gateway.store.inbound import InboundOp
from gateway.store.replies import Asked, Count, Replies, key_of, replies
from tests.support.inbound import single
from tests.support.stores import NUMBER, PEER, START, Desk

OTHER, SECOND = "+12125550102", "+15551230002"
HOUR = 3_600_000
WITHIN = 24 * HOUR


async def send(desk: Desk, *, after: int = 0, door: str = "socket", **given: Any) -> int:
    """A message that is submitted now and accepted ``after`` (ms)."""
    mid = await desk.submit(**({"state": State.SUBMITTING, "door": door} | given))
    desk.now += after
    await desk.respond(mid, f"{mid:x}")
    return mid


async def come(desk: Desk, *, after: int = 1000, **given: Any) -> None:
    desk.now += after
    await desk.do(InboundOp([single("Yes", **given)]))


def report(desk: Desk, by: str = "app", **given: Any) -> Replies:
    fields = {"since": START - HOUR, "until": desk.now + 1, "within": WITHIN} | given
    return desk.store.read_now(lambda con: replies(con, Asked(**fields), key_of(by, {SECOND: "C1"}.get)))


def counts(found: Replies) -> dict[str | None, tuple[int, int, int]]:
    return {value: (c.sent, c.replies, c.waited) for value, c in found.counts.items()}


async def test_a_reply_is_that_of_the_last_message(desk: Desk) -> None:
    await send(desk, app="first", after=500)
    await come(desk)
    await send(desk, app="second")
    await come(desk, after=2000)
    await come(desk, after=3000)
    found = report(desk)
    assert counts(found) == {"first": (1, 1, 1000), "second": (1, 2, 2000 + 5000)}
    assert (found.unasked, found.others, found.next) == (0, Count(), None)


async def test_it_is_of_the_same_pair(desk: Desk) -> None:
    await send(desk)
    await send(desk, peer=OTHER, number=SECOND, app="other")
    await come(desk, number=SECOND)
    await come(desk, peer=OTHER)
    found = report(desk)
    assert counts(found) == {"app": (1, 0, 0), "other": (1, 0, 0)}
    assert found.unasked == 2
    await come(desk, peer=OTHER, number=SECOND)
    assert counts(report(desk))["other"][:2] == (1, 1)
    only = report(desk, numbers=frozenset({SECOND}))
    assert (counts(only)["other"][:2], only.unasked, len(only.counts)) == ((1, 1), 1, 1)


async def test_after_the_span_it_answers_nothing(desk: Desk) -> None:
    await send(desk)
    await come(desk, after=WITHIN)
    await come(desk, after=1)
    assert (counts(report(desk)), report(desk).unasked) == ({"app": (1, 1, WITHIN)}, 1)
    assert report(desk, within=WITHIN - 1).unasked == 2


async def test_a_scheduled_message_is_answered_from_when_it_was_sent(desk: Desk) -> None:
    later = await desk.submit(state=State.SCHEDULED, due_at=START + HOUR, app="later")
    await send(desk, app="now")
    await come(desk)
    desk.now = START + HOUR
    desk.put_in(later, State.SUBMITTING)
    await desk.respond(later, "A1")
    await come(desk)
    assert counts(report(desk)) == {"now": (1, 1, 1000), "later": (1, 1, 1000)}


async def test_what_never_went_out_is_answered_by_nobody(desk: Desk) -> None:
    for state in (State.QUEUED, State.CANCELLED, State.FAILED, State.EXPIRED, State.REJECTED):
        desk.put_in(await desk.submit(app="unsent"), state)
    await come(desk)
    assert (counts(report(desk)), report(desk).unasked) == ({}, 1)


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.DELIVERED, State.UNDELIVERED])
async def test_what_was_written_counts_without_its_response(desk: Desk, state: State) -> None:
    desk.put_in(await desk.submit(), state)
    await come(desk)
    assert counts(report(desk)) == {"app": (1, 1, 1000)}


async def test_what_rules_sent_is_no_question(desk: Desk) -> None:
    await send(desk, app="crm")
    await send(desk, app="rules", door="reply")
    await send(desk, app="rules", door="forward")
    await come(desk)
    assert counts(report(desk)) == {"crm": (1, 1, 1000)}


async def test_a_campaign_is_that_of_the_message_else_of_the_number(desk: Desk) -> None:
    for place, (number, meta) in enumerate(((NUMBER, '{"campaign":"spring","template":"hi"}'), (NUMBER, None),
                                            (SECOND, None), (SECOND, '{"campaign":"spring"}'))):  # fmt: skip
        await send(desk, number=number, meta=meta, peer=f"+1212555020{place}")
        await come(desk, number=number, peer=f"+1212555020{place}")
    assert counts(report(desk, "campaign")) == {"spring": (2, 2, 2000), "C1": (1, 1, 1000), None: (1, 1, 1000)}
    assert counts(report(desk, "number")) == {NUMBER: (2, 2, 2000), SECOND: (2, 2, 2000)}
    assert counts(report(desk, "template")) == {"hi": (1, 1, 1000), None: (3, 3, 3000)}


async def test_by_class_and_by_members_of_meta(desk: Desk) -> None:
    metas = ['{"campaign":"spring"}', '{"campaign":7}', '{"campaign":null}', "{}", None, '{"campaign":"spring"}']
    for place, meta in enumerate(metas):
        await send(desk, meta=meta, klass=2 if place == 0 else 1, peer=f"+1212555020{place}")
        await come(desk, peer=f"+1212555020{place}")
    assert counts(report(desk, "meta.campaign")) == {
        "spring": (2, 2, 2000),
        "7": (1, 1, 1000),
        None: (3, 3, 3000),
    }
    assert counts(report(desk, "class")) == {"marketing": (1, 1, 1000), "direct": (5, 5, 5000)}


@pytest.mark.parametrize("by", ["", "meta.", "meta", "peer"])
def test_by_what_there_is_not(by: str) -> None:
    with pytest.raises(ValueError, match="by is app"):
        key_of(by, str)


async def test_an_app_has_its_own_figures(desk: Desk) -> None:
    await send(desk, app="one")
    await come(desk)
    await send(desk, app="two")
    await come(desk)
    found = report(desk, app="one")
    assert (counts(found), found.unasked) == ({"one": (1, 1, 1000)}, 0)


async def test_the_time_is_from_and_until(desk: Desk) -> None:
    await send(desk)
    await come(desk)
    first = desk.now
    await come(desk)
    assert counts(report(desk, since=first)) == {"app": (0, 2, 3000)}
    assert counts(report(desk, since=first + 1)) == {"app": (0, 1, 2000)}
    assert counts(report(desk, until=first + 1)) == {"app": (1, 1, 1000)}
    assert counts(report(desk, until=first)) == {"app": (1, 0, 0)}


async def test_values_that_are_too_many_are_counted_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 2)
    for place in range(5):
        await send(desk, app=f"app{place}", peer=f"+1212555020{place}")
        await come(desk, peer=f"+1212555020{place}")
    found = report(desk)
    assert counts(found) == {"app0": (1, 1, 1000), "app1": (1, 1, 1000)}
    assert found.others == Count(3, 3, 3000)


@pytest.mark.parametrize(("inbound_rows", "message_rows"), [(3, 100), (100, 3), (2, 5), (1, 1)])
async def test_pages_add_up_to_the_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, inbound_rows: int, message_rows: int
) -> None:
    for place in range(12):
        await send(desk, app=f"app{place % 3}")
        for _ in range(place % 4):
            await come(desk)
    await come(desk, peer=OTHER)
    whole = report(desk)
    assert whole.next is None
    monkeypatch.setattr(module, "INBOUND_ROWS", inbound_rows)
    monkeypatch.setattr(module, "MESSAGE_ROWS", message_rows)
    total: dict[str | None, tuple[int, ...]] = {}
    unasked, after, pages = 0, 0, 0
    while True:
        page = report(desk, after=after)
        pages += 1
        unasked += page.unasked
        for value, got in counts(page).items():
            total[value] = tuple(map(sum, zip(total.get(value, (0, 0, 0)), got, strict=True)))
        if page.next is None:
            break
        assert page.next > after
        after = page.next
    assert (total, unasked) == (counts(whole), whole.unasked)
    assert pages > 3


async def test_the_messages_of_a_pair_are_found_by_index(desk: Desk) -> None:
    steps = desk.rows("EXPLAIN QUERY PLAN " + module._ANSWERED, PEER, 1, NUMBER, 1)
    assert any("SEARCH message USING INDEX message_peer (peer=? AND id<?)" in step[3] for step in steps)
    assert not any(step[3].startswith("SCAN message") or step[3].startswith("SCAN segment") for step in steps)
    assert id_ms(desk.store.ids.next()) == START
