"""How a carrier wants a submit_sm to look: addresses, times, what is asked for. Built once for each carrier."""

from __future__ import annotations

from typing import Final

from gateway.carrier.outgoing import SegmentOut
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp.pdu import Address, SubmitSm, Tlv
from gateway.smpp.times import write_relative
from gateway.sms.address import wire_address

SOURCE_CACHE: Final = 10_000


class Wire:
    """Makes PDUs of segments by the settings of one carrier."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._settings = settings
        self._sources: dict[str, Address] = {}

    def submit(self, segment: SegmentOut, now_ms: int) -> SubmitSm:
        """The submit_sm (SMPP 3.4 §4.4.1) of a segment. Raises ValueError where it fits no PDU."""
        m = segment.message
        body = m.bodies[segment.part - 1]
        settings = self._settings
        source = self._sources.get(m.number)
        if source is None:
            source = self.address(m.number, settings.source_ton, settings.source_npi)
            if len(self._sources) < SOURCE_CACHE:
                self._sources[m.number] = source
        tlvs = m.tlvs
        if body.tlvs:
            tlvs = tuple(Tlv(tag, value) for tag, value in body.tlvs) + tlvs
        return SubmitSm(
            source=source,
            destination=self.address(m.peer, settings.dest_ton, settings.dest_npi),
            short_message=body.short_message,
            esm_class=body.esm_class,
            data_coding=body.data_coding,
            registered_delivery=1 if m.receipt else 0,
            service_type=settings.service_type,
            protocol_id=m.protocol_id,
            validity_period=write_relative((m.expires_at - now_ms) / 1000) if m.validity else "",
            tlvs=tlvs,
        )

    @staticmethod
    def address(value: str, ton: int | None, npi: int | None) -> Address:
        """An address as it goes on the wire: TON and NPI by its kind, unless the settings say otherwise."""
        kind_ton, kind_npi, text = wire_address(value)
        return Address(kind_ton if ton is None else ton, kind_npi if npi is None else npi, text)
