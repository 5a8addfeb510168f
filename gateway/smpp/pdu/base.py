"""What all PDUs are made of: Address, Tlv, and their base classes."""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeAlias

import msgspec

from gateway.smpp.constants import Tag

TlvValue: TypeAlias = int | str | bytes
"""An integer, a C-octet string without its terminator, or octets: which one is in `tlv.KINDS`."""


class Address(msgspec.Struct, frozen=True, gc=False):
    """An address with its type of number and numbering plan (§5.2.5, §5.2.6, §5.2.8)."""

    ton: int = 0
    npi: int = 0
    addr: str = ""


class Tlv(msgspec.Struct, frozen=True, gc=False):
    """An optional parameter (§5.3). One that is not known, or whose length is not its type's, has bytes."""

    tag: int
    value: TlvValue

    def __repr__(self) -> str:
        # Payloads are message text: logs show their size only.
        if self.tag == Tag.MESSAGE_PAYLOAD:
            return f"Tlv(tag=0x{self.tag:04X}, value=<{octet_count(self.value)}>)"
        return f"Tlv(tag=0x{self.tag:04X}, value={self.value!r})"


class Pdu(msgspec.Struct, frozen=True, gc=False):
    """Base of all PDUs."""

    command_id: ClassVar[int]


class _HasTlvs(Protocol):
    @property
    def tlvs(self) -> tuple[Tlv, ...]: ...


class WithTlvs(Pdu, frozen=True, gc=False):
    def tlv(self: _HasTlvs, tag: int) -> TlvValue | None:
        """Value of the first optional parameter with this tag, None when there is none."""
        for tlv in self.tlvs:
            if tlv.tag == tag:
                return tlv.value
        return None


def octet_count(value: object) -> str:
    """For logs, which must not show text: how much there is."""
    return f"{len(value)} octets" if isinstance(value, bytes | str) else type(value).__name__
