"""`smsgw consent`: who agreed to which messages, when, how and in which words; recorded by hand, as CSV in and out."""

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
    moment_option,
    of_record,
)
from gateway.cli.csvfile import Rows, opened
from gateway.cli.errors import FAILED
from gateway.cli.exchange import FileArgument, OutputOption, exported, imported
from gateway.cli.output import cell, console, emit, inert, note, printed, table
from gateway.cli.paging import LIMIT, AfterOption, LimitOption, Pages
from gateway.cli.times import local

_COLUMNS: Final = ("peer", "class", "scope", "at", "how", "text", "version", "note")
"""Of a file."""
_RECORD: Final = (
    "id", "recorded", "at", "peer", "change", "class", "scope", "how", "who", "opt_in", "version", "text", "number",
    "message", "note",
)  # fmt: skip
"""Of a file of the record."""

consent = typer.Typer(help="Who agreed to which messages: show, add, remove, ask, list; import and export as CSV.")

ClassOption = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="marketing, direct or transactional; may be given several times. "
                 "[default: marketing]", show_default=False),
]  # fmt: skip
NoteOption = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="More, for the record.")]


@consent.command()
def show(
    peer: PeerArgument,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what a phone agreed to, and what it was asked. Exit code 0: it agreed to something; 1: to nothing."""
    with connect(socket, config, app) as client:
        found = client.call("consent", peer=peer)
    emit(found) if as_json else _shown(found)
    return 0 if found["consents"] else FAILED


def _shown(found: dict[str, Any]) -> None:
    if not found["consents"]:
        console().print(inert(f"{found['peer']} agreed to nothing"))
    else:
        shown = table("class", "scope", "since", "how", "by", "version", "agreed to")
        for one in found["consents"]:
            shown.add_row(*_cells(one), cell(one["version"]), cell(one["text"]))
        printed(shown)
    for one in found["asked"]:
        console().print(inert(f"asked by {one['opt_in']} from {one['number']}; YES counts until {local(one['until'])}"))
    if found["opted_out"]:
        note(f"{found['peer']} opted out: nothing is sent there, whatever it agreed to")


def _cells(one: dict[str, Any]) -> list[str]:
    return [
        cell(one["class"]),
        cell(one["scope"]),
        cell(local(one["at"])),
        cell(one["how"]),
        cell(one["who"] or one["number"]),
    ]


@consent.command()
def add(
    peer: PeerArgument,
    classes: ClassOption = None,
    scope: Annotated[
        str | None,
        typer.Option(
            metavar="SCOPE", help="all, set:NAME, number:NUMBER or app:NAME. [default: all]", show_default=False
        ),
    ] = None,
    how: Annotated[
        str | None, typer.Option(metavar="HOW", help="web, paper or verbal; else by you.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it was given, such as 2h or a date; else now.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="What was agreed to, in its words.")] = None,
    version: Annotated[
        str | None, typer.Option("--text-version", metavar="VERSION", help="Your name for that wording.")
    ] = None,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Record that somebody agrees to messages. It passes no opt-out."""
    given = {"scope": scope, "how": how, "at": moment_option(at), "text": text, "version": version}
    return _set(peer, True, classes, given | {"note": why}, socket, config, app, as_json)


@consent.command()
def remove(
    peer: PeerArgument,
    classes: ClassOption = None,
    scope: Annotated[
        str | None, typer.Option(metavar="SCOPE", help="In this scope alone. [default: in any]", show_default=False)
    ] = None,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Record that somebody agrees no more. What waits for them and needs it ends."""
    return _set(peer, False, classes, {"scope": scope, "note": why}, socket, config, app, as_json)


def _set(
    peer: str,
    granted: bool,
    classes: list[str] | None,
    given: dict[str, str | None],
    socket: Any,
    config: Any,
    app: Any,
    as_json: bool,
) -> int:
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if classes:
        wanted["classes"] = classes
    with connect(socket, config, app) as client:
        done = client.call("consent_set", peer=peer, granted=granted, **wanted)
    if as_json:
        emit(done)
    else:
        if not done["changed"]:
            note(f"{done['peer']} {'had agreed already' if granted else 'had not agreed'}")
        _shown(done)
    return 0


@consent.command()
def ask(
    peer: PeerArgument,
    opt_in: Annotated[str, typer.Argument(metavar="OPT_IN", help="The name of one of [[opt_ins]].")],
    number: Annotated[str | None, typer.Option(metavar="NUMBER", help="Your number that asks.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask somebody by text: a YES within the time of the opt-in counts as consent."""
    wanted = {"number": number} if number is not None else {}
    with connect(socket, config, app) as client:
        done = client.call("consent_ask", peer=peer, opt_in=opt_in, **wanted)
    if as_json:
        emit(done)
    elif done["outcome"] == "agreed":
        console().print(inert(f"{done['peer']} agreed already"))
    else:
        before = " before" if done["outcome"] == "pending" else ""
        said = f"{done['peer']} was asked{before} from {done['number']}; YES counts until {local(done['until'])}"
        console().print(inert(said))
    return 0


@consent.command("list")
def listed(
    limit: LimitOption = LIMIT,
    after: AfterOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """List who agreed to what, in the order of their phones."""
    shown = table("peer", "class", "scope", "since", "how", "by", "version", whole=("peer",))
    with connect(socket, config, app) as client:
        pages = Pages(client, "consents", "consents", {}, limit, key="after", following=after)
        for one in pages:
            emit(one) if as_json else shown.add_row(cell(one["peer"]), *_cells(one), cell(one["version"]))
    pages.end(None if as_json else shown, "nobody agreed to anything")
    return 0


@consent.command()
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
    """Show the record: what was asked, agreed to and withdrawn, when, how, and by which message. The newest first."""
    wanted = of_record(peer, since, until)
    shown = table("at", "peer", "change", "class", "scope", "how", "by", "version", "text", whole=("at", "peer"))
    with connect(socket, config, app) as client:
        pages = Pages(client, "consent_changes", "changes", wanted, limit, following=before)
        for one in pages:
            if as_json:
                emit(one)
            else:
                *told, how, by = _cells(one)
                values = [cell(one["peer"]), cell(one["change"]), *told[:2], how, by]
                shown.add_row(told[2], *values, cell(one["version"]), cell(one["note"]))
    pages.end(None if as_json else shown, "no change")
    return 0


# --- files ------------------------------------------------------------------------------------------------------------


@consent.command("export")
def write_file(
    output: OutputOption = "-",
    record: Annotated[bool, typer.Option("--record", help="Every change, for an audit, the newest first.")] = False,
    peer: Annotated[str | None, typer.Option(metavar="PEER", help="With --record: of this phone alone.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="With --record: from this time on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="With --record: before this time.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
) -> int:
    """Write who agreed to what as CSV, or the record of every change. A cell that a spreadsheet would calculate has a '
    in front, which import takes off again.
    """
    wanted = of_record(peer, since, until)
    if wanted and not record:
        raise typer.BadParameter(f"--{next(iter(wanted))} is for --record: who agreed now is written whole")
    with connect(socket, config, app) as client:
        if record:
            pages = Pages(client, "consent_changes", "changes", wanted, sys.maxsize)
            exported(pages, _RECORD, output, "change")
        else:
            exported(Pages(client, "consents", "consents", {}, sys.maxsize, key="after"), _COLUMNS, output, "consent")
    return 0


@consent.command("import")
def read_file(
    file: FileArgument,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Where the file has no class. [default: marketing]")
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(metavar="SCOPE", help="Where the file has no scope. [default: all]", show_default=False),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What was agreed to, where the file has no text.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--text-version", metavar="VERSION", help="Your name for that wording.")
    ] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take consents from a CSV file.

    Its columns are peer, and as they are there class, scope, at (when it was given), how (web, paper or verbal), text,
    version and note. Nobody is told of each. A line that cannot be taken is named, and the others are.
    """
    usual = {"class": class_, "scope": scope, "text": text, "version": version}

    def entry(cells: dict[str, str]) -> dict[str, Any]:
        # Other words have no version of that name.
        words = usual | {"version": None} if "text" in cells else usual
        given = words | cells
        return {"peer": ""} | {name: given[name] for name in _COLUMNS if given.get(name)}

    with opened(file) as stream, connect(socket, config, app) as client:
        return imported(client, Rows(stream, file, "peer", _COLUMNS), "consents", entry, as_json)
