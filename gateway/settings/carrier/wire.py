"""How messages look on a carrier's wire: addresses, alphabets, how segments are joined."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.types import COctets
from gateway.sms.national import Language
from gateway.sms.segment import FlashWay

Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ascii"]
LongMessages = Literal["udh8", "udh16", "sar", "payload"]


class Wire(Section):
    """The forms that a carrier takes and sends."""

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
