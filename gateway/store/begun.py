"""Work on the database that was begun: it goes on in a thread while Trio's goes on too, and is waited for later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import outcome
import trio

RunSync = Callable[[Callable[[], object]], Awaitable[object]]
"""Runs a blocking function and returns its result."""


class Begun(Protocol):
    """Something that was begun."""

    async def wait(self) -> object:
        """Its result; or raises its error. Waited for once."""
        ...


Begin = Callable[[Callable[[], object]], Begun]
"""Begins a blocking function."""


class InThread:
    """A function that runs in a thread from now on. Its end is not cancelled by whoever waits for it."""

    __slots__ = ("_result", "_task")

    def __init__(self, function: Callable[[], object]) -> None:
        self._result: outcome.Outcome[object] | None = None
        self._task: trio.lowlevel.Task | None = None
        token = trio.lowlevel.current_trio_token()

        def deliver(result: outcome.Outcome[object]) -> None:
            token.run_sync_soon(self._ended, result)

        # Not trio.to_thread: that lets other tasks have their turn first, and the thread would wait for them.
        trio.lowlevel.start_thread_soon(function, deliver)

    def _ended(self, result: outcome.Outcome[object]) -> None:
        self._result = result
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)

    async def wait(self) -> object:
        """Its result; or raises its error."""
        if self._result is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(_not_cancelled)
        assert self._result is not None
        return self._result.unwrap()


class Awaited:
    """A function that is not begun before it is waited for, then by ``run_sync``: where all is in one thread."""

    __slots__ = ("_function", "_run_sync")

    def __init__(self, run_sync: RunSync, function: Callable[[], object]) -> None:
        self._run_sync = run_sync
        self._function = function

    async def wait(self) -> object:
        """Its result; or raises its error."""
        return await self._run_sync(self._function)


def _not_cancelled(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
