"""What the golden PDUs about messages sent before, and of broadcast, mean."""

from __future__ import annotations

from gateway.smpp.pdu import (
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelBroadcastSmResp,
    CancelSm,
    CancelSmResp,
    Pdu,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    Tlv,
)

from .golden_messages import EIGHT, SEVEN

MEANINGS: dict[str, tuple[int, int, Pdu]] = {
    "query_sm": (65, 0, QuerySm("94258431594", SEVEN)),
    "query_sm_resp_enroute": (65, 0, QuerySmResp("94258431594", message_state=1)),
    "query_sm_resp_final": (
        65,
        0,
        QuerySmResp(
            "94258431594", final_date="261122013000500-", message_state=5, error_code=27, tlvs=(Tlv(0x0428, 99),)
        ),
    ),
    "query_sm_resp_failed": (65, 0x67, QuerySmResp()),
    "cancel_sm": (81, 0, CancelSm("94258431594", SEVEN)),
    "cancel_sm_all": (82, 0, CancelSm("", SEVEN, EIGHT, service_type="WAP")),
    "cancel_sm_resp": (81, 0, CancelSmResp()),
    "cancel_sm_resp_failed": (82, 0x11, CancelSmResp()),
    "replace_sm": (97, 0, ReplaceSm("94258431594", SEVEN, b"new text", registered_delivery=1)),
    "replace_sm_every_field": (
        98,
        0,
        ReplaceSm(
            "94258431594",
            SEVEN,
            b"\xc3\xbc\xa0",
            schedule_delivery_time="261122093000000+",
            validity_period="000000120000000R",
            registered_delivery=17,
            sm_default_msg_id=5,
        ),
    ),
    "replace_sm_payload": (99, 0, ReplaceSm("id-1", SEVEN, tlvs=(Tlv(0x0424, b"hello"),))),
    "replace_sm_resp": (97, 0, ReplaceSmResp()),
    "replace_sm_resp_failed": (98, 0x13, ReplaceSmResp()),
    "broadcast_sm": (
        113,
        0,
        BroadcastSm(
            SEVEN,
            service_type="CBS",
            priority_flag=1,
            validity_period="000001000000000R",
            tlvs=(
                Tlv(0x0606, b"\x00Dublin"),
                Tlv(0x0606, b"\x00Galway"),
                Tlv(0x0601, b"\x01\x00\x10"),
                Tlv(0x0604, 5),
                Tlv(0x0605, b"\t\x00<"),
                Tlv(0x0424, b"storm"),
            ),
        ),
    ),
    "broadcast_sm_every_tlv": (
        114,
        0,
        BroadcastSm(
            SEVEN,
            "b-0",
            priority_flag=3,
            schedule_delivery_time="261122090000000+",
            validity_period="261123090000000+",
            replace_if_present_flag=1,
            data_coding=4,
            sm_default_msg_id=2,
            tlvs=(
                Tlv(0x0606, b"\x01\xaa\xbb\xcc\xdd"),
                Tlv(0x0601, b"\x00\x00\x00"),
                Tlv(0x0604, 65535),
                Tlv(0x0605, b"\x00\x00\x00"),
                Tlv(0x0600, 1),
                Tlv(0x0602, b"zz"),
                Tlv(0x0603, 2),
                Tlv(0x060A, b"all"),
                Tlv(0x130C, 2),
                Tlv(0x1204, b"\x04\x02\x00\x0c"),
                Tlv(0x0424, b"\xff\xfe"),
            ),
        ),
    ),
    "broadcast_sm_resp": (113, 0, BroadcastSmResp("b-1")),
    "broadcast_sm_resp_some_failed": (
        113,
        0,
        BroadcastSmResp("b-1", tlvs=(Tlv(0x0607, 265), Tlv(0x0606, b"\x00Galway"))),
    ),
    "broadcast_sm_resp_refused": (113, 0x10D, BroadcastSmResp()),
    "query_broadcast_sm": (115, 0, QueryBroadcastSm("b-1", SEVEN, tlvs=(Tlv(0x0204, 7),))),
    "query_broadcast_sm_resp": (
        115,
        0,
        QueryBroadcastSmResp(
            "b-1",
            tlvs=(
                Tlv(0x0427, 1),
                Tlv(0x0606, b"\x00Dublin"),
                Tlv(0x0608, 99),
                Tlv(0x0606, b"\x00Galway"),
                Tlv(0x0608, 255),
                Tlv(0x0609, b"261122093000000+"),
                Tlv(0x0204, 7),
            ),
        ),
    ),
    "query_broadcast_sm_resp_failed": (115, 0x10E, QueryBroadcastSmResp()),
    "cancel_broadcast_sm": (116, 0, CancelBroadcastSm("b-1", SEVEN)),
    "cancel_broadcast_sm_all": (
        117,
        0,
        CancelBroadcastSm("", SEVEN, service_type="CBS", tlvs=(Tlv(0x0601, b"\x01\x00\x10"), Tlv(0x0204, 7))),
    ),
    "cancel_broadcast_sm_resp": (116, 0, CancelBroadcastSmResp()),
    "cancel_broadcast_sm_resp_failed": (117, 0x10F, CancelBroadcastSmResp()),
}
"""sequence_number, command_status and PDU."""
