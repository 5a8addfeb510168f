"""The `smsgw` command.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted. What a person reads goes to
standard output, what went wrong to standard error in a sentence; with ``--json`` standard output has JSON, an
object a line, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gateway.cli.errors import FAILED, INTERRUPTED, USAGE, Failure

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command (None: sys.argv) and returns its exit code; nothing is raised for expected trouble."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows its number; the command must not fail by it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(given)
        sys.stdout.flush()
    except SystemExit as leaving:
        # rich leaves like this when its reader has gone.
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (`smsgw messages | head`). What is still buffered goes nowhere,
        # or the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(given: list[str]) -> int:
    from gateway.cli.app import UsageError, app, program

    try:
        result = app(given or ["--help"], prog_name="smsgw", standalone_mode=False)
    except UsageError as error:
        command, what = program(error)
        print(f"{command}: {what} Try: {command} --help", file=sys.stderr)
        return USAGE
    except Failure as failure:
        _say(given, str(failure))
        return failure.code
    except BrokenPipeError:
        raise
    except ConnectionError as error:
        _say(given, str(error))  # ConnectError, whose text says what to do
        return FAILED
    except Exception as error:
        from gateway.cli.errors import explain

        explained = explain(error)
        if explained is None:
            raise
        text, code = explained
        _say(given, text)
        return code
    if not given:
        return USAGE
    return result if isinstance(result, int) else 0


def _say(given: list[str], text: str) -> None:
    from gateway.cli.output import inert

    name = next((word for word in given if not word.startswith("-")), "")
    told = inert(text, keep="\n")
    print(f"smsgw {name}: {told}", file=sys.stderr)
