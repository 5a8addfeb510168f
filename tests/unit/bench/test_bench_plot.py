"""Plots and samples: round scales, curves that are where they should be, metrics as the page has them."""

from __future__ import annotations

import os
from xml.etree import ElementTree

import pytest

from bench.plot import Line, Panel, Span, blocks, svg, ticks
from bench.start import by_package
from bench.vitals import Watch, parse_metrics

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (200, [0, 50, 100, 150, 200]),
        (190.7, [0, 50, 100, 150, 200]),
        (3, [0, 1, 2, 3]),
        (0.7, [0, 0.2, 0.4, 0.6, 0.8]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (10, [0, 2, 4, 6, 8, 10]),
        (1e9, [0, 2e8, 4e8, 6e8, 8e8, 1e9]),
    ],
)
def test_scales_are_round_and_hold_the_highest(highest: float, expected: list[float]) -> None:
    assert ticks(highest) == expected


def test_a_plot_is_xml_with_a_curve_of_each_line_and_a_name_of_each_span() -> None:
    memory = Panel("memory, MiB", [Line("a <b>", [(0, 0), (10, 100)]), Line("c", [(0, 50)])], limit=80)
    page = ElementTree.fromstring(svg([memory, Panel("files", [Line("", [(0, 7), (5, 7)])])], [Span("R&D", 0, 10)]))
    curves = [path.attrib["d"] for path in page.iter(f"{SVG}path") if path.attrib.get("fill") == "none"]
    assert len(curves) == 3
    # From the left end at the bottom to the right end at the top of the first panel.
    assert curves[0] == "M70.0 176.0L940.0 34.0"
    texts = [text.text for text in page.iter(f"{SVG}text")]
    assert texts.count("R&D") == 2
    assert {"memory, MiB", "files", "a <b>", "c", "100", "10 s"} <= set(texts)
    assert len([path for path in page.iter(f"{SVG}path") if path.attrib.get("stroke-dasharray")]) == 1


def test_a_gap_in_time_is_left_open() -> None:
    page = svg([Panel("", [Line("", [(0, 1), (1, 1), (9, 1), (10, 1)], gap=5)])])
    curve = next(line for line in page.splitlines() if 'fill="none"' in line)
    assert [curve.count("M"), curve.count("L")] == [2, 2]


def test_blocks_show_the_highest_of_each_column() -> None:
    points = [(0, 0), (2, 7), (2.1, 8), (4, 0), (9, 4)]
    assert blocks(Panel("x", [Line("", points)]), width=10, height=4) == [
        "x",
        "        8 |  ██",
        "        6 |  ██",
        "        4 |  ██     █",
        "        2 |  ██     █",
        "        0 +----------",
        "           0 s    9 s",
    ]


def test_metrics_are_read_by_name_and_labels() -> None:
    page = "# HELP a b\n# TYPE a gauge\nsmsgw_a 1.5\n"
    page += 'smsgw_b_total{what="x y",of="z"} 2e+06\n\nsmsgw_c_bucket{le="+Inf"} 3\n'
    assert parse_metrics(page) == {
        "smsgw_a": 1.5,
        'smsgw_b_total{what="x y",of="z"}': 2e6,
        'smsgw_c_bucket{le="+Inf"}': 3.0,
    }


def test_a_watch_samples_at_the_border_of_phases_and_says_nothing_of_who_is_gone() -> None:
    pids = [os.getpid(), os.getpid(), os.getpid(), 1 << 30]
    with Watch(lambda: pids.pop(0), every=3600, phase="one") as watch:
        watch.enter("two")
        watch.sample()
    assert [sample.phase for sample in watch.samples] == ["one", "two", "two"]
    first, *_, last = watch.samples
    assert 0 <= first.at <= last.at
    assert first.resident > 1
    assert first.highest >= first.resident
    assert first.files >= 3


def test_the_times_of_imports_are_summed_by_package() -> None:
    printed = [
        "import time: self [us] | cumulative | imported package",
        "import time:       200 |        200 |   _io",
        "import time:      1000 |       1200 |   trio._core._run",
        "import time:       500 |       1700 | trio",
        "import time:      2500 |       4200 | gateway.settings",
        "a line of something else",
    ]
    assert by_package(printed) == [("gateway", 2.5), ("trio", 1.5), ("the standard library", 0.2)]
