"""`smsgw demo`: it shows a round trip within its time, and fails when any step does not happen."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import Program, smsgw

STEPS = (
    "A carrier listens",
    "A webhook listens",
    "The daemon starts",
    "It has bound",
    "The application connects",
    "The application subscribes",
    "The application submits a short text",
    "It is on the air as 1 segment",
    "Its receipt",
    "The application submits a long text",
    "It is on the air as 4 segments",
    "Its receipt",
    "The phone replies",
    "The reply has reached the webhook",
    "The reply has reached the subscription",
    "Nothing is left",
    "The daemon stops",
)


def test_every_step_happens_within_its_time_and_without_a_terminal() -> None:
    began = time.monotonic()
    ran = smsgw("demo")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert time.monotonic() - began < 15
    told = [line.removeprefix("✓ ") for line in ran.stdout.splitlines() if line.startswith("✓ ")]
    assert len(told) == len(STEPS)
    for line, step in zip(told, STEPS, strict=True):
        assert line.startswith(step)
    for seen in ("part 4 of 4, ucs2", "DELIVRD for segment", "signature good", "sister 👩‍🔧 and her car"):
        assert seen in ran.stdout
    home = next(line.split()[1] for line in ran.stdout.splitlines() if line.startswith("    store"))
    assert not Path(home).parent.exists()


HASTY = """
import functools, sys
from gateway.demo import screen, stage
step = screen.Screen.step
def hasty(self, title, seconds, expected):
    return step(self, title, 0.5 if title.startswith(sys.argv[1]) else seconds, expected)
screen.Screen.step = hasty
{change}
sys.exit(stage.run())
"""
CONFIG = "stage.SimulatorConfig = functools.partial(stage.SimulatorConfig, {})"


@pytest.mark.parametrize(
    ("change", "step", "expected"),
    [
        (CONFIG.format("bind_status=0x0D"), "It has bound to the carrier", "a bind within 0.5 s"),
        (CONFIG.format("no_response=1.0"), "Its receipt has come back", "a receipt with state delivered within"),
        (CONFIG.format("receipts=0.0"), "Its receipt has come back", "a receipt with state delivered within"),
        (
            CONFIG.format("receipt_states={'UNDELIV': 1.0}"),
            "Its receipt has come back",
            "state delivered, not undelivered",
        ),
        (
            "receiver = stage.Receiver; stage.Receiver = lambda secret: receiver('another secret')",
            "The reply has reached the webhook",
            "a signed POST with the reply within",
        ),
        (
            "from gateway.demo import story; story.Simulator.inbound = lambda *args, **options: 2",
            "The reply has reached the webhook",
            "a signed POST with the reply within",
        ),
    ],
)
def test_a_step_that_does_not_happen_fails_the_demo(change: str, step: str, expected: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HASTY.format(change=change), step],
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=30,
    )
    lines = ran.stdout.splitlines()
    assert ran.returncode == 1, ran.stderr
    assert f"✗ {step}" in lines
    assert any(line.startswith("    expected ") and expected in line for line in lines)
    assert lines[-1] == f"The demo failed at: {step}"
    assert "Traceback" not in ran.stderr


def test_stay_serves_on_until_interrupted() -> None:
    with Program("demo", "--stay") as demo:
        demo.line("It goes on until Ctrl-C")
        config = demo.line("smsgw send -c").split()[3]
        ran = smsgw("send", "-c", config, "+12015550147", "Noch da? 👋", "--wait")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.splitlines()[-1] == "delivered"
        assert "Noch da? 👋" in demo.line("on the air")
        assert demo.stop(signal.SIGINT) == 0
        demo.line("✓ The daemon stops in order")
        assert demo.errors == ""


def test_an_interrupted_demo_leaves_nothing_behind() -> None:
    with Program("demo") as demo:
        demo.line("A webhook listens")
        code = demo.stop(signal.SIGINT)
        # Quick machines are through before the signal comes.
        assert code in (0, 130)
        assert "Traceback" not in demo.errors
