"""Steps of the demo: told when they happen, loud when they do not."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from gateway.demo.screen import Screen, StepFailed, Unmet, quoted


async def test_a_step_that_happens_is_told_with_what_was_seen(
    capsys: pytest.CaptureFixture[str], autojump_clock: trio.testing.MockClock
) -> None:
    screen = Screen()
    async with screen.step("A carrier listens", 2, "a free port"):
        screen.detail("carrier", "127.0.0.1:2775")
        await trio.sleep(0.25)
    screen.detail("afterwards", "at once")
    assert capsys.readouterr().out.splitlines() == [
        "✓ A carrier listens  250 ms",
        "    carrier    127.0.0.1:2775",
        "    afterwards at once",
    ]


async def test_a_step_that_is_late_says_what_was_expected(
    capsys: pytest.CaptureFixture[str], autojump_clock: trio.testing.MockClock
) -> None:
    screen = Screen()

    async def wait_in_vain() -> None:
        async with screen.step("Its receipt has come back", 4, "a receipt"):
            screen.detail("on the air", "one segment")
            await trio.sleep_forever()

    with pytest.raises(StepFailed, match="Its receipt has come back"):
        await wait_in_vain()
    assert trio.current_time() == 4
    assert capsys.readouterr().out.splitlines() == [
        "✗ Its receipt has come back",
        "    on the air one segment",
        "    expected   a receipt within 4 s",
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unmet("state delivered, not failed"), "state delivered, not failed"),
        (RuntimeError("submit: refused\x1b[2J"), r"an answer, but: submit: refused\x1b[2J"),
        (ConnectionError("the daemon closed the connection"), "an answer, but: the daemon closed the connection"),
    ],
)
async def test_a_step_that_sees_something_else_says_what(
    capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    screen = Screen()
    with pytest.raises(StepFailed):
        async with screen.step("The application submits", 2, "an answer"):
            raise error
    assert capsys.readouterr().out.splitlines()[1] == f"    expected   {said}"


async def test_a_fault_of_the_demo_itself_is_not_a_step() -> None:
    screen = Screen()
    with pytest.raises(KeyError):
        async with screen.step("The application submits", 2, "an answer"):
            raise KeyError("id")


async def test_a_step_that_is_interrupted_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    with trio.CancelScope() as scope:
        async with screen.step("The application submits", 2, "an answer"):
            screen.detail("seen", "something")
            scope.cancel()
            await trio.sleep_forever()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, "(binary)"),
        ("Hi 👋", '"Hi 👋"'),
        ("a\nb\x1b", '"a\\nb\\x1b"'),
        ("x" * 100, '"' + "x" * 70 + '…"'),
    ],
)
def test_texts_are_quoted_and_harmless(text: str | None, shown: str) -> None:
    assert quoted(text) == shown
