"""What the golden PDUs of the session itself mean."""

from __future__ import annotations

from gateway.smpp.pdu import (
    Address,
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    Tlv,
    Unbind,
    UnbindResp,
)

from .golden_messages import SEVEN

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
    "enquire_link": (0x7FFFFFFF, 0, EnquireLink()),
    "enquire_link_resp": (0x7FFFFFFF, 0, EnquireLinkResp()),
    "alert_notification": (
        4,
        0,
        AlertNotification(Address(1, 1, "4477009"), Address(0, 1, "40404"), (Tlv(0x0422, 0),)),
    ),
    "bind_receiver_resp": (2, 0, BindReceiverResp(system_id="SMSC", tlvs=(Tlv(0x0210, 80), Tlv(0x0428, 12)))),
    "bind_transmitter_50": (
        1,
        0,
        BindTransmitter("esme", "pass", system_type="VMA", interface_version=80, address_range=SEVEN),
    ),
    "unbind_resp_congested": (17, 0, UnbindResp(tlvs=(Tlv(0x0428, 90),))),
    "alert_notification_bare": (5, 0, AlertNotification(Address(1, 1, "4477009"), Address(5, 0, "ESME"))),
    "enquire_link_resp_congested": (1, 0, EnquireLinkResp(tlvs=(Tlv(0x0428, 80),))),
    "generic_nack_unknown_command": (0x7FFFFFFF, 0x03, GenericNack()),
}
"""sequence_number, command_status and PDU."""
