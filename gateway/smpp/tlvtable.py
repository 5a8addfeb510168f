"""Every optional parameter (TLV) of SMPP 3.4 §5.3.2 and 5.0 §4.8.4: its type, its sizes, and which PDUs carry it.

Two tables as in the specifications: what a TLV is, and what each PDU may have. `TLVS` is both, by tag. Neither is
a limit to what is read or sent: a peer's TLV is kept in any PDU, known or not, and any can be sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.smpp.constants import CommandId, Tag


class TlvType(StrEnum):
    """How the octets of a value are read."""

    INTEGER = "integer"
    C_STRING = "C-octet string"
    OCTETS = "octet string"


class TlvKind(NamedTuple):
    """What one optional parameter is."""

    tag: Tag
    name: str
    """As in SMPP 3.4; those that are new in 5.0 as there."""
    type: TlvType
    sizes: tuple[int, ...] | range
    """Octets that a value may have, with the terminator of a C-octet string. Of an integer the first is the one that
    is read and written as a number; a value of another size is octets."""
    version: str
    """Where it is first: "3.4" or "5.0"."""
    section: str
    pdus: tuple[CommandId, ...]
    """Those that carry it in either version."""


_INTEGER: Final = TlvType.INTEGER
_C_STRING: Final = TlvType.C_STRING
_OCTETS: Final = TlvType.OCTETS

_TYPES: Final[tuple[tuple[Tag, TlvType, tuple[int, ...] | range, int, int], ...]] = (
    # tag, type, sizes, n of 3.4 §5.3.2.n (0: not in it), n of 5.0 §4.8.4.n
    (Tag.DEST_ADDR_SUBUNIT, _INTEGER, (1,), 1, 23),
    (Tag.DEST_NETWORK_TYPE, _INTEGER, (1,), 3, 26),
    (Tag.DEST_BEARER_TYPE, _INTEGER, (1,), 5, 24),
    (Tag.DEST_TELEMATICS_ID, _INTEGER, (2,), 7, 29),
    (Tag.SOURCE_ADDR_SUBUNIT, _INTEGER, (1,), 2, 54),
    (Tag.SOURCE_NETWORK_TYPE, _INTEGER, (1,), 4, 57),
    (Tag.SOURCE_BEARER_TYPE, _INTEGER, (1,), 6, 55),
    (Tag.SOURCE_TELEMATICS_ID, _INTEGER, (1,), 8, 61),  # 1 in both, unlike dest_telematics_id
    (Tag.QOS_TIME_TO_LIVE, _INTEGER, (4,), 9, 46),
    (Tag.PAYLOAD_TYPE, _INTEGER, (1,), 10, 44),
    (Tag.ADDITIONAL_STATUS_INFO_TEXT, _C_STRING, range(1, 257), 11, 1),
    (Tag.RECEIPTED_MESSAGE_ID, _C_STRING, range(1, 66), 12, 47),
    (Tag.MS_MSG_WAIT_FACILITIES, _INTEGER, (1,), 13, 40),
    (Tag.PRIVACY_INDICATOR, _INTEGER, (1,), 14, 45),
    (Tag.SOURCE_SUBADDRESS, _OCTETS, range(2, 24), 15, 60),
    (Tag.DEST_SUBADDRESS, _OCTETS, range(2, 24), 16, 28),
    (Tag.USER_MESSAGE_REFERENCE, _INTEGER, (2,), 17, 62),
    (Tag.USER_RESPONSE_CODE, _INTEGER, (1,), 18, 63),
    (Tag.SOURCE_PORT, _INTEGER, (2,), 20, 59),
    (Tag.DESTINATION_PORT, _INTEGER, (2,), 21, 30),  # dest_port in 5.0
    (Tag.SAR_MSG_REF_NUM, _INTEGER, (2,), 22, 48),
    (Tag.LANGUAGE_INDICATOR, _INTEGER, (1,), 19, 35),
    (Tag.SAR_TOTAL_SEGMENTS, _INTEGER, (1,), 23, 50),
    (Tag.SAR_SEGMENT_SEQNUM, _INTEGER, (1,), 24, 49),
    (Tag.SC_INTERFACE_VERSION, _INTEGER, (1,), 25, 51),
    (Tag.CALLBACK_NUM_PRES_IND, _INTEGER, (1,), 37, 17),
    (Tag.CALLBACK_NUM_ATAG, _OCTETS, range(66), 38, 16),  # data_coding, then the name
    (Tag.NUMBER_OF_MESSAGES, _INTEGER, (1,), 39, 43),
    (Tag.CALLBACK_NUM, _OCTETS, range(4, 20), 36, 15),  # digit mode, TON, NPI, digits
    (Tag.DPF_RESULT, _INTEGER, (1,), 28, 32),
    (Tag.SET_DPF, _INTEGER, (1,), 29, 52),
    (Tag.MS_AVAILABILITY_STATUS, _INTEGER, (1,), 30, 39),
    (Tag.NETWORK_ERROR_CODE, _OCTETS, (3,), 31, 42),  # network type, then two octets of its code
    (Tag.MESSAGE_PAYLOAD, _OCTETS, range(65_536), 32, 36),
    (Tag.DELIVERY_FAILURE_REASON, _INTEGER, (1,), 33, 19),
    (Tag.MORE_MESSAGES_TO_SEND, _INTEGER, (1,), 34, 38),
    (Tag.MESSAGE_STATE, _INTEGER, (1,), 35, 37),
    (Tag.CONGESTION_STATE, _INTEGER, (1,), 0, 18),  # 0 idle to 100 congested
    (Tag.USSD_SERVICE_OP, _INTEGER, (1,), 44, 64),
    (Tag.BROADCAST_CHANNEL_INDICATOR, _INTEGER, (1,), 0, 7),
    (Tag.BROADCAST_CONTENT_TYPE, _OCTETS, (3,), 0, 8),  # network type, then two octets of the service
    (Tag.BROADCAST_CONTENT_TYPE_INFO, _OCTETS, range(1, 256), 0, 6),
    (Tag.BROADCAST_MESSAGE_CLASS, _INTEGER, (1,), 0, 12),
    (Tag.BROADCAST_REP_NUM, _INTEGER, (2,), 0, 13),
    (Tag.BROADCAST_FREQUENCY_INTERVAL, _OCTETS, (3,), 0, 11),  # unit, then two octets: how many
    (Tag.BROADCAST_AREA_IDENTIFIER, _OCTETS, range(1, 102), 0, 4),  # format, then at most 100 octets
    (Tag.BROADCAST_ERROR_STATUS, _INTEGER, (4,), 0, 10),
    (Tag.BROADCAST_AREA_SUCCESS, _INTEGER, (1,), 0, 5),  # 0 to 100 per cent, 255: not known
    (Tag.BROADCAST_END_TIME, _OCTETS, (16, 17), 0, 9),  # an absolute time, with and without a terminator in the field
    (Tag.BROADCAST_SERVICE_GROUP, _OCTETS, range(1, 256), 0, 14),
    (Tag.BILLING_IDENTIFICATION, _OCTETS, range(1, 1025), 0, 3),
    (Tag.SOURCE_NETWORK_ID, _C_STRING, range(7, 66), 0, 56),  # kind of network, MCC, MNC or SID or an address
    (Tag.DEST_NETWORK_ID, _C_STRING, range(7, 66), 0, 25),
    (Tag.SOURCE_NODE_ID, _OCTETS, (6,), 0, 58),  # six decimal digits
    (Tag.DEST_NODE_ID, _OCTETS, (6,), 0, 27),
    (Tag.DEST_ADDR_NP_RESOLUTION, _INTEGER, (1,), 0, 22),
    (Tag.DEST_ADDR_NP_INFORMATION, _OCTETS, (10,), 0, 21),
    (Tag.DEST_ADDR_NP_COUNTRY, _OCTETS, range(1, 6), 0, 20),
    (Tag.DISPLAY_TIME, _INTEGER, (1,), 26, 31),
    (Tag.SMS_SIGNAL, _INTEGER, (2,), 40, 53),
    (Tag.MS_VALIDITY, _INTEGER, (1, 4), 27, 41),  # 4 in 5.0: behaviour, unit, two octets: how many
    (Tag.ALERT_ON_MESSAGE_DELIVERY, _INTEGER, (1, 0), 41, 2),  # 0 in 3.4, where being there is all it says
    (Tag.ITS_REPLY_TYPE, _INTEGER, (1,), 42, 33),
    (Tag.ITS_SESSION_INFO, _OCTETS, (2,), 43, 34),  # session, then sequence and an end bit
)


def _tags(names: str) -> frozenset[Tag]:
    return frozenset(Tag[name.upper()] for name in names.split())


_PORTS_AND_SAR: Final = _tags("source_port destination_port sar_msg_ref_num sar_total_segments sar_segment_seqnum")
_SUBADDRESSES: Final = _tags("source_subaddress dest_subaddress")
_CALLBACK: Final = _tags("callback_num callback_num_pres_ind callback_num_atag")
_ITS: Final = _tags("its_reply_type its_session_info")

_MULTI_34: Final = (
    _PORTS_AND_SAR
    | _SUBADDRESSES
    | _CALLBACK
    | _tags(
        "user_message_reference source_addr_subunit dest_addr_subunit payload_type message_payload privacy_indicator "
        "display_time sms_signal ms_validity ms_msg_wait_facilities alert_on_message_delivery language_indicator"
    )
)
_SUBMIT_34: Final = (
    _MULTI_34 | _ITS | _tags("more_messages_to_send user_response_code number_of_messages ussd_service_op")
)

CARRIED_34: Final[dict[CommandId, frozenset[Tag]]] = {
    # 3.4: the optional parameters in the table of each PDU.
    **dict.fromkeys(
        (CommandId.BIND_TRANSMITTER_RESP, CommandId.BIND_RECEIVER_RESP, CommandId.BIND_TRANSCEIVER_RESP),
        _tags("sc_interface_version"),  # §4.1.2, §4.1.4, §4.1.6
    ),
    CommandId.SUBMIT_SM: _SUBMIT_34,  # §4.4.1
    CommandId.SUBMIT_MULTI: _MULTI_34,  # §4.5.1; 5.0 §4.8.4.28 takes dest_subaddress back
    CommandId.DELIVER_SM: _PORTS_AND_SAR  # §4.6.1
    | _SUBADDRESSES
    | _tags(
        "user_message_reference user_response_code privacy_indicator payload_type message_payload callback_num "
        "language_indicator its_session_info network_error_code message_state receipted_message_id"
    ),
    CommandId.DATA_SM: (_SUBMIT_34 - _tags("ussd_service_op"))  # §4.7.1
    | _tags(
        "source_network_type source_bearer_type source_telematics_id dest_network_type dest_bearer_type "
        "dest_telematics_id qos_time_to_live set_dpf receipted_message_id message_state network_error_code"
    ),
    CommandId.DATA_SM_RESP: _tags(  # §4.7.2
        "delivery_failure_reason network_error_code additional_status_info_text dpf_result"
    ),
    CommandId.ALERT_NOTIFICATION: _tags("ms_availability_status"),  # §4.12.1
}

_NEW_ADDRESSING: Final = _tags(
    "dest_addr_np_country dest_addr_np_information dest_addr_np_resolution source_network_id dest_network_id "
    "source_node_id dest_node_id"
)
_SUBMISSION_50: Final = (  # 5.0 §4.2.4
    _SUBMIT_34
    | _NEW_ADDRESSING
    | _tags(
        "billing_identification dest_bearer_type dest_network_type dest_telematics_id qos_time_to_live set_dpf "
        "source_bearer_type source_network_type source_telematics_id"
    )
)
_SUBMISSION_RESP_50: Final = _tags(  # 5.0 §4.2.5
    "additional_status_info_text delivery_failure_reason dpf_result network_error_code"
)
_DELIVERY_50: Final = (  # 5.0 §4.3.3
    _PORTS_AND_SAR
    | _SUBADDRESSES
    | _CALLBACK
    | _ITS
    | _NEW_ADDRESSING
    | _tags(
        "source_addr_subunit dest_addr_subunit dpf_result language_indicator message_payload message_state "
        "network_error_code payload_type privacy_indicator receipted_message_id user_message_reference "
        "user_response_code ussd_service_op"
    )
)

REQUIRED: Final[dict[CommandId, frozenset[Tag]]] = {
    # 5.0: TLVs that a PDU must have. Their want is ESME_RMISSINGOPTPARAM (5.0 §4.7.6), by who serves the request:
    # here it is read without them. An immediate broadcast needs no broadcast_rep_num (5.0 §4.8.4.13).
    CommandId.BROADCAST_SM: _tags(  # 5.0 §4.4.1.1
        "broadcast_area_identifier broadcast_content_type broadcast_rep_num broadcast_frequency_interval"
    ),
    CommandId.QUERY_BROADCAST_SM_RESP: _tags(  # 5.0 §4.6.1.3
        "message_state broadcast_area_identifier broadcast_area_success"
    ),
}

CARRIED_50: Final[dict[CommandId, frozenset[Tag]]] = {
    # 5.0: the TLVs of each PDU, less congestion_state.
    **dict.fromkeys(
        (CommandId.BIND_TRANSMITTER_RESP, CommandId.BIND_RECEIVER_RESP, CommandId.BIND_TRANSCEIVER_RESP),
        _tags("sc_interface_version"),  # 5.0 §4.1.1
    ),
    CommandId.ALERT_NOTIFICATION: _tags("ms_availability_status"),  # 5.0 §4.1.3
    CommandId.SUBMIT_SM: _SUBMISSION_50,
    CommandId.SUBMIT_MULTI: _SUBMISSION_50,
    CommandId.DATA_SM: _SUBMISSION_50 | _DELIVERY_50,
    CommandId.DELIVER_SM: _DELIVERY_50,
    CommandId.SUBMIT_SM_RESP: _SUBMISSION_RESP_50,
    CommandId.SUBMIT_MULTI_RESP: _SUBMISSION_RESP_50,
    CommandId.DATA_SM_RESP: _SUBMISSION_RESP_50,
    CommandId.DELIVER_SM_RESP: _SUBMISSION_RESP_50 - _tags("dpf_result"),  # 5.0 §4.3.4
    CommandId.REPLACE_SM: _tags("message_payload"),  # 5.0 §4.5.3.3
    CommandId.BROADCAST_SM: REQUIRED[CommandId.BROADCAST_SM]  # 5.0 §4.4.2
    | _CALLBACK
    | _SUBADDRESSES
    | _tags(
        "message_payload alert_on_message_delivery broadcast_channel_indicator broadcast_content_type_info "
        "broadcast_message_class broadcast_service_group source_addr_subunit dest_addr_subunit source_port "
        "destination_port display_time language_indicator ms_validity payload_type privacy_indicator sms_signal "
        "user_message_reference"
    ),
    CommandId.BROADCAST_SM_RESP: _tags("broadcast_error_status broadcast_area_identifier"),  # 5.0 §4.4.3
    CommandId.QUERY_BROADCAST_SM: _tags("user_message_reference"),  # 5.0 §4.6.1.2
    CommandId.QUERY_BROADCAST_SM_RESP: REQUIRED[CommandId.QUERY_BROADCAST_SM_RESP]
    | _tags("broadcast_end_time user_message_reference"),  # 5.0 §4.6.1.4
    CommandId.CANCEL_BROADCAST_SM: _tags("broadcast_content_type user_message_reference"),  # 5.0 §4.6.2.2
}

_RESPONSES: Final = tuple(
    command for command in CommandId if command.name.endswith("_RESP")
)  # congestion_state is in any of them (5.0 §4.8.4.18)


def _carriers(tag: Tag) -> Iterable[CommandId]:
    if tag is Tag.CONGESTION_STATE:
        return _RESPONSES
    none: frozenset[Tag] = frozenset()
    return (
        command for command in CommandId if tag in CARRIED_34.get(command, none) or tag in CARRIED_50.get(command, none)
    )


TLVS: Final[dict[int, TlvKind]] = {
    int(tag): TlvKind(
        tag,
        tag.name.lower(),
        of_type,
        sizes,
        "3.4" if in_34 else "5.0",
        f"§5.3.2.{in_34}, 5.0 §4.8.4.{in_50}" if in_34 else f"5.0 §4.8.4.{in_50}",
        tuple(_carriers(tag)),
    )
    for tag, of_type, sizes, in_34, in_50 in _TYPES
}
"""What each tag of the specifications is."""
