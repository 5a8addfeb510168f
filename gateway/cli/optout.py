"""`smsgw optout`: who gets no more messages, since when and why; changed by hand, as CSV in and out."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import (
    AppOption,
    ConfigOption,
    JsonOption,
    PeerArgument,
    RecordBefore,
    RecordOf,
    RecordSince,
    RecordUntil,
    SocketOption,
    connect,
    not_whole,
    of_record,
    say_not_whole,
)
from gateway.cli.csvfile import Rows, opened
from gateway.cli.errors import FAILED, USAGE
from gateway.cli.exchange import FileArgument, OutputOption, exported, imported
from gateway.cli.output import cell, console, emit, inert, note, printed, table
from gateway.cli.paging import LIMIT, AfterOption, LimitOption, Pages
from gateway.cli.times import local

_COLUMNS: Final = ("peer", "scope", "at", "how", "keyword", "note")
"""Of a file; how and keyword are not read: what is imported came by an import."""

optout = typer.Typer(help="Who gets no more messages: list, check, add, remove; import and export as CSV.")

ScopeOption = Annotated[
    str | None,
    typer.Option(metavar="SCOPE", help="all, set:NAME, number:NUMBER or app:NAME. [default: all]", show_default=False),
]
NoteOption = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why, for the record.")]


@optout.command("list")
def listed(
    limit: LimitOption = LIMIT,
    after: AfterOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """List who opted out, in the order of their phones."""
    shown = table("peer", "scope", "since", "how", "keyword", whole=("peer",))
    with connect(socket, config, app) as client:
        pages = Pages(client, "optouts", "optouts", {}, limit, key="after", following=after)
        for one in pages:
            emit(one) if as_json else shown.add_row(cell(one["peer"]), *_cells(one))
    pages.end(None if as_json else shown, "nobody opted out")
    return 0


def _cells(one: dict[str, Any]) -> list[str]:
    return [cell(one["scope"]), cell(local(one["at"])), cell(one["how"]), cell(one["keyword"])]


@optout.command()
def check(
    peer: PeerArgument,
    number: Annotated[str | None, typer.Option(metavar="NUMBER", help="For messages from this number.")] = None,
    by: Annotated[str | None, typer.Option("--app", metavar="APP", help="For messages of this app.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say whether a phone opted out. Exit code 0: it did not; 1: it did; 2: it is no whole phone number."""
    wanted = {name: value for name, value in (("number", number), ("app", by)) if value is not None}
    with connect(socket, config, app) as client:
        found = client.call("optout", peer=peer, **wanted)
    if as_json:
        emit(found)
    else:
        console().print(inert(f"{found['peer']} {'opted out' if found['opted_out'] else 'did not opt out'}"))
        _scopes(found["scopes"])
    if found["opted_out"]:
        return FAILED
    if not_whole(found["peer"]):
        say_not_whole(found["peer"])
        return USAGE
    return 0


def _scopes(scopes: list[dict[str, Any]]) -> None:
    if scopes:
        shown = table("scope", "since", "how", "keyword")
        for one in scopes:
            shown.add_row(*_cells(one))
        printed(shown)


@optout.command()
def add(
    peer: PeerArgument,
    scope: ScopeOption = None,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Enter that somebody wants no more messages. What waits for them ends. No START of theirs undoes it."""
    return _set(peer, True, scope, why, socket, config, app, as_json)


@optout.command()
def remove(
    peer: PeerArgument,
    scope: ScopeOption = None,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Enter that somebody wants messages again, in a scope that they are listed with."""
    return _set(peer, False, scope, why, socket, config, app, as_json)


def _set(
    peer: str, out: bool, scope: str | None, why: str | None, socket: Any, config: Any, app: Any, as_json: bool
) -> int:
    given = {name: value for name, value in (("scope", scope), ("note", why)) if value is not None}
    with connect(socket, config, app) as client:
        done = client.call("optout_set", peer=peer, out=out, **given)
    if as_json:
        emit(done)
    else:
        if not done["changed"]:
            note(f"{done['peer']} was {'out of it already' if out else 'not out of it'}")
        still = "is out of" if done["scopes"] else "is out of nothing"
        console().print(inert(f"{done['peer']} {still}"))
        _scopes(done["scopes"])
    return 0


@optout.command()
def changes(
    peer: RecordOf = None,
    since: RecordSince = None,
    until: RecordUntil = None,
    limit: LimitOption = LIMIT,
    before: RecordBefore = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the record: who opted out or in, when, how, and by which message. The newest first."""
    wanted = of_record(peer, since, until)
    shown = table("at", "peer", "change", "scope", "how", "by", "text", whole=("at", "peer"))
    with connect(socket, config, app) as client:
        pages = Pages(client, "optout_changes", "changes", wanted, limit, following=before)
        for one in pages:
            if as_json:
                emit(one)
                continue
            by = one["who"] or one["number"]
            values = (local(one["at"]), one["peer"], one["change"], one["scope"], one["how"], by, one["text"])
            shown.add_row(*map(cell, values))
    pages.end(None if as_json else shown, "no change")
    return 0


# --- files ------------------------------------------------------------------------------------------------------------


@optout.command("export")
def write_file(
    output: OutputOption = "-",
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
) -> int:
    """Write who opted out as CSV: peer, scope, at, how, keyword. A cell that a spreadsheet would calculate has a ' in
    front, which import takes off again.
    """
    with connect(socket, config, app) as client:
        exported(Pages(client, "optouts", "optouts", {}, sys.maxsize, key="after"), _COLUMNS[:-1], output, "opt-out")
    return 0


@optout.command("import")
def read_file(
    file: FileArgument,
    scope: ScopeOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take opt-outs from a CSV file.

    Its columns are peer, and as they are there scope (else --scope), at and note. What waits for them ends; nobody is
    told of each. A line that cannot be taken is named, and the others are.
    """

    def entry(cells: dict[str, str]) -> dict[str, Any]:
        given = {"scope": cells.get("scope") or scope, "at": cells.get("at"), "note": cells.get("note")}
        return {"peer": cells.get("peer", "")} | {name: text for name, text in given.items() if text}

    with opened(file) as stream, connect(socket, config, app) as client:
        return imported(client, Rows(stream, file, "peer", _COLUMNS), "optouts", entry, as_json)
