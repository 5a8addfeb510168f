"""How the binds of a carrier are held: how many, of which kind, and what is waited for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.settings.base import Section
from gateway.settings.types import Seconds

BindKind = Literal["transceiver", "transmitter", "receiver", "pair"]


class Holding(Section):
    """Binds and their times."""

    bind: BindKind = Field(
        "transceiver",
        description="Kind of bind: `transceiver`, `transmitter`, `receiver`, or `pair` (one of each of the "
        "latter two).",
    )
    binds: int = Field(1, ge=1, le=64, description="How many sessions (or pairs of them) are held.")
    enquire_link: Seconds = Field(30, ge=0, le=3600, description="Silence after which enquire_link is sent; 0: never.")
    connect_timeout: Seconds = Field(10, ge=0.1, le=300, description="Wait for the TCP and TLS connection.")
    bind_timeout: Seconds = Field(10, ge=0.1, le=300, description="Wait for the response to the bind.")
    reconnect_min: Seconds = Field(
        1, ge=1, le=3600, description="First wait before connecting again; doubles each time, with jitter."
    )
    reconnect_max: Seconds = Field(60, ge=1, le=86_400, description="Longest wait before connecting again.")
    refused_delay: Seconds = Field(
        300,
        ge=1,
        le=86_400,
        description="Wait after the carrier refused the credentials: a wrong password tried often gets "
        "accounts locked.",
    )
    already_bound_delay: Seconds = Field(
        30,
        ge=1,
        le=86_400,
        description="First wait after the carrier said that the account is bound already (ESME_RALYBND): it still "
        "counts a session that is gone. Doubles each time, to `refused_delay`.",
    )
    return_to_first: Seconds = Field(
        600,
        ge=0,
        le=86_400,
        description="With several `hosts`: time on another than the first after which the first is tried. Once it "
        "takes a connection the binds go back, one at a time; 0: they stay where they are.",
    )
    stall_after: Seconds = Field(
        60,
        ge=0,
        le=86_400,
        description="With segments to send, nothing written or nothing answered for so long: a stall. The binds are "
        "unbound and bound again, and it is counted. 0: never.",
    )
