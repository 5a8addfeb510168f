"""`smsgw erase`: asked for twice, said by counts, and a failure while something is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Run
from .fake_daemon import FakeDaemon, Request, result

PEER = "+12125550101"
DONE = {
    "peer": PEER, "cancelled": 1, "messages": 3, "inbound": 0, "events": 5, "forwards": 0, "receipts": 0, "optouts": 1,
    "rows": 0, "left": 0, "log_cut": 1,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def answering(**changed: Any) -> Any:
    def answer(request: Request) -> list[Any]:
        return [result(request, DONE | changed)]

    return answer


def test_it_says_what_went(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, answering()) as fake:
        ran = smsgw("erase", PEER, "--yes", "--force", "--socket", str(path))
    assert fake.requests[0]["params"] == {"peer": PEER, "force": True}
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        f"{PEER}:",
        "1 messages that waited were cancelled",
        "3 messages to it erased",
        "5 events erased",
        "1 opt-outs kept under a name without the phone",
    ]
    path.unlink()
    with FakeDaemon(path, answering()):
        ran = smsgw("erase", PEER, "--yes", "--json", "--socket", str(path))
    assert ran.lines == [DONE]


def test_where_nothing_was(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, answering(**dict.fromkeys(set(DONE) - {"peer", "log_cut"}, 0))):
        ran = smsgw("erase", PEER, "--yes", "--socket", str(path))
    assert (ran.code, ran.err) == (0, f"nothing was stored of {PEER}\n")


def test_a_phone_without_its_country_code_is_not_said_to_be_erased(smsgw: Run, path: Path) -> None:
    """What a carrier brought in that form is erased; where there is nothing, somebody else was meant."""
    nothing: dict[str, Any] = dict.fromkeys(set(DONE) - {"peer", "log_cut"}, 0)
    with FakeDaemon(path, answering(**nothing, peer="2125550101")):
        ran = smsgw("erase", "2125550101", "--yes", "--socket", str(path))
    assert ran.code == 2
    assert ran.err.splitlines()[-1].startswith("2125550101 is no whole phone number")
    path.unlink()
    with FakeDaemon(path, answering(peer="2125550101")):
        assert smsgw("erase", "2125550101", "--yes", "--socket", str(path)).code == 0
    path.unlink()
    with FakeDaemon(path, answering(**nothing, peer="24273")):
        assert smsgw("erase", "24273", "--yes", "--socket", str(path)).code == 0


@pytest.mark.parametrize(
    ("changed", "said"), [({"left": 2}, "2 messages to it came in"), ({"log_cut": 0}, "the log of")]
)
def test_what_is_left_is_a_failure(smsgw: Run, path: Path, changed: dict[str, int], said: str) -> None:
    with FakeDaemon(path, answering(**changed)):
        ran = smsgw("erase", PEER, "--yes", "--socket", str(path))
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith(said)


def test_nobody_is_erased_without_a_yes(smsgw: Run, path: Path) -> None:
    ran = smsgw("erase", PEER, "--socket", str(path))
    assert (ran.code, ran.err) == (2, f"smsgw erase: all that is stored of {PEER} would be erased: say --yes\n")
