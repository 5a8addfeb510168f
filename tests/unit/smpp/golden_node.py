"""What the golden PDUs that npm smpp generated mean."""

from __future__ import annotations

from gateway.smpp.pdu import (
    Address,
    BindTransceiver,
    BindTransceiverResp,
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelSm,
    CancelSmResp,
    DataSm,
    DeliverSm,
    DistributionList,
    GenericNack,
    Pdu,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    Tlv,
    Unsuccessful,
)

from .golden_messages import EIGHT, SEVEN

MEANINGS: dict[str, tuple[int, int, Pdu]] = {
    "node_bind_transceiver": (
        1,
        0,
        BindTransceiver("esme", "pass", system_type="VMA", interface_version=80, address_range=Address(1)),
    ),
    "node_bind_transceiver_resp": (
        1,
        0,
        BindTransceiverResp(system_id="SMSC", tlvs=(Tlv(0x0210, 80), Tlv(0x0428, 30))),
    ),
    "node_submit_sm": (
        2,
        0,
        SubmitSm(
            SEVEN,
            EIGHT,
            b"\x06\x05\x04#\xf0#\xf0data",
            esm_class=64,
            data_coding=4,
            registered_delivery=1,
            validity_period="000000120000000R",
            tlvs=(
                Tlv(0x0204, 513),
                Tlv(0x0381, b"\x00\x01\x0155512"),
                Tlv(0x0381, b"\x00\x00\x0055513"),
                Tlv(0x130C, 1),
                Tlv(0x060B, b"\x01bill"),
            ),
        ),
    ),
    "node_submit_multi": (
        3,
        0,
        SubmitMulti(
            Address(5, 0, "ACME"),
            (SEVEN, DistributionList("friends")),
            b"h\xe9llo",
            data_coding=3,
            tlvs=(Tlv(0x020C, 7), Tlv(0x020E, 2), Tlv(0x020F, 1)),
        ),
    ),
    "node_submit_multi_resp": (3, 0, SubmitMultiResp("multi-1", (Unsuccessful(SEVEN, 0x14),))),
    "node_query_sm": (4, 0, QuerySm("multi-1", SEVEN)),
    "node_query_sm_resp": (4, 0, QuerySmResp("multi-1", final_date="261122013000000+", message_state=2)),
    "node_cancel_sm": (5, 0, CancelSm("", SEVEN, EIGHT, service_type="CMT")),
    "node_cancel_sm_resp": (5, 0, CancelSmResp(tlvs=(Tlv(0x0428, 1),))),
    "node_replace_sm": (
        6,
        0,
        ReplaceSm("multi-1", SEVEN, b"another text", schedule_delivery_time="261122090000000+", registered_delivery=1),
    ),
    "node_data_sm": (
        7,
        0,
        DataSm(
            SEVEN,
            EIGHT,
            data_coding=8,
            tlvs=(
                Tlv(0x0424, b"\x00A\x00B"),
                Tlv(0x0017, 3600),
                Tlv(0x060D, "126201"),
                Tlv(0x060F, b"000123"),
                Tlv(0x1204, b"\x04\x02\x00\x0c"),
                Tlv(0x1383, b"\x01\x02"),
            ),
        ),
    ),
    "node_deliver_sm": (
        8,
        0,
        DeliverSm(
            SEVEN,
            Address(3, 0, "40404"),
            b"id:1 stat:DELIVRD err:000",
            esm_class=4,
            tlvs=(Tlv(0x001E, "multi-1"), Tlv(0x0427, 2), Tlv(0x0423, b"\x03\x00\x00")),
        ),
    ),
    "node_broadcast_sm": (
        9,
        0,
        BroadcastSm(
            SEVEN,
            service_type="CBS",
            validity_period="000001000000000R",
            tlvs=(
                Tlv(0x0606, b"\x00Dublin"),
                Tlv(0x0606, b"\x01\x01\x02\x03\x04"),
                Tlv(0x0601, b"\x01\x00\x10"),
                Tlv(0x0604, 3),
                Tlv(0x0605, b"\t\x00\n"),
                Tlv(0x0600, 1),
                Tlv(0x0424, b"storm"),
            ),
        ),
    ),
    "node_broadcast_sm_resp": (9, 0, BroadcastSmResp("b-1", tlvs=(Tlv(0x0607, 265), Tlv(0x0607, 266)))),
    "node_query_broadcast_sm": (10, 0, QueryBroadcastSm("b-1", SEVEN)),
    "node_query_broadcast_sm_resp": (
        10,
        0,
        QueryBroadcastSmResp(
            "b-1", tlvs=(Tlv(0x0427, 1), Tlv(0x0606, b"\x00Dublin"), Tlv(0x0608, 80), Tlv(0x0609, b"261122093000000+"))
        ),
    ),
    "node_cancel_broadcast_sm": (11, 0, CancelBroadcastSm("b-1", SEVEN, service_type="CBS", tlvs=(Tlv(0x0204, 7),))),
    "node_generic_nack": (12, 0x03, GenericNack()),
}
"""sequence_number, command_status and PDU."""
