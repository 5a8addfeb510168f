"""Where smpplib 2.2.4 differs from the specification, and there is no comparing with it: a table.

Each row names the test of `test_smpplib_differences.py` that shows both what smpplib does and what we do.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Difference(NamedTuple):
    """One thing that smpplib does otherwise."""

    what: str
    section: str
    shown_by: str
    """Name of the test function."""


DIFFERENCES: Final = (
    Difference(
        "knows the numbers of outbind, submit_multi, cancel_sm and replace_sm and can neither build nor parse them",
        "§4.1.7, §4.5, §4.9, §4.10",
        "test_pdus_that_it_has_not",
    ),
    Difference("has nothing of the broadcast PDUs", "5.0 §4.4, §4.6", "test_pdus_that_it_has_not"),
    Difference(
        "raises on an unknown command_id, so that generic_nack cannot be answered with its sequence_number",
        "§4.3",
        "test_an_unknown_command",
    ),
    Difference("raises on a TLV that it does not know (by default)", "§3.3", "test_an_unknown_tlv"),
    Difference(
        "raises on a TLV that it does know in a PDU whose table it is not in: callback_num_pres_ind in deliver_sm, "
        "anything in submit_sm_resp",
        "§3.3",
        "test_a_known_tlv_in_another_pdu",
    ),
    Difference("writes TLVs in its own order and each at most once", "§3.2.4, §5.3.2.36", "test_order_and_repeats"),
    Difference(
        "reads an integer of the size it expects and not of the length that is there: what follows is read shifted",
        "§5.3",
        "test_a_tlv_of_another_length",
    ),
    Difference("has source_addr_subunit of submit_sm in two octets", "§5.3.2.2", "test_source_addr_subunit"),
    Difference(
        "has source_telematics_id in two octets, as dest_telematics_id is",
        "§5.3.2.8",
        "test_source_telematics_id",
    ),
    Difference(
        "has octet strings as C-octet strings: adds a NUL to source_subaddress, dest_subaddress, callback_num_atag, "
        "and of data_sm_resp network_error_code; takes the last octet off in reading",
        "§5.3.2.15, §5.3.2.16, §5.3.2.38, §5.3.2.31",
        "test_octet_strings_with_a_terminator",
    ),
    Difference(
        "has delivery_failure_reason as a C-octet string: reads it as empty",
        "§5.3.2.33",
        "test_delivery_failure_reason",
    ),
    Difference(
        "never writes alert_on_message_delivery and never tells that it came", "§5.3.2.41", "test_a_tlv_without_a_value"
    ),
    Difference(
        "writes text beyond ASCII in a TLV as UTF-8 with the number of its characters for a length: the PDU is broken",
        "§3.2.4.1",
        "test_text_beyond_ascii",
    ),
    Difference(
        "writes 66 octets of receipted_message_id, one more than there may be", "§5.3.2.12", "test_the_longest_text"
    ),
    Difference(
        "cuts off text that is too long without a word: system_id, password, addresses (those of data_sm and "
        "alert_notification at 20 characters, where 64 fit)",
        "§4.1.1, §4.7.1, §4.12.1",
        "test_text_that_is_too_long",
    ),
    Difference("takes 255 octets of short_message, where 254 fit", "§5.2.21", "test_255_octets_of_text"),
    Difference("always announces interface_version 0x34", "§5.2.4", "test_interface_version"),
    Difference("writes a body into an error response", "§4.1.2, §4.4.2", "test_the_body_of_an_error_response"),
    Difference(
        "takes a body that ends within the mandatory fields, and leaves the rest out",
        "§4.3.1",
        "test_a_body_that_ends_early",
    ),
    Difference(
        "takes an sm_length that is more than what is left, and shortens the text",
        "§5.2.21",
        "test_sm_length_past_the_end",
    ),
    Difference("does not look at command_length", "§3.2", "test_a_wrong_command_length"),
    Difference(
        "raises struct.error on a body where none belongs and on half a TLV", "§4.11.1, §3.3", "test_octets_left_over"
    ),
    Difference(
        "gsm.make_parts divides between an escape and its character",
        "TS 23.040 §9.2.3.24.1",
        "test_its_splitter_divides_characters",
    ),
    Difference(
        "gsm.make_parts divides a surrogate pair", "TS 23.040 §9.2.3.24.1", "test_its_splitter_divides_characters"
    ),
    Difference("has no words for ESME_RINVREGDLVFLG", "§5.1.3", "test_a_status_without_words"),
)
