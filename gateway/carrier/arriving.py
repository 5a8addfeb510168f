"""How what a carrier sends is read: whose numbers, which alphabet, what is a receipt. Built once for each carrier.

An application knows a phone by one form of its number, and so does its STOP: carriers write that number with and
without +, in national form, with prefixes of their own, and with any TON.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.carrier.reasons import Reasons
from gateway.model import RECEIPT_STATES
from gateway.settings import Carrier as CarrierSettings
from gateway.settings.carrier.forms import STATES, zone_of
from gateway.smpp.pdu import Address, DataSm, DeliverSm
from gateway.smpp.receipt import Receipt, read_receipt, receipt_time
from gateway.smpp.receipttext import ReceiptText
from gateway.smpp.usualreceipt import Ending, is_usual, take_apart
from gateway.sms.address import from_wire
from gateway.sms.numbering import possible_as_is

_ALPHANUMERIC: Final = 5
_TONS: Final = {"international": 1, "national": 2}
"""TON as which a number is read, whatever TON it came with (SMPP 3.4 §5.2.5)."""
MOST_ENDINGS: Final = 1000
"""Endings of receipts that are remembered, with what they mean; their dates have minutes or seconds."""


class Outcome(NamedTuple):
    """What a receipt does to its segment. ``state`` is the `State` that it leads to, None for one that changes nothing.

    ``receipt_state`` is the message_state (SMPP 3.4 §5.2.28); ``done`` when the carrier says that it came to its end,
    in ms since 1970.
    """

    state: int | None
    receipt_state: int | None
    reason: str | None
    error: str | None
    done: int | None


class Arriving:
    """Reads the PDUs of one carrier."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._region = settings.region
        self._ton = _TONS.get(settings.peer_numbers)
        self._rules = [(rule.prefix, rule.digits, rule.put) for rule in settings.peer_rules]
        # Whether an international number is what it says it is: most are, and `from_wire` says the same of them.
        self._as_written = not self._rules and self._ton != 2
        self._text_receipts = settings.text_receipts
        self._form = ReceiptText(settings.receipt_text) if settings.receipt_text is not None else None
        self._words = {word.lower(): STATES[state] for word, state in settings.receipt_states.items()} or None
        self._zone = zone_of(settings.receipt_time_zone or settings.time_zone)
        self._done: tuple[str, int | None] = ("", None)
        self._endings: dict[Ending, Outcome] = {}
        self.alphabet = settings.mo_alphabet
        """What data_coding 0 means."""
        self.reasons = Reasons(settings)

    def peer(self, address: Address, region: str | None = None) -> str:
        """A phone's number as the gateway keeps it; ``region`` is that of the gateway, where the carrier has none."""
        if address.ton == 1 and self._as_written:
            value = "+" + address.addr
            if possible_as_is(value):
                return value
        if self._rules and address.ton != _ALPHANUMERIC:
            address = self._rewritten(address)
        return self.number(address, region)

    def number(self, address: Address, region: str | None = None) -> str:
        """The same without the rules for phones, for our own numbers."""
        ton = address.ton
        if self._ton is not None and ton != _ALPHANUMERIC and not address.addr.startswith("+"):
            ton = self._ton
        return from_wire(ton, address.npi, address.addr, self._region or region)

    def _rewritten(self, address: Address) -> Address:
        addr = address.addr
        digits = len(addr) - addr.startswith("+")
        for prefix, count, put in self._rules:
            if addr.startswith(prefix) and count in (0, digits):
                return Address(address.ton, address.npi, put + addr[len(prefix) :])
        return address

    def receipt(self, pdu: DeliverSm | DataSm) -> Receipt | None:
        """The receipt that a PDU is, None where it is a message."""
        return read_receipt(pdu, text_only=self._text_receipts, form=self._form, words=self._words)

    def told(self, pdu: DeliverSm | DataSm) -> tuple[str, Outcome] | None:
        """The id that a receipt names ("" where it names none) and what it does; None where the PDU is a message."""
        apart = take_apart(pdu) if self._form is None else None
        if apart is not None:
            known = self._endings.get(apart[1])
            if known is not None:
                return apart[0], known
        receipt = self.receipt(pdu)
        if receipt is None:
            return None
        outcome = self._outcome(receipt)
        if apart is not None and is_usual(apart[1]):
            if len(self._endings) >= MOST_ENDINGS:
                self._endings.clear()
            self._endings[apart[1]] = outcome
        return receipt.id, outcome

    def _outcome(self, receipt: Receipt) -> Outcome:
        said = receipt.state
        state = None if said is None or receipt.intermediate else RECEIPT_STATES.get(said)
        return Outcome(
            state=None if state is None else int(state),
            receipt_state=None if said is None else int(said),
            reason=self.reasons.of_receipt(receipt),
            error=receipt.error,
            done=self.done_at(receipt),
        )

    def done_at(self, receipt: Receipt) -> int | None:
        """When the carrier says that it came to its end, in ms since 1970; None where it says none."""
        digits = receipt.done_date
        if digits is None:
            return None
        known = self._done
        if known[0] != digits:  # they have minutes, or seconds: many in a row have the same
            moment = receipt_time(digits)
            at = None if moment is None else int(moment.replace(tzinfo=self._zone).timestamp() * 1000)
            known = self._done = (digits, at)
        return known[1]
