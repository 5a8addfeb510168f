"""The same octets as smpplib, where smpplib is right.

Where it is not, and there is no comparison: unknown TLVs and commands (it raises), source_addr_subunit of two
octets, network_error_code of data_sm_resp as text, TLVs of type flag (never written).
"""

from __future__ import annotations

from typing import Any

import pytest
from smpplib.smpp import make_pdu, parse_pdu

from gateway.smpp.codec import decode, encode
from gateway.smpp.pdu import Address, DataSm, DeliverSm, Pdu, SubmitSm, SubmitSmResp, Tlv

from .golden import EIGHT, MEANINGS, OCTETS, SEVEN


def _fields(pdu: Pdu) -> dict[str, Any]:
    """Our fields under smpplib's names."""
    fields: dict[str, Any] = {}
    for name in pdu.__struct_fields__:
        value = getattr(pdu, name)
        if name == "address_range":
            fields.update(addr_ton=value.ton, addr_npi=value.npi, address_range=value.addr)
        elif isinstance(value, Address):
            ton_npi, addr = {
                "source": ("source_addr", "source_addr"),
                "destination": ("dest_addr", "destination_addr"),
                "esme_addr": ("esme_addr", "esme_addr"),
            }[name]
            fields.update({f"{ton_npi}_ton": value.ton, f"{ton_npi}_npi": value.npi, addr: value.addr})
        elif name == "tlvs":
            fields.update({TLV_NAMES[tlv.tag]: tlv.value for tlv in value})
        else:
            fields[name] = value
    return fields


TLV_NAMES = {
    0x0210: "sc_interface_version",
    0x020C: "sar_msg_ref_num",
    0x020E: "sar_total_segments",
    0x020F: "sar_segment_seqnum",
    0x0422: "ms_availability_status",
    0x0423: "network_error_code",
    0x0424: "message_payload",
    0x0427: "message_state",
    0x001E: "receipted_message_id",
    0x0204: "user_message_reference",
    0x020A: "source_port",
    0x020B: "destination_port",
    0x0381: "callback_num",
    0x0017: "qos_time_to_live",
}

COMMANDS = {
    "BindTransmitter": "bind_transmitter",
    "BindReceiver": "bind_receiver",
    "BindTransceiver": "bind_transceiver",
    "BindTransceiverResp": "bind_transceiver_resp",
    "Unbind": "unbind",
    "UnbindResp": "unbind_resp",
    "SubmitSm": "submit_sm",
    "SubmitSmResp": "submit_sm_resp",
    "DeliverSm": "deliver_sm",
    "DeliverSmResp": "deliver_sm_resp",
    "DataSm": "data_sm",
    "EnquireLink": "enquire_link",
    "EnquireLinkResp": "enquire_link_resp",
    "AlertNotification": "alert_notification",
    "GenericNack": "generic_nack",
}


def smpplib_octets(pdu: Pdu, sequence: int, status: int = 0) -> bytes:
    theirs = make_pdu(COMMANDS[type(pdu).__name__], sequence=sequence, **_fields(pdu))
    theirs.sequence = sequence
    theirs.status = status
    generated: bytes = theirs.generate()
    return generated


SAME = {
    "submit_sm": (5, 0, MEANINGS["submit_sm"][2]),
    "submit_sm_udh_and_sar": MEANINGS["submit_sm_udh_and_sar"],
    "submit_sm all fields": (
        2**31 - 1,
        0,
        SubmitSm(
            Address(5, 0, "ACME"),
            SEVEN,
            bytes(range(1, 200)),
            esm_class=0xC3,
            data_coding=0xF5,
            registered_delivery=0x11,
            service_type="WAP",
            protocol_id=0x41,
            priority_flag=3,
            schedule_delivery_time="250101120000000+",
            validity_period="000003000000000R",
            replace_if_present_flag=1,
            sm_default_msg_id=7,
            tlvs=(Tlv(0x0204, 513), Tlv(0x020A, 9200), Tlv(0x020B, 9201), Tlv(0x0381, b"\0\x01\x0155512")),
        ),
    ),
    "submit_sm with payload": (3, 0, SubmitSm(SEVEN, EIGHT, tlvs=(Tlv(0x0424, b"p" * 260),))),
    "deliver_sm": MEANINGS["deliver_sm"],
    "deliver_sm receipt": (
        2,
        0,
        DeliverSm(
            SEVEN,
            EIGHT,
            b"id:1",
            esm_class=4,
            tlvs=(Tlv(0x0423, b"\x03\0\x01"), Tlv(0x0427, 2), Tlv(0x001E, "38601fa")),
        ),
    ),
    "data_sm": MEANINGS["data_sm"],
    "data_sm with qos": (9, 0, DataSm(SEVEN, EIGHT, service_type="CMT", tlvs=(Tlv(0x0017, 86400),))),
    "submit_sm_resp": (5, 0, SubmitSmResp("94258431594")),
    **{
        name: MEANINGS[name]
        for name in (
            "bind_transmitter",
            "bind_receiver_with_range",
            "bind_transceiver",
            "bind_transceiver_resp",
            "unbind",
            "unbind_resp",
            "enquire_link",
            "enquire_link_resp",
            "generic_nack",
            "deliver_sm_resp",
            "alert_notification",
        )
    },
}


@pytest.mark.parametrize("name", SAME)
def test_we_write_what_smpplib_writes(name: str) -> None:
    sequence, status, pdu = SAME[name]
    assert encode(pdu, sequence, status).hex() == smpplib_octets(pdu, sequence, status).hex()


@pytest.mark.parametrize("name", SAME)
def test_we_read_what_smpplib_writes(name: str) -> None:
    sequence, status, pdu = SAME[name]
    assert decode(smpplib_octets(pdu, sequence, status)) == (sequence, status, pdu)


@pytest.mark.parametrize("name", SAME)
def test_smpplib_reads_what_we_write(name: str) -> None:
    sequence, status, pdu = SAME[name]
    theirs = parse_pdu(encode(pdu, sequence, status), sequence=1)
    assert theirs.command == COMMANDS[type(pdu).__name__]
    assert (theirs.sequence, theirs.status) == (sequence, status)
    for field, value in _fields(pdu).items():
        read = getattr(theirs, field)
        if isinstance(value, str):
            value = value.encode("latin-1")
        # smpplib leaves out what is empty.
        assert read == value or (not value and read is None), field


def test_the_golden_octets_ascribed_to_smpplib_are_smpplibs() -> None:
    for name in ("bind_transceiver", "submit_sm_udh_and_sar", "deliver_sm"):
        sequence, status, pdu = MEANINGS[name]
        assert smpplib_octets(pdu, sequence, status) == OCTETS[name], name
