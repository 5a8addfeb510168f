"""The sections about who sends and receives beside our numbers: handlers and apps."""

from __future__ import annotations

import ipaddress
import pwd
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.settings.base import Section
from gateway.settings.destinations import Destination, RefusedKinds
from gateway.settings.mail import EmailAddress
from gateway.settings.quotas import Quota
from gateway.settings.routes import MessageClass
from gateway.settings.secret import Secret
from gateway.settings.types import Form, Name, Seconds, Written, check_host, fail

SHORTEST_KEY = 16  # characters of a webhook secret or an app's token, below which `check` warns


def _webhook(value: str) -> str:
    expected = "a web address as https://host/path"
    if any(char <= " " or char == "\x7f" for char in value):
        raise fail("webhook", f"{expected}, without spaces or control characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise fail("webhook", expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise fail("webhook", expected)
    if parts.username is not None or parts.password is not None:
        raise fail("webhook", f"{expected}, without user and password in it")
    if parts.fragment:
        raise fail("webhook", f"{expected}, without a fragment (#...)")
    if _FOUR_NUMBERS.fullmatch(parts.hostname) and not _is_address(parts.hostname):
        # Such as 0177.0.0.1, which is an address to some and a name to others.
        raise fail("webhook", expected)
    check_host(parts.hostname)
    return value


_FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _not_empty(value: Secret) -> Secret:
    if not value:
        raise fail("secret", "a secret that is not empty")
    return value


def _user_id(value: Any) -> int:
    if isinstance(value, str):
        try:
            return pwd.getpwnam(value).pw_uid
        except (KeyError, ValueError):  # ValueError: a NUL in the name
            pass
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 0xFFFFFFFF:
        return value
    raise fail("user", "a user id, or the name of a user of this machine")


UserId = Annotated[int, BeforeValidator(_user_id), Form("user id or name")]


_OF_WEBHOOKS = ("secret", "events", "last", "timeout", "allow_private")


EventKind = Literal["inbound", "receipt", "peer.created", "optout", "optin", "optout_suspected", "consent"]


class Handler(Section):
    """Where something inbound goes: a webhook, or by e-mail to people."""

    name: Name = Field(description="Name of the handler in `numbers`, commands, logs and metrics; unique.")
    webhook: Annotated[str, AfterValidator(_webhook)] | None = Field(
        None, description="Web address that events are posted to as JSON. Either this or `email`."
    )
    secret: Annotated[Secret, AfterValidator(_not_empty)] | None = Field(
        None, description="Key of a webhook's HMAC-SHA256 signature over id, time and body; required beside `webhook`."
    )
    email: tuple[EmailAddress, ...] = Field(
        (), max_length=50, description="Addresses that messages go to, one mail each, by the server of `[smtp]`."
    )
    events: Annotated[tuple[EventKind, ...], Field(min_length=1)] = Field(
        ("inbound", "receipt"),
        description="Kinds of events that a webhook takes; `peer.created` tells of a phone that never wrote before, "
        "`optout`, `optin` and `optout_suspected` of who wants no more messages, or wants them again, `consent` of "
        "what somebody agrees to, or agrees to no more.",
    )
    last: bool = Field(
        False, description="Inbound events have the last message that was sent from the number to the peer."
    )
    timeout: Seconds = Field(10, ge=0.1, le=30, description="Wait for a webhook's answer, from connecting to its end.")
    concurrency: int = Field(
        4,
        ge=1,
        le=256,
        description="Posts under way at the same time. For e-mail: connections to the mail server; one without it.",
    )
    order: Literal["thread", "none"] = Field(
        "thread",
        description="thread: of one number and peer one event at a time, and none before an earlier one that failed.",
    )
    rate: float = Field(0, ge=0, le=10_000, description="Deliveries begun in a second, at most; 0 for no limit.")
    retry_min: Seconds = Field(
        5, ge=0.1, le=86_400, description="First wait after a failed delivery; doubles each time, with jitter."
    )
    retry_max: Seconds = Field(3600, ge=1, le=86_400, description="Longest wait before another try.")
    dead_letter_after: Seconds = Field(
        259_200, ge=1, le=7_776_000, description="Age at which an event is set aside as a dead letter."
    )
    max_backlog: int = Field(
        100_000, ge=1, le=100_000_000, description="Events waiting; the oldest beyond it become dead letters."
    )
    allow_private: bool = Field(
        False,
        description="Allow private, loopback and link-local addresses. The name is looked up, and refused, "
        "for each connection.",
    )

    @property
    def at_once(self) -> int:
        """Deliveries under way at the same time."""
        return self.concurrency if not self.email or "concurrency" in self.model_fields_set else 1

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of events that it takes: nobody wants a mail for each receipt."""
        return frozenset({"inbound"}) if self.email else frozenset(self.events)

    @property
    def host(self) -> str:
        """The host of the webhook; empty for e-mail."""
        return urlsplit(self.webhook).hostname or "" if self.webhook is not None else ""

    @property
    def is_private(self) -> bool:
        """Whether the webhook's host is a private address as it is written; names are not resolved."""
        if self.host == "localhost":
            return True
        try:
            return not ipaddress.ip_address(self.host).is_global
        except ValueError:
            return False

    @model_validator(mode="after")
    def _consistent(self) -> Handler:
        if (self.webhook is None) == (not self.email):
            raise fail("handler", "either webhook or email" + ", not both" * (self.webhook is not None))
        if self.webhook is not None and self.secret is None:
            raise fail("handler", "secret beside webhook: the key of its signature")
        if self.email and (given := [key for key in _OF_WEBHOOKS if key in self.model_fields_set]):
            raise fail("handler", f"webhook beside {given[0]}, which e-mail has no use for")
        if len({address.lower() for address in self.email}) < len(self.email):
            raise fail("handler", "each address of email once")
        if self.retry_min > self.retry_max:
            raise fail("retry", "retry_min not above retry_max")
        return self


class App(Section):
    """An application allowed to submit. With none, whoever may open the socket is the app `local`."""

    name: Name = Field(description="Name of the app in messages, commands, logs and metrics; unique.")
    uid: tuple[UserId, ...] = Field((), description="Users known by the kernel's peer credentials.")
    token: Annotated[Secret, AfterValidator(_not_empty)] | None = Field(
        None, description="Token for the request `auth`, for apps that share a user."
    )
    numbers: tuple[Written, ...] | None = Field(
        None, description="Numbers that it may send from and hear of; without it all."
    )
    pool: Name | None = Field(
        None,
        description="Name of one of `[pools]`, of which one number sends what names no `from`; without it one of all "
        "its numbers does.",
    )
    countries: tuple[Destination, ...] | None = Field(
        None,
        description='Countries that it may send to, `["*"]` all. Without it those of its numbers; anywhere, where '
        "these tell none.",
    )
    refused_kinds: RefusedKinds | None = Field(
        None,
        description="As `refused_kinds` of `[destinations]`, which holds without it; `[]`: all lines may be texted.",
    )
    admin: bool = Field(
        False,
        description="May use the operator's methods: status of all, messages, resolve, carrier, reload, and capture, "
        "which shows texts.",
    )
    binary: bool = Field(
        False,
        description="May send binary messages, user data headers and ports, protocol_id, and TLVs to the same effect.",
    )
    max_segments: int | None = Field(
        None, ge=1, le=255, description="Segments of one of its messages, where that is less than in `[limits]`."
    )
    max_characters: int | None = Field(
        None, ge=1, le=40_000, description="Characters of one of its texts, as it is sent (`too_long`)."
    )
    allow_shorteners: tuple[MessageClass, ...] = Field(
        (), description="Classes whose texts may have links of public shorteners, beside those of `[content]`."
    )
    normalise: bool | None = Field(None, description="As `normalise` of `[content]`, which holds without it.")
    quota: Annotated[Quota | None, Form("table")] = Field(
        None, description="The most segments in a time; what is over is refused (`quota_exceeded`)."
    )
    same_text_within: Seconds = Field(
        0,
        ge=0,
        le=2_592_000,
        description="A text that it sent to the same phone so short a time ago is refused (`duplicate_text`), unless "
        "that came to a bad end; 0: none is.",
    )
    prepaid: bool = Field(
        False,
        description="It sends what its balance of segments covers, which `smsgw balance add` fills; else "
        "`balance_exhausted`.",
    )

    @model_validator(mode="after")
    def _reachable(self) -> App:
        if not self.uid and self.token is None:
            raise fail("app", "uid or token: without one of them nobody can be this app")
        return self
