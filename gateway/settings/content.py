"""The section about what texts may hold, and what is added to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway.settings.base import Section
from gateway.settings.clauses import CLAUSES
from gateway.settings.routes import MessageClass
from gateway.settings.types import Form, check_host, fail


def _domain(value: str) -> str:
    expected = 'a domain such as "go.example.com", without scheme and path'
    bare = value.strip().rstrip(".").lower()
    if "." not in bare or any(char in "/\\@:?#%" or char.isspace() for char in bare):
        raise fail("domain", expected)
    if bare.isascii():
        check_host(bare)
    return bare


def _clause(value: str) -> str:
    if not value.strip():
        raise fail("clause", "a text that is not empty")
    return value.strip()


Domain = Annotated[str, StringConstraints(max_length=253), AfterValidator(_domain), Form("domain")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$"), Form("language tag")]
Clause = Annotated[str, StringConstraints(min_length=1, max_length=160), AfterValidator(_clause)]


class Content(Section):
    """What texts may hold, and the clause of marketing messages that says how to stop them."""

    clause: Literal["every", "first", "off"] = Field(
        "off",
        description="every: a message of class marketing whose text does not say how to stop such messages gets a "
        "clause that does, behind its text; first: only the first from a number to a phone does; off: texts go as they "
        "come.",
    )
    clause_language: Language = Field(
        "en",
        description="Language of the clause for phones of which none is noted (`smsgw peers`), or one without a text: "
        "one of the package's (docs/compliance.md), or of `clauses`.",
    )
    clauses: Annotated[dict[Language, Clause], Form("table `[content.clauses]`")] = Field(
        {}, description="Clauses by language, over those of the package and beside them."
    )
    allow_shorteners: tuple[MessageClass, ...] = Field(
        (),
        description="Classes whose texts may have links of public shorteners (`bit.ly`), which carriers block; "
        "otherwise they are refused (`public_shortener`).",
    )
    shorteners: tuple[Domain, ...] = Field(
        (), max_length=10_000, description="Domains that count as public shorteners beside those of the package."
    )
    allowed_links: tuple[Domain, ...] = Field(
        (),
        max_length=10_000,
        description="Domains that never count as public shorteners, with what is below them: such as one of your own "
        "below that of a shortener.",
    )
    normalise: bool = Field(
        False,
        description="Plain quotes and blanks for curved and odd ones, composed letters (Unicode NFC), no zero-width "
        "characters.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Content:
        if len(set(self.allow_shorteners)) < len(self.allow_shorteners):
            raise fail("content", "each class of allow_shorteners once")
        if self.clause_language not in self.clauses and self.clause_language not in CLAUSES:
            known = ", ".join(sorted({*CLAUSES, *self.clauses}))
            raise fail("content", f"a clause_language for which there is a text, in clauses or of {known}")
        return self
