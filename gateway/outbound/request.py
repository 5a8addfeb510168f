"""What an application asks to be sent, who it is, and what it gets back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from gateway.model import REASONS
from gateway.settings.errors import nearest
from gateway.sms.national import Language

LONGEST_SHOWN: Final = 40
"""Characters that are shown of a name that nobody knows."""


class Submit(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Parameters of ``submit``; every door makes this of what it is given (DESIGN of the local socket)."""

    to: str
    text: str | None = None
    data: str | None = None  # hex
    from_: str | None = msgspec.field(name="from", default=None)
    class_: Literal["transactional", "direct", "marketing"] = msgspec.field(name="class", default="transactional")
    encoding: Literal["auto", "gsm7", "ucs2", "latin1", "binary"] = "auto"
    flash: bool = False
    udh: str | None = None  # hex, with its length octet
    source_port: int | None = None
    destination_port: int | None = None  # of an application on the phone
    protocol_id: int | None = None
    replace: int | None = None  # 1 to 7: takes the place of the last one of that number
    tlvs: dict[str, str | int] | None = None  # tag ("0x1400", decimal, or its name) -> value in hex, or a number
    transliterate: bool | None = None  # None: as the carrier's setting says
    national: list[Language] | None = None  # None: as the carrier's setting says
    validity: float | None = None  # seconds
    send_at: str | None = None  # RFC 3339
    zone: str | None = None  # IANA name: where the phone is, for quiet hours
    priority: int = 0  # 0 to 9
    ref: str | None = None
    receipt: bool = True
    meta: dict[str, Any] | None = None


class App:
    """An application as a door knows it: its rights. ``numbers`` None: all.

    ``replies``: it is the gateway itself, which answers what came in also from a number that is held.
    """

    __slots__ = ("admin", "binary", "name", "numbers", "replies")

    def __init__(
        self,
        name: str,
        numbers: frozenset[str] | None,
        *,
        admin: bool = False,
        binary: bool = False,
        replies: bool = False,
    ) -> None:
        self.name = name
        self.numbers = numbers
        self.admin = admin
        self.binary = binary
        self.replies = replies


def no_app(name: str, known: Iterable[str]) -> Refusal:
    """What is said of the name of an app where there is none such, with the nearest one that there is."""
    shown = repr(name) if len(name) <= LONGEST_SHOWN else repr(name[:LONGEST_SHOWN]) + "..."
    near = nearest(name[:LONGEST_SHOWN], known)
    said = f"no app {shown} in the configuration" + (f"; did you mean {near}?" if near else "")
    return Refusal("invalid_params", said, field="app")


class Accepted(msgspec.Struct, gc=False):
    """What ``submit`` returns once the message is stored."""

    id: str
    ref: str | None
    state: str
    segments: int
    encoding: str
    from_: str = msgspec.field(name="from")
    to: str
    duplicate: bool
    warnings: list[str]


class Refusal(Exception):
    """A refusal with a reason of `REASONS`. ``retry_after`` (seconds) means: not now, but later."""

    def __init__(
        self,
        reason: str,
        detail: str | None = None,
        *,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or REASONS[reason])
        self.reason = reason
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
