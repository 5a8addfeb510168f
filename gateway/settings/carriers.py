"""``[[carriers]]``: an account at an operator or aggregator, with its limits and quirks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.settings.base import Section
from gateway.settings.secret import Secret
from gateway.settings.types import (
    COctets,
    Form,
    Host,
    IpAddress,
    Name,
    Port,
    ReadableFile,
    Seconds,
    fail,
    split_host_port,
)
from gateway.sms.national import Language
from gateway.sms.segment import FlashWay

Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ascii"]
LongMessages = Literal["udh8", "udh16", "sar", "payload"]
BindKind = Literal["transceiver", "transmitter", "receiver", "pair"]

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


class Carrier(Section):
    """One account; all its binds share a queue, a rate and the ids of its receipts."""

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
    bind: BindKind = Field(
        "transceiver",
        description="Kind of bind: `transceiver`, `transmitter`, `receiver`, or `pair` (one of each of the "
        "latter two).",
    )
    binds: int = Field(1, ge=1, le=64, description="How many sessions (or pairs of them) are held.")
    window: int = Field(50, ge=1, le=10_000, description="Unanswered submits on one bind at a time; ask the carrier.")
    throughput: float = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Segments a second over all binds of the carrier; 0: no cap. In no second more than the whole "
        "number of it, so 1.5 gives 1.",
    )
    enquire_link: Seconds = Field(30, ge=0, le=3600, description="Silence after which enquire_link is sent; 0: never.")
    response_timeout: Seconds = Field(
        10, ge=0.1, le=600, description="Wait for a response; after it a segment is in doubt."
    )
    connect_timeout: Seconds = Field(10, ge=0.1, le=300, description="Wait for the TCP and TLS connection.")
    bind_timeout: Seconds = Field(10, ge=0.1, le=300, description="Wait for the response to the bind.")
    reconnect_min: Seconds = Field(
        1, ge=1, le=3600, description="First wait before connecting again; doubles each time, with jitter."
    )
    reconnect_max: Seconds = Field(60, ge=1, le=86_400, description="Longest wait before connecting again.")
    refused_delay: Seconds = Field(
        300,
        ge=1,
        le=86_400,
        description="Wait after the carrier refused the credentials: a wrong password tried often gets "
        "accounts locked.",
    )
    addr_ton: int = Field(0, ge=0, le=255, description="TON of the bind's address range (§5.2.5).")
    addr_npi: int = Field(0, ge=0, le=255, description="NPI of the bind's address range (§5.2.6).")
    address_range: Annotated[COctets, Field(max_length=40)] = Field(
        "", description="Addresses that the bind serves (§5.2.7); empty unless the carrier gave it."
    )
    source_ton: int | None = Field(
        None, ge=0, le=255, description="TON of every source address; without it, by the kind of address."
    )
    source_npi: int | None = Field(
        None, ge=0, le=255, description="NPI of every source address; without it, by the kind of address."
    )
    dest_ton: int | None = Field(
        None, ge=0, le=255, description="TON of every destination; without it, by the kind of address."
    )
    dest_npi: int | None = Field(
        None, ge=0, le=255, description="NPI of every destination; without it, by the kind of address."
    )
    service_type: Annotated[COctets, Field(max_length=5)] = Field(
        "", description="service_type of every submit (§5.2.11); empty: the carrier's default."
    )
    default_alphabet: Alphabet = Field(
        "gsm7",
        description="What data_coding 0 means to this carrier: `gsm7` (an octet for each septet), "
        "`gsm7_packed`, `latin1` or `ascii`.",
    )
    inbound_alphabet: Alphabet | None = Field(
        None, description="What data_coding 0 means in inbound messages; without it `default_alphabet`."
    )
    long_messages: LongMessages = Field(
        "udh8",
        description="How segments are joined: `udh8` or `udh16` (user data header with an 8 or 16-bit "
        "reference), `sar` (TLVs; as `udh8` where a message has a user data header of its own, beside which SMPP has "
        "no such TLVs, 5.0 §4.7.12) or `payload` (message_payload, the carrier cuts).",
    )
    national_languages: tuple[Language, ...] = Field(
        (),
        description="National language tables that a text may take where it then needs fewer segments than as UCS-2 "
        "(TS 23.038 Annex A). A phone without them shows other characters: ask the carrier.",
    )
    transliterate: bool = Field(
        False,
        description="Replace typographic quotes, dashes, spaces and accents that GSM 7 bit lacks, in texts that then "
        "go as GSM 7 bit as a whole; each change is in `warnings` of the reply.",
    )
    flash: FlashWay = Field(
        "0x10",
        description="How a flash message is marked: data_coding `0x10` (group 0001) or `0xf0` (group 1111), both "
        "message class 0 of TS 23.038 §4, or the TLV `dest_addr_subunit` (§5.3.2.1).",
    )
    ports: Literal["udh", "tlv"] = Field(
        "udh",
        description="How ports are sent: `udh`, an element of the user data header (TS 23.040 §9.2.3.24.4), or `tlv`, "
        "source_port and destination_port (§5.3.2.20, §5.3.2.21), unless the segments have a header anyhow "
        "(5.0 §4.7.12): one of the sender's own, of national tables, or of `udh8` and `udh16` for several segments.",
    )
    in_doubt: Literal["resend", "hold"] = Field(
        "resend",
        description="A segment that was written and not answered: `resend` (at most once, may come twice) or "
        "`hold` (an operator decides).",
    )
    order: Literal["peer", "none"] = Field(
        "peer",
        description="`peer`: one message at a time between a number and a peer, so that they arrive in "
        "order; `none`: no such wait.",
    )
    receipts: bool = Field(True, description="Ask the carrier for delivery receipts.")
    text_receipts: bool = Field(
        False,
        description="Take an inbound message for a receipt by its text alone, for carriers that mark "
        "receipts neither in esm_class nor by a TLV.",
    )
    retry_delay: Seconds = Field(
        5, ge=0.1, le=300, description="First wait after a temporary refusal; doubles to 300 seconds."
    )
    throttle_pause: Seconds = Field(
        1,
        ge=0.05,
        le=300,
        description="Pause of the whole carrier after ESME_RTHROTTLED (0x58), and after ESME_RMSGQFUL (0x14) for many "
        "peers in a row.",
    )

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """(host, port) to connect to, in order of preference."""
        if self.hosts is not None:
            return tuple(split_host_port(host, self.port) for host in self.hosts)
        assert self.host is not None
        return ((self.host, self.port),)

    @property
    def mo_alphabet(self) -> Alphabet:
        """What data_coding 0 means in messages from this carrier."""
        return self.inbound_alphabet or self.default_alphabet

    @model_validator(mode="after")
    def _consistent(self) -> Carrier:
        if (self.host is None) == (self.hosts is None):
            raise fail("host_or_hosts", "exactly one of host and hosts")
        if self.reconnect_min > self.reconnect_max:
            raise fail("reconnect", "reconnect_min not above reconnect_max")
        if self.national_languages and self.default_alphabet not in ("gsm7", "gsm7_packed"):
            raise fail("national_languages", 'default_alphabet = "gsm7" or "gsm7_packed" beside national_languages')
        if self.tls_key is not None and self.tls_cert is None:
            raise fail("tls", "tls_cert beside tls_key")
        if not self.tls:
            given = [key for key in ("tls_ca", "tls_cert", "tls_server_name") if getattr(self, key) is not None]
            if given:
                raise fail("tls", f"tls = true beside {given[0]}")
        return self
