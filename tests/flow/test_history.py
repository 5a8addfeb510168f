"""`history`: everything that happened to a message, in order, and nothing of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.support.apps import AppClient
from tests.support.carriers import routes, stage
from tests.support.daemons import gateway
from tests.support.smsc import Smsc, Submitted, peers, withhold

TO = peers(1)[0]
START = "2025-10-09T08:53:20"


async def entries(app: AppClient, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await app.call("history", id=id))["history"]
    assert [e["at"] for e in found] == sorted(e["at"] for e in found)
    return found


def told(found: list[dict[str, Any]], *names: str) -> list[Any]:
    """``what`` of each entry, or the members asked for."""
    return [tuple(e.get(name) for name in names) if names else e["what"] for e in found]


async def test_a_usual_message(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        id = (await app.call("submit", to=TO, text="Hello you", ref="r-7"))["id"]
        (submit,) = await g.smsc.came(1)
        await g.settled()
        g.smsc.receipt(submit)
        await app.notified(1)
        found = await entries(app, id)
        assert found == [
            {
                "at": found[0]["at"],
                "what": "accepted",
                "app": "local",
                "door": "socket",
                "ref": "r-7",
                "segments": 1,
                "encoding": "gsm7",
                "scheme": "udh8",
                "receipt": True,
                "route": None,
                "expires_at": found[0]["expires_at"],
            },
            {"at": found[1]["at"], "what": "submit_sm", "part": 1, "carrier": "acme", "bind": "acme/1"},
            {
                "at": found[2]["at"],
                "what": "submit_sm_resp",
                "part": 1,
                "carrier": "acme",
                "bind": "acme/1",
                "status": 0,
                "id": submit.message_id,
            },
            {
                "at": found[3]["at"],
                "what": "receipt",
                "part": 1,
                "carrier": "acme",
                "receipt_state": 2,
                "error": "000",
                "id": submit.message_id,
                "carrier_done_at": found[3]["carrier_done_at"],
                "outcome": "settled",
            },
            {
                "at": found[4]["at"],
                "what": "ended",
                "part": 1,
                "carrier": "acme",
                "state": "delivered",
                "reason": "delivered",
            },
            {
                "at": found[5]["at"],
                "what": "event",
                "event": "receipt",
                "event_id": found[5]["event_id"],
                "to": "subscription",
                "name": "default",
                "app": "local",
                "status": "waiting",
            },
        ]
        assert "Hello" not in str(found)
        assert g.daemon.store.read_now(lambda con: con.execute("SELECT count(*) FROM trace").fetchone()) == (0,)
        await app.call("ack", up_to=found[5]["event_id"])
        await g.settled()
        assert (await entries(app, id))[5]["status"] == "acknowledged"


async def test_refused_for_now_and_then_for_good(autojump_clock: MockClock) -> None:
    statuses = [0x08, 0x58, 0x0B]
    async with gateway(answer=lambda s: statuses[s.place], carrier="retry_delay = 3\nthrottle_pause = 2") as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x"))["id"]
        await g.smsc.came(3)
        await g.settled()
        found = await entries(app, id)
        assert told(found) == ["accepted", *["submit_sm", "submit_sm_resp"] * 3, "ended"]
        answers = [e for e in found if e["what"] == "submit_sm_resp"]
        assert told(answers, "status", "bind") == [(status, "acme/1") for status in statuses]
        assert "due" in answers[0]
        assert "due" in answers[1]
        assert "due" not in answers[2]
        written = [e["at"] for e in found if e["what"] == "submit_sm"]
        assert written[1] >= answers[0]["due"]
        assert (found[-1]["state"], found[-1]["reason"]) == ("failed", "invalid_destination")


async def test_doubt_and_a_late_answer(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold, carrier='response_timeout = 5\nin_doubt = "hold"') as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x"))["id"]
        (submit,) = await g.smsc.came(1)
        await g.until(lambda: g.segments() == [4])
        found = await entries(app, id)
        assert told(found) == ["accepted", "submit_sm", "in_doubt"]
        assert told(found[2:], "cause", "resent", "bind", "part") == [("timeout", False, "acme/1", 1)]
        g.smsc.respond(submit, message_id="LATE1")
        await g.settled()
        found = await entries(app, id)
        late = [e for e in found if e.get("late")]
        assert told(late, "status", "id", "bind") == [(0, "LATE1", "acme/1")]


async def test_a_session_that_is_lost_and_the_copy(autojump_clock: MockClock) -> None:
    def answer(s: Submitted) -> int | None:
        return None if s.place == 0 else 0

    async with gateway(answer=answer) as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x"))["id"]
        (submit,) = await g.smsc.came(1)
        submit.bind.disconnect()
        await g.smsc.came(2)
        await g.settled()
        found = await entries(app, id)
        assert told(found) == ["accepted", "submit_sm", "in_doubt", "submit_sm", "submit_sm_resp"]
        assert told(found[2:3], "cause", "resent") == [("lost", True)]


async def test_what_a_kill_left_in_doubt_was_claimed_and_perhaps_written(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trio.open_nursery() as nursery:
        smsc = Smsc(nursery, withhold)
        async with gateway(tmp_path, smsc=smsc, stop=False) as g:
            app = await g.connect()
            id = (await app.call("submit", to=TO, text="x"))["id"]
            await smsc.came(1)
            found = await entries(app, id)
            assert told(found) == ["accepted", "claimed"]
            claimed = found[1]["at"]
        smsc.answer = lambda _: 0
        async with gateway(tmp_path, smsc=smsc) as g:
            app = await g.connect()
            await app.until_state(id, "sent")
            found = await entries(app, id)
            # The clock stands still over the restart, so these may be of the same millisecond.
            assert sorted(told(found)) == ["accepted", "claimed", "in_doubt", "submit_sm", "submit_sm_resp"]
            assert found[1] == {"at": claimed, "what": "claimed", "part": 1, "carrier": "acme"}
            assert told([e for e in found if e["what"] == "in_doubt"], "cause", "resent") == [("restart", True)]
        nursery.cancel_scope.cancel()


async def test_receipts_that_change_nothing(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x"))["id"]
        (submit,) = await g.smsc.came(1)
        await g.settled()
        for stat in ("ENROUTE", "DELIVRD", "DELIVRD", "UNDELIV"):
            g.smsc.receipt(submit, stat)
            await g.settled()
        receipts = [e for e in await entries(app, id) if e["what"] == "receipt"]
        assert sorted(told(receipts, "outcome", "receipt_state")) == [
            ("contradiction", 5),
            ("duplicate", 2),
            ("no_change", 1),
            ("settled", 2),
        ]


async def test_what_was_with_another_carrier_first(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(given="failover_on_receipt = true")) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        app = await s.running.connect()
        id = await app.submit("x", to=TO)
        await app.until_state(id, "sent")
        acme.receipt(acme.submits[0], "UNDELIV", error="069")
        await beta.came(1)
        await s.running.settled()
        acme.receipt(acme.submits[0], "DELIVRD")
        await s.running.settled()
        found = await entries(app, id)
        acme_id, beta_id = acme.submits[0].message_id, beta.submits[0].message_id
        assert [e for e in told(found, "what", "carrier", "id") if e[0] in ("submit_sm", "submit_sm_resp")] == [
            ("submit_sm", "acme", None),
            ("submit_sm_resp", "acme", acme_id),
            ("submit_sm", "beta", None),
            ("submit_sm_resp", "beta", beta_id),
        ]
        (moved,) = [e for e in found if e["what"] == "rerouted"]
        assert (moved["carrier"], moved["to"], moved["cause"]) == ("acme", "beta", "receipt")
        receipts = [e for e in found if e["what"] == "receipt"]
        assert told(receipts, "carrier", "outcome") == [("acme", "held"), ("acme", "stale")]
        assert (found[0]["tried"], found[0]["route"] is not None) == (["acme"], True)


async def test_segments_each_have_their_own(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x" * 400))["id"]
        await g.smsc.came(3)
        await g.settled()
        found = await entries(app, id)
        assert (found[0]["segments"], found[0]["scheme"]) == (3, "udh8")
        assert told([e for e in found if e["what"] == "submit_sm"], "part") == [(1,), (2,), (3,)]
        assert len({e["id"] for e in found if e["what"] == "submit_sm_resp"}) == 3


async def test_a_cancel(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x", send_at="2025-12-01T00:00:00Z"))["id"]
        await app.call("cancel", id=id)
        found = await entries(app, id)
        assert told(found) == ["accepted", "ended"]
        assert told(found[1:], "state", "reason") == [("cancelled", "cancelled")]


async def test_what_is_unusual_of_a_message_is_said(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        id = (await app.call("submit", to=TO, text="x", flash=True, receipt=False))["id"]
        await g.smsc.came(1)
        await g.settled()
        accepted, *rest = await entries(app, id)
        assert accepted["receipt"] is False
        assert "flash" in accepted["options"]
        assert told(rest) == ["submit_sm", "submit_sm_resp"]


async def test_a_handler_that_fails(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = (
        '[[handlers]]\nname = "crm"\nwebhook = "http://127.0.0.1:9/x"\nsecret = "0123456789abcdef0123456789abcdef"\n'
    )
    async with gateway(extra=extra, carrier="") as g:
        g.config.write_text(
            g.config.read_text().replace('number = "+15551230001"', 'number = "+15551230001"\nhandlers = ["crm"]')
        )
        app = await g.connect()
        await app.call("reload")
        id = (await app.call("submit", to=TO, text="x"))["id"]
        (submit,) = await g.smsc.came(1)
        await g.settled()
        g.smsc.receipt(submit)
        await g.settled()
        found = [e for e in await entries(app, id) if e["what"] == "event"]
        assert told(found, "to", "name") == [("handler", "crm")]
        assert found[0]["status"] in ("waiting", "retrying")
