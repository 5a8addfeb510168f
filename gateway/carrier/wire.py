"""How a carrier wants a submit_sm to look: addresses, times, what is asked for. Built once for each carrier.

What a carrier's settings say is turned into tables and functions when it is set up: a submit asks no setting that is as
usual, and the two that are seldom there (a limit of short_message, TLVs of the carrier) cost a comparison each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.carrier.arriving import Arriving
from gateway.carrier.outgoing import SegmentOut
from gateway.carrier.template import Template, cut, fill
from gateway.model import receipt_asked
from gateway.settings import Carrier as CarrierSettings
from gateway.settings.carrier.forms import text_tlv, tlvs_of, ton_npi_of, zone_of
from gateway.settings.carrier.versions import LONGEST_SEGMENT
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Address, SubmitSm, Tlv
from gateway.smpp.times import write_absolute, write_relative
from gateway.sms.address import calling_code, kind_of, ton_npi

SOURCE_CACHE: Final = 10_000
MOST_TEMPLATES: Final = 2000
LONGEST_ADDRESS: Final = 20
"""Characters of source_addr and destination_addr (SMPP 3.4 §4.4.1)."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Wire:
    """Makes PDUs of segments by the settings of one carrier."""

    def __init__(self, settings: CarrierSettings) -> None:
        region = settings.region
        self.source = Written(
            settings.source_types,
            settings.source_ton,
            settings.source_npi,
            plus=settings.source_plus,
            region=region if settings.source_national else None,
            prefix=settings.national_prefix,
        ).address
        """Our number as it goes on the wire."""
        self.destination = Written(
            settings.dest_types,
            settings.dest_ton,
            settings.dest_npi,
            plus=settings.dest_plus,
            region=region if settings.dest_national else None,
            prefix=settings.national_prefix,
        ).address
        """A peer's."""
        self.arriving = Arriving(settings)
        """How what comes in is read."""
        self.reasons = self.arriving.reasons
        """What the carrier's codes mean."""
        self._sources: dict[str, Address] = {}
        self._service_type = settings.service_type
        self._longest = settings.longest_short_message
        self._tlvs = tlvs_of(settings.tlvs)
        self._tags = frozenset(t.tag for t in self._tlvs)
        self.campaigns: Mapping[str, str] = {}
        """The campaigns of our numbers, by number."""
        self._campaign_tag = settings.campaign_tlv
        self._campaigns: dict[str, Tlv] = {}
        self._always = settings.validity_sent == "always"
        self._validity = _validity(settings)
        self._templates: dict[tuple[str, int, int, int, int], Template] = {}
        # Whether submits have nothing of the carrier's that depends on more than what a template is kept by.
        self._plain = not (self._tlvs or self._campaign_tag is not None or self._always or settings.dest_national)

    def written(self, segment: SegmentOut, now_ms: int) -> SubmitSm | bytes:
        """The submit_sm of a segment, or the octets of its body where those of another had to be changed little.

        Raises ValueError where it fits no PDU.
        """
        m = segment.message
        body = m.bodies[segment.part - 1]
        text = body.short_message
        digits = m.peer[1:]
        if (
            not self._plain
            or m.tlvs
            or body.tlvs
            or m.validity
            or m.receipt > 1
            or not 0 < len(text) <= self._longest
            or m.peer[:1] != "+"
            or not digits.isdigit()
            or not digits.isascii()
            or len(digits) >= LONGEST_ADDRESS
        ):
            return self.submit(segment, now_ms)
        kind = (m.number, m.receipt, body.esm_class, body.data_coding, m.protocol_id)
        template = self._templates.get(kind)
        if template is not None:
            return fill(template, digits, text)
        pdu = self.submit(segment, now_ms)
        template = cut(pdu, digits)
        if len(self._templates) >= MOST_TEMPLATES:
            self._templates.clear()
        self._templates[kind] = template
        return pdu

    def submit(self, segment: SegmentOut, now_ms: int) -> SubmitSm:
        """The submit_sm (SMPP 3.4 §4.4.1) of a segment. Raises ValueError where it fits no PDU."""
        m = segment.message
        part = segment.part
        body = m.bodies[part - 1]
        source = self._sources.get(m.number)
        if source is None:
            source = self.source(m.number)
            if len(self._sources) < SOURCE_CACHE:
                self._sources[m.number] = source
        tlvs = m.tlvs
        if body.tlvs:
            tlvs = tuple(Tlv(tag, value) for tag, value in body.tlvs) + tlvs
        if self._campaign_tag is not None and m.number in self.campaigns:
            campaign = self._campaign(self.campaigns[m.number], self._campaign_tag)
            if all(t.tag != campaign.tag for t in tlvs):
                tlvs = (*tlvs, campaign)
        if self._tlvs:
            tlvs = self._joined(tlvs)
        short_message = body.short_message
        if len(short_message) > self._longest:
            # §5.2.21: one of the two, never both.
            tlvs = (Tlv(Tag.MESSAGE_PAYLOAD, short_message), *tlvs)
            short_message = b""
        elif not short_message and self._longest > LONGEST_SEGMENT:
            short_message, tlvs = self._in_short_message(tlvs)
        return SubmitSm(
            source=source,
            destination=self.destination(m.peer),
            short_message=short_message,
            esm_class=body.esm_class,
            data_coding=body.data_coding,
            registered_delivery=m.receipt if m.receipt < 2 else receipt_asked(m.receipt, part, m.parts),
            service_type=self._service_type,
            protocol_id=m.protocol_id,
            validity_period=self._validity(m.expires_at, now_ms) if m.validity or self._always else "",
            tlvs=tlvs,
        )

    def _campaign(self, campaign: str, tag: str) -> Tlv:
        known = self._campaigns.get(campaign)
        if known is None:
            known = text_tlv(tag, campaign)
            if len(self._campaigns) < SOURCE_CACHE:
                self._campaigns[campaign] = known
        return known

    def _joined(self, tlvs: tuple[Tlv, ...]) -> tuple[Tlv, ...]:
        """With the carrier's own behind those of the message, which go before them."""
        if tlvs and any(t.tag in self._tags for t in tlvs):
            there = {t.tag for t in tlvs}
            return (*tlvs, *(t for t in self._tlvs if t.tag not in there))
        return tlvs + self._tlvs

    def _in_short_message(self, tlvs: tuple[Tlv, ...]) -> tuple[bytes, tuple[Tlv, ...]]:
        """A message_payload that the carrier takes in short_message."""
        for t in tlvs:
            if t.tag == Tag.MESSAGE_PAYLOAD and isinstance(t.value, bytes) and len(t.value) <= self._longest:
                return t.value, tuple(one for one in tlvs if one is not t)
        return b"", tlvs


class Written:
    """Addresses of one direction as a carrier wants them: TON and NPI by kind, + or not, national or not."""

    def __init__(
        self,
        types: Mapping[str, str],
        ton: int | None,
        npi: int | None,
        *,
        plus: bool = False,
        region: str | None = None,
        prefix: str = "",
    ) -> None:
        self._ton = ton
        self._npi = npi
        self._types = {kind: ton_npi_of(pair) for kind, pair in types.items()}
        self._from = 0 if plus else 1
        self._international = self._pair("international", "")
        self._national = self._pair("national", "")
        code = calling_code(region) if region is not None else None
        self._home = f"+{code}" if code is not None else ""
        self._prefix = prefix

    def _pair(self, kind: str, value: str) -> tuple[int, int]:
        ton, npi = self._types.get(kind) or ton_npi(value, kind)  # type: ignore[arg-type]
        return ton if self._ton is None else self._ton, npi if self._npi is None else self._npi

    def address(self, value: str) -> Address:
        """The address of a number as the gateway keeps it."""
        if value.startswith("+"):
            if self._home and value.startswith(self._home):
                ton, npi = self._national
                return Address(ton, npi, self._prefix + value[len(self._home) :])
            ton, npi = self._international
            return Address(ton, npi, value[self._from :])
        ton, npi = self._pair(kind_of(value), value)
        return Address(ton, npi, value)


def _validity(settings: CarrierSettings) -> Callable[[int, int], str]:
    """What is left of a validity: a function of when it ends and of now, both in ms since 1970."""
    if settings.validity_format == "none":
        return lambda _ends, _now: ""
    if settings.validity_format == "relative":
        return lambda ends, now: write_relative((ends - now) / 1000)
    zone = zone_of(settings.time_zone)

    def absolute(ends: int, now: int) -> str:
        # A second ahead at least: a moment that is past is refused, not expired (ESME_RINVEXPIRY).
        return write_absolute((_EPOCH + timedelta(seconds=max(ends, now + 1000) // 1000)).astimezone(zone))

    return absolute
