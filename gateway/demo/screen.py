"""What the demo prints: a line for each step, and under it what was seen."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from rich.console import Console
from rich.text import Text

from gateway.simulator import OnAir
from gateway.simulator.lines import printable

_LONGEST_TEXT = 70
_WIDEST = 10_000


class StepFailed(Exception):
    """A step did not happen: which, and what was expected."""

    def __init__(self, step: str, expected: str) -> None:
        super().__init__(step)
        self.step = step
        self.expected = expected


class Unmet(Exception):
    """What a step has seen is not what it expected; the text says what that was."""


class Screen:
    """Standard output. Works the same on a terminal and in a pipe, where lines are not cut."""

    def __init__(self) -> None:
        terminal = sys.stdout.isatty()
        self._console = Console(
            markup=False, emoji=False, highlight=False, width=None if terminal else _WIDEST, soft_wrap=True
        )
        encoding = (self._console.encoding or "ascii").lower()
        try:
            "✓✗→".encode(encoding)
            self.done, self.failed, self.arrow = "✓", "✗", "→"
        except (UnicodeEncodeError, LookupError):
            self.done, self.failed, self.arrow = "ok", "FAILED", "->"
        self._kept: list[Text] = []
        self._keeping = False

    def title(self, text: str) -> None:
        self._console.print(Text(text, style="bold"))

    def detail(self, label: str, text: str, style: str = "") -> None:
        """A line under the step that is under way. It is held back until the step is told."""
        line = Text.assemble("    ", (f"{label:<11}", "dim"), (text, style))
        if self._keeping:
            self._kept.append(line)
        else:
            self._console.print(line)

    def on_air(self, event: OnAir) -> None:
        """What passes between the daemon and the carrier, as the carrier sees it."""
        if event.kind == "segment":
            part = f"part {event.part} of {event.total}" if event.total > 1 else "one segment"
            what = f"{part}, {event.encoding}, {len(event.octets)} octets  {quoted(event.text)}"
            self.detail("on the air", what, "cyan")
        elif event.kind == "receipt":
            self.detail("receipt", f"{event.state} for segment {printable(event.message_id)}", "cyan")
        elif event.kind == "inbound":
            part = f"part {event.part} of {event.total}" if event.total > 1 else "one segment"
            self.detail("from phone", f"{part}, {event.encoding}  {quoted(event.text)}", "magenta")
        elif event.kind == "message" and event.total > 1:
            self.detail("at phone", quoted(event.text), "cyan")
        elif event.kind in ("refused", "bind_refused", "rejected"):
            self.detail(event.kind, printable(event.detail), "red")

    @asynccontextmanager
    async def step(self, title: str, seconds: float, expected: str) -> AsyncIterator[None]:
        """A step that must be over in ``seconds``, else what was ``expected`` has not happened.

        Raises StepFailed then, and for an Unmet that is raised in it.
        """
        begin = trio.current_time()
        self._keeping = True
        try:
            with trio.fail_after(seconds):
                yield
        except trio.TooSlowError:
            failure = StepFailed(title, f"{expected} within {seconds:g} s")
        except Unmet as unmet:
            failure = StepFailed(title, str(unmet))
        except trio.Cancelled:
            self._kept.clear()
            raise
        except (OSError, RuntimeError) as error:
            failure = StepFailed(title, f"{expected}, but: {printable(str(error))}")
        else:
            self._told(self.done, "bold green", title, f"  {(trio.current_time() - begin) * 1000:.0f} ms")
            return
        finally:
            self._keeping = False
        self._told(self.failed, "bold red", title, "")
        self._console.print(Text(f"    expected   {failure.expected}", style="red"))
        raise failure

    def _told(self, mark: str, style: str, title: str, after: str) -> None:
        self._console.print(Text.assemble((mark, style), f" {title}", (after, "dim")))
        for line in self._kept:
            self._console.print(line)
        self._kept.clear()


def quoted(text: str | None) -> str:
    """A text in quotes, cut and made harmless for a terminal."""
    if text is None:
        return "(binary)"
    shown = printable(text)
    return f'"{shown[:_LONGEST_TEXT]}…"' if len(shown) > _LONGEST_TEXT else f'"{shown}"'
