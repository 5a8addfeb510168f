"""What a command_status in a response means for the segment, or for the bind (SMPP 3.4 §5.1.3, 5.0 §4.7.6)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.settings.carrier.statuses import by_status
from gateway.smpp.status import CommandStatus, StatusClass, status_class

if TYPE_CHECKING:
    from collections.abc import Mapping


class Action(Enum):
    """What to do with the segment; the values are the words of the setting ``statuses``."""

    SENT = "sent"
    THROTTLE = "throttle"  # the carrier as a whole pauses and slows down; the segment is tried again
    QUEUE_FULL = "queue_full"  # this segment is tried again later; many peers at once: the carrier pauses
    RETRY = "retry"  # this segment is tried again later
    REROUTE = "reroute"  # final here; another carrier may not share the reason
    REFUSE = "refuse"  # final


_S: Final = CommandStatus

DEFAULTS: Final[Mapping[int, Action]] = {
    _S.ESME_ROK: Action.SENT,
    _S.ESME_RTHROTTLED: Action.THROTTLE,
    # Mostly one recipient's queue, and that pauses nobody else; `FullQueues` sees when it is the carrier's.
    _S.ESME_RMSGQFUL: Action.QUEUE_FULL,
    _S.ESME_RINVBNDSTS: Action.RETRY,
    _S.ESME_RSYSERR: Action.RETRY,
    _S.ESME_RX_T_APPN: Action.RETRY,
    # Of the account there, not of the message: it may not send at all, not by this operation, not of this service_type.
    _S.ESME_RALYBND: Action.REROUTE,
    _S.ESME_RBINDFAIL: Action.REROUTE,
    _S.ESME_RINVPASWD: Action.REROUTE,
    _S.ESME_RINVSYSID: Action.REROUTE,
    _S.ESME_RINVSYSTYP: Action.REROUTE,
    _S.ESME_RPROHIBITED: Action.REROUTE,
    _S.ESME_RINVCMDID: Action.REROUTE,
    _S.ESME_RINVSERTYP: Action.REROUTE,
    _S.ESME_RSERTYPUNAUTH: Action.REROUTE,
    _S.ESME_RSERTYPUNAVAIL: Action.REROUTE,
    _S.ESME_RSERTYPDENIED: Action.REROUTE,
    # The sender is not provisioned there; another carrier may have it.
    _S.ESME_RINVSRCADR: Action.REROUTE,
    _S.ESME_RINVSRCTON: Action.REROUTE,
    _S.ESME_RINVSRCNPI: Action.REROUTE,
    _S.ESME_RINVSRCADDRSUBUNIT: Action.REROUTE,
    # The form that we chose for this carrier; for another the message is planned anew, with that one's settings.
    _S.ESME_RINVMSGLEN: Action.REROUTE,
    _S.ESME_RINVPRTFLG: Action.REROUTE,
    _S.ESME_RINVREGDLVFLG: Action.REROUTE,
    _S.ESME_RINVESMCLASS: Action.REROUTE,
    _S.ESME_RINVEXPIRY: Action.REROUTE,
    _S.ESME_RINVDCS: Action.REROUTE,
    _S.ESME_RINVOPTPARSTREAM: Action.REROUTE,
    _S.ESME_ROPTPARNOTALLWD: Action.REROUTE,
    _S.ESME_RINVPARLEN: Action.REROUTE,
    _S.ESME_RMISSINGOPTPARAM: Action.REROUTE,
    _S.ESME_RINVOPTPARAMVAL: Action.REROUTE,
    # It failed, and nothing is said of the destination.
    _S.ESME_RSUBMITFAIL: Action.REROUTE,
    _S.ESME_RUNKNOWNERR: Action.REROUTE,
}
"""All others are final, wherever they would go: they speak of the destination or of what is in the message, or are in
no specification. A rejection of the content (ESME_RX_R_APPN) is not taken to the next carrier."""


class Statuses:
    """The actions of one carrier: `DEFAULTS`, and over them the carrier's ``statuses`` (checked by the settings)."""

    __slots__ = ("_actions",)

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self._actions: dict[int, Action] = {int(status): action for status, action in DEFAULTS.items()}
        self._actions |= {status: Action(action) for status, action in by_status(own or {}).items()}

    def action(self, status: int) -> Action:
        """The action on a command_status; what is in no table is final."""
        return self._actions.get(status, Action.REFUSE)


def refuses_account(status: int) -> bool:
    """Whether a bind answered with this command_status is for a person to mend, and not to be tried again soon."""
    return status_class(status) is StatusClass.CREDENTIALS


MANY_FULL: Final = 10
"""Peers whose queue is said to be full within `FULL_WITHIN` that make it the carrier's queue, not theirs."""
FULL_WITHIN: Final = 10.0
"""Seconds in which so many peers are counted."""


class FullQueues:
    """Tells a carrier whose queue is full from phones whose is: both answer ESME_RMSGQFUL.

    Many different peers in a short time, and not half as many segments taken meanwhile: the carrier. Times are seconds
    of one clock; at most `MANY_FULL` peers are remembered.
    """

    __slots__ = ("_peers", "_taken")

    def __init__(self) -> None:
        self._peers: dict[str, tuple[float, int]] = {}  # when last refused, and `_taken` then; oldest first
        self._taken = 0  # segments accepted so far

    def full(self, peer: str, now: float) -> bool:
        """Counts a refusal; returns whether the carrier as a whole should be given a pause."""
        peers = self._peers
        peers.pop(peer, None)
        for other, (at, taken) in list(peers.items()):
            if now - at <= FULL_WITHIN and self._taken - taken < MANY_FULL // 2:
                break
            del peers[other]
        peers[peer] = (now, self._taken)
        if len(peers) < MANY_FULL:
            return False
        peers.clear()
        return True

    def taken(self, segments: int) -> None:
        """So many segments were accepted."""
        self._taken += segments
