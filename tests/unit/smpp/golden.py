"""The golden PDUs: octets from tests/golden/smpp_pdus.toml, and what they mean."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.smpp.pdu import (
    Address,
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    SubmitSm,
    SubmitSmResp,
    Tlv,
    Unbind,
    UnbindResp,
)

_FILE = Path(__file__).parents[2] / "golden" / "smpp_pdus.toml"


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("|", " ").replace("\n", " "))


OCTETS = {name: _octets(entry["hex"]) for name, entry in tomllib.loads(_FILE.read_text()).items()}

SEVEN = Address(1, 1, "447700900123")
EIGHT = Address(1, 1, "447700900456")

MEANINGS: dict[str, tuple[int, int, Pdu]] = {
    "bind_transmitter": (
        1,
        0,
        BindTransmitter("SMPP3TEST", "secret08", "SUBMIT1", address_range=Address(1, 1)),
    ),
    "bind_receiver_with_range": (2, 0, BindReceiver("a", "b", address_range=Address(1, 1, "^447.+$"))),
    "bind_transceiver": (7, 0, BindTransceiver("user", "pass")),
    "bind_transceiver_resp": (7, 0, BindTransceiverResp("SMSC", (Tlv(0x0210, 0x34),))),
    "bind_transmitter_resp_refused": (1, 0x0E, BindTransmitterResp()),
    "outbind": (3, 0, Outbind("SMSC", "pw12")),
    "unbind": (0x11, 0, Unbind()),
    "unbind_resp": (0x11, 0, UnbindResp()),
    "generic_nack": (0, 2, GenericNack()),
    "submit_sm": (
        5,
        0,
        SubmitSm(Address(5, 0, "ACME"), SEVEN, b"hello world", registered_delivery=1),
    ),
    "submit_sm_every_field": (
        0x7FFFFFFF,
        0,
        SubmitSm(
            source=Address(1, 1, "15551230001"),
            destination=Address(2, 8, "01555"),
            short_message=b"\xaa\xbb\xcc",
            esm_class=0x43,
            data_coding=0xF5,
            registered_delivery=0x11,
            service_type="CMT",
            protocol_id=0x7F,
            priority_flag=3,
            schedule_delivery_time="250101120000000+",
            validity_period="000003000000000R",
            replace_if_present_flag=1,
            sm_default_msg_id=9,
            tlvs=(Tlv(0x0204, 0x1234), Tlv(0x1400, b"dlt")),
        ),
    ),
    "submit_sm_udh_and_sar": (
        9,
        0,
        SubmitSm(
            SEVEN,
            EIGHT,
            b"\x05\x00\x03\x42\x02\x01\x00A\x00B",
            esm_class=0x40,
            data_coding=8,
            registered_delivery=1,
            tlvs=(Tlv(0x020C, 0x42), Tlv(0x020E, 2), Tlv(0x020F, 1)),
        ),
    ),
    "submit_sm_resp": (5, 0, SubmitSmResp("94258431594")),
    "submit_sm_resp_throttled": (5, 0x58, SubmitSmResp()),
    "deliver_sm_receipt": (
        2,
        0,
        DeliverSm(
            Address(1, 1, "44770090012"),
            Address(0, 1, "40404"),
            b"id:0059113978 sub:001 dlvrd:001 submit date:1002101730 done date:1002101731 stat:DELIVRD err:000 text:hi",
            esm_class=4,
            tlvs=(Tlv(0x001E, "38601fa"), Tlv(0x0427, 2), Tlv(0x0423, b"\x03\0\0")),
        ),
    ),
    "deliver_sm": (10, 0, DeliverSm(EIGHT, Address(3, 0, "40404"), b"h\xe9", data_coding=3)),
    "deliver_sm_resp": (2, 0, DeliverSmResp()),
    "data_sm": (
        0x21,
        0,
        DataSm(
            Address(1, 1, "4477009"),
            Address(1, 1, "4477004"),
            registered_delivery=1,
            data_coding=4,
            tlvs=(Tlv(0x0424, b"payload"),),
        ),
    ),
    "data_sm_resp": (0x21, 0xFE, DataSmResp("mid", (Tlv(0x0425, 1),))),
    "enquire_link": (0x7FFFFFFF, 0, EnquireLink()),
    "enquire_link_resp": (0x7FFFFFFF, 0, EnquireLinkResp()),
    "alert_notification": (
        4,
        0,
        AlertNotification(Address(1, 1, "4477009"), Address(0, 1, "40404"), (Tlv(0x0422, 0),)),
    ),
}
