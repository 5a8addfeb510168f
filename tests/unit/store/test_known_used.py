"""What numbers sent of their quotas: asked before planning, of the numbers of a burst."""

from __future__ import annotations

from gateway.store.known import USED_OF, Need, ask
from tests.support.stores import NUMBER, PEER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"


async def test_it_is_read_once_for_all_peers_that_need_it(desk: Desk) -> None:
    rows = [(f"number:{NUMBER}", "second", 1), (f"number:{NUMBER}", "day", 2), (f"number:{NUMBER}", "year", 3)]
    rows += [(f"number:{OTHER_NUMBER}", "day", 4), ("number:+15551230003", "day", 5), ("app:crm", "day", 6)]
    for subject, period, segments in rows:
        desk.con.execute("INSERT INTO quota_use VALUES (?, ?, 1000, ?)", (subject, period, segments))
    wanted = [(PEER, Need.ROOM | Need.THREADS), ("+12125550198", Need.THREADS), (OTHER_PEER, Need.ROOM)]
    known = ask(desk.con, [(peer, int(need)) for peer, need in wanted], frozenset({NUMBER, OTHER_NUMBER}))
    used = known[PEER].used
    assert used is not None
    assert used is known[OTHER_PEER].used
    assert known["+12125550198"].used is None
    assert sorted(used.rows) == [
        (NUMBER, "day", 1000, 2),
        (NUMBER, "year", 1000, 3),
        (OTHER_NUMBER, "day", 1000, 4),
    ]


async def test_it_is_read_by_the_key(desk: Desk) -> None:
    plan = desk.con.execute(f"EXPLAIN QUERY PLAN {USED_OF.sql()}", (NUMBER,)).fetchall()
    assert any("SEARCH u USING PRIMARY KEY (subject=? AND period=?)" in row[-1] for row in plan), plan
