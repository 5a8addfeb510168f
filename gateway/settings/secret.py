"""A secret in the configuration: named in the file, resolved at load, shown nowhere."""

from __future__ import annotations

import os
import stat
from hmac import compare_digest
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gateway.settings.types import Resolver, fail

_MAX_OCTETS = 65536


class Secret:
    """A value that str(), repr(), JSON and error texts do not show; ``reveal()`` gives it to its user.

    Written as ``env:NAME``, ``file:/path`` (one trailing newline is dropped), ``cred:NAME`` (a systemd
    credential: the file NAME in $CREDENTIALS_DIRECTORY) or as the value itself.
    """

    __slots__ = ("_value", "source", "world_readable")

    def __init__(self, value: str, source: str = "literal", *, world_readable: bool = False) -> None:
        self._value = value
        self.source = source
        self.world_readable = world_readable

    def reveal(self) -> str:
        """The secret itself. What takes it must not log it."""
        return self._value

    def __str__(self) -> str:
        return "**********"

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled: it would be written in clear")

    @classmethod
    def resolve(cls, raw: str, resolver: Resolver) -> Secret:
        """Look up what ``raw`` names. Raises a PydanticCustomError that names the place, never the value."""
        kind, colon, name = raw.partition(":")
        if colon and kind == "env":
            value = resolver.env.get(name)
            if not value:
                what = "is empty" if value == "" else "is not set"
                raise fail("secret", f"a secret: the environment variable {name} {what}")
            return cls(value, raw)
        if colon and kind == "file":
            return cls._read(resolver.base / name, raw)
        if colon and kind == "cred":
            directory = resolver.env.get("CREDENTIALS_DIRECTORY")
            if not directory:
                raise fail(
                    "secret",
                    f"a secret: $CREDENTIALS_DIRECTORY is not set, so the credential {name} "
                    "is not there (LoadCredential= in the unit)",
                )
            if "/" in name or name in ("", ".", ".."):
                raise fail("secret", "a secret: cred: takes the name of a credential, not a path")
            return cls._read(Path(directory, name), raw)
        return cls(raw)

    @classmethod
    def _read(cls, path: Path, source: str) -> Secret:
        try:
            with path.open("rb") as file:
                octets = file.read(_MAX_OCTETS + 1)
                mode = os.fstat(file.fileno()).st_mode
        except OSError as error:
            raise fail("secret", f"a secret: cannot read {path}: {error.strerror}") from None
        if len(octets) > _MAX_OCTETS:
            raise fail("secret", f"a secret: {path} has more than {_MAX_OCTETS} octets")
        try:
            value = octets.decode()
        except UnicodeDecodeError:
            raise fail("secret", f"a secret: {path} is not UTF-8 text") from None
        value = value.removesuffix("\n").removesuffix("\r")
        if not value:
            raise fail("secret", f"a secret: {path} is empty")
        return cls(value, source, world_readable=bool(mode & stat.S_IROTH))

    @classmethod
    def _validate(cls, raw: Any, info: ValidationInfo) -> Secret:
        if isinstance(raw, Secret):
            return raw
        if not isinstance(raw, str):
            raise fail("secret", "a secret as text: env:NAME, file:/path, cred:NAME or the value")
        return cls.resolve(raw, Resolver.of(info))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "secret"}
