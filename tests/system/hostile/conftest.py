"""The stage that the cases of a file share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from tests.system.hostile.cases import Case
from tests.system.hostile.playing import by_settings, played
from tests.system.hostile.stage import Stage

Play = Callable[[Case], None]


def parameters(cases: Sequence[Case]) -> list[Any]:
    """Each as a test of its own, those with the same settings together."""
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.xfail(reason=case.open)] if case.open else [])
        for group in by_settings(cases)
        for case in group
    ]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Plays a case and fails with what was wrong; cases with the same settings meet the same daemon."""
    stage: Stage | None = None
    with ExitStack() as stack:

        def play(case: Case) -> None:
            nonlocal stage
            if stage is None or (stage.settings, stage.accounts) != (case.carrier, case.accounts):
                stack.close()
                stage = stack.enter_context(
                    Stage(tmp_path_factory.mktemp("stage"), carrier=case.carrier, accounts=case.accounts)
                )
            *_, (_, found) = played(stage, case)
            assert not found, "\n".join(found)

        yield play
