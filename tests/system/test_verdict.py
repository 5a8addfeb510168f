"""The judge of the kill runs, on small logs made by hand: it says what is wrong, and only that."""

from dataclasses import replace

import pytest

from bench import keys, wire
from bench.client import Event
from bench.sinklog import Connection, Delivery, SinkLog, Submit
from bench.trace import Line
from tests.system.told import Told
from tests.system.verdict import Bounds, inbound, outbound

MT = Line("mt", "+14155550000", "+15551230001", "{key} code")
MO = Line("mo", "+15551230001", "+14155550000", "{key} yes")
KILL = 10.0
BOUNDS = Bounds(window=3, binds=1, inbound_window=2, response_timeout=60.0, ends=[KILL], killed=True, resend=True)
"""One kill; connection 1 was open before it, connection 2 after it."""


def log_of(*submits):
    log = SinkLog()
    log.connections = {1: Connection(1, 1.0, KILL), 2: Connection(2, KILL + 1.0)}
    log.submits = sorted(submits, key=lambda s: s.t)
    return log


def submit(number, t, *, answered=None, connection=1, status=wire.ROK, text=None):
    key = keys.key(keys.MT, number)
    return Submit(
        t=t, connection=connection, account="bench", sequence=number, source="15551230001",
        destination=keys.vary(MT.to, number).lstrip("+"), data_coding=0, registered_delivery=1,
        concat=wire.Concat(0, 1, 1), data=(text or f"{key} code").encode(), frame=b"", answered=answered,
        status=status if answered is not None else None, smsc_message_id=str(t),
    )  # fmt: skip


def told_of(*numbers, ended=()):
    told = Told()
    told.ids = {number: f"id{number}" for number in numbers}
    told.ends = {f"id{number}": "delivered" for number in ended}
    return told


def shown(*numbers, state="delivered", in_doubt=1):
    return {f"id{n}": {"state": state, "parts": [{"part": 1, "in_doubt": in_doubt}]} for n in numbers}


def judged(log, told, seen=None, bounds=BOUNDS):
    return {name for name, found in outbound(told, [MT], log, seen or {}, bounds).wrong.items() if found}


FIVE = [submit(n, 1.0 + n, answered=1.5 + n) for n in range(5)]
"""Five submits in the life before the kill, all answered."""


def test_all_is_well():
    assert judged(log_of(*FIVE), told_of(*range(5), ended=range(5))) == set()


def test_a_message_that_did_not_arrive_is_lost():
    assert judged(log_of(*FIVE[:4]), told_of(*range(5), ended=range(5))) == {"lost"}


def test_a_message_that_was_refused_is_lost_when_it_is_told_as_delivered():
    refused = replace(FIVE[4], status=0x45)
    assert judged(log_of(*FIVE[:4], refused), told_of(*range(5), ended=range(5))) == {"lost"}


def test_a_message_without_an_end_is_silent_unless_it_is_shown_in_doubt():
    told = told_of(*range(5), ended=range(4))
    assert judged(log_of(*FIVE), told) == {"silent"}
    assert judged(log_of(*FIVE), told, shown(4, state="sent")) == {"silent"}
    assert judged(log_of(*FIVE), told, shown(4, state="in_doubt")) == set()
    assert judged(log_of(*FIVE[:4]), told, shown(4, state="in_doubt")) == set()


def test_another_text_or_another_peer_is_garbled():
    told = told_of(*range(5), ended=range(5))
    assert judged(log_of(*FIVE[:4], submit(4, 5.0, answered=5.5, text="#T000004 cod")), told) == {"garbled"}
    assert judged(log_of(*FIVE[:4], replace(FIVE[4], destination="14155550001")), told) == {"garbled"}


def test_what_nobody_handed_over_is_stray():
    assert judged(log_of(*FIVE), told_of(*range(4), ended=range(4))) == {"stray"}


@pytest.mark.parametrize("number", range(5))
def test_only_the_last_of_a_window_may_be_copied(number):
    copy = submit(number, KILL + 2.0, answered=KILL + 2.1, connection=2)
    found = judged(log_of(*FIVE, copy), told_of(*range(5), ended=range(5)), shown(number))
    assert found == (set() if number >= 2 else {"needless"})


def test_what_is_unanswered_takes_room_from_what_is_answered():
    """A window of three with one unanswered submit: of the answered ones at most two are unrecorded."""
    log = [submit(0, 1.0), *FIVE[1:]]
    told = told_of(*range(5), ended=range(5))
    for number, expected in ((0, set()), (2, {"needless"}), (3, set()), (4, set())):
        copies = [submit(n, KILL + 2.0 + n, answered=KILL + 9, connection=2) for n in {0, number}]
        assert judged(log_of(*log, *copies), told, shown(0, number)) == expected


def test_a_copy_has_to_be_marked():
    copy = submit(4, KILL + 2.0, answered=KILL + 2.1, connection=2)
    told = told_of(*range(5), ended=range(5))
    assert judged(log_of(*FIVE, copy), told, shown(4, in_doubt=0)) == {"unmarked"}
    assert judged(log_of(*FIVE, copy), told) == {"unmarked"}


def test_a_copy_in_the_same_life_is_needless_when_the_first_was_answered():
    told = told_of(*range(5), ended=range(5))
    assert judged(log_of(*FIVE, submit(4, 7.0, answered=7.1)), told, shown(4)) == {"needless"}
    assert judged(log_of(*FIVE[:4], submit(4, 5.0), submit(4, 7.0, answered=7.1)), told, shown(4)) == set()


def test_what_the_carrier_refused_for_now_is_no_copy():
    throttled = submit(4, 4.5, answered=4.6, status=0x58)
    assert judged(log_of(*FIVE, throttled), told_of(*range(5), ended=range(5))) == set()


def test_twice_is_once_too_often_and_with_hold_once_is():
    copies = [submit(4, KILL + t, answered=None if t == 2 else KILL + t, connection=2) for t in (2, 3)]
    told = told_of(*range(5), ended=range(5))
    assert judged(log_of(*FIVE, *copies), told, shown(4)) == {"twice"}
    hold = replace(BOUNDS, resend=False)
    assert judged(log_of(*FIVE, copies[1]), told, shown(4), hold) == {"twice"}


def test_after_a_stop_every_copy_is_needless():
    copy = submit(4, KILL + 2.0, answered=KILL + 2.1, connection=2)
    stopped = replace(BOUNDS, killed=False)
    assert judged(log_of(*FIVE, copy), told_of(*range(5), ended=range(5)), shown(4), stopped) == {"needless"}


def test_more_copies_than_a_window_are_a_crowd():
    unanswered = [submit(n, 1.0 + n) for n in range(5)]
    copies = [submit(n, KILL + 2 + n, answered=KILL + 9, connection=2) for n in range(5)]
    told = told_of(*range(5), ended=range(5))
    assert judged(log_of(*unanswered, *copies), told, shown(*range(5))) == {"crowd"}


# --- inbound ----------------------------------------------------------------------------------------------------------


def delivery(number, t, acked=None, connection=1, status=wire.ROK):
    peer = keys.vary(MO.sender, number)
    return Delivery(
        t=t, connection=connection, account="bench", sequence=number, kind="mo", source=peer, destination=MO.to,
        data_coding=0, concat=wire.Concat(0, 1, 1), data=f"{keys.key(keys.MO, number)} yes".encode(),
        smsc_message_id=None, acked=acked, status=status if acked is not None else None,
    )  # fmt: skip


def event(number, name, text=None):
    return Event(
        event_id=name, peer=keys.vary(MO.sender, number), number=MO.to,
        text=text or f"{keys.key(keys.MO, number)} yes", complete=True,
    )  # fmt: skip


def judged_inbound(deliveries, events, count=1, bounds=BOUNDS):
    log = log_of()
    log.deliveries = deliveries
    told = Told()
    told.inbound = {e.event_id: e for e in events}
    return {name for name, found in inbound(told, [MO], count, log, bounds).wrong.items() if found}


def test_inbound_that_was_taken_and_told_is_well():
    assert judged_inbound([delivery(0, 1.0, 1.1)], [event(0, "1-1")]) == set()


def test_inbound_that_was_taken_and_not_told_is_lost():
    assert judged_inbound([delivery(0, 1.0, 1.1)], []) == {"lost"}


def test_inbound_that_was_never_taken_is_lost():
    assert judged_inbound([delivery(0, 1.0, 1.1, status=0x64)], [event(0, "1-1")]) == {"lost"}


def test_inbound_told_twice_is_in_order_only_when_the_carrier_had_to_send_it_twice():
    again = delivery(0, KILL + 2, KILL + 2.1, connection=2)
    events = [event(0, "1-1"), event(0, "1-2")]
    assert judged_inbound([delivery(0, 9.9), again], events) == set()
    assert judged_inbound([delivery(0, 9.9, 9.95), again], events) == {"needless"}
    assert judged_inbound([again], events) == {"needless"}
    assert judged_inbound([delivery(0, 9.9), again], events, bounds=replace(BOUNDS, killed=False)) == {"needless"}


def test_inbound_told_otherwise_is_garbled():
    assert judged_inbound([delivery(0, 1.0, 1.1)], [event(0, "1-1", "#M000000 no")]) == {"garbled"}


def test_more_inbound_copies_than_the_carriers_window_are_a_crowd():
    deliveries = [delivery(n, 9.0) for n in range(3)] + [delivery(n, 12.0, 12.1, connection=2) for n in range(3)]
    events = [event(n, f"1-{i}{n}") for n in range(3) for i in range(2)]
    assert judged_inbound(deliveries, events, count=3) == {"crowd"}
