"""The two ways in which octets from a peer can be wrong."""

from __future__ import annotations


class PduError(Exception):
    """Base of what reading a peer's octets can raise."""


class RecoverablePduError(PduError):
    """One PDU is wrong, and the boundaries of the next are known: answer it and the session lives (§4.3).

    `status` is the command_status to answer with; `sequence` and `command_id` are those of the PDU.
    """

    def __init__(self, status: int, sequence: int, command_id: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.sequence = sequence
        self.command_id = command_id
        self.detail = detail


class UnrecoverablePduError(PduError):
    """Where the next PDU begins is not known any more: this session ends.

    `frames` are the PDUs that were complete before the bad octets.
    """

    def __init__(self, detail: str, frames: tuple[bytes, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.frames = frames


class LocalProtocolError(Exception):
    """We ourselves asked a session for what the protocol does not allow in its state. Nothing was sent."""


class WindowFull(LocalProtocolError):
    """As many requests as the window allows are unanswered."""
