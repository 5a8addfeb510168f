"""How the simulated SMSC behaves: every trait of a carrier that an ESME must live with, as a setting."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from gateway.smpp.constants import CommandStatus, MessageState
from gateway.sms.segment import Alphabet, Scheme

Seconds: TypeAlias = float | tuple[float, float]
"""A fixed time, or the shortest and the longest of times drawn evenly."""

IdForm: TypeAlias = Literal["decimal", "hex", "hex_upper", "padded"]
ReceiptBind: TypeAlias = Literal["same", "other", "any"]
ReceiptForm: TypeAlias = Literal["both", "tlv", "text"]
Version: TypeAlias = Literal["3.4", "5.0"]

RECEIPT_STATES: Final[dict[str, MessageState]] = {
    "ENROUTE": MessageState.ENROUTE,
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
}
"""The words of a receipt's text (SMPP 3.4 Appendix B, table B-2) and the states they stand for."""

MO_TEXTS: Final = (
    "Yes, see you at 10",
    "OK 👍",
    "Спасибо, буду вовремя",
    "Could you send me the address again? I have changed phones and lost all of my messages, the last one "
    "with the directions too. Thank you, and sorry for the trouble!",
)


class SimulatorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a simulator. Times are seconds, shares run from 0 to 1. Raises ValueError for what makes
    no sense.

    The first group is what it asks of who binds, the second how it treats what is submitted, the third its
    receipts, the fourth what comes in from phones, the last its limits.
    """

    system_id: str | None = None
    """The only system_id that may bind, else ESME_RINVSYSID; None: any."""
    password: str | None = None
    """The only password taken, else ESME_RINVPASWD; None: any."""
    max_binds: int = 0
    """Binds of one system_id at a time, more get ESME_RALYBND; 0: no limit."""
    bind_status: int = 0
    """command_status that every bind gets; 0: binds are taken."""
    smsc_id: str = "simulator"
    """The system_id in bind responses."""
    interface_version: Version = "3.4"
    """The version of SMPP that it says it speaks, in bind responses; it serves all of 5.0 either way."""

    latency: Seconds = 0.0
    """From a submit_sm to its response."""
    errors: float = 0.0
    """Share of submits that are refused."""
    error_statuses: tuple[int, ...] = (
        int(CommandStatus.ESME_RTHROTTLED),
        int(CommandStatus.ESME_RMSGQFUL),
        int(CommandStatus.ESME_RSUBMITFAIL),
    )
    """command_status of those refusals, drawn evenly."""
    no_response: float = 0.0
    """Share of submits that get no response, ever."""
    no_response_taken: bool = True
    """Whether those are taken all the same: shown, and receipted."""
    throttle: int = 0
    """Submits taken in any one second, more get ESME_RTHROTTLED; 0: no limit."""
    id_form: IdForm = "decimal"
    """How message_id is written in a submit_sm_resp."""
    distribution_lists: dict[str, tuple[str, ...]] = {}
    """Addresses of each list that a submit_multi may name; any other name gets ESME_RINVDLNAME."""

    receipts: float = 1.0
    """Share of the asked receipts that are sent."""
    receipt_delay: Seconds = 0.0
    """From the response to the receipt."""
    receipt_states: dict[str, float] = msgspec.field(default_factory=lambda: {"DELIVRD": 1.0})
    """Weights of the states, by their words in RECEIPT_STATES."""
    receipt_id_form: IdForm = "decimal"
    """How the id is written in a receipt."""
    receipt_form: ReceiptForm = "both"
    """Where a receipt says what it says: in TLVs, in its text, in both."""
    receipt_on: ReceiptBind = "same"
    """The bind that gets the receipt, seen from the one that submitted, if there is such a one."""
    receipts_before_response: bool = False
    """The receipt leaves first: in one write on the same bind; on another, the response waits for its
    answer.
    """
    duplicate_receipts: float = 0.0
    """Share of receipts that are sent twice."""
    out_of_order: bool = False
    """Responses and receipts that are due together, and parts of one inbound message, go in random order."""

    mo_rate: float = 0.0
    """Inbound messages a second, made up."""
    mo_texts: tuple[str, ...] = MO_TEXTS
    mo_peers: tuple[str, ...] = ()
    """Whom they are from; empty: whom the ESME wrote to last."""
    mo_numbers: tuple[str, ...] = ()
    """Whom they are to; empty: the number that wrote last."""
    mo_scheme: Scheme = "udh8"
    """How the parts of a made-up message are tied together."""

    alphabet: Alphabet = "gsm7"
    """What data_coding 0 means, both ways."""
    window: int = 50
    """Unanswered deliver_sm on a bind."""
    response_timeout: float = 10.0
    """For the answer to a deliver_sm; then it is sent again."""
    retry_delay: float = 1.0
    """Before a deliver_sm that was refused for a while, or not answered, is sent again."""
    enquire_link: float = 30.0
    """Silence after which the ESME is asked whether it is there; 0: never."""
    session_init: float = 30.0
    """For the bind, from the connection on; 0: for ever."""
    max_waiting: int = 100_000
    """Receipts and inbound messages that wait for their acknowledgement; more are dropped and counted. As many messages
    wait for their time; more are refused with ESME_RMSGQFUL."""
    log_size: int = 10_000
    """Submits and messages that `Simulator.log` and `Simulator.messages` remember, messages and broadcasts that can
    be asked about, cancelled and replaced.
    """

    def __post_init__(self) -> None:
        for name in ("errors", "no_response", "receipts", "duplicate_receipts"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is no share from 0 to 1")
        for name in ("latency", "receipt_delay"):
            _check_seconds(name, getattr(self, name))
        for name in ("mo_rate", "throttle", "max_binds", "enquire_link", "session_init", "retry_delay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)}, 0 or more expected")
        if self.errors and not self.error_statuses:
            raise ValueError("error_statuses: none, but a share of errors")
        for status in (self.bind_status, *self.error_statuses):
            if not 0 <= status <= 0xFFFF_FFFF:
                raise ValueError(f"command_status: {status} does not fit four octets")
        if 0 in self.error_statuses:
            raise ValueError("error_statuses: 0 is no error")
        _check_weights(self.receipt_states)
        for name, members in self.distribution_lists.items():
            if not 0 < len(name) <= 20 or not members:
                raise ValueError(f"distribution_lists: {name!r}, names of 1 to 20 characters with addresses expected")
        if self.mo_rate and not self.mo_texts:
            raise ValueError("mo_texts: none, but a rate")
        if self.response_timeout <= 0:
            raise ValueError("response_timeout: more than 0 s")
        if min(self.window, self.max_waiting, self.log_size) < 1:
            raise ValueError("window, max_waiting and log_size: at least 1")

    def __repr__(self) -> str:
        # What differs from the defaults says enough; the password says too much.
        changed = [
            f"{name}={'<hidden>' if name == 'password' else repr(value)}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) != getattr(_DEFAULT, name)
        ]
        return f"SimulatorConfig({', '.join(changed)})"


def draw(seconds: Seconds, rng: random.Random) -> float:
    """One of the times that `seconds` stands for."""
    return rng.uniform(*seconds) if isinstance(seconds, tuple) else seconds


def _check_seconds(name: str, seconds: Seconds) -> None:
    low, high = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    if not 0 <= low <= high < math.inf:
        raise ValueError(f"{name}: {seconds}, 0 or more expected, the shorter time first")


def _check_weights(weights: dict[str, float]) -> None:
    unknown: Iterable[str] = sorted(set(weights) - set(RECEIPT_STATES))
    for word in unknown:
        raise ValueError(f"receipt_states: {word!r} is none of {', '.join(RECEIPT_STATES)}")
    if not weights or min(weights.values()) < 0 or not 0 < sum(weights.values()) < math.inf:
        raise ValueError("receipt_states: weights of 0 or more expected, and one above")


_DEFAULT: Final = SimulatorConfig()
