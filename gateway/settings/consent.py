"""``[consent]`` and ``[[opt_ins]]``: for which messages a person's consent is to be on record, and how they give it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway.settings.base import Section
from gateway.settings.optout import Said, Text, Words
from gateway.settings.routes import MessageClass
from gateway.settings.types import Name, Seconds, Written, fail

Mode = Literal["required", "recorded", "off"]

_MODE = (
    "required: what nobody agreed to is refused (`no_consent`); recorded: it is sent, with a warning, and counted; "
    "off: nothing is asked."
)


def _classes(value: tuple[MessageClass, ...]) -> tuple[MessageClass, ...]:
    if not value or len(set(value)) != len(value):
        raise fail("classes", "one class or more, each once")
    return value


def _keywords(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise fail("keywords", "each keyword once")
    return value


class Consent(Section):
    """For which classes of messages the consent of a person is to be on record. By default for none."""

    transactional: Mode = Field("off", description=_MODE)
    direct: Mode = Field("off", description="The same of class direct.")
    marketing: Mode = Field("off", description="The same of class marketing: the law of most countries asks for it.")

    @property
    def asks(self) -> bool:
        """Whether it is for any class."""
        return {self.transactional, self.direct, self.marketing} != {"off"}


class OptIn(Section):
    """Something that people agree to by text: they send a keyword, or an app asks them, and they reply YES."""

    name: Name = Field(description="Name in commands, events and the record; unique.")
    ask: Said = Field(
        description="What is asked: who you are, what you will send and how often, what it costs, and to reply YES. It "
        "is what the record says that somebody agreed to."
    )
    version: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        None, description="Your name for this wording, kept with it."
    )
    keywords: Annotated[Words, AfterValidator(_keywords)] = Field(
        (), description="Words by which a person asks for it, such as JOIN, when a message is nothing else."
    )
    numbers: tuple[Written, ...] = Field((), description="Numbers of `[[numbers]]` that it is for; empty: all.")
    classes: Annotated[tuple[MessageClass, ...], AfterValidator(_classes)] = Field(
        ("marketing",), description="Classes of messages that they agree to."
    )
    scope: Literal["number", "set", "all"] = Field(
        "set", description="From where: the `number`, the `set` of numbers that this is in, or `all`."
    )
    app: Name | None = Field(
        None, description="App of `[[apps]]` that alone may send what they agree to, from any number."
    )
    yes_words: Words = Field((), description="More words for YES, when a message is nothing else.")
    welcome: Text | None = Field(
        None, description='The answer to YES, unless a rule replies; `""`: none. Without it a text of the package.'
    )
    within: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="Time within which YES counts. Later it is a message as others are."
    )

    @model_validator(mode="after")
    def _one_scope(self) -> OptIn:
        if self.app is not None and "scope" in self.model_fields_set:
            raise fail("scope", "scope or app, not both")
        return self
