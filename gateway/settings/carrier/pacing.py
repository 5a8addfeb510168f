"""How fast and in which order segments go to a carrier, and what is done about those that it does not take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.carrier.statuses import StatusActions
from gateway.settings.types import Form, Seconds


class Pacing(Section):
    """Window, rate and repeats."""

    window: int = Field(50, ge=1, le=10_000, description="Unanswered submits on one bind at a time; ask the carrier.")
    throughput: float = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Segments a second over all binds of the carrier; 0: no cap. In no second more than the whole "
        "number of it, so 1.5 gives 1.",
    )
    burst: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Segments that may go at once after a rest, beyond `throughput`: no second holds more than "
        "`throughput` and these. Without effect where `throughput` is 0.",
    )
    adapt: bool = Field(
        True,
        description="Slow down when the carrier throttles and find the rate that it takes: the rate falls by a share, "
        "and rises again while segments are accepted, up to `throughput`, or without bound where that is 0. False: "
        "only `throttle_pause` is kept.",
    )
    response_timeout: Seconds = Field(
        10, ge=0.1, le=600, description="Wait for a response; after it a segment is in doubt."
    )
    in_doubt: Literal["resend", "hold"] = Field(
        "resend",
        description="A segment that was written and not answered: `resend` (at most once, may come twice) or "
        "`hold` (an operator decides).",
    )
    order: Literal["peer", "none"] = Field(
        "peer",
        description="`peer`: one message at a time between a number and a peer, so that they arrive in "
        "order; `none`: no such wait.",
    )
    retry_delay: Seconds = Field(
        5, ge=0.1, le=300, description="First wait after a temporary refusal; doubles to 300 seconds."
    )
    throttle_pause: Seconds = Field(
        0.5,
        ge=0.05,
        le=300,
        description="Pause of the whole carrier after ESME_RTHROTTLED (0x58), and after ESME_RMSGQFUL (0x14) for many "
        "peers in a short time.",
    )
    statuses: Annotated[StatusActions, Form("table: status = action")] = Field(
        {},
        description="What to do on a command_status that this carrier uses otherwise, such as "
        '`{ ESME_RSYSERR = "throttle", "0x400" = "retry" }`: `sent` (taken), `throttle` (the carrier pauses), '
        "`queue_full` (that peer waits), `retry` (the message waits), `reroute` (final here, another carrier may take "
        "it) or `refuse` (final).",
    )
