"""What npm smpp was asked for to make the golden PDUs ascribed to it: command and options, by the name of the PDU."""

from __future__ import annotations

from typing import Any, Final

_SEVEN: Final = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "447700900123"}
_EIGHT: Final = {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "447700900456"}


def _octets(octets: bytes) -> dict[str, str]:
    return {"hex": octets.hex()}


ASKED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "node_bind_transceiver": (
        "bind_transceiver",
        {"sequence_number": 1, "system_id": "esme", "password": "pass", "system_type": "VMA", "addr_ton": 1},
    ),
    "node_bind_transceiver_resp": (
        "bind_transceiver_resp",
        {"sequence_number": 1, "system_id": "SMSC", "sc_interface_version": 0x50, "congestion_state": 30},
    ),
    "node_submit_sm": (
        "submit_sm",
        {
            "sequence_number": 2,
            **_SEVEN,
            **_EIGHT,
            "esm_class": 0x40,
            "registered_delivery": 1,
            "validity_period": "000000120000000R",
            "data_coding": 4,
            "short_message": _octets(b"\x06\x05\x04\x23\xf0\x23\xf0data"),
            "user_message_reference": 513,
            "callback_num": [{"ton": 1, "npi": 1, "number": "55512"}, {"number": "55513"}],
            "alert_on_message_delivery": 1,
            "billing_identification": {"format": 1, "data": _octets(b"bill")},
        },
    ),
    "node_submit_multi": (
        "submit_multi",
        {
            "sequence_number": 3,
            "source_addr_ton": 5,
            "source_addr": "ACME",
            "dest_address": [
                {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "447700900123"},
                {"dl_name": "friends"},
            ],
            "data_coding": 3,
            "short_message": _octets(b"h\xe9llo"),
            "sar_msg_ref_num": 7,
            "sar_total_segments": 2,
            "sar_segment_seqnum": 1,
        },
    ),
    "node_submit_multi_resp": (
        "submit_multi_resp",
        {
            "sequence_number": 3,
            "message_id": "multi-1",
            "unsuccess_sme": [
                {
                    "dest_addr_ton": 1,
                    "dest_addr_npi": 1,
                    "destination_addr": "447700900123",
                    "error_status_code": 0x14,
                }
            ],
        },
    ),
    "node_query_sm": ("query_sm", {"sequence_number": 4, "message_id": "multi-1", **_SEVEN}),
    "node_query_sm_resp": (
        "query_sm_resp",
        {"sequence_number": 4, "message_id": "multi-1", "final_date": "261122013000000+", "message_state": 2},
    ),
    "node_cancel_sm": ("cancel_sm", {"sequence_number": 5, "service_type": "CMT", **_SEVEN, **_EIGHT}),
    "node_cancel_sm_resp": ("cancel_sm_resp", {"sequence_number": 5, "congestion_state": 1}),
    "node_replace_sm": (
        "replace_sm",
        {
            "sequence_number": 6,
            "message_id": "multi-1",
            **_SEVEN,
            "schedule_delivery_time": "261122090000000+",
            "registered_delivery": 1,
            "short_message": _octets(b"another text"),
        },
    ),
    "node_data_sm": (
        "data_sm",
        {
            "sequence_number": 7,
            **_SEVEN,
            **_EIGHT,
            "data_coding": 8,
            "message_payload": _octets(b"\0A\0B"),
            "qos_time_to_live": 3600,
            "source_network_id": "126201",
            "source_node_id": "000123",
            "ms_validity": _octets(b"\x04\x02\0\x0c"),
            "its_session_info": _octets(b"\x01\x02"),
        },
    ),
    "node_deliver_sm": (
        "deliver_sm",
        {
            "sequence_number": 8,
            **_SEVEN,
            "dest_addr_ton": 3,
            "destination_addr": "40404",
            "esm_class": 4,
            "data_coding": 0,
            "short_message": _octets(b"id:1 stat:DELIVRD err:000"),
            "receipted_message_id": "multi-1",
            "message_state": 2,
            "network_error_code": _octets(b"\x03\0\0"),
        },
    ),
    "node_broadcast_sm": (
        "broadcast_sm",
        {
            "sequence_number": 9,
            "service_type": "CBS",
            **_SEVEN,
            "validity_period": "000001000000000R",
            "data_coding": 0,
            "broadcast_area_identifier": ["Dublin", {"format": 1, "data": _octets(b"\1\2\3\4")}],
            "broadcast_content_type": {"network": 1, "content_type": 0x10},
            "broadcast_rep_num": 3,
            "broadcast_frequency_interval": {"unit": 9, "interval": 10},
            "broadcast_channel_indicator": 1,
            "message_payload": _octets(b"storm"),
        },
    ),
    "node_broadcast_sm_resp": (
        "broadcast_sm_resp",
        {"sequence_number": 9, "message_id": "b-1", "broadcast_error_status": [0x109, 0x10A]},
    ),
    "node_query_broadcast_sm": ("query_broadcast_sm", {"sequence_number": 10, "message_id": "b-1", **_SEVEN}),
    "node_query_broadcast_sm_resp": (
        "query_broadcast_sm_resp",
        {
            "sequence_number": 10,
            "message_id": "b-1",
            "message_state": 1,
            "broadcast_area_identifier": ["Dublin"],
            "broadcast_area_success": [80],
            "broadcast_end_time": "261122093000000+",
        },
    ),
    "node_cancel_broadcast_sm": (
        "cancel_broadcast_sm",
        {"sequence_number": 11, "service_type": "CBS", "message_id": "b-1", **_SEVEN, "user_message_reference": 7},
    ),
    "node_generic_nack": ("generic_nack", {"sequence_number": 12, "command_status": 3}),
}
