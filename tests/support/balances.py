"""What the counts of a store have to be by its messages: balances, what they come of, and quotas."""

from __future__ import annotations

import sqlite3
from collections import Counter

from gateway.model import id_floor
from gateway.store.balance import share

_BAD = 6
"""The first of the states that are bad ends."""


def wrong(con: sqlite3.Connection) -> list[str]:
    """What of balances and quotas is not as the messages say; all of them have to be in the store still."""
    found: list[str] = []
    taken: Counter[str] = Counter()
    refunded: Counter[str] = Counter()
    for app, charged, parts, part, state, with_carrier, in_doubt, late in con.execute(
        "SELECT m.app, m.charged, m.parts, s.part, s.state,"
        " s.sent_at IS NOT NULL OR s.receipt_state IS NOT NULL, s.in_doubt,"
        # Its one attempt was held in doubt, and refused late.
        " s.in_doubt = 1 AND EXISTS (SELECT 1 FROM trace t WHERE t.message_id = m.id AND t.part = s.part"
        "  AND t.kind = 'doubt' AND t.detail LIKE '%\"resent\":false%') AND EXISTS (SELECT 1 FROM trace t"
        "  WHERE t.message_id = m.id AND t.part = s.part AND t.kind = 'refused' AND NOT EXISTS (SELECT 1 FROM trace r"
        "   WHERE r.message_id = m.id AND r.kind = 'resend' AND r.id < t.id))"
        " FROM message m JOIN segment s ON s.message_id = m.id"
        " WHERE m.charged IS NOT NULL"
    ):
        taken[app] += share(charged, parts, part)
        if state >= _BAD and not with_carrier and (not in_doubt or late):
            refunded[app] += share(charged, parts, part)
    sums = {
        (app, kind): segments
        for app, kind, segments in con.execute("SELECT app, kind, sum(segments) FROM balance_entry GROUP BY app, kind")
    }
    for app, left in con.execute("SELECT app, segments FROM balance"):
        kinds = [sums.get((app, kind), 0) for kind in ("added", "taken", "refunded")]
        if left != sum(kinds):
            found.append(f"{app} has {left} left, its entries are {kinds}")
        if kinds[1:] != [-taken[app], refunded[app]]:
            found.append(f"{app}: taken {-kinds[1]} and refunded {kinds[2]}; by messages {taken[app]}, {refunded[app]}")
    if set(taken) - {app for app, _ in sums}:
        found.append("somebody sent without a balance")
    for subject, start, segments in con.execute("SELECT subject, start, segments FROM quota_use"):
        kind, _, name = subject.partition(":")
        (stored,) = con.execute(
            f"SELECT sum(coalesce(air, parts)) FROM message WHERE {kind} = ? AND id >= ?", (name, id_floor(start))
        ).fetchone()
        if stored != segments:
            found.append(f"{subject}: {segments} counted since {start}, {stored} stored")
    return found
