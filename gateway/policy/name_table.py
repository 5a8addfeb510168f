"""Where a name (an alphanumeric sender) is not simply passed on: data, for `gateway.policy.names`.

`REFUSED` is of Amazon SNS' "Supported Regions and countries" (developer guide, 2023): of the countries that it has as
without support for sender IDs those whose carriers are known to drop names or to put a number in their place.
`REGISTERED` are the countries of AWS End User Messaging's "Registration forms" for sender IDs but the United Kingdom,
where it is voluntary, and BD and CU (Ring Ring, "An Overview of regulations of Sender in countries"), NG (NCC) and TZ
(Twilio's instructions).

A country that is not here takes any name, as far as is known in November 2026. Carriers differ within a country, and
rules change: the settings (`[destinations] sender_names`) have the last word.
"""

from __future__ import annotations

from typing import Final

# fmt: off
REFUSED: Final = frozenset((
    "US", "CA", "PR", "GU",
    "AR", "BR", "CL", "CO", "CR", "DO", "EC", "GT", "HN", "NI", "PA", "PE", "SV", "UY", "VE",
    "BE", "HU",
    "CN", "KR", "MY", "NZ", "TW", "ZA",
))
"""Carriers there drop such a message, or put a number in the name's place."""

REGISTERED: Final = frozenset((
    "AE", "AU", "BD", "BY", "CU", "EG", "FI", "ID", "IE", "IN", "JO", "KE", "KW", "KZ", "LK", "NG", "PH", "QA", "RU",
    "SA", "SG", "TH", "TR", "TZ", "VN", "ZM",
))
"""A name has to be registered there; one that is not is dropped, replaced or marked."""
# fmt: on
