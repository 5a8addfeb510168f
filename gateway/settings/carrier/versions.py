"""What SMPP 3.3 does not have: optional parameters came with 3.4 (SMPP 3.4 §3.4), and bind_transceiver with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.settings.carrier import Carrier

SMPP_3_3: Final = 0x33
LONGEST_SEGMENT: Final = 160
"""Octets of a segment at most: 160 septets, one to an octet."""


def version_problem(carrier: Carrier) -> str | None:
    """What a carrier is told of `interface_version` = "3.3" and settings that need TLVs, None where all is well."""
    if carrier.interface_version != SMPP_3_3:
        return None
    needs = (
        (carrier.long_messages in ("sar", "payload"), f'long_messages = "{carrier.long_messages}"'),
        (carrier.longest_short_message < LONGEST_SEGMENT, f"longest_short_message = {carrier.longest_short_message}"),
        (carrier.flash == "dest_addr_subunit", 'flash = "dest_addr_subunit"'),
        (carrier.ports == "tlv", 'ports = "tlv"'),
        (bool(carrier.tlvs), "tlvs"),
    )
    wrong = next((said for is_so, said in needs if is_so), None)
    return None if wrong is None else f'interface_version = "3.4" beside {wrong}: SMPP 3.3 has no TLVs'
