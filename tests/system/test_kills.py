"""The daemon is killed and stopped under load: nothing is lost, or copied without need.

See kills.py, kills_inbound.py and verdict.py.
"""

from tests.system import kills_inbound
from tests.system.kills import Plan, run


def carried_out(tmp_path, **plan):
    outcome = run(Plan(**plan), tmp_path)
    assert outcome.clean, f"{outcome}\nseed {plan['seed']}"
    return outcome


def test_kills_lose_nothing_and_copy_only_what_was_in_doubt(tmp_path):
    outcome = carried_out(tmp_path, rounds=9, seed=20261, life=(0.02, 1.4))
    # Else the carrier was never in the middle of something, and this shows nothing.
    assert outcome.outbound.counts["copies"] >= 9
    assert outcome.outbound.counts["kills with copies"] >= 3
    assert outcome.inbound.counts["copies"] >= 1


def test_with_hold_a_kill_copies_nothing_and_what_was_in_doubt_is_shown(tmp_path):
    outcome = carried_out(tmp_path, rounds=5, seed=20262, in_doubt="hold", life=(0.3, 1.3), early=0.0)
    assert outcome.outbound.counts["copies"] == 0
    assert outcome.outbound.counts["held"] >= 20
    assert outcome.stored["in_doubt"] == outcome.outbound.counts["held"]


def test_kills_while_the_carrier_misbehaves(tmp_path):
    outcome = carried_out(
        tmp_path,
        rounds=3,
        seed=20263,
        life=(0.4, 1.6),
        rate=500.0,
        faults="0x58:0.002,0x14:0.01,0x08:0.005,silent:0.002,cut:0.001",
        response_timeout=1.0,
        prepaid=True,
    )
    assert outcome.outbound.counts["copies"] >= 1


def test_what_came_in_reaches_webhook_and_subscription_over_kills(tmp_path):
    plan = kills_inbound.Plan(rounds=2, seed=20265, life=(0.3, 0.7), early=0.0)
    outcome = kills_inbound.run(plan, tmp_path)
    assert outcome.clean, f"{outcome}\nseed {plan.seed}"
    assert outcome.kills == 2
    assert outcome.inbound.counts["told"] >= 500
    # Some posts failed, and a kill came between a post and its record.
    assert outcome.posts["refused"] >= 1
    assert outcome.posts["taken again"] >= 1


def test_stopping_loses_and_copies_nothing(tmp_path):
    outcome = carried_out(tmp_path, rounds=6, seed=20264, killed=False, life=(0.05, 1.3))
    assert outcome.outbound.counts["copies"] == outcome.inbound.counts["copies"] == 0
    assert outcome.outbound.counts["held"] == 0
    assert len(outcome.stops) == 7
    assert max(outcome.stops) < 10.0
