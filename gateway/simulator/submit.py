"""One message to one destination as it came in, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.smpp.constants import INTERFACE_VERSION_34, MessageState
from gateway.smpp.pdu import DataSm, ReplaceSm, SubmitSm, Unsuccessful

from .air import Message, part_of, show_address
from .config import IdForm
from .deliveries import Bind
from .times import seconds_until


class Ending(NamedTuple):
    """What is drawn for a message: the word of its state, how often its receipt is sent if one is asked for, and how
    long its delivery takes from `begun` on, both on Trio's clock.
    """

    word: str
    copies: int
    begun: float
    seconds: float


class Submit:
    """A submit_sm or data_sm as it came, or one destination of a submit_multi, and what was answered."""

    __slots__ = (
        "answered_at",
        "bind",
        "done",
        "encoding",
        "ending",
        "expires",
        "message",
        "message_id",
        "multi",
        "number",
        "old_esme",
        "part",
        "pdu",
        "scheduled",
        "sequence",
        "silent",
        "state",
        "status",
        "system_id",
        "t",
        "taken",
        "text",
        "wall",
    )

    def __init__(
        self, t: float, wall: float, bind: Bind, sequence: int, pdu: SubmitSm | DataSm, multi: Multi | None = None
    ) -> None:
        self.t = t
        """When it came, on Trio's clock; `wall` is the same on the wall clock."""
        self.wall = wall
        self.bind = bind.number
        self.system_id = bind.system_id
        version = bind.session.peer_version
        self.old_esme = version is not None and version < INTERFACE_VERSION_34
        """Whether who sent it said that it is of a version before 3.4."""
        self.sequence = sequence
        self.pdu = pdu
        """Of a submit_multi, the submit_sm that would have said the same for this destination."""
        self.multi = multi
        self.part = part_of(pdu)
        """Its concatenation and octets."""
        self.text: str | None = None
        """Of this part alone; None for binary."""
        self.encoding = ""
        self.status = 0
        """The command_status decided on."""
        self.silent = False
        """Left without a response on purpose."""
        self.taken = True
        """Whether the message goes on its way."""
        self.number = 0
        self.message_id = ""
        """As in the response; empty for a refusal."""
        self.message: Message | None = None
        """The message that was complete with it."""
        self.answered_at: float | None = None
        """When the response went into the bind, on Trio's clock; None when none did."""
        self.state = MessageState.ENROUTE
        self.done: float | None = None
        """When it came to a final state, on the wall clock."""
        self.scheduled: float | None = None
        """When it is delivered at the earliest, on Trio's clock; None: at once."""
        self.expires: float | None = None
        """When it is given up, on Trio's clock; None: never."""
        self.ending: Ending | None = None
        """How it is going to end, once that is settled."""

    def heed_times(self, pdu: SubmitSm | ReplaceSm, now: float, wall: float) -> None:
        """Take over the times that a PDU has, relative ones from now on; `now` is on Trio's clock."""
        for name, text in (("scheduled", pdu.schedule_delivery_time), ("expires", pdu.validity_period)):
            seconds = seconds_until(text, wall)
            if seconds is not None:
                setattr(self, name, now + seconds)

    @property
    def source(self) -> str:
        """Who sent it, an international number with "+"."""
        return show_address(self.pdu.source)

    @property
    def destination(self) -> str:
        """Whom it is for, an international number with "+"."""
        return show_address(self.pdu.destination)

    @property
    def waits(self) -> bool:
        """Whether it is taken and on its way: it can be cancelled and replaced."""
        return self.taken and self.state is MessageState.ENROUTE

    @property
    def together(self) -> Sequence[Submit]:
        """What came in one PDU with it, itself included."""
        return (self,) if self.multi is None else self.multi.submits

    def __repr__(self) -> str:
        return (
            f"Submit(bind={self.bind}, sequence={self.sequence}, {self.source} to {self.destination}, "
            f"part {self.part.seq} of {self.part.total}, status={self.status}, id={self.message_id!r})"
        )


class Multi:
    """A submit_multi: the submits that it stands for, which share one response and one message_id."""

    __slots__ = ("status", "submits", "unsuccessful")

    def __init__(self) -> None:
        self.submits: list[Submit] = []
        self.unsuccessful: list[Unsuccessful] = []
        """What the response says was not taken."""
        self.status = 0
        """The command_status when nothing was taken at all."""


def id_form_for(submit: Submit, form: IdForm) -> IdForm:
    """How ids are written for who sent it: to an ESME before 3.4 in at most 8 octets (§3.4), which is hexadecimal."""
    return "hex" if submit.old_esme else form
