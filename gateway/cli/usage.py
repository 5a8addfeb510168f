"""`smsgw usage`: messages and segments, sent and received, as an invoice needs them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.csvfile import writing
from gateway.cli.errors import FAILED, Failure
from gateway.cli.output import cell, console, emit, printed, table

if TYPE_CHECKING:
    from gateway.client import Client

BY: Final = ("day", "month", "app", "carrier", "number", "country", "class", "status")
SUMS: Final = ("messages", "segments", "accepted")
TRIES: Final = 3
"""How often it is read anew where records are removed meanwhile."""

Sums = dict[tuple[str, ...], list[int]]
"""By direction and what is told apart: messages, segments, segments accepted."""


def usage(
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="From this day (UTC) on. [default: this month's first]")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="To this day, itself included. [default: today]")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="LIST", help=f"What is told apart, with commas: {', '.join(BY)}.")
    ] = "app,carrier,country,status",
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="File to write as CSV; -: here.")] = "-",
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Sum up what was sent and received: messages, segments, and segments that carriers accepted."""
    columns = tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    if unknown := [name for name in columns if name not in BY]:
        raise typer.BadParameter(f'"{unknown[0]}" is not one of {", ".join(BY)}', param_hint="--by")
    today = datetime.now(UTC).date()
    days = _day(first, "--from", today.replace(day=1)), _day(last, "--to", today)
    if days[0] > days[1]:
        raise typer.BadParameter("the last day is before the first", param_hint="--to")
    with connect(socket, config, app) as client:
        rows = sorted(read(client, days, columns).items())
    if as_json:
        for key, sums in rows:
            emit(dict(zip(("direction", *columns, *SUMS), (*key, *sums), strict=True)))
    elif as_csv or output != "-":
        _write(output, columns, rows)
    else:
        shown = table("direction", *columns, *SUMS, right=SUMS, whole=columns)
        for key, sums in rows:
            shown.add_row(*map(cell, (*key, *sums)))
        printed(shown) if rows else console().print("nothing was sent or received")
    return 0


def read(client: Client, days: tuple[date, date], by: Sequence[str]) -> Sums:
    """All pages added up. Raises Failure where records are removed faster than they are read."""
    asked = {"from": days[0].isoformat(), "to": days[1].isoformat(), "by": list(by)}
    for _ in range(TRIES):
        found: Sums = {}
        kept: set[int] = set()
        after: dict[str, str] = {}
        while True:
            page = client.call("usage", **asked, **after)
            kept.add(page["kept"])
            for row in page["rows"]:
                sums = found.setdefault((row["direction"], *(row[name] for name in by)), [0, 0, 0])
                for place, name in enumerate(SUMS):
                    sums[place] += row[name]
            if page["next"] is None or len(kept) > 1:
                break
            after = {"after": page["next"]}
        if len(kept) == 1:
            return found
    raise Failure("records are being removed just now, and the sums would not be right: try again later", FAILED)


def _write(output: str, columns: Sequence[str], rows: list[tuple[tuple[str, ...], list[int]]]) -> None:
    from gateway.plain import cell as quoted

    with writing(output) as stream:
        lines = csv.writer(stream)
        lines.writerow(("direction", *columns, *SUMS))
        for key, sums in rows:
            lines.writerow((*map(quoted, key), *sums))


def _day(text: str | None, option: str, usual: date) -> date:
    if text is None:
        return usual
    try:
        if len(text) != 10:
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is not a day such as 2026-11-22', param_hint=option) from None
