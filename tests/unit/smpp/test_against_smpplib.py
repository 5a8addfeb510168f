"""The same octets as smpplib, where smpplib is right.

Where it is not, and there is no comparison, is a table: `smpplib_differences`.
"""

from __future__ import annotations

from typing import Any

import pytest
from smpplib.smpp import make_pdu, parse_pdu

from gateway.smpp.codec import decode, encode
from gateway.smpp.pdu import (
    Address,
    BindReceiverResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    Pdu,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    TlvValue,
)
from gateway.smpp.tlv import TLVS

from .golden import EIGHT, MEANINGS, OCTETS, ORIGINS, SEVEN


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
            fields.update({TLVS[tlv.tag].name: tlv.value for tlv in value})
        else:
            fields[name] = value
    return fields


COMMANDS = {
    "BindTransmitter": "bind_transmitter",
    "BindReceiver": "bind_receiver",
    "BindTransceiver": "bind_transceiver",
    "BindTransmitterResp": "bind_transmitter_resp",
    "BindReceiverResp": "bind_receiver_resp",
    "BindTransceiverResp": "bind_transceiver_resp",
    "Unbind": "unbind",
    "UnbindResp": "unbind_resp",
    "SubmitSm": "submit_sm",
    "SubmitSmResp": "submit_sm_resp",
    "DeliverSm": "deliver_sm",
    "DeliverSmResp": "deliver_sm_resp",
    "DataSm": "data_sm",
    "DataSmResp": "data_sm_resp",
    "QuerySm": "query_sm",
    "QuerySmResp": "query_sm_resp",
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


# In smpplib's own order, which is that of §4.7.1.
DATA_SM_TLVS: tuple[tuple[int, TlvValue], ...] = (
    (0x020A, 9200), (0x000D, 1), (0x000E, 4), (0x000F, 3), (0x020B, 9201), (0x0005, 3), (0x0006, 1), (0x0007, 1),
    (0x0008, 41), (0x020C, 258), (0x020E, 3), (0x020F, 1), (0x0426, 1), (0x0017, 86400), (0x0019, 1),
    (0x0424, b"abc"), (0x001E, "abc"), (0x0427, 8), (0x0423, b"\x03\x04\x23"), (0x0204, 43981), (0x0201, 2),
    (0x0381, b"\0\x01\x0155512"), (0x0302, 5), (0x0205, 7), (0x1201, 0), (0x1203, 3073), (0x1204, 3), (0x0030, 129),
    (0x0304, 99), (0x020D, 3), (0x1380, 8),
)  # fmt: skip

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
    "data_sm of many TLVs": (
        10,
        0,
        DataSm(
            SEVEN,
            EIGHT,
            tlvs=tuple(Tlv(tag, value) for tag, value in DATA_SM_TLVS),
        ),
    ),
    "submit_sm of a USSD service": (11, 0, SubmitSm(SEVEN, EIGHT, b"*100#", tlvs=(Tlv(0x0501, 2),))),
    "deliver_sm of network types": (12, 0, DeliverSm(SEVEN, EIGHT, tlvs=(Tlv(0x000E, 1), Tlv(0x0006, 3)))),
    "bind_receiver_resp": (2, 0, BindReceiverResp("SMSC", (Tlv(0x0210, 0x34),))),
    "data_sm_resp": (13, 0, DataSmResp("mid", (Tlv(0x001D, "no room"), Tlv(0x0420, 1)))),
    "query_sm_resp": (14, 0, QuerySmResp("id", "261122013000500-", 5, 27)),
    **{
        name: MEANINGS[name]
        for name in (
            "bind_transmitter",
            "bind_receiver_with_range",
            "bind_transceiver",
            "bind_transceiver_resp",
            "query_sm",
            "query_sm_resp_enroute",
            "submit_sm_payload",
            "alert_notification_bare",
            "generic_nack_unknown_command",
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
    ascribed = [name for name, origin in ORIGINS.items() if origin == "smpplib"]
    assert ascribed
    for name in ascribed:
        sequence, status, pdu = MEANINGS[name]
        assert smpplib_octets(pdu, sequence, status) == OCTETS[name], name
