"""The types of single settings: units, ranges and forms that several sections share.

A unit is metadata of a type, so that the configuration reference can print it beside the default.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError


class Unit(NamedTuple):
    """What a number counts; shown in docs/config.md."""

    name: str


class Form(NamedTuple):
    """How a value is written, where the type alone does not say it; shown in docs/config.md."""

    text: str


@dataclass(frozen=True)
class Resolver:
    """Where values are looked up: the environment, and the directory that relative paths start from."""

    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    base: Path = field(default_factory=Path)

    @staticmethod
    def of(info: ValidationInfo) -> Resolver:
        """The one that load() gave, or the process's own for a section that is made by itself."""
        return info.context if isinstance(info.context, Resolver) else Resolver()


Seconds = Annotated[float, Unit("seconds")]
Octets = Annotated[int, Unit("octets")]
MiB = Annotated[int, Unit("MiB")]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
Written = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""A number as somebody writes it, national or not; in which form messages carry it is seen by load()."""
Port = Annotated[int, Field(ge=1, le=65535)]

_HOST = re.compile(
    r"^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$"
)


def fail(kind: str, message: str) -> PydanticCustomError:
    """An error whose text says what is expected. Without a context pydantic reads no template, and braces stay."""
    return PydanticCustomError(kind, message)


def check_host(value: str) -> str:
    """A host name, an IPv4 address or an IPv6 address without brackets."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST.match(value):
            raise fail("host", "a host name or an IP address") from None
    return value


def _check_address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise fail("address", "an IP address") from None
    return value


Host = Annotated[str, AfterValidator(check_host), Form("host name or address")]
IpAddress = Annotated[str, AfterValidator(_check_address), Form("IP address")]


def _absolute(value: Path, info: ValidationInfo) -> Path:
    return Resolver.of(info).base / value


def _readable(value: Path, info: ValidationInfo) -> Path:
    path = _absolute(value, info)
    try:
        path.open("rb").close()
    except OSError as error:
        raise fail("file", f"a file that can be read ({error.strerror})") from None
    return path


# Relative paths start from the directory of the configuration file: a daemon has no directory of its own.
FilePath = Annotated[Path, AfterValidator(_absolute)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]


def split_host_port(value: str, default_port: int | None = None) -> tuple[str, int]:
    """``host:port``, ``[v6]:port``, and with a default port also ``host`` or a bare IPv6 address.

    Raises ValueError (a PydanticCustomError) saying what is expected.
    """
    form = fail("host_port", 'an address as "host:port" (IPv6 as "[::1]:port")')
    host, port = value, ""
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise form
        port = rest[1:]
    elif value.count(":") == 1:
        host, _, port = value.partition(":")
    if not port:
        if default_port is None or value.endswith(":"):
            raise form
        return check_host(host), default_port
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise form
    return check_host(host), int(port)


def _c_octets(value: str) -> str:
    """A C-octet string of SMPP 3.4 §3.1: ASCII, and no NUL, which would end it early."""
    if not value.isascii() or any(ord(char) < 0x20 or ord(char) == 0x7F for char in value):
        raise fail("c_octet_string", "ASCII text without control characters")
    return value


COctets = Annotated[str, AfterValidator(_c_octets)]


def is_local(host: str) -> bool:
    """Whether a host is this machine by its literal name or address; names are not resolved."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
