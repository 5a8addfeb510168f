"""What is counted as written before a code, though it came later."""

from bench.overtake import between


def test_what_came_between_the_reply_and_the_code_is_counted() -> None:
    came = [(1.0, None), (2.1, None), (2.2, "#T000000"), (2.3, None), (3.0, None), (3.1, None), (3.2, "#T000001")]
    assert between({"#T000000": 2.0, "#T000001": 2.25}, came) == {"#T000000": (1, 1), "#T000001": (3, 3)}


def test_a_code_may_come_before_its_reply_is_read() -> None:
    assert between({"#T000000": 2.0}, [(1.9, "#T000000"), (1.95, None), (2.5, None)]) == {"#T000000": (0, 0)}


def test_the_first_copy_counts_and_what_never_came_is_not_there() -> None:
    assert between({"#T000000": 1.0, "#T000009": 1.0}, [(1.1, "#T000000"), (1.2, None), (1.3, "#T000000")]) == {
        "#T000000": (0, 0)
    }


def test_what_was_read_at_once_is_one_piece() -> None:
    came = [(2.1, None), (2.1, None), (2.2, None), (2.3, "#T000000")]
    assert between({"#T000000": 2.0}, came) == {"#T000000": (3, 2)}
