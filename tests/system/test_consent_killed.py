"""The daemon is killed while people opt in and out: nobody is written to who did not agree. See kills_consent.py."""

from __future__ import annotations

from pathlib import Path

from tests.system.kills_consent import Plan, run


def test_kills_let_no_marketing_to_who_did_not_agree(tmp_path: Path) -> None:
    outcome = run(Plan(rounds=3, seed=20291), tmp_path)
    assert outcome.clean, f"{outcome}"
    counts = outcome.counts
    # Some of each kind were there, or this shows nothing.
    assert counts["granted"] >= 5
    assert counts["withdrawn"] >= 1
    assert counts["marketing on the air"] >= 10
    assert counts["refused"] >= 50
