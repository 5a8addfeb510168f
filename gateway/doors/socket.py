"""The local socket: where it listens, and whose each connection is."""

from __future__ import annotations

import errno
import grp
import hmac
import os
import socket as sockets
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import trio

from gateway.doors.connection import FAREWELL, Connection
from gateway.doors.methods import Methods
from gateway.doors.subscriptions import Subscriptions
from gateway.link import Turns
from gateway.log import logger
from gateway.outbound.request import App
from gateway.settings import Settings
from gateway.settings import Socket as SocketSettings
from gateway.store.database import FileLock, StoreError

_log = logger(component="socket")


class SocketServer:
    """Listens, and knows which connection is whose."""

    def __init__(self, methods: Methods, settings: Settings) -> None:
        self.methods = methods
        self.subscriptions = Subscriptions()
        self.connections: dict[Connection, None] = {}  # in the order in which they came
        self.reading_stopped = {"connection": 0, "store": 0}
        self.turns = Turns()  # reads and writes, of all connections
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings; connections keep the rights that they have."""
        self.limits: SocketSettings = settings.socket
        self._apps = {
            app.name: (
                App(
                    app.name,
                    frozenset(app.numbers) if app.numbers is not None else None,
                    admin=app.admin,
                    binary=app.binary,
                ),
                app.token.reveal() if app.token is not None else None,
                frozenset(app.uid),
            )
            for app in settings.apps
        }

    def by_token(self, name: str, token: str) -> App | None:
        """The app of that name, if the token is its own."""
        app, expected, _ = self._apps.get(name, (None, None, frozenset()))
        # Compared also where there is no such app, so that the time tells nothing.
        right = hmac.compare_digest((expected or "\0").encode(), token.encode())
        return app if right and expected is not None else None

    def by_uid(self, uid: int) -> App | None:
        """The app of a user. Without ``[[apps]]`` everyone is ``local``.

        root and our own user are operators, until they authenticate as an app: they can read the database anyway."""
        if not self._apps:
            return App("local", None, admin=True, binary=True)
        for app, _, uids in self._apps.values():
            if uid in uids:
                return app
        if uid in (0, os.geteuid()):
            return App("operator", None, admin=True, binary=True)
        return None

    async def serve(self, listener: trio.SocketListener) -> None:
        """Accepts connections until cancelled."""
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(self._one, [listener], handler_nursery=nursery)

    async def drain(self) -> None:
        """Waits, within reason, until all replies are with those who asked; before the doors close."""
        with trio.move_on_after(FAREWELL):
            for connection in list(self.connections):
                await connection.drained()

    async def _one(self, stream: trio.SocketStream) -> None:
        credentials = stream.socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        connection = Connection(self, stream, self.by_uid(uid), f"pid {pid} uid {uid}")
        self.connections[connection] = None
        try:
            await connection.run()
        except Exception as error:
            _log.error("connection_failed", peer=connection.peer, error=repr(error), exc_info=True)
        finally:
            self.connections.pop(connection, None)


Listening = Callable[[SocketSettings, FileLock], trio.SocketListener]
"""Where applications connect: `listen`, or what a test has in its place."""


def listen(settings: SocketSettings, lock: FileLock | None = None) -> trio.SocketListener:
    """Listens on the socket; a stale one is taken over, one with a daemon behind it is not.

    The lock beside the socket is held by the running daemon, so that nobody takes over what is in use. Raises
    StoreError.
    """
    path = Path(settings.path)
    if not path.parent.is_dir():
        raise StoreError(f"socket.path: the directory {path.parent} does not exist")
    if len(os.fsencode(path)) > 107:
        raise StoreError(f"socket.path: {path} is longer than the 107 octets that the system allows")
    if lock is not None:
        lock.acquire(f"the socket {path}")
    _remove_stale(path)
    sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    # Made without rights for anyone else, then opened as configured: there is no moment in which it is too open.
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise StoreError(f"socket.path: cannot listen on {path}: {error.strerror}") from None
    finally:
        os.umask(before)
    if settings.group is not None:
        os.chown(path, -1, grp.getgrnam(settings.group).gr_gid)
    os.chmod(path, settings.mode_bits)
    sock.listen(128)
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StoreError(f"socket.path: {path} exists and is not a socket")
    probe = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        probe.settimeout(1)
        probe.connect(str(path))
    except OSError as error:
        if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
            raise StoreError(f"socket.path: {path} cannot be taken over: {error.strerror or error}") from None
    else:
        raise StoreError(f"socket.path: another process listens on {path}")
    finally:
        probe.close()
    path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes the socket at the end; its lock is still held."""
    path.unlink(missing_ok=True)
