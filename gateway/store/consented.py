"""Whether who is written to agreed to it: asked before a message is stored, and before one is queued again.

Of classes for which nothing is asked this costs nothing, of the others one seek a message. What rules send by
themselves is not looked at: an answer goes to who just wrote, a forward to people of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from gateway.model import CLASSES
from gateway.policy.consent import NO_CONSENT
from gateway.settings.own import OWN_APP
from gateway.store.hot import Values
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

SELECT_CONSENT: Final = Values(
    "WITH v(i, peer, class) AS (VALUES {values}) SELECT v.i, c.scope FROM v"
    " CROSS JOIN consent c ON c.peer = v.peer AND c.class = v.class",
    3,
)
ASKS: Final = "opt-in"
"""Door of the question that an app has asked: it goes to who did not agree yet."""
# Of messages by their ids, the scopes in which their peers agreed to such; a null where there is none.
SELECT_AGREED: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT m.id, m.app, m.number, m.class, c.scope FROM v"
    " CROSS JOIN message m ON m.id = v.mid LEFT JOIN consent c ON c.peer = m.peer AND c.class = m.class"
    f" WHERE m.app != '{OWN_APP}' AND m.door IS NOT '{ASKS}'",
    1,
)
MISSING: Final = "no consent to messages of class {} is on record"


def check(tx: Tx, messages: list[NewMessage]) -> bool:
    """Refuses messages that nobody agreed to, or has them say so (`gateway.store.verdicts`)."""
    consents = tx.consents
    classes = consents.asked
    asked = [m for m in messages if m.klass in classes and m.app != OWN_APP and m.door != ASKS]
    if not asked:
        return False
    scopes_of = tx.optouts.scopes
    agreed = bytearray(len(asked))
    for i, scope in SELECT_CONSENT.fetch(tx.con, [(i, m.peer, m.klass) for i, m in enumerate(asked)]):
        m = asked[i]
        if scope in scopes_of(m.app, m.number):
            agreed[i] = 1
    refused = False
    for m in [m for m, yes in zip(asked, agreed, strict=True) if not yes]:
        said = MISSING.format(CLASSES[m.klass])
        if m.klass in consents.required:
            m.refused = Verdict(NO_CONSENT, said, field="to")
            refused = True
        else:
            m.noted = said
            tx.count(f"consent_missing:{CLASSES[m.klass]}")
    return refused


def lacking(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Of stored messages those whose consent is required, and not on record any more."""
    required = tx.consents.required
    if not required:
        return set()
    found: set[int] = set()
    agreed: set[int] = set()
    for mid, app, number, klass, scope in SELECT_AGREED.fetch(tx.con, [(mid,) for mid in dict.fromkeys(ids)]):
        if klass in required:
            (agreed if scope in tx.optouts.scopes(app, number) else found).add(mid)
    return found - agreed
