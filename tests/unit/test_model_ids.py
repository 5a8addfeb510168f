"""Stored ids rise whatever the clock does; as text they are UUIDv7 (RFC 9562 §5.7) of this installation alone."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Clock, IdSource, IdText, id_floor, id_ms

NOW = 1_760_000_000_123
INSTALL = 0x1A_BCDE_F012_3456


class Hand:
    """A clock turned by hand."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def source(hand: Hand, **given: int) -> IdSource:
    return IdSource(Clock(hand), **given)


def test_an_id_is_its_time_its_node_and_a_counter() -> None:
    ids = source(Hand(), node=5)
    first, second = ids.next(), ids.next()
    assert first == NOW << 21 | 5 << 15
    assert second == first + 1
    assert id_ms(first) == id_ms(second) == NOW
    assert id_floor(NOW) <= first < id_floor(NOW + 1)


def test_ids_rise_in_a_millisecond_that_is_full() -> None:
    ids = source(Hand(), node=63)
    given = [ids.next() for _ in range(70_000)]
    assert given == sorted(set(given))
    assert id_ms(given[-1]) == NOW + 2  # 32768 for each


def test_ids_rise_when_the_clock_steps_back() -> None:
    hand = Hand()
    ids = source(hand)
    before = [ids.next() for _ in range(3)]
    hand.now -= 3_600_000
    during = [ids.next() for _ in range(3)]
    hand.now += 3_600_001
    after = [ids.next() for _ in range(3)]
    assert before + during + after == sorted({*before, *during, *after})
    assert id_ms(during[0]) == NOW  # not an hour in the past
    assert id_ms(after[0]) == NOW + 1


@pytest.mark.parametrize("step", [0, 1, -1, -86_400_000, 86_400_000])
def test_ids_rise_over_a_restart(step: int) -> None:
    hand = Hand()
    highest = source(hand).next()
    hand.now += step
    again = source(hand, after=highest)
    given = [again.next() for _ in range(3)]
    assert [highest, *given] == sorted({highest, *given})


def test_a_restart_leaves_the_rest_of_the_highest_millisecond_alone() -> None:
    """Ids that were given and never stored are not given again."""
    hand = Hand()
    ids = source(hand)
    stored, lost = ids.next(), ids.next()
    assert source(hand, after=stored).next() > lost


def test_ids_of_two_nodes_differ() -> None:
    assert source(Hand(), node=0).next() != source(Hand(), node=1).next()
    for node in (-1, 64):
        with pytest.raises(ValueError, match="node"):
            source(Hand(), node=node)


def test_threads_share_a_source() -> None:
    ids = IdSource(Clock())
    given: list[list[int]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda out=out: out.extend(ids.next() for _ in range(5000))) for out in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(out == sorted(out) for out in given)
    assert len({i for out in given for i in out}) == 20_000


def test_the_clock_is_the_wall_clock() -> None:
    before = time.time()
    assert int(before * 1000) - 1 <= Clock().now_ms() <= int(time.time() * 1000) + 1


stored_ids = st.integers(0, (1 << 63) - 1)
installs = st.integers(0, (1 << 53) - 1)


@given(stored_ids, installs)
def test_text_and_back(stored: int, install: int) -> None:
    text = IdText(install).format(stored)
    read = uuid.UUID(text)
    assert str(read) == text
    assert read.version == 7
    assert read.variant == uuid.RFC_4122
    assert read.int >> 80 == stored >> 21  # unix_ts_ms, 48 bits
    assert IdText(install).parse(text) == stored
    assert IdText(install).parse(text.upper()) == stored


@given(stored_ids, installs, installs)
def test_the_id_of_another_installation_is_refused(stored: int, ours: int, theirs: int) -> None:
    expected = stored if ours == theirs else None
    assert IdText(ours).parse(IdText(theirs).format(stored)) == expected


@given(st.lists(stored_ids, min_size=2, max_size=6, unique=True), installs)
def test_text_sorts_as_the_ids_do(stored: list[int], install: int) -> None:
    of_one_node = [i & ~(0x3F << 15) for i in stored]
    text = IdText(install).format
    assert sorted(map(text, of_one_node)) == [text(i) for i in sorted(of_one_node)]


def _changed(text: str, at: int, to: str) -> str:
    return text[:at] + to + text[at + len(to) :]


GOOD = IdText(INSTALL).format(id_floor(NOW) | 77)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        GOOD[:-1],
        GOOD + "0",
        GOOD.replace("-", ""),
        "{" + GOOD + "}",
        " " + GOOD[1:],
        _changed(GOOD, 14, "4"),  # another version
        _changed(GOOD, 19, "f"),  # another variant
        _changed(GOOD, 35, "0" if GOOD[35] != "0" else "1"),  # another installation
        _changed(GOOD, 22, "0" if GOOD[22] != "0" else "1"),  # its higher bits
        _changed(GOOD, 8, "_"),
        _changed(GOOD, 0, "+"),
        _changed(GOOD, 0, "_"),
        _changed(GOOD, 0, "１"),
        _changed(GOOD, 0, "g"),
        "-0000001" + GOOD[8:],  # a sign is no digit
        "-0000001-0000" + GOOD[13:],
        _changed(GOOD, 14, "-001"),
        "ffffffff" + GOOD[8:],  # a time that no stored id has
        "183722c5-c10f-40dc-b532-097c7b8ebf12",
        "01890a5d-ac96-774b-bcce-b302099a8057",  # the example of another UUIDv7
        "\x00" * 36,
        "\U0001f600" * 36,
    ],
)
def test_what_is_no_id_of_ours_is_refused(text: str) -> None:
    assert IdText(INSTALL).parse(text) is None


@given(st.text(min_size=23, max_size=23) | st.text("0123456789abcdefABCDEF-+_ x", min_size=23, max_size=23))
def test_any_text_is_an_id_as_we_write_it_or_none(text: str) -> None:
    text += GOOD[23:]
    stored = IdText(INSTALL).parse(text)
    if stored is not None:
        assert 0 <= stored < 1 << 63
        assert IdText(INSTALL).format(stored) == text.lower()


def test_install_has_53_bits() -> None:
    for install in (-1, 1 << 53):
        with pytest.raises(ValueError, match="53"):
            IdText(install)


def test_several_ids_are_those_that_come_one_after_the_other() -> None:
    hand = Hand()
    ids, others = source(hand, node=5), source(hand, node=5)
    assert [*ids.some(3), ids.next(), *ids.some(2)] == [others.next() for _ in range(6)]
    hand.now += 1
    assert [*ids.some(1), ids.next()] == [others.next() for _ in range(2)]


def test_several_ids_are_of_one_millisecond_or_the_next_and_rise() -> None:
    ids = source(Hand(), node=63)
    given = [id for _ in range(7) for id in ids.some(10_000)]
    assert given == sorted(set(given))
    assert {id >> 15 & 63 for id in given} == {63}
    assert id_ms(given[-1]) == NOW + 2  # three times 10,000 for each, and none shared
    assert len(ids.some(1 << 15)) == 1 << 15
    assert ids.next() > given[-1]
    with pytest.raises(ValueError, match="32769"):
        ids.some((1 << 15) + 1)


def test_several_ids_after_a_restart_leave_the_stored_millisecond_alone() -> None:
    ids = source(Hand(), after=NOW << 21 | 7)
    assert id_ms(ids.some(2)[0]) == NOW + 1
