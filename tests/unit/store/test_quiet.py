"""What waits is put off: scheduled for later, where it waits still and is with that carrier."""

from __future__ import annotations

from gateway.model import State
from gateway.store import history, trace
from gateway.store.quiet import PUT_OFF, PutOffOp, kinds_of
from gateway.store.resolve import DUE, DueOp
from gateway.store.submits import SubmitOp
from tests.support.stores import Desk


async def test_what_waits_is_scheduled_and_comes_back(desk: Desk) -> None:
    here, elsewhere, claimed = (desk.new(state=state) for state in (State.QUEUED, State.QUEUED, State.SUBMITTING))
    elsewhere.carrier = "beta"
    await desk.do(SubmitOp([here, elsewhere, claimed]))
    due = desk.now + 60_000
    await desk.do(PutOffOp([(m.id, due) for m in (here, elsewhere, claimed)], "acme"))
    assert [desk.states(m.id) for m in (here, elsewhere, claimed)] == [
        [State.SCHEDULED], [State.QUEUED], [State.SUBMITTING],
    ]  # fmt: skip
    assert desk.rows("SELECT due_at FROM segment WHERE state = 0") == [(due,)]
    assert [(t.kind, t.carrier, t.detail) for t in trace.read(desk.con, here.id)] == [("quiet", "acme", {"due": due})]
    assert trace.read(desk.con, elsewhere.id) == trace.read(desk.con, claimed.id) == []
    assert "quiet" in history._ORDER
    # A second time it changes nothing, and notes nothing.
    await desk.do(PutOffOp([(here.id, due + 1)], "acme"))
    assert len(trace.read(desk.con, here.id)) == 1
    await desk.do(DueOp([here.id, claimed.id]))
    assert desk.rows("SELECT state, due_at FROM segment ORDER BY message_id") == [(1, None), (1, None), (2, None)]
    assert kinds_of(desk.con, [here.id]) == {here.id: (here.klass, here.options)}


async def test_each_is_found_by_its_key_however_many_wait(desk: Desk) -> None:
    for statement in (PUT_OFF, DUE):
        plan = desk.con.execute(f"EXPLAIN QUERY PLAN {statement.sql(2)}", [1] * 2 * statement.columns).fetchall()
        assert "SEARCH segment USING PRIMARY KEY (message_id=?)" in [row[3] for row in plan]
