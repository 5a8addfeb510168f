"""The section `[smtp]`: the server that takes what e-mail handlers send."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.settings.base import Section
from gateway.settings.secret import Secret
from gateway.settings.types import Form, Host, Port, ReadableFile, Seconds, check_host, fail

# The dot-atom of RFC 5322 §3.2.3: what needs no quotes. Other local parts are legal, and in nobody's use.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}  # RFC 6409 §3.1, RFC 8314 §3.3, RFC 5321 §4.5.4.2


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    expected = "an e-mail address as name@domain"
    # RFC 5321 §4.5.3.1: 64 octets for the name, 254 in all.
    if not at or len(local) > 64 or len(value) > 254 or not _LOCAL_PART.fullmatch(local):
        raise fail("email", expected)
    try:
        check_host(domain)
    except ValueError:
        raise fail("email", expected) from None
    return value


def is_address(value: str) -> bool:
    """Whether mails can be sent to this."""
    try:
        return _address(value) == value
    except ValueError:
        return False


EmailAddress = Annotated[str, AfterValidator(_address), Form("e-mail address")]


class Smtp(Section):
    """The mail server that takes what handlers with `email` send."""

    host: Host = Field(description="Name or address of the server.")
    port: Port | None = Field(
        None, description="Its port; without it 587 for `starttls`, 465 for `tls` and 25 for `none`."
    )
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="`starttls`: the connection is made secret before anything is said, or given up; `tls`: it is from "
        "its first octet; `none`: texts and password go in clear.",
    )
    tls_ca: ReadableFile | None = Field(
        None, description="PEM file of the authorities that may have signed the server's certificate; without it the "
        "system's."
    )  # fmt: skip
    user: str | None = Field(None, max_length=254, description="User to log in as; without it nobody logs in.")
    password: Secret | None = Field(None, description="The user's password.")
    sender: EmailAddress = Field(
        description="Address that mails are from, and that the server tells of those that cannot be delivered."
    )
    timeout: Seconds = Field(
        60, ge=1, le=600, description="Time for one mail, from connecting to the server's last answer."
    )

    @property
    def at(self) -> tuple[str, int]:
        """(host, port) to connect to."""
        return self.host, self.port or _PORTS[self.tls]

    @property
    def domain(self) -> str:
        """The domain of the sender's address."""
        return self.sender.rpartition("@")[2]

    @model_validator(mode="after")
    def _consistent(self) -> Smtp:
        if (self.user is None) != (self.password is None):
            raise fail("smtp", "user and password together, or neither")
        if self.user is not None and self.password is not None and not (self.user + self.password.reveal()).isascii():
            raise fail("smtp", "user and password in ASCII, which is what can be said to a server")
        if self.tls_ca is not None and self.tls == "none":
            raise fail("smtp", 'tls = "starttls" or "tls" beside tls_ca')
        return self
