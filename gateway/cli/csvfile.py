"""CSV files as spreadsheets write them: with a header line, whatever stands between the cells, line by line.

A line that cannot be read is named and the others are read, so that one bad cell does not cost a file of 100,000 lines.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import IO, Final

from gateway.cli.errors import USAGE, Failure
from gateway.cli.output import note
from gateway.plain import uncell

_DELIMITERS: Final = ",;\t"
"""The semicolon is written where numbers have a decimal comma."""
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
"""How octets that are no UTF-8 are read with `surrogateescape`."""


class Rows:
    """The rows of an open file: the number of each one's last line, and its cells that are not empty, by column.

    ``known`` are the names of columns that are taken in any case, ``required`` is one of them. Cells lose what
    `plain.cell` puts in front, and spaces around them. ``failed`` counts what could not be read so far, and was named
    on standard error. Raises Failure where the header is none.
    """

    def __init__(self, stream: IO[str], file: str, required: str, known: Collection[str]) -> None:
        self.file = file
        self.failed = 0
        first = next(stream, "")

        def names(rows: Iterator[list[str]]) -> list[str]:
            return [_name(cell, known) for cell in next(rows, [])]

        try:
            delimiter = next(
                (d for d in _DELIMITERS if required in names(csv.reader([first], delimiter=d))), _DELIMITERS[0]
            )
            self._rows = csv.reader(chain([first], stream), delimiter=delimiter)
            self.header: Final = names(self._rows)
        except csv.Error as error:
            raise Failure(f"{file}: not CSV: {error}", USAGE) from None
        if any(map(_NOT_UTF8.search, self.header)):
            raise Failure(f"{file}: not UTF-8", USAGE)
        if required not in self.header:
            raise Failure(f'{file}: the first line has no column "{required}"', USAGE)
        if "" in self.header or len(set(self.header)) < len(self.header):
            raise Failure(f"{file}: each column of the first line needs a name of its own", USAGE)

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        width = len(self.header)
        while True:
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                self._bad(f"not CSV: {error}; it is not read any further")
                return
            if row is None:
                return
            if not any(row):
                continue
            if any(row[width:]):
                self._bad("more cells than the header has columns")
            elif any(map(_NOT_UTF8.search, row)):
                self._bad("not UTF-8")
            else:
                cells = zip(self.header, map(str.strip, map(uncell, row)), strict=False)
                yield self._rows.line_num, {name: text for name, text in cells if text}

    def _bad(self, what: str) -> None:
        self.failed += 1
        note(f"{self.file}:{self._rows.line_num}: {what}")


def _name(cell: str, known: Collection[str]) -> str:
    name = uncell(cell).strip()
    return folded if (folded := name.casefold()) in known else name


def opened(file: str) -> IO[str]:
    """A file to read as CSV, ``-``: standard input. Raises Failure."""
    try:
        # Spreadsheets begin a file with a byte order mark.
        return open(
            0 if file == "-" else file,
            encoding="utf-8-sig",
            errors="surrogateescape",
            newline="",
            closefd=file != "-",
        )
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", USAGE) from None


@contextmanager
def writing(output: str) -> Iterator[IO[str]]:
    """A file to write, for who runs the command alone; ``-``: standard output. Raises Failure."""
    if output == "-":
        yield sys.stdout
        return
    try:
        # Whose phone it is, is nobody else's business.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}", USAGE) from None
    with open(descriptor, "w", encoding="utf-8", newline="") as stream:
        yield stream
