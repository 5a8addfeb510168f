from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from gateway.settings import ConfigError, Settings, load

CARRIER = """
[[carriers]]
name = "acme"
host = "127.0.0.1"
system_id = "user"
password = "pass"
"""

Loader = Callable[..., Settings]
Failing = Callable[..., list[str]]


@pytest.fixture
def config(tmp_path: Path) -> Loader:
    """Load a text as a configuration file."""

    def loader(text: str, env: Mapping[str, str] | None = None) -> Settings:
        path = tmp_path / "smsgw.toml"
        path.write_text(dedent(text))
        return load(path, env or {})

    return loader


@pytest.fixture
def problems(config: Loader, tmp_path: Path) -> Failing:
    """The problems of a text, without the directory in front."""

    def failing(text: str, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            config(text, env)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return failing
