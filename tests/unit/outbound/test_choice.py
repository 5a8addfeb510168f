"""The carrier that a message is given: what is down is passed over, and moved pairs are held, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.outbound.choice import Choice
from gateway.policy.routing import Facts
from gateway.settings import Settings, load
from gateway.store.reroute import CAUSES
from gateway.store.sticky import AgeStickyOp, StickyOp, sticky_pairs
from tests.support.stores import Desk

OURS = "+15551230001"
DAY = 86_400_000


def settings(directory: Path, carriers: str, given: str = "", limits: str = "") -> Settings:
    accounts = "".join(
        f'[[carriers]]\nname = "{name}"\nhost = "h.example"\nsystem_id = "u"\npassword = "p"\n' for name in "abc"
    )
    path = directory / "smsgw.toml"
    path.write_text(
        f"[limits]\n{limits}\n{accounts}"
        f'[[numbers]]\nnumber = "{OURS}"\ncarrier = "a"\n'
        f'[[routes]]\nname = "r"\ncarriers = [{carriers}]\n{given}\n'
    )
    return load(path, {})


def in_order(*names: str) -> str:
    return ", ".join(f'{{ name = "{name}", preference = {i} }}' for i, name in enumerate(names, 1))


def peer(i: int) -> str:
    return f"+4477009{i:05}"


def choose(choice: Choice, i: int, now: int = 0) -> tuple[str, bool]:
    chosen = choice.choose(Facts(OURS, "local", "direct", peer(i)), i, now)
    assert chosen is not None
    assert chosen.route == "r"
    return chosen.carrier, chosen.moved


@pytest.mark.parametrize(
    ("away", "held", "chosen"),
    [
        ("", None, ("a", False)),
        ("a", None, ("b", True)),
        ("ab", None, ("c", True)),
        ("abc", None, ("a", False)),  # all are down: it waits where it belongs
        ("b", None, ("a", False)),
        ("", "b", ("b", False)),
        ("a", "b", ("b", False)),
        ("b", "b", ("a", True)),  # back home, and it stays there from now on
        ("ab", "b", ("c", True)),
        ("", "gone", ("a", True)),  # no longer a carrier of the route
    ],
)
def test_where_a_message_goes(tmp_path: Path, away: str, held: str | None, chosen: tuple[str, bool]) -> None:
    choice = Choice(settings(tmp_path, in_order("a", "b", "c")))
    choice.away = frozenset(("r", name) for name in away)
    if held is not None:
        choice.hold((OURS, peer(1)), held, 0)
    assert choose(choice, 1) == chosen
    assert choose(choice, 1) == chosen, "choosing changes nothing"


def test_what_is_away_on_another_route_is_not_on_this(tmp_path: Path) -> None:
    choice = Choice(settings(tmp_path, in_order("a", "b")))
    choice.away = frozenset({("other", "a")})
    assert choose(choice, 1) == ("a", False)


def test_without_sticky_nothing_is_remembered(tmp_path: Path) -> None:
    choice = Choice(settings(tmp_path, '{ name = "a" }, { name = "b" }', "sticky = false"))
    assert {choose(choice, i) for i in range(50)} == {("a", False), ("b", False)}
    choice.away = frozenset({("r", "a")})
    assert {choose(choice, i) for i in range(50)} == {("b", False)}


def test_the_memory_of_pairs_is_bounded(tmp_path: Path) -> None:
    choice = Choice(settings(tmp_path, in_order("a", "b"), limits="sticky_pairs = 3"))
    gone = [choice.hold((OURS, peer(i)), "b", i) for i in range(3)]
    assert gone == [None] * 3
    choice.hold((OURS, peer(0)), "b", 3)  # used again: now the youngest
    assert choice.hold((OURS, peer(9)), "b", 4) == (OURS, peer(1))
    assert choice.evicted == 1
    assert [choose(choice, i)[0] for i in (0, 1, 2, 9)] == ["b", "a", "b", "b"]
    op = choice.hold_all([(OURS, peer(7), "b", 5)])
    assert isinstance(op, StickyOp)
    assert op.gone == [(OURS, peer(2))]


def test_pairs_age_from_their_last_use(tmp_path: Path) -> None:
    choice = Choice(settings(tmp_path, in_order("a", "b"), limits="sticky_age = 86400"))
    choice.hold((OURS, peer(1)), "b", 0)
    choice.hold((OURS, peer(2)), "b", DAY // 2)
    # One in use is written again now and then, not at each message.
    assert choose(choice, 1, DAY // 8 - 1) == ("b", False)
    assert choose(choice, 1, DAY // 8 + 1) == ("b", True)
    assert choice.age(DAY + 1) == 1
    assert [choose(choice, i)[0] for i in (1, 2)] == ["a", "b"]


def test_a_reload_forgets_what_it_does_not_know(tmp_path: Path) -> None:
    choice = Choice(settings(tmp_path, in_order("a", "b")))
    choice.hold((OURS, peer(1)), "b", 0)
    choice.away = frozenset({("r", "a")})
    choice.configure(settings(tmp_path, in_order("a", "c")))
    assert choice.away == frozenset()
    assert choose(choice, 1) == ("a", True)


async def test_pairs_are_kept_over_a_restart_the_ones_used_last(desk: Desk, tmp_path: Path) -> None:
    rows = [(OURS, peer(i), "b", i) for i in range(5)]
    await desk.do(StickyOp(rows, []), StickyOp([(OURS, peer(0), "c", 9)], [(OURS, peer(1))]))
    found = desk.store.read_now(lambda con: sticky_pairs(con, 3))
    assert found == [(OURS, peer(3), "b", 3), (OURS, peer(4), "b", 4), (OURS, peer(0), "c", 9)]
    choice = Choice(settings(tmp_path, in_order("a", "b", "c"), limits="sticky_pairs = 2"))
    choice.load(found)
    assert list(choice.moved) == [(OURS, peer(4)), (OURS, peer(0))]
    op = AgeStickyOp(4)
    await desk.do(op)
    assert op.gone == 2
    assert desk.rows("SELECT peer FROM sticky ORDER BY at") == [(peer(4),), (peer(0),)]


def test_causes_are_documented() -> None:
    text = (Path(__file__).parents[3] / "docs/routing.md").read_text()
    assert all(f"`{cause}`" in text for cause in CAUSES)
