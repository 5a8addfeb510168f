"""Profiles of carriers: those of the package are good, those of the file are checked, a carrier's own keys win."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gateway.model import REASONS
from gateway.settings import Carrier, profiles
from gateway.settings.carrier.ends import Ends
from gateway.settings.carrier.profile import Profiled
from gateway.settings.carrier.receipts import Receipts
from gateway.settings.carrier.wire import Wire
from gateway.settings.reference import reference

from .conftest import CARRIER, Failing, Loader

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "gateway/carrier/profiles"
NAMES = sorted(file.stem for file in FOLDER.glob("*.toml"))


def test_there_are_profiles() -> None:
    assert len(NAMES) >= 8
    assert sorted(profiles.packaged()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_profile_is_good_and_differs_from_the_default(name: str, config: Loader) -> None:
    profile = profiles.packaged()[name]
    assert profiles.check_values(profile.values) == []
    carrier = config(f'{CARRIER}profile = "{name}"\n').carriers[0]
    plain = config(CARRIER).carriers[0]
    assert carrier.profile == name
    assert any(getattr(carrier, key) != getattr(plain, key) for key in profile.values)


@pytest.mark.parametrize("name", NAMES)
def test_a_packaged_profile_is_documented(name: str) -> None:
    profile = profiles.packaged()[name]
    assert f"| `{name}` | {profile.about} |" in reference()
    assert f"`{name}`" in (ROOT / "docs/carriers.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_key_of_a_packaged_profile_says_why(name: str) -> None:
    """A comment stands before each key, or before the row of keys that it is of."""
    said = False
    for line in (FOLDER / f"{name}.toml").read_text().splitlines():
        if line.startswith("#"):
            said = True
        elif not line:
            said = False
        elif line.startswith("about"):
            continue
        else:
            assert said, f"{name}.toml: {line}"


def test_the_carriers_own_keys_win_and_tables_are_joined(config: Loader) -> None:
    settings = config(
        """
        [profiles.mine]
        window = 7
        default_alphabet = "latin1"
        reasons = { "err:1" = "absent", "err:2" = "spam" }
        [[carriers]]
        name = "acme"
        host = "127.0.0.1"
        system_id = "user"
        password = "pass"
        profile = "mine"
        window = 9
        reasons = { "err:2" = "barred" }
        """
    )
    carrier = settings.carriers[0]
    assert (carrier.window, carrier.default_alphabet) == (9, "latin1")
    assert carrier.reasons == {"err:1": "absent", "err:2": "barred"}


def test_two_carriers_do_not_share_what_they_join(config: Loader) -> None:
    settings = config(
        """
        [profiles.mine]
        tlvs = { "0x1400" = "1" }
        [[carriers]]
        name = "a"
        host = "h"
        system_id = "u"
        password = "p"
        profile = "mine"
        tlvs = { "0x1402" = "2" }
        [[carriers]]
        name = "b"
        host = "h"
        system_id = "u"
        password = "p"
        profile = "mine"
        [[numbers]]
        number = "+33612345678"
        carrier = "a"
        """
    )
    assert settings.carriers[0].tlvs == {"0x1400": "1", "0x1402": "2"}
    assert settings.carriers[1].tlvs == {"0x1400": "1"}


def test_a_profile_of_the_file_goes_before_one_of_the_package(config: Loader) -> None:
    text = "[profiles.latin1_gateway]\nwindow = 3\n" + CARRIER + 'profile = "latin1_gateway"\n'
    carrier = config(text).carriers[0]
    assert (carrier.window, carrier.default_alphabet) == (3, "gsm7")


def test_the_environment_goes_before_a_profile(config: Loader) -> None:
    env = {"SMSGW_CARRIERS__0__PROFILE": "latin1_gateway", "SMSGW_CARRIERS__0__LATIN1": "off"}
    carrier = config(CARRIER, env).carriers[0]
    assert (carrier.default_alphabet, carrier.latin1) == ("latin1", "off")


def test_profiles_from_the_environment(config: Loader) -> None:
    env = {"SMSGW_PROFILES": '{"mine": {"window": 3}}', "SMSGW_CARRIERS__0__PROFILE": "mine"}
    assert config(CARRIER, env).carriers[0].window == 3


def test_what_is_wrong_with_a_profile_is_named_by_line_once(problems: Failing) -> None:
    text = """
        [profiles.mine]
        windw = 3
        binds = 0
        host = "elsewhere"
        tlvs = { "0x1400" = 5 }
        [profiles."Mine 2"]
        [[carriers]]
        name = "acme"
        host = "127.0.0.1"
        system_id = "user"
        password = "pass"
        profile = "mine"
        """
    assert problems(text) == [
        "smsgw.toml:3: profiles.mine.windw: unknown key; did you mean window?",
        "smsgw.toml:4: profiles.mine.binds: expected a number from 1 to 64, found 0",
        "smsgw.toml:5: profiles.mine.host: is of one account, and not of a profile: it belongs into [[carriers]]",
        'smsgw.toml:6: profiles.mine.tlvs: expected text or "hex:" with octets as TLV 0x1400: its width is not known '
        "for the number 5",
        "smsgw.toml:7: profiles.Mine 2: expected a name of 1 to 32 of a-z, 0-9, _ and -",
    ]


def test_an_unknown_profile_names_the_nearest(problems: Failing) -> None:
    (problem,) = problems(CARRIER + 'profile = "latin_gateway"\n')
    assert problem.startswith("smsgw.toml:7: carriers[0].profile: expected a profile of the package or of [profiles]: ")
    assert problem.endswith('found "latin_gateway"; did you mean latin1_gateway?')


@pytest.mark.parametrize("value", ["3", '"text"', "[]"])
def test_profiles_that_are_no_tables(problems: Failing, value: str) -> None:
    assert len(problems(f"profiles = {value}\n" + CARRIER)) == 1
    assert len(problems(f"profiles.mine = {value}\n" + CARRIER)) == 1


def test_no_profile_is_of_an_account() -> None:
    assert set(Carrier.model_fields) >= profiles.OF_THE_ACCOUNT
    for file in FOLDER.glob("*.toml"):
        assert not profiles.OF_THE_ACCOUNT & tomllib.loads(file.read_text()).keys()


WRONG = [
    ('source_types = { shortcode = "0/1" }', "carriers[0].source_types: expected kinds of address (international, "
     'national, short_code, alphanumeric), not "shortcode"; did you mean short_code?'),
    ('dest_types = { short_code = "0-1" }',
     'carriers[0].dest_types: expected TON and NPI of short_code as "5/0", each 0 '
     'to 255, not "0-1"'),
    ('tlvs = { "0x20000" = "a" }', "carriers[0].tlvs: expected tags from 0x0001 to 0xFFFF or names of SMPP's, not "
     '"0x20000"'),
    ('tlvs = { source_prt = "a" }', "carriers[0].tlvs: expected tags from 0x0001 to 0xFFFF or names of SMPP's, not "
     '"source_prt"; did you mean source_port?'),
    ('tlvs = { sar_total_segments = 2 }', "carriers[0].tlvs: expected no TLV that ties segments together, as "
     "sar_total_segments does: the gateway sets it"),
    ('tlvs = { "0x1400" = "a", "5120" = "b" }', 'carriers[0].tlvs: expected each tag once; "0x1400" and "5120" are the '
     "same"),
    ('tlvs = { "0x1400" = "hex:0" }',
     'carriers[0].tlvs: expected octets in hexadecimal behind "hex:" as TLV 0x1400, not '
     '"hex:0"'),
    ('tlvs = { source_port = 70000 }', "carriers[0].tlvs: expected 0 to 65535 as source_port, not 70000"),
    ('reasons = { "err:1" = "spamm" }', "carriers[0].reasons: expected a reason for \"err:1\" of absent, barred, "
     "carrier_refused, deleted, expired_at_carrier, handset_full, invalid_destination, landline, network_failure, "
     "no_credit, no_sms_capability, not_registered, opted_out_at_carrier, rejected_by_carrier, sender_refused, spam, "
     'undelivered, unknown_subscriber, not "spamm"; did you mean spam?'),
    ('reasons = { "045" = "spam" }', 'carriers[0].reasons: expected codes as "0x45", "ESME_RSUBMITFAIL" or "err:045", '
     'not "045"'),
    ('reasons = { "err:1" = "spam", "err:001" = "absent" }',
     'carriers[0].reasons: expected each code once; "err:1" and '
     '"err:001" are the same'),
    ('receipt_states = { KO = "failed" }',
     'carriers[0].receipt_states: expected a state for "KO" of delivered, expired, '
     'deleted, undeliverable, rejected, accepted, enroute, unknown, not "failed"'),
    ('receipt_text = "Message {id}"', 'carriers[0].receipt_text: expected a form such as "Message {id} is {stat}" (it '
     'has no {stat}), found "Message {id}"'),
    ('time_zone = "+25:00"', 'carriers[0].time_zone: expected a zone such as "Europe/Paris", or a difference from UTC '
     'such as "+05:30", found "+25:00"'),
    ('region = "UK"', 'carriers[0].region: expected a region of ISO 3166 in two capital letters, such as "US", found '
     '"UK"'),
    ("dest_national = true", "carriers[0].dest_national: expected region beside it, or default_region at the top"),
    ('peer_numbers = "national"', "carriers[0].peer_numbers: expected region beside it, or default_region at the top"),
    ('peer_rules = [{ prefx = "0" }]', "carriers[0].peer_rules[0].prefx: unknown key; did you mean prefix?"),
    ("longest_short_message = 255", "carriers[0].longest_short_message: expected a number from 0 to 254, found 255"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WRONG, ids=[line for line, _ in WRONG])
def test_what_is_wrong_with_a_carriers_ways_is_named(problems: Failing, line: str, said: str) -> None:
    assert problems(f"{CARRIER}{line}\n") == [f"smsgw.toml:7: {said}"]


def test_the_region_of_the_gateway_is_that_of_its_carriers(config: Loader) -> None:
    settings = config('default_region = "FR"\n' + CARRIER)
    assert settings.carriers[0].region == "FR"


def test_the_guide_has_every_setting_of_a_carriers_ways() -> None:
    text = (ROOT / "docs/carriers.md").read_text()
    ways = {*Wire.model_fields, *Ends.model_fields, *Receipts.model_fields, *Profiled.model_fields}
    assert [key for key in sorted(ways) if f"`{key}`" not in text] == []


def test_the_guide_names_only_settings_that_there_are() -> None:
    text = (ROOT / "docs/carriers.md").read_text()
    named = set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?: =[^`]*)?`", text))
    known = {*Carrier.model_fields, *NAMES, *REASONS, "error_code", "smsgw_receipts_overdue_total"}
    assert named - known == set()


def test_what_is_probably_not_wanted_is_warned_of(config: Loader) -> None:
    def warned(lines: str) -> list[str]:
        return [w for w in config(CARRIER + lines).warnings() if "SMPP 3.3" in w or "receipt_text" in w]

    assert warned("") == []
    assert warned('interface_version = "3.3"\n') == [
        'carriers "acme": SMPP 3.3 has no transceivers; bind = "pair" is for that'
    ]
    assert warned('interface_version = "3.3"\nbind = "pair"\n') == []
    assert warned('receipts = false\nreceipt_text = "Message {id} is {stat}"\n') == [
        'carriers "acme": receipt_text is without effect with receipts = false'
    ]
