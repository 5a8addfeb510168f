"""The configurations of the inbound runs are ones that the gateway takes, and their rules match what is sent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import arriving, keys, trace
from bench.daemon import config
from bench.hook import Hook
from gateway.policy.decision import Facts
from gateway.policy.rules import RuleBook
from gateway.settings.load import load


@pytest.mark.parametrize("name", arriving.WAYS)
def test_the_configuration_of_a_run_is_sound(tmp_path: Path, name: str) -> None:
    way = arriving.WAYS[name]
    with Hook() as hook:
        numbers, keys_of_each, more = arriving._told(way, hook)
    path = tmp_path / "smsgw.toml"
    path.write_text(config(tmp_path, 1, numbers=numbers, number=keys_of_each) + more)
    path.chmod(0o600)
    settings = load(path)
    assert len(settings.rules) == way.rules.count("[[rules]]")
    assert len(settings.numbers) == (10 if way.known else 3)
    assert len(settings.handlers) == way.hook


def test_the_book_is_one_whose_rules_are_looked_at_and_match_now_and_then(tmp_path: Path) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_text(config(tmp_path, 1, numbers=arriving.TEN) + arriving.BOOK)
    path.chmod(0o600)
    book = RuleBook(load(path))
    counts: Counter[str] = Counter()
    for number, line in enumerate(trace.load("inbound:500:5")):
        text = line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MO, number), 1)
        at = 1_795_000_000_000 + number * 3_600_000
        matched = book.decide(Facts(arriving.TEN[0], line.sender or "", text, at)).matched
        assert matched
        counts.update(matched)
    assert {"abroad", "long", "night", "closed", "rest"} <= counts.keys()
    assert 0 < counts["night"] < 500
