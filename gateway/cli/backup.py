"""`smsgw backup` and `smsgw restore`: the database as a file of its own, and back."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, load_settings
from gateway.cli.errors import FAILED, USAGE, Failure
from gateway.cli.output import emit, note, seen
from gateway.cli.times import local
from gateway.client import Client, ConnectError

if TYPE_CHECKING:
    from gateway.store.restore import Restored

BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file that a backup was made to.")]


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; nothing is overwritten.")],
    rate: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="MIB", help="Copy at most so much a second. [default: 64]")
    ] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Copy the database to a file, while the daemon runs or while it does not.

    The copy is the database as it is at the end, checked for nothing: `smsgw restore --check FILE` does that. The
    daemon makes it, so its user has to be able to write there, and the file is that user's alone (mode 0600). It has
    texts and phone numbers. For operators.
    """
    path = file.absolute()
    try:
        client = connect(socket, config, app)
    except ConnectError as error:
        if socket is not None:
            raise
        done = _alone(path, config, error)
    else:
        with client:
            done = _asked(client, path, rate, as_json)
    if as_json:
        emit(done)
    else:
        note(f"{path}: {_mib(done['octets'])} in {done['seconds']:.1f} s")
    return 0


def _asked(client: Client, path: Path, rate: int | None, quiet: bool) -> dict[str, Any]:
    client.call("backup", file=str(path), **({} if rate is None else {"rate": rate}))
    said = time.monotonic()
    for told in client.notifications():
        if told.method == "backup" and not quiet and time.monotonic() - said >= 5:
            said = time.monotonic()
            note(f"{_mib(told.params['octets'])} of {_mib(told.params['total'])}")
        elif told.method == "backup_ended":
            if told.params["error"] is not None:
                raise Failure(f"no backup was made: {told.params['error']}", FAILED)
            return {"file": str(path), "octets": told.params["octets"], "seconds": told.params["seconds"]}
    raise Failure("the daemon hung up")


def _alone(path: Path, config: Path | None, unreachable: ConnectError) -> dict[str, Any]:
    """Without a daemon: from its file, which is locked meanwhile."""
    from gateway.store.backup import BackupError, copied
    from gateway.store.database import StoreError, file_of

    settings, _ = load_settings(config)
    source = file_of(settings.store.url)
    if source is None or not source.exists():
        raise Failure(f"{unreachable}; and there is no database at {source}")
    started = time.monotonic()
    try:
        copy = copied(source, path, int(time.time() * 1000))
    except StoreError as error:
        raise Failure(f"{unreachable}; and {error}") from None
    except BackupError as error:
        raise Failure(f"no backup was made: {error}") from None
    return {"file": str(path), "octets": copy.octets, "seconds": round(time.monotonic() - started, 3)}


def restore(
    file: BackupArgument,
    check: Annotated[bool, typer.Option("--check", help="Only look whether it can be restored.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Put a backup in the place of the database, while the daemon is stopped.

    The file is looked through first, and the old database is kept beside the new one. What waited to be sent when the
    backup was made may have been sent since: it is in doubt, and nothing of it is sent before you say so (`smsgw
    messages resolve`). Who opted out since is taken over from the old database where that can be read.
    """
    from gateway.store import restore as module

    if check:
        taken = module.check(file)
        if as_json:
            emit({"file": str(file), "taken_at": _time(taken)})
        else:
            note(f"{file} can be restored; {_taken(taken)}")
        return 0
    settings, _ = load_settings(config)
    if not yes and not sys.stdin.isatty():
        raise Failure(f"{file} would be put in the place of {settings.store.path}: say --yes", USAGE)
    if not yes and not typer.confirm(f"Put {file} in the place of {settings.store.path}?", err=True):
        return FAILED
    done = module.restore(settings.store.url, file, int(time.time() * 1000))
    emit(_as_json(done)) if as_json else _say(done)
    return 0


def _say(done: Restored) -> None:
    note(f"restored; {_taken(done.taken_at)}")
    if done.aside is not None:
        note(f"the database until now is {done.aside}: it has texts and phone numbers, remove it when you can")
    if done.trouble is not None:
        note(f"WHO OPTED OUT SINCE IS NOT KNOWN: the database until now cannot be read ({done.trouble})")
    elif done.aside is not None:
        note(f"{done.optouts} opt-outs since then were taken over")
    if done.erased:
        note(f"erased since and there again, erase them once it runs: {', '.join(map(seen, done.erased))}")
    if done.segments:
        note(
            f"{done.segments} segments that waited may have been sent since; they are in doubt: smsgw messages"
            " --state in_doubt, then smsgw messages resolve --resend or --fail"
        )
    if done.answers:
        note(f"{done.answers} answers and forwards that waited are dead letters: smsgw events list --dead")
    if done.scheduled:
        note(f"{done.scheduled} messages are scheduled and will be sent; cancel those that are not wanted any more")


def _as_json(done: Restored) -> dict[str, Any]:
    aside = str(done.aside) if done.aside is not None else None
    return {**done._asdict(), "taken_at": _time(done.taken_at), "aside": aside}


def _time(at: int | None) -> str | None:
    from gateway.store.ends import rfc3339

    return rfc3339(at) if at is not None else None


def _taken(at: int | None) -> str:
    return f"taken {local(_time(at))}" if at is not None else "it does not say when it was taken"


def _mib(octets: int) -> str:
    return f"{octets / (1 << 20):.1f} MiB"
