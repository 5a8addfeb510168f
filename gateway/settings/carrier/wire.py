"""How messages look on a carrier's wire: addresses, alphabets, how segments are joined, what goes with every submit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Region, TextTag, Tlvs, TonNpis, Zone
from gateway.settings.types import COctets, Form
from gateway.sms.national import Language
from gateway.sms.segment import FlashWay

Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ascii"]
LongMessages = Literal["udh8", "udh16", "sar", "payload"]
Digits = Annotated[str, Field(max_length=20, pattern=r"^[0-9]*$"), Form("digits")]

_TYPES_FORM = Form('table: kind of address = `"TON/NPI"`')


class PeerRule(Section):
    """One rewriting of a phone's number that came in."""

    prefix: Annotated[str, Field(max_length=20, pattern=r"^\+?[0-9]*$")] = Field(
        "", description="Digits that the number begins with, as the carrier wrote it."
    )
    digits: int = Field(0, ge=0, le=20, description="Digits that it has in all; 0: any number of them.")
    put: Annotated[str, Field(max_length=20, pattern=r"^\+?[0-9]*$")] = Field(
        "", description="What takes the place of `prefix`."
    )


class Wire(Section):
    """The forms that a carrier takes and sends."""

    source_ton: int | None = Field(
        None, ge=0, le=255, description="TON of every source address; without it, by the kind of address."
    )
    source_npi: int | None = Field(
        None, ge=0, le=255, description="NPI of every source address; without it, by the kind of address."
    )
    source_types: Annotated[TonNpis, _TYPES_FORM] = Field(
        {},
        description="TON and NPI of a source address by its kind: `international` (1/1 without this), `national` "
        '(2/1), `short_code` (3/0) and `alphanumeric` (5/0), such as `{ short_code = "0/1" }`. '
        "`source_ton` and `source_npi` go before it.",
    )
    source_plus: bool = Field(False, description="Write the + of an international source address.")
    source_national: bool = Field(
        False, description="Write source numbers of `region` in their national form, without country code."
    )
    dest_ton: int | None = Field(
        None, ge=0, le=255, description="TON of every destination; without it, by the kind of address."
    )
    dest_npi: int | None = Field(
        None, ge=0, le=255, description="NPI of every destination; without it, by the kind of address."
    )
    dest_types: Annotated[TonNpis, _TYPES_FORM] = Field(
        {}, description="TON and NPI of a destination by its kind, as `source_types`."
    )
    dest_plus: bool = Field(False, description="Write the + of an international destination.")
    dest_national: bool = Field(
        False, description="Write destinations of `region` in their national form, without country code."
    )
    national_prefix: Digits = Field(
        "", description='Digits before a national form that is written, such as `"0"`; empty: none.'
    )
    region: Region | None = Field(
        None,
        description="Region of this carrier, as ISO 3166 letters, for national forms out and in; without it "
        "`default_region`.",
    )
    peer_numbers: Literal["auto", "international", "national"] = Field(
        "auto",
        description="How numbers that come in without + are read: `auto` (by their TON, else whichever is likelier), "
        "`international` (the country code is there, whatever the TON) or `national` (of `region`, whatever the TON). "
        "A phone that is not known again misses its STOP.",
    )
    peer_rules: Annotated[tuple[PeerRule, ...], Form("list of tables: `prefix`, `digits`, `put`")] = Field(
        (),
        max_length=50,
        description="Rewritings of phones' numbers that come in, before they are read; the first that fits is made: "
        '`{ prefix = "0", digits = 10, put = "+33" }`.',
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
    latin1: Literal["off", "exact", "nearly"] = Field(
        "off",
        description="Texts that GSM 7 bit lacks characters for, and Latin-1 has them, as data_coding 3 rather than "
        "UCS-2: 140 characters a segment, not 70. `nearly`: typographic characters are replaced where the whole text "
        "is Latin-1 then; each change is in `warnings`. Ask the carrier: not all turn data_coding 3 into what phones "
        "read.",
    )
    long_messages: LongMessages = Field(
        "udh8",
        description="How segments are joined: `udh8` or `udh16` (user data header with an 8 or 16-bit "
        "reference), `sar` (TLVs; as `udh8` where a message has a user data header of its own, beside which SMPP has "
        "no such TLVs, 5.0 §4.7.12) or `payload` (message_payload, the carrier cuts).",
    )
    longest_short_message: int = Field(
        160,
        ge=0,
        le=254,
        description="Octets of short_message that the carrier takes; more go in message_payload (§5.2.21, §5.3.2.32). "
        'No segment has more than 160; with `long_messages = "payload"` up to 254 let a whole text go in '
        "short_message.",
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
    tlvs: Annotated[Tlvs, Form("table: tag = text, `hex:` and octets, or number")] = Field(
        {},
        description="TLVs of every submit, such as a vendor's: a tag as `0x1400` or by its name in SMPP; text goes as "
        "its octets, `hex:` gives octets, a number is as wide as its TLV. A message's own `tlvs` go before them.",
    )
    campaign_tlv: Annotated[TextTag, Form("tag of a TLV")] | None = Field(
        None,
        description="TLV in which this carrier wants the `campaign_id` of the number that a message is from (10DLC), a "
        "tag as in `tlvs`; without it carriers find it by the number. It goes before the same tag of `tlvs`.",
    )
    validity_format: Literal["relative", "absolute", "none"] = Field(
        "relative",
        description="How validity_period says what is left of a message's validity, on each of its segments (§7.1.1): "
        "`relative`, `absolute` (in `time_zone`), or `none` at all.",
    )
    validity_sent: Literal["asked", "always"] = Field(
        "asked",
        description="Which messages tell their validity to the carrier: those for which an app `asked` for one, or "
        "`always`, `limits.default_validity` too.",
    )
    time_zone: Zone = Field(
        "UTC",
        description="Zone of the carrier's clock, for absolute times and dates of receipts: an IANA name, or a "
        "difference from UTC such as `+05:30`.",
    )
