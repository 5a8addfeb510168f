"""What is sent of a text where transliteration and national tables are allowed, and what a preview says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.compose import CHANGES_WARNED, POSITIONS_WARNED, Way, compose, warnings_of
from gateway.sms.preview import POSITIONS_SHOWN, described, preview
from gateway.sms.segment import TooLongError, UnencodableError, plan
from gateway.sms.transliterate import Change

TURKISH = Way(national=("turkish",))


def test_a_text_that_goes_as_gsm7_is_not_touched() -> None:
    done = compose("plain, €", Way())
    assert (done.plan, done.text, done.changes) == (plan("plain, €"), "plain, €", ())


def test_a_text_is_changed_where_all_of_it_goes_as_gsm7_then() -> None:
    done = compose("It’s…", Way())
    assert (done.text, done.plan.encoding) == ("It's...", "gsm7")
    assert done.changes == (Change("’", "'", (2,)), Change("…", "...", (4,)))


@pytest.mark.parametrize("text", ["It’s 👋", "‘Привет’", "’\u0336"])
def test_half_of_it_would_save_nothing_and_is_left(text: str) -> None:
    done = compose(text, Way())
    assert (done.text, done.changes, done.plan) == (text, (), plan(text))


@pytest.mark.parametrize("encoding", ["ucs2", "latin1"])
def test_another_encoding_that_was_asked_for_is_kept(encoding: str) -> None:
    done = compose("é×", Way(encoding=encoding))  # type: ignore[arg-type]
    assert (done.text, done.changes, done.plan.encoding) == ("é×", (), encoding)


def test_gsm7_asked_for_becomes_possible() -> None:
    assert compose("ż", Way(encoding="gsm7")).text == "z"
    with pytest.raises(UnencodableError, match=r"U\+043F.* position 1 "):  # not the quote: that is no hindrance
        compose("’п", Way(encoding="gsm7"))


def test_too_long_as_ucs2_and_short_enough_as_gsm7() -> None:
    text = "’" + "x" * 159
    assert compose(text, Way(max_parts=1)).plan.parts == 1
    with pytest.raises(TooLongError) as caught:
        compose(text + "👋", Way(max_parts=1))
    assert caught.value.parts == 3
    with pytest.raises(TooLongError):
        compose(text + "x", Way(max_parts=1))
    with pytest.raises(TooLongError) as caught:
        compose(text + "x", Way(encoding="gsm7", max_parts=1))
    assert caught.value.parts == 2


def test_a_text_far_too_long_is_not_worked_on() -> None:
    assert compose("’" + "\u200b" * 300, Way(max_parts=1)).text == "'"
    for encoding in ("auto", "gsm7"):
        with pytest.raises((TooLongError, UnencodableError)):
            compose("’" + "\u200b" * 320, Way(encoding=encoding, max_parts=1))  # type: ignore[arg-type]


def test_a_lone_surrogate_is_named_as_ever() -> None:
    with pytest.raises(UnencodableError):
        compose("’\ud800", Way())


def test_what_makes_longer_may_still_be_shorter_on_the_air() -> None:
    done = compose("½" * 40, Way())
    assert (len(done.text), done.plan.encoding, done.plan.parts) == (120, "gsm7", 1)


def test_letters_of_an_allowed_language_stay_and_the_rest_goes() -> None:
    text = "“Şişli’de”" + "ş" * 70
    done = compose(text, TURKISH)
    assert done.text == '"Şişli\'de"' + "ş" * 70
    assert done.plan.encoding == "gsm7"
    assert done.plan.shift.languages == ("turkish",)
    assert {change.char for change in done.changes} == set("“’”")


def test_letters_of_an_allowed_language_are_shed_only_to_save_segments() -> None:
    # One segment either way: national tables save nothing over UCS-2, nor would bare letters.
    assert compose("Şişli", TURKISH).changes == ()
    # ł is not Turkish and has its replacement; then the Turkish table saves a segment.
    done = compose("łş" + "x" * 80, TURKISH)
    assert done.text == "lş" + "x" * 80
    # Spanish letters of two septets each would need as much as UCS-2, bare ones half of it.
    done = compose("á" * 100, Way(national=("spanish",)))
    assert (done.text, done.plan.parts) == ("a" * 100, 1)
    # 156 characters: two segments by the table, one without it.
    done = compose("ş’" + "x" * 154, TURKISH)
    assert done.plan.parts == 2
    assert done.text[0] == "ş"


def test_a_carrier_of_ascii_gets_ascii() -> None:
    done = compose("“Öl” für Århus", Way(alphabet="ascii"))
    assert done.text == '"Ol" fur Arhus'


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("“’…éşx\u0301²1½\u200b👋"), max_size=200))
def test_any_text_goes_as_the_plan_of_the_text_that_it_became(text: str) -> None:
    for way in (Way(), TURKISH, Way(alphabet="latin1")):
        done = compose(text, way)
        assert done.plan in (way.plan(done.text), way.plan(done.text, ()))
        if done.changes:
            assert way.plan(text).encoding == "ucs2"
            assert done.plan.encoding == "gsm7"
        else:
            assert done.text == text
        shown = preview(text, way, transliterated=True)
        assert (shown.composed, shown.offer is not None) == (done, bool(done.changes))
        bare = preview(text, way, transliterated=False)
        assert bare.composed.plan == way.plan(text)
        assert (bare.offer is not None) == (shown.offer is not None)


def test_warnings_name_the_character_what_became_of_it_and_where() -> None:
    changes = compose("5 ’ \u00a0’ \u200b e\u0301 ª\x0b ”", Way()).changes
    assert warnings_of(changes) == [
        'transliterated: "’" (U+2019) to "\'" at 2, 5',
        'transliterated: U+00A0 to " " at 4',
        "transliterated: U+200B to nothing at 7",
        'transliterated: "e\u0301" (U+0065 U+0301) to "é" at 9',
        'transliterated: "ª" (U+00AA) to "a" at 12',
        "transliterated: U+000B to a line end at 13",
        'transliterated: "”" (U+201D) to \'"\' at 15',
    ]


def test_warnings_are_bounded() -> None:
    (warning,) = warnings_of((Change("’", "'", tuple(range(100))),))
    assert warning.endswith(f" 19 and {100 - POSITIONS_WARNED} more")
    many = warnings_of(tuple(Change(chr(0x1E00 + n), "x", (n,)) for n in range(200)))
    assert len(many) == CHANGES_WARNED + 1
    assert many[-1] == "transliterated: 150 more characters"


def test_a_preview_has_every_position_of_each_character() -> None:
    shown = preview("’a’👋’", Way(), transliterated=False)
    assert [(one.char, one.positions, one.count) for one in shown.forced_by] == [
        ("’", (0, 2, 4), 3),
        ("👋", (3,), 1),
    ]
    assert shown.offer is None


def test_a_preview_of_a_long_text_is_bounded_and_counts_on() -> None:
    text = "’" * 3000 + "”“"
    shown = preview(text, Way(), transliterated=False)
    assert [(len(one.positions), one.count) for one in shown.forced_by] == [(POSITIONS_SHOWN, 3000), (1, 1), (1, 1)]
    said = described(shown.composed.plan, 0x08, shown)
    assert [len(one["positions"]) for one in said["transliteration"]["changes"]] == [POSITIONS_SHOWN, 1, 1]
    assert said["transliteration"]["changes"][0]["count"] == 3000


def test_what_transliteration_saves_is_counted_against_the_text_as_it_is() -> None:
    for transliterated in (False, True):
        offer = preview("’" * 160, Way(), transliterated=transliterated).offer
        assert offer is not None
        assert (offer.applied, offer.encoding, offer.segments, offer.saves) == (transliterated, "gsm7", 1, 2)
    for way in (Way(encoding="gsm7"), Way(max_parts=1)):
        with pytest.raises((UnencodableError, TooLongError)):
            preview("’" * 160, way, transliterated=False)
        offer = preview("’" * 160, way, transliterated=True).offer
        assert offer is not None
        assert offer.saves == 2


def test_characters_are_named_though_all_have_a_place_in_an_allowed_table() -> None:
    shown = preview("ş", TURKISH, transliterated=False)
    assert shown.composed.plan.encoding == "ucs2"
    assert [one.char for one in shown.forced_by] == ["ş"]
    # But those that have none are to blame alone.
    assert [one.char for one in preview("ş👋", TURKISH, transliterated=False).forced_by] == ["👋"]


def test_octets_have_nothing_to_explain() -> None:
    shown = preview(b"\0\1", Way(), transliterated=True)
    assert (shown.composed.plan.encoding, shown.forced_by, shown.offer) == ("binary", (), None)


def test_texts_are_not_shown_by_repr() -> None:
    assert "secret" not in repr(compose("secret’s", Way()))
