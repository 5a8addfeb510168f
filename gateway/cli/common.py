"""What commands share: their options, the configuration and the way to the daemon."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from gateway.cli.errors import USAGE, Failure
from gateway.cli.output import note
from gateway.cli.times import moment
from gateway.client import Client

if TYPE_CHECKING:
    from gateway.settings import Settings

_T = TypeVar("_T")
DEFAULT_CONFIG: Final = Path("/etc/smsgw/smsgw.toml")
DEFAULT_SOCKET: Final = Path("/run/smsgw/smsgw.sock")
"""As in the settings, which are slow to import for a command that has to be quick."""
_SHORT: Final = 8
"""Digits of a short code at most."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help=f"Configuration; else $SMSGW_CONFIG, else {DEFAULT_CONFIG}.",
        show_default=False,
    ),
]
SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        help="Socket of the daemon; else the one of the configuration.",
        show_default=False,
    ),
]
AppOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="APP",
        envvar="SMSGW_AS",
        help="App to be, where apps have tokens; its token is read from $SMSGW_TOKEN.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, an object a line, for scripts.")]

PeerArgument = Annotated[str, typer.Argument(metavar="PEER", help="The phone at the other end.")]

RecordOf = Annotated[str | None, typer.Argument(metavar="[PEER]", help="Of this phone; else of all.")]
RecordSince = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From this time on, such as 2h or a date.")
]
RecordUntil = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
RecordBefore = Annotated[str | None, typer.Option("--before", metavar="ID", help="Before this one: page on.")]


def read_option(reader: Callable[[str], _T], text: str) -> _T:
    """What was given as an option, as ``reader`` understands it. Raises BadParameter where that raises ValueError."""
    try:
        return reader(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def moment_option(text: str | None) -> str | None:
    """A time that was given as an option, see `times.moment`; None for None. Raises BadParameter."""
    return None if text is None else read_option(moment, text)


def of_record(peer: str | None, since: str | None, until: str | None) -> dict[str, str]:
    """Which changes of a record are wanted, as the methods that list them are asked for it. Raises BadParameter."""
    given = (("peer", peer), ("since", moment_option(since)), ("until", moment_option(until)))
    return {name: value for name, value in given if value is not None}


def config_path(given: Path | None) -> Path | None:
    """The configuration file that was named; else the usual one, if it is there."""
    if given is not None:
        return given
    if named := os.environ.get("SMSGW_CONFIG"):
        return Path(named)
    try:
        return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
    except OSError:
        return None


def load_settings(given: Path | None) -> tuple[Settings, Path | None]:
    """The configuration and its file (None: from the environment alone). Raises ConfigError, Failure."""
    from gateway.settings import load

    path = config_path(given)
    if path is None and not any(name.startswith("SMSGW_") and "__" in name for name in os.environ):
        raise Failure(f"no configuration: {DEFAULT_CONFIG} does not exist; name a file with -c or $SMSGW_CONFIG", USAGE)
    return load(path), path


def socket_path(socket: Path | None, config: Path | None) -> Path:
    """Where the daemon listens. Raises Failure when the configuration that was named cannot be read.

    Only this one setting is read: whoever may use the socket need not be able to read the secrets that the
    configuration refers to, which checking it as a whole would need.
    """
    if socket is not None:
        return socket
    if path := os.environ.get("SMSGW_SOCKET__PATH"):
        return Path(path)
    file = config_path(config)
    if file is None:
        return DEFAULT_SOCKET
    try:
        with file.open("rb") as stream:
            section = tomllib.load(stream).get("socket", {})
    except PermissionError:
        if file == DEFAULT_CONFIG and config is None:
            return DEFAULT_SOCKET
        raise Failure(f"{file} cannot be read: no permission; name the socket with --socket", USAGE) from None
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", USAGE) from None
    except (ValueError, RecursionError):
        raise Failure(f"{file} is not TOML; smsgw check says where", USAGE) from None
    named = section.get("path", DEFAULT_SOCKET) if isinstance(section, dict) else None
    if not isinstance(named, str | Path):
        raise Failure(f"{file}: socket.path is not a path; smsgw check says more", USAGE)
    return file.parent / named


def connect(socket: Path | None, config: Path | None, app: str | None = None) -> Client:
    """A client of the daemon, logged in when an app was named. Raises ConnectError, RpcError, Failure."""
    client = Client(socket_path(socket, config))
    if app is not None:
        token = os.environ.get("SMSGW_TOKEN")
        if not token:
            client.close()
            raise Failure("the token of the app is expected in $SMSGW_TOKEN", USAGE)
        try:
            client.auth(app, token)
        except BaseException:
            client.close()
            raise
    return client


def not_whole(peer: str) -> bool:
    """Whether the daemon could make no phone of this, as ``peer`` of its answer has it: it has no country code.

    Such a phone is looked for as it is written, which finds only what a carrier brought in that form.
    """
    return not peer.startswith("+") and not any(map(str.isalpha, peer)) and sum(map(str.isdigit, peer)) > _SHORT


def say_not_whole(peer: str) -> None:
    """What to do about it."""
    note(f"{peer} is no whole phone number, and was looked for as it is written: begin with + and the country code")
