"""A number that is over its quota is passed over while another has room."""

from __future__ import annotations

from collections import Counter

from trio.testing import MockClock

from tests.support.apps import AppClient, RpcError
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import peers

FIRST, SECOND, THIRD = (f"+1555123000{i}" for i in (1, 2, 3))


async def given(app: AppClient, phones: list[str], text: str = "x") -> list[str]:
    """The number that sends to each, or the reason for which none does."""
    outcomes = await app.calls([("submit", {"to": phone, "text": text}) for phone in phones])
    return [one.reason if isinstance(one, RpcError) else one["from"] for one in outcomes]


async def quota(g: Gateway, app: AppClient, **days: int) -> None:
    """Sets quotas of a day, by the last digit of the number (``n1``)."""
    lines = []
    for line in g.config.read_text().splitlines():
        if not line.startswith("quota = "):
            lines.append(line)
        if line.startswith('number = "') and (most := days.get(f"n{line[-2]}")):
            lines.append(f"quota = {{ day = {most} }}")
    g.config.write_text("\n".join(lines) + "\n")
    await app.call("reload")


async def test_what_is_over_its_quota_is_not_chosen_while_another_has_room(autojump_clock: MockClock) -> None:
    phones = peers(60)
    async with gateway(numbers=2) as g:
        app = await g.connect()
        own = await given(app, phones)
        assert set(own) == {FIRST, SECOND}
        seen: list[str] = []
        g.daemon.store.read_now(lambda con: con).set_trace_callback(
            lambda sql: seen.append(sql) if sql.startswith("WITH v(number)") else None
        )
        await given(app, phones[:3])
        assert seen == []  # without a quota nothing is asked
        await quota(g, app, n1=10)
        # In one burst: ten of those whose own it is, then the other number, and nobody is refused.
        texts = await given(app, phones, "y")
        assert Counter(texts) == {FIRST: 10, SECOND: 50}
        assert all(new == SECOND for new, old in zip(texts, own, strict=True) if old == SECOND)
        assert len(seen) == 1
        first = phones[own.index(FIRST)]
        assert await given(app, [first]) == [SECOND]
        shown = (await app.call("route", to=first))["sender"]
        assert shown["why"] == "room"
        assert shown["numbers"] == [{"number": FIRST, "lacks": "quota"}, {"number": SECOND, "lacks": None}]
        assert (await app.call("preview", to=first, text="x"))["sender"] == shown
        # Who knows the number hears from no other, unless another is named.
        await g.tell("hello", peer=first, number=FIRST)
        refused = await app.refused("submit", to=first, text="x")
        assert (refused.reason, refused.field) == ("quota_exceeded", "from")
        assert refused.data["detail"] == (
            f"day: of the 10 segments a day that {FIRST} has 0 are left;"
            " the phone wrote to this one, and hears from no other unless it is named"
        )
        await app.submit("x", to=first, from_=SECOND)
        # With room again it is each one's own.
        await quota(g, app, n1=1000)
        assert await given(app, phones) == own


async def test_a_number_with_too_little_left_for_a_long_text_is_passed_over(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2) as g:
        app = await g.connect()
        phones = peers(20)
        phone = phones[(await given(app, phones)).index(FIRST)]
        await quota(g, app, n1=2, n2=5)
        assert (await app.call("preview", to=phone, text="z" * 400))["sender"] == {
            "why": "room",
            "detail": "the number that the phone would have is over its quota; this one has room",
            "numbers": [{"number": FIRST, "lacks": "quota"}, {"number": SECOND, "lacks": None}],
        }
        assert await given(app, [phone], "z" * 400) == [SECOND]  # 3 segments
        assert await given(app, [phone], "z" * 200) == [FIRST]
        # Nobody has three left, and who never has them is not the one to wait for.
        refused = await app.refused("submit", to=phone, text="z" * 400)
        assert refused.data["detail"] == (
            f"day: of the 5 segments a day that {SECOND} has 2 are left; nor has another of those that fit"
        )
        assert refused.data["retry_after"] > 0
        assert (await app.refused("preview", to=phone, text="z" * 400)).data["detail"] == refused.data["detail"]
        # A ref that was taken is answered by what is stored under it, whatever is left.
        before = await app.call("submit", to=phone, text="last", ref="a")
        assert before["from"] == SECOND
        await given(app, [phone])
        assert await given(app, [phone]) == ["quota_exceeded"]
        assert (await app.call("submit", to=phone, text="last", ref="a"))["id"] == before["id"]
