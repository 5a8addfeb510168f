"""Whether a good configuration fits this machine: directories, certificates, disk."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.settings import Carrier, Settings

LONGEST_SOCKET_PATH: Final = 107
"""Octets of sun_path, less its NUL (unix(7))."""

_MIB: Final = 1_048_576

Finding = tuple[str, str]
"""A key of the configuration, and what is expected of the machine there."""


def examine(settings: Settings) -> tuple[list[Finding], list[str]]:
    """Problems, with which the daemon could not work, and warnings. Nothing is written or connected to."""
    problems: list[Finding] = []
    warnings: list[str] = []
    _store(settings, problems, warnings)
    _socket(settings, problems, warnings)
    for index, carrier in enumerate(settings.carriers):
        _certificates(f"carriers[{index}]", carrier, problems)
    if settings.smtp is not None and settings.smtp.tls_ca is not None:
        _authorities("smtp", settings.smtp.tls_ca, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), problems)
    return problems, warnings


def _store(settings: Settings, problems: list[Finding], warnings: list[str]) -> None:
    file = settings.store.path
    directory = file.parent
    if not directory.is_dir():
        problems.append(("store.url", f"the directory {directory} does not exist"))
        return
    if not os.access(directory, os.W_OK | os.X_OK):
        problems.append(("store.url", f"the directory {directory} is not writable by {_who()}"))
    elif file.exists() and not os.access(file, os.R_OK | os.W_OK):
        problems.append(("store.url", f"{file} is not readable and writable by {_who()}"))
    elif (owner := directory.stat().st_uid) != os.geteuid():
        # Root may write anywhere, which says nothing about the user that the daemon runs as.
        warnings.append(f"checked as {_who()}, but {directory} belongs to user {owner}: check as the daemon's user")
    free = shutil.disk_usage(directory).free // _MIB
    if free < settings.store.min_free_disk:
        warnings.append(
            f"{free} MiB are free in {directory}, below store.min_free_disk = "
            f"{settings.store.min_free_disk}: submits would be refused"
        )
    elif free < settings.store.min_free_disk + settings.store.wal_limit:
        warnings.append(f"{free} MiB are free in {directory}: the write-ahead log alone can take them")


def _socket(settings: Settings, problems: list[Finding], warnings: list[str]) -> None:
    path = settings.socket.path
    if (length := len(os.fsencode(path))) > LONGEST_SOCKET_PATH:
        problems.append(
            (
                "socket.path",
                f"expected at most {LONGEST_SOCKET_PATH} octets, as for every socket; it has {length}",
            )
        )
    directory = path.parent
    if directory.is_dir():
        if not os.access(directory, os.W_OK | os.X_OK):
            problems.append(("socket.path", f"the directory {directory} is not writable by {_who()}"))
    elif directory.is_relative_to(Path("/run")):
        warnings.append(f"the directory {directory} of the socket does not exist; systemd makes it (RuntimeDirectory=)")
    else:
        problems.append(("socket.path", f"the directory {directory} does not exist"))


def _certificates(key: str, carrier: Carrier, problems: list[Finding]) -> None:
    """The files are readable, as load() has seen; here, whether TLS can use them, and together."""
    if not carrier.tls:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if carrier.tls_ca is not None:
        _authorities(key, carrier.tls_ca, context, problems)
    if carrier.tls_cert is not None:
        try:
            # A password callback, so that an encrypted key is an error and not a question on the terminal.
            context.load_cert_chain(carrier.tls_cert, carrier.tls_key, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError) as error:
            what = "expected a certificate in PEM and its key, without a passphrase"
            problems.append((f"{key}.tls_cert", f"{what}: {_tls_text(error)}"))


def _authorities(key: str, file: Path, context: ssl.SSLContext, problems: list[Finding]) -> None:
    try:
        context.load_verify_locations(file)
    except (ssl.SSLError, OSError) as error:
        problems.append((f"{key}.tls_ca", f"expected certificates in PEM: {_tls_text(error)}"))


def _tls_text(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else str(error)


def _who() -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user {os.geteuid()}"
