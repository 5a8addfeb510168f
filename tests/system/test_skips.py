"""A skipped test fails a run in which nothing may be skipped, is named there, and is allowed elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.skips import nothing_may_be_skipped

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ("CI", "SMSGW_REQUIRE_FOREIGN", "PYTEST_ADDOPTS")
"""What changes a run, and is not taken over from this one."""
PASSES = "def test_passes():\n    pass\n"
EXPECTED = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_expected():\n    raise AssertionError\n"
MARKED = "import pytest\n@pytest.mark.skip(reason='needs the moon')\ndef test_marked():\n    pass\n"
INSIDE = "import pytest\ndef test_inside():\n    pytest.skip('needs the sun')\n"
WHOLE = "import pytest\npytest.skip('needs the stars', allow_module_level=True)\n"


def run(directory: Path, environment: dict[str, str], *files: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit status and output of a run over files of these contents."""
    for number, text in enumerate(files):
        directory.joinpath(f"test_{number}.py").write_text(text)
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.support.skips", "-p", "no:cacheprovider", "-q"),
            *(*options, str(directory)),
        ],
        cwd=directory,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("options", [(), ("-n", "2", "--dist", "loadfile")], ids=["alone", "as_make_does"])
@pytest.mark.parametrize("environment", [{"CI": "true"}, {"SMSGW_REQUIRE_FOREIGN": "1"}])
def test_a_skip_fails_the_run_and_is_named(
    tmp_path: Path, environment: dict[str, str], options: tuple[str, ...]
) -> None:
    code, output = run(tmp_path, environment, PASSES, MARKED, INSIDE, WHOLE, options=options)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "FAILED test_1.py::test_marked: needs the moon" in output
    assert "FAILED test_2.py::test_inside: needs the sun" in output
    assert "FAILED test_3.py: needs the stars" in output


def test_a_run_of_nothing_but_skips_fails_too(tmp_path: Path) -> None:
    assert run(tmp_path, {"CI": "true"}, WHOLE)[0] == pytest.ExitCode.TESTS_FAILED


def test_without_a_skip_the_run_is_good(tmp_path: Path) -> None:
    code, output = run(tmp_path, {"CI": "true"}, PASSES, EXPECTED)
    assert code == 0, output


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    code, output = run(tmp_path, {"CI": "false", "SMSGW_REQUIRE_FOREIGN": "0"}, PASSES, MARKED, INSIDE, WHOLE)
    assert code == 0, output
    assert "3 skipped" in output


@pytest.mark.parametrize("named", [{"CI": "true"}, {"CI": "1"}, {"SMSGW_REQUIRE_FOREIGN": "1"}])
def test_where_nothing_may_be_skipped(named: dict[str, str]) -> None:
    assert nothing_may_be_skipped(named)
    assert not nothing_may_be_skipped(dict.fromkeys(named, ""))
    assert not nothing_may_be_skipped({})
