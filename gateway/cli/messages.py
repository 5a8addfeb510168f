"""`smsgw messages`: search, one message's whole history, and what an operator decides of those in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from gateway.cli import history
from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, moment_option
from gateway.cli.output import cell, console, emit, inert, table
from gateway.cli.paging import EMPTY_PAGES, LIMIT, Pages, of_the_list
from gateway.cli.times import local

messages = typer.Typer(help="Search messages; show one; settle those in doubt.")


@messages.callback(invoke_without_command=True)
def search(
    context: typer.Context,
    peer: Annotated[str | None, typer.Option(help="The phone at the other end.")] = None,
    number: Annotated[str | None, typer.Option(help="Our number.")] = None,
    of_app: Annotated[str | None, typer.Option("--app", help="The app that submitted it.")] = None,
    state: Annotated[str | None, typer.Option(help="queued, sent, in_doubt, delivered, failed, ...")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it ended: invalid_destination, ...")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, local time, or 2h (ago).")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The same.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, newest first.")] = LIMIT,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Older than this message: page on.")] = None,
    text: Annotated[bool, typer.Option("--text", help="With the texts.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Search messages, newest first."""
    if not of_the_list(context):
        return 0
    wanted: dict[str, Any] = {
        "peer": peer,
        "number": number,
        "app": of_app,
        "state": state,
        "reason": reason,
        "since": moment_option(since),
        "until": moment_option(until),
    }
    params = {name: value for name, value in wanted.items() if value is not None}
    if text:
        params["text"] = True
    narrow = console().is_terminal and console().width < _WIDE
    columns = _FEW if narrow else tuple(_COLUMNS)
    shown = table(*columns, *(("text",) if text else ()), right=("seg",), whole=("id", "to"))
    with connect(socket, config, app) as client:
        pages = Pages(client, "messages", "messages", params, limit, following=before, empty=EMPTY_PAGES)
        for message in pages:
            emit(message) if as_json else _row(shown, columns, message, text)
    pages.end(None if as_json else shown, "no message matches")
    return 0


_WIDE: Final = 132
"""Columns of a terminal on which all of a message fits a line; on less, an id that is broken cannot be copied."""
_COLUMNS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "id": lambda m: m["id"],
    "created": lambda m: local(m["created_at"]),
    "state": lambda m: m["state"],
    "reason": lambda m: m["reason"],
    "from": lambda m: m["from"],
    "to": lambda m: m["to"],
    "seg": lambda m: m["segments"],
    "carrier": lambda m: m["carrier"],
    "app": lambda m: m["app"],
}
_FEW: Final = ("id", "created", "state", "reason", "to")


def _row(shown: Any, columns: tuple[str, ...], message: dict[str, Any], text: bool) -> None:
    values = [cell(_COLUMNS[name](message)) for name in columns]
    shown.add_row(*values, *((cell(message.get("text", message.get("data"))),) if text else ()))


@messages.command()
def show(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the message.")],
    text: Annotated[bool, typer.Option("--text", help="With the text.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show one message and its whole history.

    How it came in, every attempt with its PDUs out and in, receipts, its end, and who was told of it, with times.
    """
    with connect(socket, config, app) as client:
        found = client.call("history", id=message_id, text=text)
    if as_json:
        emit(found)
        return 0
    history.show(found)
    return 0


@messages.command()
def resolve(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Messages in doubt.")] = None,
    carrier: Annotated[str | None, typer.Option(help="All messages of this carrier that are in doubt.")] = None,
    resend: Annotated[bool, typer.Option("--resend", help="Send them again: they may come twice.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="Give them up: they may have come.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Settle messages in doubt.

    They were written to the carrier and never answered; a late answer or receipt settles them too.
    """
    if bool(ids) == (carrier is not None):
        raise typer.BadParameter("give either ids or --carrier")
    if resend == fail:
        raise typer.BadParameter("give either --resend or --fail")
    which: dict[str, Any] = {"ids": ids} if ids else {"carrier": carrier}
    with connect(socket, config, app) as client:
        done = client.call("resolve", **which, action="resend" if resend else "fail")
    if as_json:
        emit(done)
    else:
        count = done["resolved"]
        what = "to be sent again" if resend else "given up"
        console().print(inert(f"{count} message{'s'[: count != 1]} {what}"))
        skipped = done.get("skipped", ())
        for one in skipped:
            console().print(inert(f"{one['id']} stays as it is: {one['reason']}"))
        if (more := done.get("left", 0) - len(skipped)) > 0:
            console().print(inert(f"and {more} more"))
    return 0
