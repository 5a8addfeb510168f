"""The sections about the daemon itself: store, socket, metrics, log and limits."""

from __future__ import annotations

import grp
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, StringConstraints

from gateway.settings.base import Section
from gateway.settings.types import FilePath, MiB, Octets, Seconds, fail, split_host_port


def _store_url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme != "sqlite":
        raise fail("store_url", 'a SQLite file as "sqlite:////absolute/path.db"; no other database is known')
    name = unquote(rest)
    if not rest.startswith("//") or name.endswith("/") or "?" in rest or "\0" in name:
        raise fail("store_url", 'a file as "sqlite:////absolute/path.db": four slashes, no options')
    return value


def _group(value: str) -> str:
    try:
        grp.getgrnam(value)
    except (KeyError, ValueError):  # ValueError: a NUL in the name
        raise fail("group", "the name of a group of this machine") from None
    return value


def _metrics_bind(value: str) -> str:
    if value:
        split_host_port(value)
    return value


class Store(Section):
    """The database: the one place where messages are."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        "sqlite:////var/lib/smsgw/smsgw.db",
        description="The database file, as `sqlite:////absolute/path.db`, in which `%25` is a percent sign. Its "
        "directory is locked by the daemon that uses it.",
    )
    synchronous: Literal["full", "normal"] = Field(
        "full",
        description="`full`: an accepted message survives a power cut. `normal` is for measurements only: "
        "it acknowledges what may be lost.",
    )
    min_free_disk: MiB = Field(
        64,
        ge=0,
        le=1_048_576,
        description="Free disk below which submits are refused and carriers told to wait.",
    )
    wal_limit: MiB = Field(
        256,
        ge=8,
        le=65_536,
        description="Size of the write-ahead log at which intake waits for a checkpoint.",
    )
    node: int = Field(
        0,
        ge=0,
        le=63,
        description="Number of this daemon in its message ids; different for each that you run.",
    )

    @property
    def path(self) -> Path:
        """The database file, as `gateway.store.database.file_of` reads the URL."""
        return Path(unquote(self.url.removeprefix("sqlite:///")))


class Socket(Section):
    """The local socket where applications submit and subscribe."""

    path: FilePath = Field(Path("/run/smsgw/smsgw.sock"), description="The unix socket.")
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = Field(
        "0660", description="Access mode of the socket, as octal digits in quotes."
    )
    group: Annotated[str, AfterValidator(_group)] | None = Field(
        None, description="Group that owns the socket; without it, the group of the daemon."
    )
    max_line: Octets = Field(
        1_048_576,
        ge=4096,
        le=16_777_216,
        description="Longest request line; a longer one closes the connection.",
    )
    max_unanswered: int = Field(
        5000, ge=1, le=100_000, description="Unanswered requests of a connection at which its reading stops."
    )
    max_output: Octets = Field(
        8_388_608,
        ge=65_536,
        le=1_073_741_824,
        description="Unread replies and events of a connection at which its reading stops.",
    )

    @property
    def mode_bits(self) -> int:
        """`mode` as a number."""
        return int(self.mode, 8)


class Metrics(Section):
    """Prometheus metrics over HTTP."""

    bind: Annotated[str, AfterValidator(_metrics_bind)] = Field(
        "127.0.0.1:9464", description='Address of the metrics page as `host:port`; `""` switches it off.'
    )

    @property
    def address(self) -> tuple[str, int] | None:
        """(host, port) to listen on, or None when off."""
        return split_host_port(self.bind) if self.bind else None


class Log(Section):
    """What the daemon says about itself, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal, else json."
    )
    reveal: bool = Field(
        False, description="Log message texts and whole phone numbers. For fault finding only; never secrets."
    )
    burst: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Lines of one event logged in a second; more are counted and the count is logged.",
    )


class Limits(Section):
    """Bounds: each has a counter in the metrics for what it refused."""

    queued: int = Field(
        5_000_000,
        ge=1,
        le=1_000_000_000,
        description="Unsent messages of one app for one carrier at which submits are refused (`queue_full`).",
    )
    burst_rows: int = Field(
        5000, ge=1, le=1_000_000, description="Rows in one database transaction at which intake waits."
    )
    burst_bytes: Octets = Field(
        8_388_608,
        ge=65_536,
        le=1_073_741_824,
        description="Octets in one database transaction at which intake waits.",
    )
    look_ahead: int = Field(
        3000, ge=1, le=100_000, description="Queued segments of a carrier and app that are held in memory."
    )
    parked_receipts: int = Field(
        100_000,
        ge=0,
        le=10_000_000,
        description="Receipts kept while the message that they are for is not known.",
    )
    parked_age: Seconds = Field(86_400, ge=1, le=2_592_000, description="How long a receipt without a message is kept.")
    receipt_age: Seconds = Field(
        604_800, ge=60, le=7_776_000, description="How long after a submit receipts are matched to it."
    )
    no_receipt_after: Seconds = Field(
        86_400,
        ge=60,
        le=7_776_000,
        description="Age at which a sent message is flagged `no_receipt`; it stays open.",
    )
    replies_within: Seconds = Field(
        259_200,
        ge=60,
        le=7_776_000,
        description="How long after our last message to a peer what comes from it counts as a reply to that.",
    )
    default_validity: Seconds = Field(
        172_800,
        ge=60,
        le=7_776_000,
        description="Validity of a message that states none; unsent then: expired.",
    )
    max_segments: int = Field(
        40, ge=1, le=255, description="Segments of one message; a longer text is refused (`too_long`)."
    )
    reassembly_age: Seconds = Field(
        1800,
        ge=10,
        le=604_800,
        description="Wait for the next part of a long inbound message; then, in a minute at most, it is partial.",
    )
    reassembly_per_peer: int = Field(
        1000,
        ge=255,
        le=1_000_000,
        description="Parts of one peer that wait for others, one of more than 256 octets counting once for every 256; "
        "beyond it the peer's message that has waited longest is told of as partial.",
    )
    reassembly_total: int = Field(
        50_000,
        ge=255,
        le=10_000_000,
        description="The same of all peers together; beyond it the message that has waited longest is told of as "
        "partial.",
    )
    reassembly_marks: int = Field(
        250_000,
        ge=0,
        le=10_000_000,
        description="Long inbound messages that are remembered for an hour, so that late copies of their parts are "
        "known; beyond it the oldest are forgotten.",
    )
    forwards_per_hour: int = Field(
        120,
        ge=1,
        le=1_000_000,
        description="Messages that rules forward from one number to one target in an hour; those beyond it are held "
        "back, so that phones that forward to each other do not go round for ever.",
    )
    forward_age: Seconds = Field(
        86_400,
        ge=60,
        le=172_800,
        description="Age at which a forward that could not be taken in becomes a dead letter.",
    )
    reply_interval: Seconds = Field(
        600,
        ge=1,
        le=7_776_000,
        description="A sender gets one automatic reply of a number in this time.",
    )
    reply_age: Seconds = Field(
        3600,
        ge=60,
        le=172_800,
        description="Validity of an automatic reply, and the age at which one that could not be taken in becomes a "
        "dead letter.",
    )
    sticky_pairs: int = Field(
        50_000,
        ge=1,
        le=10_000_000,
        description="Pairs of number and peer that are remembered on another carrier than the first of their route; "
        "beyond it the one used longest ago goes back.",
    )
    sticky_age: Seconds = Field(
        604_800, ge=60, le=7_776_000, description="How long such a pair is remembered after its last message."
    )
    subscription_backlog: int = Field(
        1_000_000,
        ge=1,
        le=1_000_000_000,
        description="Events that wait for an absent app; the oldest beyond it become dead letters.",
    )
    subscription_age: Seconds = Field(
        604_800,
        ge=60,
        le=7_776_000,
        description="Age at which an event for an absent app becomes a dead letter.",
    )
