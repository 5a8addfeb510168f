"""Trouble that a command expects, as a sentence and an exit code."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it: a loop in a script ends too."""


class Failure(Exception):
    """The command cannot do what it was asked to. ``str()`` is one sentence, ``code`` the exit code."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def explain(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code of an error that users can cause; None: it is a fault of ours.

    Modules are looked at only when they were loaded: an error of theirs cannot come from elsewhere.
    """
    from gateway.client import RpcError

    if isinstance(error, RpcError):
        text = str(error)
        if error.retry_after is not None:
            text += f"; try again in {error.retry_after:g} s"
        wrong = error.code == -32602 or error.reason == "invalid_config"
        return text, USAGE if wrong else FAILED
    if isinstance(error, UnicodeEncodeError):
        # Octets of the command line that are no text are kept as halves of surrogate pairs, which no request may have.
        return "an argument is not valid in the encoding of this terminal", USAGE
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if name == "gateway.settings.errors.ConfigError":
        return f"the configuration cannot be used\n{error}", USAGE
    if name == "gateway.store.database.StoreError":
        return str(error), FAILED
    return None
