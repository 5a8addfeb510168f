"""How the sink behaves: latency, receipts, and from a seed the faults of a carrier having a bad day."""

from __future__ import annotations

import random
import time
from collections import deque

from bench import wire

_FIXED = b"\x04" + bytes(8)
"""esm_class of a receipt, then protocol_id to sm_default_msg_id, all zero (SMPP 3.4 §4.6.1)."""
FORMS = ("both", "text", "tlv")


class Behaviour:
    """The knobs of the sink. Times in seconds, shares from 0 to 1.

    latency: from a submit to its answer.
    receipts: share of the submits asking for a receipt that get one, spread evenly.
    receipt_delay: from the answer to the receipt.
    receipt_form: `text` (Appendix B), `tlv`, or `both`.
    retry_after: from a temporary refusal of a deliver_sm to its repeat.
    cap: submits that are taken in any sliding second; more are answered ESME_RTHROTTLED. 0: as many as come.
    faults: `name:share` with commas between; the names are a status (`0x58:0.01` refuses one in a hundred),
    `silent` (taken by nobody, never answered), `cut` (the same, and the connection closes), `undelivered`
    (a receipt UNDELIV instead of DELIVRD).
    Raises ValueError when a fault or a form is not known.
    """

    SILENT = -1
    CUT = -2

    def __init__(
        self,
        *,
        latency: float = 0.0,
        receipts: float = 1.0,
        receipt_delay: float = 0.0,
        receipt_form: str = "both",
        retry_after: float = 0.5,
        cap: int = 0,
        faults: str = "",
        seed: int = 0,
    ) -> None:
        if receipt_form not in FORMS:
            raise ValueError(f"receipt form {receipt_form!r} is none of {', '.join(FORMS)}")
        self.latency = latency
        self.receipts = receipts
        self.receipt_after = latency + receipt_delay
        self.immediate = self.receipt_after == 0
        self.receipt_form = receipt_form
        self.retry_after = retry_after
        self._random = random.Random(seed)
        self._bounds: list[tuple[float, int]] = []
        self._undelivered = 0.0
        self._minute = -1.0
        self._dates = b""
        self._read_faults(faults)
        self._cap = cap
        self._taken: deque[float] = deque(maxlen=max(cap, 1))
        self.plain = not self._bounds and not cap
        """Whether every submit is accepted, so that outcome() need not be asked."""

    def _read_faults(self, faults: str) -> None:
        total = 0.0
        for fault in filter(None, faults.split(",")):
            name, _, share_text = fault.partition(":")
            share = float(share_text)
            if name == "undelivered":
                self._undelivered = share
                continue
            total += share
            if name == "silent":
                outcome = self.SILENT
            elif name == "cut":
                outcome = self.CUT
            else:
                outcome = int(name, 0)
            self._bounds.append((total, outcome))
        if total > 1:
            raise ValueError("the shares of the faults are more than 1 together")

    def outcome(self) -> int:
        """The status of the next submit_sm_resp, or SILENT or CUT."""
        if self._cap:
            now = time.monotonic()
            if len(self._taken) == self._cap and self._taken[0] > now - 1.0:
                return wire.RTHROTTLED
            self._taken.append(now)
        drawn = self._random.random()
        for bound, outcome in self._bounds:
            if drawn < bound:
                return outcome
        return wire.ROK

    def delivered(self) -> bool:
        return not self._undelivered or self._random.random() >= self._undelivered

    def dates(self) -> bytes:
        """` submit date:YYMMDDhhmm done date:YYMMDDhhmm` of this minute, in UTC."""
        minute = time.time() // 60
        if minute != self._minute:
            self._minute = minute
            now = time.strftime("%y%m%d%H%M", time.gmtime()).encode()
            self._dates = b" sub:001 dlvrd:001 submit date:" + now + b" done date:" + now
        return self._dates


def receipt_body(
    data: bytes,
    source: int,
    destination: int,
    fixed: int,
    registered: int,
    smsc_id: bytes,
    behaviour: Behaviour,
) -> bytes:
    """The deliver_sm body of the receipt for the submit_sm in data (Appendix B; TLVs §5.3.2.12, §5.3.2.35).

    source, destination, fixed and registered are offsets into data: of source_addr_ton, of dest_addr_ton, of
    esm_class and of registered_delivery.
    """
    delivered = behaviour.delivered()
    text = tlvs = b""
    if behaviour.receipt_form != "tlv":
        # The first 20 characters, where an octet is a character: no user data header, data_coding 0.
        plain = not (data[fixed] & wire.UDHI or data[registered + 2])
        start = data[registered + 5 : registered + 5 + min(20, data[registered + 4])] if plain else b""
        state = b" stat:DELIVRD err:000 text:" if delivered else b" stat:UNDELIV err:001 text:"
        text = b"id:" + smsc_id + behaviour.dates() + state + start
    if behaviour.receipt_form != "text":
        tlvs = b"\x00\x1e\x00%c%b\x00\x04\x27\x00\x01%c" % (len(smsc_id) + 1, smsc_id, 2 if delivered else 5)
    return b"".join((b"\0", data[destination:fixed], data[source:destination], _FIXED, bytes((len(text),)), text, tlvs))


def orphan_body(number: int, behaviour: Behaviour) -> bytes:
    """The deliver_sm body of a receipt (Appendix B) for an id that no submit_sm was given: letters, and `number`."""
    text = b"id:orphan%d" % number + behaviour.dates() + b" stat:DELIVRD err:000 text:"
    return wire.short_message_body(
        wire.address("+12125550100"), wire.address("+15551230001"), text, esm_class=wire.TYPE_RECEIPT
    )
