"""Who opted out, asked in the transaction: before a message is stored, and before one is queued again.

A new message to them is refused by `check`. One that comes back to the queue from a carrier, since it was not written,
refused for now or in doubt, ends by `covered`. So once a STOP is committed nothing that it is for waits to be sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from gateway.policy.consent import NO_CONSENT
from gateway.policy.optout import OptOuts
from gateway.settings.own import OWN_APP
from gateway.store.consented import lacking
from gateway.store.forgotten import by_name, key_of, name_of, with_names
from gateway.store.hot import Row, Values
from gateway.store.verdicts import Verdict

if TYPE_CHECKING:
    from gateway.store.submits import NewMessage
    from gateway.store.tx import Tx

OPTED_OUT: Final = "opted_out"
"""The reason with which a message is refused, or ends."""
PASSES: Final = "optout"
"""Door of what passes the block: the one confirmation of a STOP, and the answer to HELP of who opted out."""

ENTERED: Final = "operator"
"""How somebody opts a person out in their place; no keyword undoes it (`gateway.store.optouts`)."""

SELECT_OPTOUT: Final = Values(
    "WITH v(peer) AS (VALUES {values}) SELECT o.peer, o.scope FROM v CROSS JOIN optout o ON o.peer = v.peer", 1
)
# Of messages by their ids, the scopes that their peers opted out of. What passes does so once: not when it comes back
# since nobody knows whether its carrier took it, whoever is back in meanwhile.
SELECT_COVERED: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT m.id, m.app, m.number, m.door, o.scope FROM v"
    " CROSS JOIN message m ON m.id = v.mid LEFT JOIN optout o ON o.peer = m.peer"
    f" WHERE (o.peer IS NOT NULL AND m.door IS NOT '{PASSES}') OR (m.door = '{PASSES}'"
    " AND EXISTS (SELECT 1 FROM segment s WHERE s.message_id = m.id AND s.in_doubt > 0))",
    1,
)

SELECT_ADDRESSED: Final = Values(
    "WITH v(mid) AS (VALUES {values}) SELECT m.id, m.app, m.number, m.peer FROM v CROSS JOIN message m ON m.id = v.mid"
    f" WHERE m.door IS NOT '{PASSES}'",
    1,
)


def is_entered(how: str) -> bool:
    """Whether somebody entered an opt-out in the person's place, maybe beside what the person said."""
    return how.startswith(ENTERED)


def check(tx: Tx, messages: list[NewMessage]) -> bool:
    """Refuses messages to who opted out of them (`gateway.store.verdicts`)."""
    found = SELECT_OPTOUT.fetch(tx.con, [(m.peer,) for m in messages])
    if tx.forgotten is not None:
        found += by_name(tx.con, tx.forgotten, SELECT_OPTOUT, [m.peer for m in messages])
    if not found:
        return False
    held = _by_peer(found)
    scopes_of = tx.optouts.scopes
    refused = False
    for m in messages:
        scopes = held.get(m.peer)
        if scopes is None or m.door == PASSES or scopes.isdisjoint(scopes_of(m.app, m.number)):
            continue
        m.refused = Verdict(OPTED_OUT, field="to")
        refused = True
    return refused


def covered(tx: Tx, ids: Iterable[int]) -> dict[int, str]:
    """Of stored messages those that may not be sent any more: whose peer opted out of them, or withdrew its consent.

    By their ids, the reason.
    """
    ids = list(dict.fromkeys(ids))
    return {**dict.fromkeys(lacking(tx, ids), NO_CONSENT), **dict.fromkeys(unwanted(tx, ids), OPTED_OUT)}


def unwanted(tx: Tx, ids: Iterable[int]) -> set[int]:
    """Of stored messages those whose peer opted out of them."""
    ids = list(dict.fromkeys(ids))
    ended: set[int] = set()
    for mid, app, number, door, scope in SELECT_COVERED.fetch(tx.con, [(mid,) for mid in ids]):
        if door == PASSES or scope in tx.optouts.scopes(app, number):
            ended.add(mid)
    if tx.forgotten is not None:
        stored = SELECT_ADDRESSED.fetch(tx.con, [(mid,) for mid in ids])
        held = _by_peer(by_name(tx.con, tx.forgotten, SELECT_OPTOUT, {peer: None for *_, peer in stored}))
        for mid, app, number, peer in stored:
            if peer in held and not held[peer].isdisjoint(tx.optouts.scopes(app, number)):
                ended.add(mid)
    return ended


def opted_out(
    con: sqlite3.Connection, optouts: OptOuts, app: str, pairs: Iterable[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Of pairs (number, peer) those in which a message of ``app`` would be refused."""
    wanted = list(dict.fromkeys(pairs))
    held = _by_peer(with_names(con, key_of(con), SELECT_OPTOUT, [peer for _, peer in wanted])) if wanted else {}
    return {
        (number, peer)
        for number, peer in wanted
        if peer in held and not held[peer].isdisjoint(optouts.scopes(app, number))
    }


def out_after(con: sqlite3.Connection, optouts: OptOuts, number: str, peer: str, text: str | None) -> bool:
    """Whether a peer that writes this to a number gets nothing from it any more: for who only wants to know.

    `gateway.store.stops.heed` does it, and the opt-ins of `[[opt_ins]]`, which are not looked at here.
    """
    key = key_of(con)
    held = con.execute(
        "SELECT scope, how FROM optout WHERE peer IN (?, ?)", (peer, peer if key is None else name_of(key, peer))
    ).fetchall()
    reading = optouts.read(number, text) if text else None
    scopes = {scope for scope, _ in held}
    if reading is not None:
        terms = optouts.terms(number)
        if reading.meaning == "stop" or (reading.meaning == "near" and terms.near == "block"):
            scopes.update(terms.stops)
        elif reading.meaning == "start":
            scopes.difference_update(terms.lifts.difference([scope for scope, how in held if is_entered(how)]))
    return not scopes.isdisjoint(optouts.scopes(OWN_APP, number))


def _by_peer(rows: Iterable[Row]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for peer, scope in rows:
        held.setdefault(peer, set()).add(scope)
    return held
