"""Where a carrier is, and who we are there: host, TLS, credentials, and what the bind says of us."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.settings.base import Section
from gateway.settings.secret import Secret
from gateway.settings.types import COctets, Form, Host, IpAddress, Name, Port, ReadableFile, fail, split_host_port

# SMPP 3.4 §5.2.2 has 8 octets and a NUL; carriers that hand out longer passwords exist, and take them.
SPECIFIED_PASSWORD = 8
LONGEST_PASSWORD = 64

_VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}


def _interface_version(value: Any) -> Any:
    version = _VERSIONS.get(value) if isinstance(value, str) else value
    if version not in _VERSIONS.values():
        raise fail("interface_version", '"3.3", "3.4" or "5.0"')
    return version


def _password(value: Secret) -> Secret:
    text = value.reveal()
    if len(text) > LONGEST_PASSWORD:
        raise fail("password", f"a password of at most {LONGEST_PASSWORD} characters")
    if not text.isascii() or any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise fail("password", "a password of ASCII characters without control characters")
    return value


def _endpoint(value: str) -> str:
    split_host_port(value, default_port=1)
    return value


class Account(Section):
    """An account at an operator or aggregator."""

    name: Name = Field(description="Name of the carrier in other sections, commands, logs and metrics; must be unique.")
    host: Host | None = Field(None, description="Host name or address of the SMSC; or else `hosts`.")
    hosts: tuple[Annotated[str, AfterValidator(_endpoint)], ...] | None = Field(
        None,
        min_length=1,
        description='Primary and standby as `["a:2775", "b:2775"]`, tried in this order; instead of `host`.',
    )
    port: Port = Field(2775, description="TCP port of `host`, and of those `hosts` that name none.")
    tls: bool = Field(False, description="Connect with TLS.")
    tls_ca: ReadableFile | None = Field(
        None, description="PEM file of the authorities to trust; without it those of the system."
    )
    tls_cert: ReadableFile | None = Field(
        None, description="PEM file of the client certificate, for carriers that ask for one."
    )
    tls_key: ReadableFile | None = Field(
        None, description="PEM file of the key of `tls_cert`; without it, the key is in `tls_cert`."
    )
    tls_server_name: Host | None = Field(
        None, description="Name that the carrier's certificate must have, when it is not the host."
    )
    tls_verify: bool = Field(
        True, description="Check the carrier's certificate. Switching this off lets others read the traffic."
    )
    local_address: IpAddress | None = Field(
        None, description="Local IP address to connect from, for carriers that admit only one."
    )
    system_id: Annotated[COctets, Field(max_length=15)] = Field(
        description="system_id of the bind (SMPP 3.4 §5.2.1), as given by the carrier."
    )
    password: Annotated[Secret, AfterValidator(_password)] = Field(
        description="Password of the bind. SMPP 3.4 allows 8 characters; up to 64 are sent, with a warning."
    )
    system_type: Annotated[COctets, Field(max_length=12)] = Field(
        "", description="system_type of the bind (§5.2.3); empty unless the carrier gave one."
    )
    interface_version: Annotated[int, BeforeValidator(_interface_version), Form('`"3.3"`, `"3.4"` or `"5.0"`')] = Field(
        0x34, description="SMPP version to bind with (§5.2.4); its octet, such as `0x34`, will do too."
    )
    addr_ton: int = Field(0, ge=0, le=255, description="TON of the bind's address range (§5.2.5).")
    addr_npi: int = Field(0, ge=0, le=255, description="NPI of the bind's address range (§5.2.6).")
    address_range: Annotated[COctets, Field(max_length=40)] = Field(
        "", description="Addresses that the bind serves (§5.2.7); empty unless the carrier gave it."
    )
