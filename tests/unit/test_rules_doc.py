"""Each example of docs/rules.md goes as its cases say, and the cases can fail."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.cases import Expected, read, run
from gateway.policy.conditions import SEARCHED
from gateway.policy.rules import RuleBook
from gateway.settings import Settings, load
from gateway.settings.rules import CONDITIONS

TEXT = (Path(__file__).parents[2] / "docs/rules.md").read_text()
BASE = re.findall(r"<!-- base -->\n\n```toml\n(.*?)```", TEXT, re.S)
EXAMPLES = re.findall(
    r"### (.*?)\n(?:(?!###).)*?<!-- example -->\n\n```toml\n(.*?)```\n\n```toml\n(.*?)```", TEXT, re.S
)
ENV = {"ACME_PASSWORD": "12345678", "CRM_SECRET": "0123456789abcdef"}


def loaded(path: Path, rules: str) -> Settings:
    path.write_text(BASE[0] + rules)
    return load(path, ENV)


def test_there_are_examples() -> None:
    assert len(BASE) == 1
    assert len(EXAMPLES) == TEXT.count("<!-- example -->") >= 5


@pytest.mark.parametrize(("title", "rules", "cases"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_an_example_goes_as_it_says(tmp_path: Path, title: str, rules: str, cases: str) -> None:
    settings = loaded(tmp_path / "smsgw.toml", rules)
    results = run(settings, RuleBook(settings), read(tomllib.loads(cases)))
    assert [(result.name, result.differences) for result in results] == [(result.name, {}) for result in results]
    matched = {name for result in results for name in result.found["matched"]}
    assert matched == {rule.name for rule in settings.rules}, "each rule is shown to match"


@pytest.mark.parametrize(("title", "rules", "cases"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_an_example_without_its_rules_does_not(tmp_path: Path, title: str, rules: str, cases: str) -> None:
    settings = loaded(tmp_path / "smsgw.toml", "")
    results = run(settings, RuleBook(settings), read(tomllib.loads(cases)))
    named: list[Any] = [case["expect"].get("matched") for case in tomllib.loads(cases)["cases"]]
    assert all(bool(result.differences) for result, wanted in zip(results, named, strict=True) if wanted)
    assert any(result.differences for result in results)


def test_the_schedule_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (shown,) = re.findall(r"## Schedules\n\n```toml\n(.*?)```", TEXT, re.S)
    path = tmp_path / "smsgw.toml"
    path.write_text(BASE[0].replace("[schedules.office]", "[schedules.shop]") + shown.replace("office", "other"))
    path.write_text(path.read_text().replace('"office"', '"shop"'))
    assert load(path, ENV).schedules["other"].exceptions[1].until is not None


def test_every_condition_and_every_expectation_is_told_of() -> None:
    table = TEXT.split("| condition |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.split("\n")[2:])))
    assert documented == {*CONDITIONS, "zone", "count_within"}
    expectations = TEXT.split("| `cases.expect` |")[1].split("\n")[0]
    assert set(re.findall(r"`(\w+)`", expectations)) == set(Expected.__struct_fields__)
    assert f"first {SEARCHED} characters" in TEXT
