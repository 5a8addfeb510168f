"""Lists of the daemon as CSV files: written as they come, and read in, a page a request."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.csvfile import Rows, writing
from gateway.cli.errors import FAILED
from gateway.cli.output import console, emit, inert, note
from gateway.cli.paging import PAGE

if TYPE_CHECKING:
    from gateway.client import Client

OutputOption = Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="File to write; -: here.")]
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="CSV in UTF-8 with a header line; -: standard input.")
]

_OCTETS: Final = 200_000
"""Of values in a request: a line of the socket has its bound, and names and quotes come to it."""
_AS_IN_THE_FILE: Final[Mapping[str, str]] = MappingProxyType({})


def exported(found: Iterable[dict[str, Any]], columns: Sequence[str], output: str, what: str) -> None:
    """Writes these members of all that is ``found`` to a file, and says how many there were, each a ``what``."""
    from gateway.plain import cell as quoted

    count = 0
    with writing(output) as stream:
        rows = csv.writer(stream)
        rows.writerow(columns)
        for one in found:
            rows.writerow(quoted(one[name] or "") for name in columns)
            count += 1
    say_exported(count, what, output)


def say_exported(count: int, what: str, output: str) -> None:
    """How many are in the file now; nothing where that is standard output."""
    if output != "-":
        console().print(inert(f"{count} {what}{'s'[: count != 1]} in {output}"))


def imported(
    client: Client,
    rows: Rows,
    what: str,
    entry: Callable[[dict[str, str]], dict[str, Any]],
    as_json: bool,
    *,
    new: str = "new",
    columns: Mapping[str, str] = _AS_IN_THE_FILE,
) -> int:
    """Sends the rows of a file by the method ``{what}_import`` and says what came of it; the exit code.

    ``entry`` makes of a row's cells what the daemon takes. A line that it refuses is named: ``columns`` has those of
    its fields that are called otherwise in the file. ``new`` is the answer's member for how many there were not before.
    """
    taken = made = failed = 0
    for page in _pages(rows, entry):
        done = client.call(f"{what}_import", **{what: [one for _, one in page]})
        taken, made, failed = taken + done["taken"], made + done[new], failed + len(done["refused"])
        for one in done["refused"]:
            note(f"{rows.file}:{page[one['place']][0]}: {columns.get(one['field'], one['field'])}: {one['detail']}")
    failed += rows.failed
    if as_json:
        emit({"taken": taken, new: made, "refused": failed})
    else:
        left = f"; {failed} could not be taken" if failed else ""
        console().print(f"{taken} taken, {made} of them new{left}")
    return FAILED if failed else 0


def _pages(rows: Rows, entry: Callable[[dict[str, str]], dict[str, Any]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """The entries of a file with their lines, so many at a time as one request takes."""
    page: list[tuple[int, dict[str, Any]]] = []
    octets = 0
    for line, cells in rows:
        one = entry(cells)
        page.append((line, one))
        octets += _octets(one)
        if len(page) == PAGE or octets > _OCTETS:
            yield page
            page, octets = [], 0
    if page:
        yield page


def _octets(value: Any) -> int:
    """Of all texts in it."""
    if isinstance(value, str):
        return len(value.encode())
    return sum(map(_octets, value.values() if isinstance(value, dict) else value))
