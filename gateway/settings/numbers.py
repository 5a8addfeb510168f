"""``[[numbers]]``: the addresses that we own: what they are, whose, what they may, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from gateway.settings.base import Section
from gateway.settings.carrier.forms import LONGEST_TEXT
from gateway.settings.errors import show
from gateway.settings.optout import Confirmation, Near, Reach
from gateway.settings.quotas import Quota
from gateway.settings.routes import Country, MessageClass
from gateway.settings.types import Form, Name, Written, fail
from gateway.sms.address import kind_of
from gateway.sms.kinds import NumberKind, country_of_number, kinds_of

Capability = Literal["sms_in", "sms_out", "voice", "from_short_codes"]
NumberState = Literal["active", "held", "released"]
WhenHeld = Literal["handlers", "reply", "none"]

MAX_META: Final = 4096
"""Octets of a number's metadata, which goes along with each of its events."""
MONTHS_HELD: Final = 3
"""How long a number that was given up is held, where the operator has no other wish."""


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
    except ValueError:
        raise fail("day", "a day such as 2027-02-22") from None


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise fail("plain", "text without control characters, and without spaces around it")
    return value


def _campaign(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise fail("campaign_id", 'an id of ASCII characters without spaces, such as "C1A2B3C"')
    return value


def _meta(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise fail("table", 'a table of texts, such as { team = "north" }')
    for key, text in value.items():
        if not key:
            raise fail("in_table", "keys that are not empty")
        if not isinstance(text, str):
            raise fail("in_table", f"text in quotes for {show(key)}, not {show(text)}")
    if sum(len(key.encode()) + len(text.encode()) for key, text in value.items()) > MAX_META:
        raise fail("in_table", f"at most {MAX_META} octets in all")
    return dict(value)


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise fail("each_once", "each of them once")
    return value


class Number(Section):
    """An address that we own, and where messages to it go."""

    number: Written = Field(
        description="The number: E.164 (`+15551230001`), national when `default_region` is set, a short code "
        "or an alphanumeric sender of up to 11 characters."
    )
    carrier: Name | None = Field(
        None, description="Carrier that it belongs to; may be left out when there is only one."
    )
    throughput: float = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Segments a second that are sent from it, over all carriers; 0: no cap but theirs. Others do not "
        "wait for it.",
    )
    quota: Annotated[Quota | None, Form("table")] = Field(
        None, description="The most segments in a time; what is over is refused (`quota_exceeded`)."
    )
    handlers: tuple[Name, ...] = Field((), description="Handlers that get its inbound messages and receipts.")
    kind: NumberKind | None = Field(
        None,
        description="What it is. Without it as its form and the numbering plans say, which `smsgw check` shows.",
    )
    capabilities: Annotated[tuple[Capability, ...], AfterValidator(_each_once)] | None = Field(
        None,
        description="What it can do: `sms_in`, `sms_out`, `voice`, and `from_short_codes`, texts that come from short "
        "codes; `[]`: nothing just now. Without it all of it for texts; a name only sends. Nothing is sent from a "
        "number without `sms_out`, nor from one of ours to one that cannot get it.",
    )
    countries: tuple[Country, ...] = Field(
        (),
        description="Countries beside its own that it is for: it is chosen for phones there, and apps may send there. "
        "Of a name those where it is registered.",
    )
    owner: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_plain)] | None = Field(
        None, description="Whose number it is, by name; goes along in its events as `owner`."
    )
    group: Name | None = Field(
        None,
        description="Name of one of `[groups]` whose members share it, in the place of an owner; goes along in its "
        "events as `group`.",
    )
    meta: Annotated[dict[str, str], BeforeValidator(_meta), Form("table: name = text")] = Field(
        {},
        description="What applications want to know of it; goes along in its inbound and receipt events as "
        f"`number_meta`. At most {MAX_META} octets.",
    )
    campaign_id: (
        Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_campaign)] | None
    ) = Field(
        None,
        description="Campaign that it is registered under, which local numbers of the US need to text from "
        "(10DLC). It goes to a carrier in the TLV of its `campaign_tlv`.",
    )
    verification: Literal["unverified", "pending", "verified"] = Field(
        "verified",
        description="Whether carriers have verified it. Until they have, it sends only `classes_until_verified`.",
    )
    classes_until_verified: tuple[MessageClass, ...] = Field(
        ("transactional", "direct"),
        description="Message classes that it sends while it is `unverified` or `pending`.",
    )
    fallback: Written | None = Field(
        None,
        description="One of `[[numbers]]` that sends in its place the classes that it may not yet send; the reply to "
        "`submit` has it in `from`, and a warning. Without it such a message is refused (`not_verified`).",
    )
    state: NumberState = Field(
        "active",
        description="`held`: given up, and kept for a time; nothing is sent from it. `released`: not ours any more; "
        "what still comes in is stored, and nobody is told of it.",
    )
    held_until: Annotated[date, BeforeValidator(_day), Form("day")] | None = Field(
        None,
        description="Last day (UTC) on which it is held; after it, it is as if `released`. Without it until the file "
        "says otherwise.",
    )
    inbound_when_held: WhenHeld = Field(
        "handlers",
        description="What comes in while it is held: as always (`handlers`), or stored, and nobody is told (`none`), "
        "or the same with an automatic reply to the sender (`reply`).",
    )
    reply_when_held: Annotated[str, StringConstraints(min_length=1, max_length=1000)] = Field(
        "This number is not monitored.", description='The text of that reply (`inbound_when_held = "reply"`).'
    )
    stop_scope: Reach | None = Field(
        None, description="How far a STOP to it reaches, as `scope` of `[optout]`, which holds without it."
    )
    stop_near: Near | None = Field(
        None, description="What comes near a STOP, as `near` of `[optout]`, which holds without it."
    )
    stop_confirmation: Confirmation | None = Field(
        None, description="Who answers STOP, START and HELP, as `confirmation` of `[optout]`, which holds without it."
    )
    clause: Annotated[str, StringConstraints(max_length=160)] | None = Field(
        None,
        description="The clause that marketing messages from it get, in place of those of `[content]`; an empty one: "
        "none. A number that takes no replies gets none without it.",
    )

    @property
    def kinds(self) -> tuple[NumberKind, ...]:
        """What it is: as set, or what it may be by its form and its plan, the likeliest first; empty: not known."""
        return (self.kind,) if self.kind is not None else kinds_of(self.number)

    @property
    def country(self) -> str | None:
        """The country (ISO 3166) of its numbering plan."""
        return country_of_number(self.number)

    @property
    def able(self) -> frozenset[Capability]:
        """What it can do, set or usual. `number` is in the form that load() gives."""
        if self.capabilities is not None:
            return frozenset(self.capabilities)
        if kind_of(self.number) == "alphanumeric":
            return frozenset({"sms_out"})
        return frozenset({"sms_in", "sms_out", "from_short_codes"})

    def may_send(self, klass: MessageClass) -> bool:
        """Whether its verification lets it send messages of this class."""
        return self.verification == "verified" or klass in self.classes_until_verified

    @model_validator(mode="after")
    def _consistent(self) -> Number:
        if self.held_until is not None and self.state != "held":
            raise fail("held_until", 'held_until only with state = "held"')
        if self.owner is not None and self.group is not None:
            raise fail("owner", "owner or group, not both: it is one person's, or shared")
        return self


def three_months_after(day: date) -> date:
    """The day that a number which is given up on ``day`` is usually held until."""
    month = day.month - 1 + MONTHS_HELD
    year, month = day.year + month // 12, month % 12 + 1
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
