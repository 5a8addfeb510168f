"""The codec's bench runs and prints what it says; its figures are nobody's to assert."""

import json

import pytest

from bench.codec import PDUS, TEXTS, Case, cases, main, measure
from gateway.smpp.codec import decode


def test_every_case_does_what_its_name_says():
    by_name = {case.name: case for case in cases()}
    for name, pdu in PDUS.items():
        frame = by_name[f"build {name}"].ours()
        assert decode(frame) == by_name[f"parse {name}"].ours() == (7, 0, pdu)
        assert name.split(",")[0].replace("_", "") == type(pdu).__name__.lower()
    assert len(by_name["frame 64 submit_sm in one read, each"].ours()) == 64
    assert set(TEXTS) <= set(by_name)
    for name, run in TEXTS.items():
        result = run()
        if "part" in name and name.startswith("plan"):
            assert len(result) == int(name.split()[-2])
        assert result


def test_smpplib_does_the_same():
    compared = [case for case in cases() if case.theirs is not None]
    assert {case.name for case in compared} >= {"build submit_sm", "parse submit_sm", "build deliver_sm"}
    for case in compared:
        assert case.theirs is not None
        theirs = case.theirs()
        if case.name.startswith("build "):
            assert theirs == case.ours()
        else:
            assert theirs.sequence == 7


def test_times_are_of_one_each():
    calls = []
    (timed,) = measure([Case("x", lambda: calls.append(1), lambda: calls.append(2), each=10)], 3, 1e-4)
    assert timed.name == "x"
    assert 0 < timed.least <= timed.median
    assert timed.smpplib is not None
    assert set(calls) == {1, 2}


def test_it_prints_a_line_for_each_case(capsys):
    assert main(["--rounds", "2", "--seconds", "1e-6"]) == 0
    printed = capsys.readouterr().out
    for case in cases():
        assert f"\n{case.name} " in printed
    assert "us each" in printed.splitlines()[-1]
    assert main(["--rounds", "1", "--seconds", "1e-6", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [it["name"] for it in figures["microseconds"]] == [case.name for case in cases()]
    assert figures["machine"]["python"]


def test_it_refuses_what_makes_no_sense(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--rounds", "0"])
    assert stopped.value.code == 2
