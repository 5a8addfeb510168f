"""Numbers of the specification, written out here once more: smpplib is not trusted blindly."""

from __future__ import annotations

from gateway.smpp.constants import (
    CommandId,
    EsmClass,
    MessageState,
    Npi,
    RegisteredDelivery,
    Tag,
    Ton,
)

# §5.1.2.1
COMMANDS = {
    "GENERIC_NACK": 0x80000000,
    "BIND_RECEIVER": 0x00000001,
    "BIND_RECEIVER_RESP": 0x80000001,
    "BIND_TRANSMITTER": 0x00000002,
    "BIND_TRANSMITTER_RESP": 0x80000002,
    "SUBMIT_SM": 0x00000004,
    "SUBMIT_SM_RESP": 0x80000004,
    "DELIVER_SM": 0x00000005,
    "DELIVER_SM_RESP": 0x80000005,
    "UNBIND": 0x00000006,
    "UNBIND_RESP": 0x80000006,
    "BIND_TRANSCEIVER": 0x00000009,
    "BIND_TRANSCEIVER_RESP": 0x80000009,
    "OUTBIND": 0x0000000B,
    "ENQUIRE_LINK": 0x00000015,
    "ENQUIRE_LINK_RESP": 0x80000015,
    "ALERT_NOTIFICATION": 0x00000102,
    "DATA_SM": 0x00000103,
    "DATA_SM_RESP": 0x80000103,
}
# §5.3.2; from CONGESTION_STATE 5.0 §4.8.4
TAGS = {
    "DEST_ADDR_SUBUNIT": 0x0005, "DEST_NETWORK_TYPE": 0x0006, "DEST_BEARER_TYPE": 0x0007,
    "DEST_TELEMATICS_ID": 0x0008, "SOURCE_ADDR_SUBUNIT": 0x000D, "SOURCE_NETWORK_TYPE": 0x000E,
    "SOURCE_BEARER_TYPE": 0x000F, "SOURCE_TELEMATICS_ID": 0x0010, "QOS_TIME_TO_LIVE": 0x0017,
    "PAYLOAD_TYPE": 0x0019, "ADDITIONAL_STATUS_INFO_TEXT": 0x001D, "RECEIPTED_MESSAGE_ID": 0x001E,
    "MS_MSG_WAIT_FACILITIES": 0x0030, "PRIVACY_INDICATOR": 0x0201, "SOURCE_SUBADDRESS": 0x0202,
    "DEST_SUBADDRESS": 0x0203, "USER_MESSAGE_REFERENCE": 0x0204, "USER_RESPONSE_CODE": 0x0205,
    "SOURCE_PORT": 0x020A, "DESTINATION_PORT": 0x020B, "SAR_MSG_REF_NUM": 0x020C,
    "LANGUAGE_INDICATOR": 0x020D, "SAR_TOTAL_SEGMENTS": 0x020E, "SAR_SEGMENT_SEQNUM": 0x020F,
    "SC_INTERFACE_VERSION": 0x0210, "CALLBACK_NUM_PRES_IND": 0x0302, "CALLBACK_NUM_ATAG": 0x0303,
    "NUMBER_OF_MESSAGES": 0x0304, "CALLBACK_NUM": 0x0381, "DPF_RESULT": 0x0420, "SET_DPF": 0x0421,
    "MS_AVAILABILITY_STATUS": 0x0422, "NETWORK_ERROR_CODE": 0x0423, "MESSAGE_PAYLOAD": 0x0424,
    "DELIVERY_FAILURE_REASON": 0x0425, "MORE_MESSAGES_TO_SEND": 0x0426, "MESSAGE_STATE": 0x0427,
    "USSD_SERVICE_OP": 0x0501, "DISPLAY_TIME": 0x1201, "SMS_SIGNAL": 0x1203, "MS_VALIDITY": 0x1204,
    "ALERT_ON_MESSAGE_DELIVERY": 0x130C, "ITS_REPLY_TYPE": 0x1380, "ITS_SESSION_INFO": 0x1383,
    "CONGESTION_STATE": 0x0428, "BILLING_IDENTIFICATION": 0x060B, "SOURCE_NETWORK_ID": 0x060D,
    "DEST_NETWORK_ID": 0x060E, "SOURCE_NODE_ID": 0x060F, "DEST_NODE_ID": 0x0610,
    "DEST_ADDR_NP_RESOLUTION": 0x0611, "DEST_ADDR_NP_INFORMATION": 0x0612, "DEST_ADDR_NP_COUNTRY": 0x0613,
}  # fmt: skip


def test_numbers() -> None:
    assert {command.name: command.value for command in CommandId} == COMMANDS
    assert {tag.name: tag.value for tag in Tag} == TAGS
    assert [ton.value for ton in Ton] == [0, 1, 2, 3, 4, 5, 6]  # §5.2.5
    assert [npi.value for npi in Npi] == [0, 1, 3, 4, 6, 8, 9, 10, 14, 18]  # §5.2.6
    assert [state.name for state in MessageState] == [  # §5.2.28, 5.0 §4.7.15
        "SCHEDULED",
        "ENROUTE",
        "DELIVERED",
        "EXPIRED",
        "DELETED",
        "UNDELIVERABLE",
        "ACCEPTED",
        "UNKNOWN",
        "REJECTED",
        "SKIPPED",
    ]
    assert [state.value for state in MessageState] == list(range(10))


def test_bits() -> None:
    assert EsmClass.MODE_MASK | EsmClass.TYPE_MASK | EsmClass.FEATURE_MASK == 0xFF
    assert EsmClass.UDHI | EsmClass.REPLY_PATH == EsmClass.FEATURE_MASK
    for kind in (EsmClass.RECEIPT, EsmClass.DELIVERY_ACK, EsmClass.USER_ACK, EsmClass.INTERMEDIATE):
        assert kind & EsmClass.TYPE_MASK == kind
    assert RegisteredDelivery.RECEIPT & RegisteredDelivery.RECEIPT_MASK == 1
