"""What operators watch it with: the alerts and the dashboard name metrics, labels and values that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.carrier.alarms import KINDS
from gateway.carrier.life import STATES
from gateway.metrics import INBOUND_OUTCOMES, PARTIAL_CAUSES, RECEIPT_OUTCOMES, REFUSALS
from gateway.smpp.constants import CommandStatus
from tests.unit.test_metrics import table

ROOT = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/prometheus/smsgw.rules.yml"
BOARD: Final = ROOT / "deploy/grafana/smsgw.json"

LABELS: Final = {name: set(re.findall(r"`(\w+)`", labels)) for name, _, labels, _ in table()}
SCRAPED: Final = {"instance", "job"}
"""Labels that Prometheus adds."""
VALUES: Final = {
    ("smsgw_alarm", "kind"): set(KINDS),
    ("smsgw_carrier_state", "state"): set(STATES),
    ("smsgw_inbound_total", "outcome"): set(INBOUND_OUTCOMES),
    ("smsgw_inbound_partial_total", "cause"): set(PARTIAL_CAUSES),
    ("smsgw_receipts_handled_total", "outcome"): set(RECEIPT_OUTCOMES),
    ("smsgw_segments_failed_total", "status"): {status.name for status in CommandStatus},
    ("smsgw_log_lines_dropped_total", "cause"): {"suppressed", "lost"},
    ("smsgw_app_refused_total", "reason"): set(REFUSALS),
}
"""What a label can be, where an expression says it."""

# Every line of the rules is one of these, in this order within a rule: what that is as YAML needs no parser to tell.
SHAPES: Final = {
    "groups": r"groups:",
    "group": r"  - name: smsgw",
    "rules": r"    rules:",
    "alert": r"      - alert: (Smsgw\w+)",
    "expr": r"        expr: '([^']+)'",
    "for": r"        for: (\d+[smhd])",
    "labels": r"        labels:",
    "severity": r"          severity: (critical|warning|info)",
    "annotations": r"        annotations:",
    "summary": r"          summary: '([^']+)'",
    "description": r"          description: '([^']+)'",
}
OF_A_RULE: Final = ("alert", "expr", "for", "labels", "severity", "annotations", "summary", "description")


def rules() -> list[dict[str, str]]:
    """The alerts, by the names of SHAPES."""
    found: list[dict[str, str]] = []
    lines = [line for line in RULES.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line, shape in zip(lines[:3], ("groups", "group", "rules"), strict=True):
        assert re.fullmatch(SHAPES[shape], line), line
    for line in lines[3:]:
        shape, match = next(((s, m) for s in OF_A_RULE if (m := re.fullmatch(SHAPES[s], line))), (None, None))
        assert shape is not None, f"not a line of a rule: {line}"
        assert match is not None
        if shape == "alert":
            found.append({})
        assert list(OF_A_RULE).index(shape) > max((OF_A_RULE.index(s) for s in found[-1]), default=-1), line
        found[-1][shape] = match[1] if match.groups() else ""
    return found


def panels() -> Iterator[tuple[str, str, str]]:
    """(title, expression, legend) of every query of the dashboard."""
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


EXPRESSIONS: Final = [
    *((rule["alert"], rule["expr"]) for rule in rules()),
    *((title, expression) for title, expression, _ in panels()),
]


def metrics_of(expression: str) -> list[tuple[str, str]]:
    """Each metric of an expression with what its braces say; the parts of a histogram by its own name."""
    found = re.findall(r"\b(smsgw_\w+)(?:\{([^}]*)\})?", expression)
    return [(re.sub(r"_(bucket|count|sum)$", "", name), said) for name, said in found]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_what_is_asked_for_is_there(where: str, expression: str) -> None:
    asked = metrics_of(expression)
    assert asked
    for name, said in asked:
        assert name in LABELS, f"{where}: no metric {name}"
        for label, value in re.findall(r'(\w+)[=!]~?"([^"]*)"', said):
            assert label in LABELS[name] | SCRAPED, f"{where}: {name} has no label {label}"
            if not value.startswith("$"):
                assert set(value.split("|")) <= VALUES[name, label], f"{where}: {label} is never {value}"
    every = set().union(*(LABELS[name] for name, _ in asked)) | SCRAPED | {"le"}
    for grouped in re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= every, f"{where}: {grouped}"
    assert expression.count("(") == expression.count(")")
    assert expression.count("histogram_quantile") == len(re.findall(r"_bucket\b", expression))


def test_alerts_are_told_apart_and_name_what_is_there() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 20
    for rule in rules():
        assert {"expr", "severity", "summary", "description"} <= set(rule), rule
        said = set(re.findall(r"\$labels\.(\w+)", rule["summary"] + rule["description"]))
        asked = metrics_of(rule["expr"])
        assert said <= set().union(*(LABELS[name] for name, _ in asked)) | SCRAPED, rule["alert"]


def test_every_alarm_of_a_carrier_and_every_hold_of_the_store_has_an_alert() -> None:
    said = "\n".join(rule["expr"] for rule in rules())
    assert set(re.findall(r"\w+", " ".join(re.findall(r'smsgw_alarm\{kind=~?"([^"]*)"', said)))) == set(KINDS)
    for name in ("smsgw_store_healthy", "smsgw_disk_full", "smsgw_handler_paused", "smsgw_dead_letters_total"):
        assert name in said


def test_legends_name_labels_that_are_left() -> None:
    for title, expression, legend in panels():
        said = set(re.findall(r"\{\{(\w+)\}\}", legend))
        grouped = re.findall(r"\bby \(([^)]*)\)", expression)
        left = {label for group in grouped for label in group.split(", ")}
        if not grouped:
            left = set().union(*(LABELS[name] for name, _ in metrics_of(expression))) | SCRAPED
        assert said <= left, f"{title}: {legend}"


def test_the_dashboard_is_one() -> None:
    board: dict[str, Any] = json.loads(BOARD.read_text())
    assert (board["uid"], board["title"]) == ("smsgw", "smsgw")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    sources = [panel["datasource"] for panel in board["panels"] if panel["type"] != "row"]
    assert {source["uid"] for source in sources} == {"${datasource}"}
    assert {one["name"] for one in board["templating"]["list"]} == {"datasource", "instance", "carrier"}
    shown = {name for _, expression, _ in panels() for name, _ in metrics_of(expression)}
    assert len(shown) > 40
