"""How the scripted carrier behaves, as data: what it does to submits, to connections, and how it writes receipts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "plain": ("{0}", "{0}"),
    "hexadecimal": ("{0:x}", "{0}"),
    "decimal": ("{0}", "{0:x}"),
    "capitals": ("{0:x}", "{0:X}"),
    "small": ("{0:X}", "{0:x}"),
    "padded": ("{0}", "{0:014}"),
    "stripped": ("{0:014}", "{0}"),
    "hexadecimal padded": ("{0:08X}", "{0:010}"),
    "decimal padded": ("{0:010}", "{0:012x}"),
}
"""How a message id is written in the response and in the receipt."""
CROSSED: Final = "crossed"
"""Ids each other's hexadecimal form: those of the responses are decimal, those of the receipts hexadecimal."""
ACCOUNT_FORMS: Final = (*FORMS, CROSSED)
"""By account: a carrier writes ids in one form, so there is an account for each."""
WAYS: Final = ("both", "tlv", "text", "tlv alone", "text alone")
"""What tells a receipt: TLVs, the text of SMPP 3.4 Appendix B, or both; `alone`: and esm_class says nothing."""


@dataclass(frozen=True)
class Conduct:
    """What the carrier does from now on; as it stands here, it is honest. Times in seconds, shares from 0 to 1.

    Of submits: `refuse` answers shares of them with a status, `peers` all to a phone (``"drop"``: takes it and
    closes). `rate`: more in one second are answered ESME_RTHROTTLED. `silent` takes that share and never answers,
    `late` answers it after `late_by`. `delay` is for every answer; `shuffle`: answers wait for so many and go in any
    order. Each `drop` submits the connection ends as `dropped` says: `take` (the submit is taken and not answered),
    `half` (within its answer) or `reset` (by RST).

    Of connections: `deaf` reads and says nothing, `stuck` does not read, `hang_up` closes what connects, `bind_status`
    refuses binds, `flap` closes and `unbind` unbinds all so often. `octets`: one at a time; `gather`: so many PDUs in
    one write; `enquires`: so many enquire_link before each answer. `malformed`: octets in hex, one before each answer;
    `lies`: octets that begin with no length, one after each `lie_every` th answer.

    Of receipts: `when` is before or after the answer, or `held` until this changes, or never; `other_bind`: not on the
    bind of the submit; `form` is of `FORMS`, or `crossed`, or `account` (of `ACCOUNT_FORMS`, by the number at the end
    of the system_id); `way` of `WAYS`, or each. `again`: repeats of it. `contradict`: another end after it. `orphans`:
    so many for ids that were never given. `undelivered`: one in so many messages ends so.
    """

    refuse: Mapping[str, float] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    rate: float = 0.0
    silent: float = 0.0
    late: float = 0.0
    late_by: float = 0.0
    delay: float = 0.0
    shuffle: int = 0
    drop: int = 0
    dropped: str = "take"
    deaf: bool = False
    stuck: bool = False
    hang_up: bool = False
    bind_status: int = 0
    flap: float = 0.0
    unbind: float = 0.0
    octets: bool = False
    gather: int = 0
    malformed: Sequence[str] = ()
    enquires: int = 0
    lies: Sequence[str] = ()
    lie_every: int = 1
    when: str = "after"
    other_bind: bool = False
    form: str = "plain"
    way: str = "both"
    again: int = 0
    contradict: bool = False
    orphans: int = 0
    undelivered: int = 5

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Conduct:
        """Raises TypeError for what is no behaviour."""
        return cls(**values)


HONEST: Final = Conduct()
