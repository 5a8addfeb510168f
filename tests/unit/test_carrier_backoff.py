"""Waits between attempts and the choice of a host, by what ended the attempt before."""

from __future__ import annotations

import random

import pytest

from gateway.carrier.backoff import STABLE_AFTER, Backoff, already_bound, credentials_refused
from gateway.carrier.hosts import MOST_SPANS, Hosts
from gateway.smpp.constants import CommandStatus as S
from tests.support.wire import settings

JITTER = 1.1


def backoff(seed: int = 1, **given: object) -> Backoff:
    return Backoff(settings(**given), random.Random(seed))


@pytest.mark.parametrize("status", [S.ESME_RINVPASWD, S.ESME_RINVSYSID, S.ESME_RBINDFAIL, S.ESME_RINVSYSTYP])
def test_what_a_person_has_to_mend_waits_long_each_time(status: S) -> None:
    assert credentials_refused(status)
    assert not already_bound(status)
    waits = backoff(refused_delay=300)
    assert all(300 <= waits.after(status, 0.0) <= 300 * JITTER for _ in range(5))


@pytest.mark.parametrize("status", [None, S.ESME_ROK, S.ESME_RSYSERR, S.ESME_RTHROTTLED, S.ESME_RALYBND])
def test_what_is_no_matter_of_credentials(status: S | None) -> None:
    assert not credentials_refused(status)
    assert already_bound(status) == (status == S.ESME_RALYBND)


def test_already_bound_waits_from_its_own_delay_doubling_to_that_of_refused_credentials() -> None:
    waits = backoff(already_bound_delay=30, refused_delay=300)
    for ideal in (30, 60, 120, 240, 300, 300):
        assert ideal <= waits.after(S.ESME_RALYBND, 0.0) <= ideal * JITTER
    waits.after(None, 1.0)  # it was bound, however shortly
    assert waits.after(S.ESME_RALYBND, 0.0) <= 30 * JITTER


def test_another_failure_between_does_not_shorten_the_wait_after_already_bound() -> None:
    waits = backoff(already_bound_delay=30)
    waits.after(S.ESME_RALYBND, 0.0)
    waits.after(None, 0.0)
    assert waits.after(S.ESME_RALYBND, 0.0) >= 60


def test_a_delay_above_that_of_refused_credentials_stays() -> None:
    waits = backoff(already_bound_delay=900, refused_delay=300)
    assert all(900 <= waits.after(S.ESME_RALYBND, 0.0) <= 900 * JITTER for _ in range(3))


def test_only_a_session_that_lasted_brings_the_shortest_wait_back() -> None:
    waits = backoff(reconnect_min=1, reconnect_max=60)
    for _ in range(8):
        waits.after(None, STABLE_AFTER - 0.1)
    assert waits.after(None, STABLE_AFTER - 0.1) >= 40
    assert waits.after(None, STABLE_AFTER) <= 1.5


A, B, C = ("a", 1), ("b", 2), ("c", 3)


def test_hosts_are_tried_in_order_and_again_from_the_first() -> None:
    hosts = Hosts((A, B, C), 600)
    seen = []
    for _ in range(5):
        seen.append(hosts.current)
        hosts.failed()
    assert seen == [A, B, C, A, B]


def test_a_bind_elsewhere_goes_back_after_its_time_and_a_bind_at_the_first_never() -> None:
    hosts = Hosts((A, B), 600)
    hosts.bound(0)
    assert not hosts.return_due(1e9)
    hosts.failed()
    hosts.bound(100)
    assert not hosts.return_due(699)
    assert hosts.return_due(700)


def test_losing_the_session_elsewhere_does_not_put_the_return_off() -> None:
    hosts = Hosts((A, B), 600)
    hosts.failed()
    hosts.bound(0)
    hosts.bound(500)
    assert hosts.return_due(600)


def test_a_first_host_that_does_not_hold_is_tried_ever_more_rarely() -> None:
    hosts = Hosts((A, B), 10)
    hosts.failed()
    now = 0.0
    hosts.bound(now)
    waits = []
    for _ in range(7):
        before = now
        while not hosts.return_due(now):
            now += 1
        waits.append(now - before)
        hosts.tried_first(now)
    assert waits == [10, 10, 20, 40, 80, 160, 10 * MOST_SPANS]
    hosts.use_first()
    hosts.bound(now)
    hosts.failed()
    hosts.bound(now)
    assert hosts.return_due(now + 10)


@pytest.mark.parametrize("hosts", [Hosts((A, B), 0), Hosts((A,), 600)])
def test_without_a_span_or_a_second_host_there_is_no_return(hosts: Hosts) -> None:
    hosts.failed()
    hosts.bound(0)
    assert not hosts.return_due(1e9)
