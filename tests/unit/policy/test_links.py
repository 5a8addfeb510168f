"""Links by public shorteners: in whatever spelling a phone or a browser takes for them, and nothing else."""

from __future__ import annotations

import re

import pytest

from gateway.policy.links import Links, public_shorteners

LINKS = Links((*public_shorteners(), "short.example"), ["go.acme.example", "acme.bit.ly", "tiny.one"])

REFUSED = {
    # as people write it
    "See bit.ly/x": "bit.ly at character 5",
    "bit.ly": "bit.ly at character 1",
    "BIT.LY/ABC": "bit.ly at character 1",
    "Go to https://bit.ly/x now": "bit.ly at character 15",
    "(http://www.bit.ly/x)": "www.bit.ly at character 9",
    "x.y.bit.ly": "x.y.bit.ly at character 1",
    "now.tinyurl.com/abc.": "now.tinyurl.com at character 1",
    "a, b,t.co/x;": "t.co at character 6",
    "“rb.gy/1”": "rb.gy at character 2",
    "yes/bit.ly": "bit.ly at character 5",
    "bit.ly!": "bit.ly at character 1",
    "bit.ly...": "bit.ly at character 1",
    "https://t.co": "t.co at character 9",
    "short.example/a": "short.example at character 1",
    "one\ntwo\tis.gd/z": "is.gd at character 9",
    # as a browser reads it
    "bit.ly./x": "bit.ly at character 1",
    "bit.ly:8080/x": "bit.ly at character 1",
    "http:\\\\bit.ly\\x": "bit.ly at character 8",
    "http:bit.ly/x": "bit.ly at character 6",
    "https://acme.example@bit.ly/x": "bit.ly at character 22",
    "https://acme.example:pw@bit.ly/x": "bit.ly at character 25",
    "https://a@b@bit.ly": "bit.ly at character 13",
    "joe@bit.ly/x": "bit.ly at character 5",
    "http://%62it%2Ely/x": "bit.ly at character 1",
    "https://acme.example/?u=https://bit.ly/x": "bit.ly at character 33",
    "ｂｉｔ．ｌｙ/x": "bit.ly at character 1",
    "bit。ly/x": "bit.ly at character 1",
    "bit｡ly/x": "bit.ly at character 1",
    "a b\u200bit.l\ufeffy/x": "bit.ly at character 3",
    "bit.\u00adly": "bit.ly at character 1",
    "\u200bbit\u2060.\u200bly/x": "bit.ly at character 2",
    "𝐛𝐢𝐭.𝐥𝐲/x": "bit.ly at character 1",
    # beside scripts that have no blanks
    "点击bit.ly/x查看": "bit.ly at character 3",
    "こちらbit.ly。": "bit.ly at character 4",
    # what only looks like it
    "bіt.ly/x": "bіt.ly, which is read as bit.ly, at character 1",
    "xn--bt-hoc.ly/x": "bіt.ly, which is read as bit.ly, at character 1",
    "ｂít.ly/x": "bít.ly, which is read as bit.ly, at character 1",
    "tınyurl.com/x": "tınyurl.com, which is read as tinyurl.com, at character 1",
}

PASS = [
    "",
    "No link here",
    "Hello. This is. A text.",
    "rabbit.lyon",
    "rabbit.ly/x",
    "bit.lyon",
    "my-bit.ly/x",
    "bit.ly.example.com/x",
    "bit.ly-offers.example/x",
    "bit. ly",
    "bit .ly",
    "bit.\nly",
    "bit..ly",
    "bitly",
    "3.50 or 10.30, version 1.2.3",
    "e.g. this, i.e. that",
    "U.S.ID required",  # s.id
    "T.CO",
    "joe@bit.ly",
    "mailto:joe@bit.ly",
    "bit.ly@acme.example",
    "https://bit.ly@acme.example/x",
    "https://bit.ly:443@acme.example/x",
    "https://acme.example/bit.ly",
    "acme.example/a?b=bit.ly",
    "acme.example#bit.ly",
    "https://acme.example/docs/tinyurl.com.html",
    "go.acme.example/x",
    "acme.bit.ly/x",
    "x.acme.bit.ly",
    "tiny.one/x",
    "Привет.Как дела",
    "кино.рф/bit.ly",
    "點擊。bitly",
    "youtu.be/x and amzn.to/x",
    "100% sure. 50%2B",
    "xn--/x xn--a.b xn--\u00fc.ly",
    ".",
    "...",
    "a" * 300 + ".bit.ly",
]


@pytest.mark.parametrize("text", REFUSED)
def test_a_shortener_is_found_and_named(text: str) -> None:
    found = LINKS.find(text)
    assert found is not None
    assert found.said == REFUSED[text]


def test_sentences_about_a_link_change_nothing() -> None:
    """Full stops that end sentences are read over in one go: none of them may hide another."""
    for text in (*REFUSED, *PASS):
        alone, among = LINKS.find(text), LINKS.find(f"One. Two. {text} Three.")
        assert (among and among.domain) == (alone and alone.domain), text
    for text in ("One.", "One. Two.", "One. ", ".", "..", "Wait... what.", "1.50. And. 3.", ". ."):
        assert LINKS.find(text) is None, text
    for text in ("One..t.co/x.", ". .t.co/x", "One. bit.ly", "t.co/x. ", "One.\tt.co/x."):
        assert LINKS.find(text) is not None, text


@pytest.mark.parametrize("text", PASS)
def test_what_is_none_passes(text: str) -> None:
    assert LINKS.find(text) is None


def test_every_domain_of_the_list_is_found() -> None:
    listed = public_shorteners()
    assert len(listed) == len(set(listed)) > 100
    assert list(listed) == sorted(listed)
    for domain in listed:
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain), domain
        found = Links(listed).find(f"Look: {domain}/x")
        assert found is not None
        assert found.domain == domain
        assert found.position == 7


def test_the_head_of_the_list_says_when_it_was_made() -> None:
    from importlib import resources

    head = (resources.files("gateway.policy") / "shorteners.txt").read_text(encoding="utf-8").split("\n0rz.tw")[0]
    assert re.search(r"Compiled on \d{4}-\d\d-\d\d from", head)


def test_a_host_of_another_alphabet_may_be_listed_and_allowed() -> None:
    assert Links(["xn--80ak6aa92e.com"]).find("аррӏе.com/x") is not None
    assert Links(["кино.рф"]).find("см. КИНО.РФ/1") is not None
    assert Links(["bit.ly"], ["bіt.ly"]).find("bіt.ly/x") is None


def test_no_character_of_all_there_are_hides_a_link_or_moves_where_it_is() -> None:
    """Also those beyond what is remembered."""
    hidden = 0
    for code in (*range(0xA0, 0xD800, 7), *range(0xE000, 0x110000, 97)):
        found = LINKS.find(f"x {chr(code) * 2}/ｂｉｔ。ｌｙ/x")
        if found is None:
            hidden += 1
        else:
            assert (found.domain, found.position) == ("bit.ly", 6), hex(code)
    assert hidden < 5  # blanks, and what ends a host
    assert LINKS.find("x ﬁﬁ/ｂｉｔ。ｌｙ/x") is not None


def test_long_texts_are_looked_at_in_a_time_that_grows_with_them() -> None:
    """No pattern here goes back over what it read: these take minutes where one does."""
    for text in ("a" * 12_000, "a." * 6_000, "." * 12_000, "@" * 12_000, "a.b/" * 3_000, "http:" * 2_400, "%2" * 6_000):
        assert LINKS.find(text) is None
        assert LINKS.find(f"{text} bit.ly") is not None
