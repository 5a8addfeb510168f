"""What commands print: tables for people, JSON lines for scripts, and texts of strangers made harmless."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.plain import inert as inert

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 10_000  # not cut or wrapped where a program reads it


def seen(text: str) -> str:
    """``text`` with every character that shows nothing, or acts on what is beside it, written as its escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def named(char: str) -> str:
    """A character with its number and name: ``'é' U+00E9 LATIN SMALL LETTER E WITH ACUTE``."""
    name = unicodedata.name(char, "")
    shown = seen(char)
    if unicodedata.category(char)[0] == "M":
        shown = f"\N{DOTTED CIRCLE}{shown}"  # what a mark stands on where it stands alone
    return f"'{shown}' U+{ord(char):04X}{' ' if name else ''}{name}"


# JSON escapes C0 itself; the others act on a terminal too. The same text to who reads it as JSON.
_ACTING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")


def emit(value: Any) -> None:
    """One JSON object on a line of its own, at once: another program may be waiting for it."""
    encoded = msgspec.json.encode(value).decode()
    sys.stdout.write(_ACTING.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Something that the user should know and that is not the result: to standard error."""
    print(inert(text), file=sys.stderr)


def console(*, stderr: bool = False) -> Console:
    """Standard output, or standard error. Markup is off: what is printed is data."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """An empty table with a header line and no frame.

    ``right`` names the columns of numbers, ``whole`` those that are not broken into lines where there is little room.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # A rule as wide as the longest text is of no use in a pipe.
    box = SIMPLE_HEAD if sys.stdout.isatty() else None
    # Two blanks between columns either way; the box brings one of its own.
    made = Table(
        box=box, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2 if box is None else 1, 0, 0)
    )
    numbers, unbroken = set(right), set(whole)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=column in unbroken,
        )
    return made


def sheet() -> Table:
    """An empty table of names and values, without a header line."""
    made = table("", "")
    made.show_header = False
    return made


def cell(value: Any) -> str:
    """A value as a table shows it; nothing is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, dict | list):
        return inert(msgspec.json.encode(value).decode())
    return inert(str(value))


def printed(made: Table) -> None:
    """Prints a table; where a program reads, a line for each row, however long, and no blanks at its end."""
    target = console()
    if target.is_terminal:
        target.print(made)
        return
    # Not by rich: that takes half a second for a thousand rows, most of it for wrapping them.
    from rich.cells import cell_len

    columns = [
        [*([str(column.header)] if made.show_header else []), *map(str, column.cells)] for column in made.columns
    ]
    widths = [max(map(cell_len, cells), default=0) for cells in columns]
    right = [column.justify == "right" for column in made.columns]
    for row in zip(*columns, strict=True):
        padded = []
        for text, width, to_the_right in zip(row, widths, right, strict=True):
            blanks = " " * (width - cell_len(text))
            padded.append(blanks + text if to_the_right else text + blanks)
        print("  ".join(padded).rstrip())
