"""Outbind: the carrier connects to us and asks for a bind (SMPP 3.4 §2.2.1, §4.1.7)."""

from __future__ import annotations

import ipaddress
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.secret import Secret
from gateway.settings.types import COctets, Form, fail, split_host_port

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _listening(value: str) -> str:
    split_host_port(value)
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise fail("network", 'addresses or networks such as "192.0.2.7" or "192.0.2.0/24"') from None
    return value


class Outbind(Section):
    """Where the carrier connects to us, and how it shows who it is."""

    outbind: Annotated[str, AfterValidator(_listening)] | None = Field(
        None,
        description="Address as `host:port` on which the carrier connects to us and sends outbind (SMPP 3.4 §2.2.1). "
        "The binds that receive then wait for it; `host` is for the transmitters of `pair` alone. Without TLS.",
    )
    outbind_from: Annotated[tuple[str, ...], AfterValidator(_networks), Form("list: IP address or network")] = Field(
        (), description="Addresses that may connect to `outbind`; all others are closed at once."
    )
    outbind_system_id: Annotated[COctets, Field(max_length=15)] | None = Field(
        None, description="system_id that the carrier's outbind must have; without it, any."
    )
    outbind_password: Secret | None = Field(
        None, description='Password that the carrier\'s outbind must have; `""` for a carrier that sends none.'
    )

    @property
    def outbind_address(self) -> tuple[str, int] | None:
        """Where to listen; None without outbind."""
        return split_host_port(self.outbind) if self.outbind is not None else None

    @property
    def outbind_networks(self) -> tuple[Network, ...]:
        """Who may connect."""
        return tuple(ipaddress.ip_network(text, strict=False) for text in self.outbind_from)
