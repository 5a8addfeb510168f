"""A cap on a prefix at the door: refused for now, told once, and nothing is left behind."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from gateway.outbound import intake
from tests.support.apps import RpcError
from tests.support.daemons import gateway

CAPS = '[[caps]]\nprefix = "+1212"\nper_hour = 2\n'
PEER, OTHER, ELSEWHERE = "+12125550000", "+12125550001", "+13105550000"


async def test_what_is_over_the_cap_comes_back_later(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[str, str, object]] = []
    log = type(intake._log)
    monkeypatch.setattr(log, "_log", lambda self, level, event, values: lines.append((level, event, values)))
    async with gateway(extra=CAPS, patience=10_000) as g:
        app = await g.connect()
        phones = [PEER, OTHER, PEER, OTHER, ELSEWHERE]
        outcomes = await app.calls([("submit", {"to": phone, "text": "x"}) for phone in phones])
        assert [isinstance(one, RpcError) for one in outcomes] == [False, False, True, True, False]
        error = outcomes[2]
        assert (error.code, error.reason, error.field) == (-32001, "prefix_cap", "to")
        assert 3300 < error.data["retry_after"] <= 3900
        assert error.data["detail"] == "local has had its 2 segments of an hour to numbers that begin with +1212"
        await g.smsc.came(3)
        metrics = g.daemon.metrics
        assert metrics.prefix_capped.labels("+1212")._value.get() == 2
        assert metrics.app_refused.labels("local", "prefix_cap")._value.get() == 2
        assert [level for level, event, _ in lines if event == "prefix_cap"] == ["error"]
        # Nor is it told again of others that are too long for it, whatever their length.
        for segments in (3, 4):
            never = await app.refused("submit", to=PEER, text="x" * 153 * segments)
            assert never.data["detail"] == f"{segments} segments, and local has 2 an hour to +1212"
        assert [level for level, event, _ in lines if event == "prefix_cap"] == ["error"]
        # The pair of what was refused is free, and the slot is used again.
        assert not g.daemon.outbound.queues["acme"].reserved
        await trio.sleep(error.data["retry_after"] + 1)  # of the mock clock
        await app.until_state(await app.submit("y", to=PEER), "sent")
        # Another cap is taken over with the file.
        g.config.write_text(g.config.read_text().replace("per_hour = 2", "per_hour = 1"))
        await app.call("reload")
        assert (await app.refused("submit", to=OTHER, text="z")).reason == "prefix_cap"
        g.config.write_text(g.config.read_text().replace(CAPS.replace("2\n", "1\n"), ""))
        await app.call("reload")
        await app.submit("z", to=OTHER)
