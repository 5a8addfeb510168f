"""The flood of first parts against the real daemon, in its quick form (promise 25); it notices what is wrong."""

from __future__ import annotations

import json

import pytest

from bench import flood


@pytest.mark.parametrize("name", ["one", "mixed"])
def test_the_quick_form(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert flood.main(["--parts", "4000", "--runs", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[name]
    assert found["acknowledged"] == 4003
    assert found["told"] + found["waiting"] == 4000
    assert (found["told"] == 3000) == (name == "one")


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert flood.main(["--runs", "nonsense"]) == 2
    assert flood.main(["--parts", "3"]) == 2
    assert "nonsense" in capsys.readouterr().err


GOOD = flood.Result("one", 4000, 4003, 1.0, 80.0, 143.9, 3000, 1000, True)


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        ({}, True),
        ({"acknowledged": 4002}, False),
        ({"told": 2999}, False),
        ({"real": False}, False),
        ({"memory_peak": 144.0}, False),
        ({"name": "large", "memory_peak": 207.0}, True),
        ({"name": "large", "memory_peak": 208.0}, False),
    ],
)
def test_what_fails(change: dict[str, object], passed: bool) -> None:
    result = flood.Result(**({name: getattr(GOOD, name) for name in GOOD.__dataclass_fields__} | change))  # type: ignore[arg-type]
    assert result.passed is passed
    assert (result.rate, result.growth) == (result.acknowledged / 1.0, result.memory_peak - 80.0)
