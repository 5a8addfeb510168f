"""Time zones and languages of peers: what is taken, and how it is written."""

import pytest

from gateway.policy.known import language, zone


@pytest.mark.parametrize("name", ["Europe/Paris", "America/Argentina/Ushuaia", "UTC", "Asia/Kolkata"])
def test_a_zone_is_an_iana_name(name: str) -> None:
    assert zone(name) == name


@pytest.mark.parametrize(
    "name",
    ["Europe/Mars", "Europe", "", "+05:30", "../Europe/Paris", "/etc/localtime", "localtime", "posix/Europe/Paris",
     "Factory", "Europe/Paris\0", "x" * 1000],
)  # fmt: skip
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="an IANA time zone"):
        zone(name)


@pytest.mark.parametrize(
    ("given", "written"),
    [("de", "de"), ("DE", "de"), ("pt-br", "pt-BR"), ("en_US", "en-US"), ("ZH-hant-tw", "zh-Hant-TW"),
     ("es-419", "es-419"), ("fil", "fil")],
)  # fmt: skip
def test_a_language_is_written_in_one_way(given: str, written: str) -> None:
    assert language(given) == written


@pytest.mark.parametrize("given", ["", "german", "d", "de-", "en_US.UTF-8", "de-DEU", "d\u00e9", "de DE"])
def test_what_is_no_tag_of_a_language(given: str) -> None:
    with pytest.raises(ValueError, match="a tag of a language"):
        language(given)
