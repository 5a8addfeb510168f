"""`smsgw peers`: what is asked of the daemon, and CSV files that come back as they went."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import exchange
from tests.unit.cli.book import Book, asking
from tests.unit.cli.conftest import Run

ANN, BOB = "+15557654321", "+15557654322"
AT = "2026-03-01T09:00:00.000Z"
RECORDS: list[dict[str, Any]] = [
    {"peer": ANN, "name": "=cmd|' /C calc'!A0", "fields": {"=note": "-1+1", "city": "Ulm, \"old\"\ntown"},
     "lists": ["@vip", "north"], "phones": [ANN, BOB], "created_at": AT},
    {"peer": "Bank", "name": None, "fields": {"city": "'quoted"}, "lists": [], "phones": ["Bank"], "created_at": AT},
]  # fmt: skip


class Peers(Book):
    """A daemon that has these records, and notes what is imported."""

    def __init__(self, records: list[dict[str, Any]], page: int = 1) -> None:
        super().__init__()
        self.records = records
        self.page = page

    def peers(self, params: dict[str, Any]) -> dict[str, Any]:
        names = [r["peer"] for r in self.records]
        first = names.index(params["after"]) + 1 if "after" in params else 0
        found = self.records[first : first + min(self.page, params["limit"])]
        left = first + len(found) < len(names)
        return {"peers": found, "next": found[-1]["peer"] if left else None}

    def peers_import(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.taken(params["peers"], "made")

    def peer_set(self, params: dict[str, Any]) -> dict[str, Any]:
        return self.records[0]

    peer = peer_merge = peer_set


@pytest.fixture
def ask(smsgw: Run, tmp_path: Path) -> Any:
    return asking(smsgw, tmp_path, "peers")


def test_exported_cells_do_not_calculate_and_come_back(ask: Any, tmp_path: Path) -> None:
    ran = ask(Peers(RECORDS), "export")
    rows = list(csv.reader(io.StringIO(ran.out)))
    assert rows == [
        ["peer", "name", "lists", "phones", "created_at", "'=note", "city"],
        [f"'{ANN}", "'=cmd|' /C calc'!A0", "'@vip;north", f"'{BOB}", AT, "'-1+1", 'Ulm, "old"\ntown'],
        ["Bank", "", "", "", AT, "", "'quoted"],
    ]
    assert not [c for row in rows for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r"))]
    file = tmp_path / "peers.csv"
    file.write_text(ran.out)
    book = Peers([])
    ran = ask(book, "import", str(file), "--json")
    assert (ran.code, ran.lines) == (0, [{"taken": 2, "made": 1, "refused": 0}])
    assert book.imported("peers") == [
        {
            "peer": ANN,
            "name": RECORDS[0]["name"],
            "join": ["@vip", "north"],
            "phones": [BOB],
            "fields": RECORDS[0]["fields"],
        },
        {"peer": "Bank", "fields": {"city": "'quoted"}},
    ]


def test_a_file_is_for_its_owner(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    ran = ask(Peers(RECORDS), "export", "--list", "vip", "-o", str(file))
    assert ran.out == f"2 peers in {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("peer,name,")
    assert ask(Peers(RECORDS), "export", "-o", str(tmp_path)).code == 2


def test_a_field_that_is_new_since_the_header_is_not_lost_in_silence(ask: Any) -> None:
    book = Peers([dict(RECORDS[1])])
    answered = book.peers

    def peers(params: dict[str, Any]) -> dict[str, Any]:
        if len(book.requests) > 1:
            book.records[0]["fields"] = {"city": "x", "late": "y"}
        return answered(params)

    book.peers = peers  # type: ignore[method-assign]
    ran = ask(book, "export")
    assert (ran.code, "added meanwhile" in ran.err) == (1, True)


def test_lines_that_cannot_be_taken_are_named(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "peers.csv"
    file.write_text(f'\ufeffname,peer,lists\n"A\nB",x,\n\nAnn,{ANN}, a ; b;\n,y\n')
    book = Peers([])
    book.refuse = {"x": "not a phone number", "y": "bad"}
    ran = ask(book, "import", str(file), "--list", "new")
    assert (ran.code, ran.out) == (1, "1 taken, 1 of them new; 2 could not be taken\n")
    assert ran.err == f"{file}:3: peer: not a phone number\n{file}:6: peer: bad\n"
    assert book.imported("peers") == [
        {"peer": "x", "name": "A\nB", "join": ["new"]},
        {"peer": ANN, "name": "Ann", "join": ["a", "b", "new"]},
        {"peer": "y", "join": ["new"]},
    ]


def test_a_long_file_goes_in_several_requests(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "peers.csv"
    file.write_text("peer\n" + "".join(f"+1212555{i:04}\n" for i in range(1001)))
    book = Peers([])
    assert ask(book, "import", str(file)).out == "1001 taken, 3 of them new\n"
    assert [len(params["peers"]) for _, params in book.requests] == [500, 500, 1]
    monkeypatch.setattr(exchange, "_OCTETS", 100)
    book = Peers([])
    ask(book, "import", str(file))
    assert {len(params["peers"]) for _, params in book.requests} == {9, 2}
    assert len(book.imported("peers")) == 1001


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"name\nx\n", 'no column "peer"'),
        (b"", 'no column "peer"'),
        (b"peer,peer\n", "a name of its own"),
        (b"peer,\nx,y\n", "a name of its own"),
        (b"peer,caf\xe9\n", "not UTF-8"),
        ("\ufeffpeer\n".encode("utf-16"), "not UTF-8"),
        (b'peer,"' + b"x" * 140_000 + b'"\n', "not CSV"),
    ],
)
def test_a_file_that_is_none_is_refused(ask: Any, tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "peers.csv"
    file.write_bytes(content)
    book = Peers([])
    ran = ask(book, "import", str(file))
    assert (ran.code, what in ran.err, book.imported("peers")) == (2, True, []), ran.err
    assert ask(book, "import", str(tmp_path / "none")).code == 2


def test_lines_that_cannot_be_read_are_named_and_the_others_taken(ask: Any, tmp_path: Path) -> None:
    file = tmp_path / "peers.csv"
    lines = b"peer,name\r\n1,A\r\n2,B,C\r\n3,D,,\r\n4,caf\xe9\r\n5\r\n" + b'6,"' + b"x" * 140_000 + b'"\r\n7,G\r\n'
    file.write_bytes(lines)
    book = Peers([])
    ran = ask(book, "import", str(file))
    assert (ran.code, ran.out) == (1, "3 taken, 1 of them new; 3 could not be taken\n")
    assert book.imported("peers") == [{"peer": "1", "name": "A"}, {"peer": "3", "name": "D"}, {"peer": "5"}]
    assert [line.removeprefix(str(file)) for line in ran.err.splitlines()] == [
        ":3: more cells than the header has columns",
        ":5: not UTF-8",
        ":7: not CSV: field larger than field limit (131072); it is not read any further",
    ]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_files_of_spreadsheets_of_all_countries_are_read(ask: Any, tmp_path: Path, between: str) -> None:
    file = tmp_path / "peers.csv"
    rows = [["Name", "city", "Lists", "PEER"], ["Ann", "Ulm, old; town", "a;b", "'+4973112345"]]
    with file.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, delimiter=between).writerows(rows)
    book = Peers([])
    assert ask(book, "import", str(file)).code == 0
    assert book.imported("peers") == [
        {"peer": "+4973112345", "name": "Ann", "join": ["a", "b"], "fields": {"city": "Ulm, old; town"}}
    ]


def test_a_list_is_paged_and_harmless(ask: Any) -> None:
    evil = RECORDS[0] | {"name": "\x1b[2J", "fields": {"a": "b\u202ec"}}
    book = Peers([evil, RECORDS[1]])
    ran = ask(book)
    _, row, _ = ran.out.splitlines()
    assert row.split()[:5] == [ANN, r"\x1b[2J", "@vip,", "north", "a:"]
    assert r"b\u202ec" in row
    assert [params for _, params in book.requests] == [{"limit": 50}, {"after": ANN, "limit": 49}]
    ran = ask(Peers(RECORDS), "--limit", "1", "--json")
    assert (ran.lines, ran.err) == ([RECORDS[0]], f"there may be more: --after {ANN}\n")


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("show", ANN), ("peer", {"peer": ANN})),
        (("merge", BOB, ANN), ("peer_merge", {"peer": BOB, "into": ANN})),
        (("split", BOB), ("peer_merge", {"peer": BOB, "into": None})),
        (("set", ANN, "--name", ""), ("peer_set", {"peer": ANN, "name": None})),
        (
            ("set", ANN, "--name", "Ann", "--field", "a=b=c", "--field", "d=", "--join", "x", "--leave", "y"),
            (
                "peer_set",
                {"peer": ANN, "name": "Ann", "fields": {"a": "b=c", "d": None}, "join": ["x"], "leave": ["y"]},
            ),
        ),
    ],
)
def test_one_record(ask: Any, arguments: tuple[str, ...], asked: tuple[str, dict[str, Any]]) -> None:
    book = Peers(RECORDS)
    ran = ask(book, *arguments)
    assert (ran.code, book.requests) == (0, [asked])
    assert [line.split()[0] for line in ran.out.splitlines()] == ["name", "phones", "lists", "=note", "city", "since"]
    assert ask(Peers(RECORDS), *arguments, "--json").lines == [RECORDS[0]]


@pytest.mark.parametrize("arguments", [("set", ANN), ("set", ANN, "--field", "x"), ("--list", "x", "show", ANN)])
def test_what_says_nothing_is_wrong_usage(smsgw: Run, arguments: tuple[str, ...]) -> None:
    assert smsgw("peers", *arguments).code == 2
