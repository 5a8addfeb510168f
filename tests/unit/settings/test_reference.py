"""What is written about the settings is true: docs/config.md and the configuration files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.settings import Settings, load
from gateway.settings.errors import model_of, named_section
from gateway.settings.reference import reference

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "config").rglob("*.toml"))
SECRETS = {
    name: "0123456789abcdef"[:8] if "PASSWORD" in name else "0123456789abcdef"
    for name in ("ACME_PASSWORD", "NORTH_PASSWORD", "SOUTH_PASSWORD", "MAIL_PASSWORD", "CRM_SECRET", "CRM_TOKEN")
}


def _sections() -> dict[str, set[str]]:
    found = {"": {name for name, field in Settings.model_fields.items() if model_of(field.annotation) is None}}
    for name, field in Settings.model_fields.items():
        if (section := model_of(field.annotation)) is not None:
            found[name] = set(section.model_fields)
    return found


def test_the_reference_in_the_repository_is_current() -> None:
    assert (ROOT / "docs/config.md").read_text() == reference(), "run make docs"


def test_the_reference_names_every_key() -> None:
    text = reference()
    for section, keys in _sections().items():
        assert not section or f"[{section}]" in text
        assert all(f"| `{key}` |" in text for key in keys)


def test_every_field_says_what_it_means() -> None:
    for field in Settings.model_fields.values():
        assert field.description
        section = model_of(field.annotation) or named_section(field.annotation)
        for inner in section.model_fields.values() if section else ():
            assert inner.description
            assert inner.description.endswith(".")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_load(path: Path) -> None:
    settings = load(path, SECRETS)
    assert settings.carriers
    assert settings.numbers


def test_the_full_file_shows_every_key() -> None:
    text = (ROOT / "config/smsgw.toml").read_text()
    shown: dict[str, set[str]] = {"": set()}
    section = ""
    for line in text.split("\n"):
        if header := re.match(r"\[+([a-z_]+)(\.[a-z]+)?\]+$", line):
            section = header[0] if header[2] else header[1]
            if header[2]:
                shown[""].add(header[1])
            shown.setdefault(section, set())
        elif key := re.match(r"#?([a-z0-9_]+) = ", line):
            shown[section].add(key[1])
    assert {name: keys for name, keys in shown.items() if "." not in name} == _sections()
    for name, field in Settings.model_fields.items():
        if (section := named_section(field.annotation)) is not None:
            (keys,) = [keys for header, keys in shown.items() if re.match(rf"\[{name}\.", header)]
            assert keys == set(section.model_fields)


def _model(section: str) -> type[BaseModel]:
    if not section:
        return Settings
    annotation = Settings.model_fields[section].annotation
    model = model_of(annotation) or named_section(annotation)
    assert model is not None
    return model


def test_what_is_commented_out_shows_the_default() -> None:
    """Except where there is none to show, or the comment says what else it is."""
    without = {"group", "hosts", "tls_ca", "tls_cert", "tls_key", "tls_server_name", "local_address", "token"}
    without |= {"user", "password"}
    without |= {"outbind", "outbind_system_id", "outbind_password"}
    without |= {"source_ton", "source_npi", "dest_ton", "dest_npi", "inbound_alphabet"}
    without |= {"profile", "region", "receipt_text", "receipt_time_zone", "campaign_tlv"}
    without |= {"opted_out", "stop_scope", "stop_near", "stop_confirmation", "stop_reply", "start_reply", "help_reply"}
    without |= {"kind", "capabilities", "fallback", "held_until", "group"}
    without |= {
        "known",
        "zone",
        "matches",
        "length_min",
        "length_max",
        "urgency",
        "last_within",
        "last_before",
        "relay_within",
    }
    without |= {"count_min", "count_max", "count_within", "handlers", "reply"}
    without |= {"clause", "clauses", "allowed_links", "max_segments", "max_characters", "normalise"}
    without |= {"countries", "pool", "refused_kinds", "sender_names", "quota"}
    without |= {"app", "welcome"}
    section = ""
    seen = 0
    for line in (ROOT / "config/smsgw.toml").read_text().split("\n"):
        if header := re.match(r"\[+([a-z_]+)(\.[a-z]+)?\]+$", line):
            section = header[1]
        elif (key := re.match(r"#([a-z0-9_]+) = ", line)) and key[1] not in without:
            model = _model(section)
            default = model.model_fields[key[1]].default
            value = tomllib.loads(line[1:])[key[1]]
            value = tuple(value) if isinstance(value, list) else value
            assert value == ("3.4" if key[1] == "interface_version" else default), line
            seen += 1
    assert seen > 40
