"""Lists that come in pages: asked for until there are as many as wanted, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import console, note, printed

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.client import Client

PAGE: Final = 500
"""The most that is asked for at once."""
LIMIT: Final = 50
"""What is listed where no other limit is given."""
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000_000, help="At most so many.")]
AfterOption = Annotated[str | None, typer.Option("--after", metavar="PEER", help="After this one: page on.")]
EMPTY_PAGES: Final = 1000
"""Pages that found nothing, of 20,000 messages each, after which a search gives up."""


class Pages:
    """What a method lists under ``rows``, one after the other, ``limit`` at the most.

    ``key`` names the parameter by which it goes on (``before``, ``after``). ``following`` is its next value afterwards,
    None at the end; ``last`` is the last answer as a whole. ``empty``: pages without a row after which it gives up.
    """

    def __init__(
        self,
        client: Client,
        method: str,
        rows: str,
        params: dict[str, Any],
        limit: int,
        *,
        key: str = "before",
        following: str | None = None,
        empty: int | None = None,
    ) -> None:
        self._client = client
        self._method = method
        self._rows = rows
        self._params = params
        self._limit = limit
        self._key = key
        self._empty = empty
        self.following = following
        self.last: dict[str, Any] = {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        left, empty = self._limit, 0
        while left > 0:
            page = {} if self.following is None else {self._key: self.following}
            self.last = self._client.call(self._method, **self._params, **page, limit=min(left, PAGE))
            found = self.last[self._rows]
            self.following = self.last["next"]
            yield from found
            left -= len(found)
            empty = 0 if found else empty + 1
            if self.following is None or (self._empty is not None and empty > self._empty):
                return

    def end(self, shown: Table | None, nothing: str) -> None:
        """Prints the table that was filled, or that there is ``nothing``; None: printed already. Says how to go on."""
        if shown is not None:
            printed(shown) if shown.row_count else console().print(nothing)
        if self.following is not None:
            note(f"there may be more: --{self._key} {self.following}")


def of_the_list(context: typer.Context) -> bool:
    """Whether the list itself is asked for, and no command of its group. Raises BadParameter.

    Options before a command are of the list; ignored in silence, they would ask another daemon than the one that was
    named.
    """
    if context.invoked_subcommand is None:
        return True
    # What the environment gives is for the command itself too.
    sources = [context.get_parameter_source(name) for name in context.params]
    if any(source is not None and source.name == "COMMANDLINE" for source in sources):
        raise typer.BadParameter(f"options come after {context.invoked_subcommand}, not before it")
    return False
