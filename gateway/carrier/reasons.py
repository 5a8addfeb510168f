"""What a carrier's codes mean, in the words of docs/socket.md: a command_status, and the error of a receipt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.settings import Carrier as CarrierSettings
from gateway.settings.carrier.forms import fold_error, status_of
from gateway.smpp.constants import CommandStatus, MessageState
from gateway.smpp.receipt import Receipt

_S: Final = CommandStatus

OF_STATUS: Final[Mapping[int, str]] = {
    _S.ESME_RINVDSTADR: "invalid_destination",
    _S.ESME_RINVDSTTON: "invalid_destination",
    _S.ESME_RINVDSTNPI: "invalid_destination",
    _S.ESME_RINVSRCADR: "sender_refused",
    _S.ESME_RINVSRCTON: "sender_refused",
    _S.ESME_RINVSRCNPI: "sender_refused",
    _S.ESME_RINVSRCADDRSUBUNIT: "sender_refused",
}
"""By command_status (SMPP 3.4 §5.1.3); others are `carrier_refused`. A vendor's codes (0x400 to 0x4FF) mean something
else with each: they are settings."""

OF_STATE: Final[Mapping[MessageState, str]] = {
    MessageState.DELIVERED: "delivered",
    MessageState.EXPIRED: "expired_at_carrier",
    MessageState.DELETED: "deleted",
    MessageState.UNDELIVERABLE: "undelivered",
    MessageState.REJECTED: "rejected_by_carrier",
    MessageState.SKIPPED: "undelivered",
}
"""By message_state (§5.2.28) where no code says more."""

OF_GSM: Final[Mapping[int, str]] = {
    1: "unknown_subscriber",  # unknownSubscriber
    5: "unknown_subscriber",  # unidentifiedSubscriber
    6: "absent",  # absentSubscriberSM
    9: "barred",  # illegalSubscriber
    11: "no_sms_capability",  # teleserviceNotProvisioned
    12: "barred",  # illegalEquipment
    13: "barred",  # callBarred
    21: "no_sms_capability",  # facilityNotSupported
    27: "absent",  # absentSubscriber
    31: "absent",  # subscriberBusyForMT-SMS
    34: "network_failure",  # systemFailure
    35: "network_failure",  # dataMissing
    36: "network_failure",  # unexpectedDataValue
}
"""By error of MAP (TS 29.002 §17.6.6). sm-DeliveryFailure (32) does not say which, and stays `undelivered`."""

_GSM: Final = 3
"""network_error_code of a GSM network (SMPP 3.4 §5.3.2.31)."""
_SAYS_NOTHING: Final = (MessageState.UNDELIVERABLE, MessageState.REJECTED)
"""States of which a code of the network says more. A carrier's own codes go before any state but `delivered`."""


_code: Final = re.compile(r"[0-9]{1,5}", re.ASCII).fullmatch


class Reasons:
    """The reasons of one carrier: its own codes before the usual ones."""

    def __init__(self, settings: CarrierSettings) -> None:
        self._statuses: dict[int, str] = {int(status): reason for status, reason in OF_STATUS.items()}
        self._errors: dict[str, str] = {}
        self._gsm = settings.error_codes == "gsm"
        for code, reason in settings.reasons.items():
            status = status_of(code)
            if status is None:
                self._errors[fold_error(code[4:])] = reason
            else:
                self._statuses[status] = reason

    def of_status(self, status: int) -> str:
        """The reason of a final refusal."""
        return self._statuses.get(status, "carrier_refused")

    def of_receipt(self, receipt: Receipt) -> str | None:
        """The reason that a receipt gives, None where its state is none that is known."""
        state = receipt.state
        if state is None:
            return None
        usual = OF_STATE.get(state)
        if state is MessageState.DELIVERED or usual is None:
            return usual
        if self._errors and receipt.error is not None:
            own = self._errors.get(fold_error(receipt.error))
            if own is not None:
                return own
        network = receipt.network_error
        if network is not None and len(network) == 3:
            code = int.from_bytes(network[1:], "big")
            if self._errors and (own := self._errors.get(fold_error(str(code)))) is not None:
                return own
            if network[0] == _GSM and state in _SAYS_NOTHING:
                return OF_GSM.get(code, usual)
        if self._gsm and state in _SAYS_NOTHING and receipt.error is not None and _code(receipt.error) is not None:
            return OF_GSM.get(int(receipt.error), usual)
        return usual
