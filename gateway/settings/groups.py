"""``[groups.NAME]``: people, by name, phone and e-mail, whom messages are forwarded to."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway.settings.base import Section
from gateway.settings.mail import EmailAddress
from gateway.settings.types import Name, Written, fail

MOST_MEMBERS = 50
"""Members of a group; a message that is forwarded to a group may go to each of them."""


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise fail("plain", "text without control characters, and without spaces around it")
    return value


class Member(Section):
    """Somebody of a group."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_plain)] = Field(
        description="Name, by which rules forward to this person alone and texts call them."
    )
    phone: Written | None = Field(
        None,
        description="Phone that messages are forwarded to; when it writes, the message is from the group. Without it "
        "this person gets mails alone.",
    )
    email: EmailAddress | None = Field(None, description="Address that rules with `email` mail messages to.")
    schedule: Name | None = Field(
        None, description="Name of one of `[schedules]`: when this person takes messages; without it always."
    )

    @model_validator(mode="after")
    def _reached(self) -> Member:
        if self.phone is None and self.email is None:
            raise fail("member", "phone or email, or both")
        return self


def _few(value: tuple[Member, ...]) -> tuple[Member, ...]:
    # Not by max_length: that counts the entries without those that are wrong, and says so beside what is wrong.
    if not 1 <= len(value) <= MOST_MEMBERS:
        raise fail("members", f"1 to {MOST_MEMBERS} members")
    return value


class Group(Section):
    """People, whom messages are forwarded to; when one of them writes, the message is from the group."""

    members: Annotated[tuple[Member, ...], AfterValidator(_few)] = Field(
        description="A list of tables `{ name, phone, email, schedule }`."
    )
