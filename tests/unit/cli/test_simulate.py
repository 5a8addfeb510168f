"""`smsgw simulate`: an option for every setting, and the program itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gateway.cli.simulate import SETTINGS
from gateway.simulator import SimulatorConfig

from .conftest import Run


def test_there_is_an_option_for_every_setting_in_their_order() -> None:
    assert list(SETTINGS) == list(SimulatorConfig.__struct_fields__)


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ((), {}),
        (("--system-id", "user", "--password", "pw"), {"system_id": "user", "password": "pw"}),
        (("--bind-status", "0x0E"), {"bind_status": 0x0E}),
        (("--latency", "0.25"), {"latency": 0.25}),
        (("--latency", "0.1-0.5"), {"latency": (0.1, 0.5)}),
        (("--error-statuses", "0x58,20"), {"error_statuses": (0x58, 20)}),
        (("--receipt-states", "delivrd=9,UNDELIV"), {"receipt_states": {"DELIVRD": 9.0, "UNDELIV": 1.0}}),
        (("--no-no-response-taken",), {"no_response_taken": False}),
        (("--receipts-before-response",), {"receipts_before_response": True}),
        (("--mo-texts", "Yes, please|Nein 👎"), {"mo_texts": ("Yes, please", "Nein 👎")}),
        (("--mo-peers", "+15550001,+15550002"), {"mo_peers": ("+15550001", "+15550002")}),
        (("--distribution-lists", "team=+15550001"), {"distribution_lists": {"team": ("+15550001",)}}),
        (("--id-form", "hex", "--window", "7"), {"id_form": "hex", "window": 7}),
        (("--interface-version", "5.0"), {"interface_version": "5.0"}),
    ],
)
def test_options_become_settings(
    smsgw: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], changes: dict[str, Any]
) -> None:
    seen: list[Any] = []

    async def simulate(config: SimulatorConfig, host: str, port: int, **options: Any) -> None:
        seen.extend((config, host, port, options["prompt"], options["rng"].random()))

    monkeypatch.setattr("gateway.simulator.simulate", simulate)
    options = ("--host", "127.0.0.2", "--port", "2776", "--seed", "1", "--no-prompt")
    assert smsgw("simulate", *options, *arguments) == (0, "", "")
    assert seen == [SimulatorConfig(**changes), "127.0.0.2", 2776, False, 0.13436424411240122]


def test_an_address_that_is_not_of_this_machine(smsgw: Run) -> None:
    ran = smsgw("simulate", "--host", "192.0.2.1", "--port", "0")
    assert ran.code == 1
    assert ran.err.startswith("smsgw simulate: cannot listen at 192.0.2.1:0: ")


def test_it_runs_and_takes_commands_from_a_pipe() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", "--port", "0"],
        input=b"status\nquit\n",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(b"listening on 127.0.0.1:")
    assert b"nobody is bound" in ran.stdout
