"""`smsgw report replies`: what people answered to what we sent, by app, class, number, campaign or member of `meta`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, moment_option, read_option
from gateway.cli.output import cell, console, emit, note, printed, table
from gateway.cli.times import seconds, span

_MOST: Final = 10_000
"""Values that are told apart; there are more where `meta` has an id of each message."""
_NUMBERS: Final = ("sent", "replies", "seconds")

report = typer.Typer(help="Figures about what was sent and what came back.")


@report.callback()
def _report() -> None:
    """A group of commands."""


@report.command()
def replies(
    by: Annotated[
        str, typer.Option(metavar="KEY", help="app, class, number, campaign, template, or meta.NAME.")
    ] = "app",
    since: Annotated[str, typer.Option(metavar="TIME", help="RFC 3339, local time, or 7d (ago).")] = "7d",
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The same; else now.")] = None,
    number: Annotated[str | None, typer.Option(help="Of this number of ours.")] = None,
    within: Annotated[
        str | None, typer.Option(metavar="TIME", help="No reply after so long; else limits.replies_within.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="At most so many lines, the most replies first.")] = 50,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Count replies: what came in after what we sent last to that phone from that number.

    SENT are the messages of that time that went out, REPLIES those that came in within it; AFTER is how long people
    took, on average.
    """
    given: dict[str, Any] = {
        "since": moment_option(since),
        "until": moment_option(until),
        "number": number,
        "within": None if within is None else read_option(seconds, within),
    }
    params = {name: value for name, value in given.items() if value is not None}
    counts: dict[str | None, dict[str, float]] = {}
    others = dict.fromkeys(_NUMBERS, 0.0)
    unasked = 0
    following: str | None = None
    with connect(socket, config, app) as client:
        while True:
            page = {} if following is None else {"after": following}
            found = client.call("replies", by=by, **params, **page)
            for row in found["rows"]:
                known = counts.get(row["value"])
                if known is None:
                    new = dict.fromkeys(_NUMBERS, 0.0)
                    known = counts.setdefault(row["value"], new) if len(counts) < _MOST else others
                _add(known, row)
            _add(others, found["others"])
            unasked, following = unasked + found["unasked"], found["next"]
            if following is None:
                break
    rows = sorted(counts.items(), key=lambda item: (-item[1]["replies"], -item[1]["sent"], item[0] or ""))
    for _, count in rows[limit:]:
        _add(others, count)
    left = len(rows) - limit
    rows = rows[:limit]
    if as_json:
        for value, count in rows:
            emit({"value": value, **_numbers(count)})
        emit({"others": _numbers(others), "unasked": unasked})
        return 0
    name = by.removeprefix("meta.")
    shown = table(cell(name), "sent", "replies", "share", "after", right=("sent", "replies", "share"))
    for value, count in rows:
        shown.add_row(cell(value), *_cells(count))
    if others["sent"] or others["replies"]:
        shown.add_row("(others)", *_cells(others))
    printed(shown) if shown.row_count else console().print("nothing was sent, and nothing answered")
    if unasked:
        note(f"{unasked} message{'s'[: unasked != 1]} came in that answer{'s'[unasked != 1 :]} nothing")
    if left > 0:
        note(f"{left} more of them are among the others: --limit")
    return 0


def _add(count: dict[str, float], row: dict[str, float]) -> None:
    for name in _NUMBERS:
        count[name] += row[name]


def _numbers(count: dict[str, float]) -> dict[str, float]:
    return {"sent": int(count["sent"]), "replies": int(count["replies"]), "seconds": round(count["seconds"], 3)}


def _cells(count: dict[str, float]) -> tuple[str, ...]:
    sent, answered = int(count["sent"]), int(count["replies"])
    share = f"{100 * answered / sent:.1f}%" if sent else None
    after = span(count["seconds"] / answered) if answered else None
    return str(sent), str(answered), cell(share), cell(after)
