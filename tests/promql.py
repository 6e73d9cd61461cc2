# SPDX-License-Identifier: MIT
"""What the board and the alerts ask Prometheus, and what of it a scrape cannot answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import promql_parser
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
BOARD = json.loads((ROOT / "packaging/grafana/enforcer.json").read_text("utf-8"))
ALERTS = ROOT / "packaging/prometheus/alerts.yaml"

# Prometheus adds these to whatever it reads.
_ADDED = frozenset({"job", "instance"})
_VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$instance": ".*", "$policy": ".*"}
_ANYTHING = ".*"
_OF_COUNTERS = frozenset({"rate", "increase"})


def filled_in(expr: str) -> str:
    """Return *expr* of the board as Grafana asks it."""
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


@attrs.frozen
class Question:
    """A query, and the labels that are shown of its answer."""

    where: str
    expr: str
    shown: frozenset[str] = frozenset()


def questions() -> Iterator[Question]:
    """Everything that the board and the alerts ask."""
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            yield Question(panel["title"], filled_in(target["expr"]), frozenset(shown))
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            yield Question(variable["name"], filled_in(asked[1]), frozenset({asked[2]}))
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            shown = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
            yield Question(rule["alert"], rule["expr"], frozenset(shown))


def nodes(expr: str) -> list[Any]:
    """Return all parts of *expr*."""
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expr), found.append)
    return found


def unanswered(question: Question, scrape: str, *, has_all_values: bool = True) -> list[str]:
    """
    Say what of *question* is not in *scrape*.

    *has_all_values*: the scrape has every value of its labels, so that one which is not there is wrong.
    """
    families = {
        sample.name: family
        for family in text_string_to_metric_families(scrape)
        for sample in family.samples
    }
    parts = nodes(question.expr)
    wrong: list[str] = []
    known: set[str] = set()
    for part in parts:
        if isinstance(part, promql_parser.VectorSelector):
            if part.name in families:
                labels = _labels(families[part.name], part.name)
                known |= labels.keys()
                wrong += _mismatches(part, labels, has_all_values=has_all_values)
            else:
                wrong.append(f"there is no metric {part.name}")
        elif isinstance(part, promql_parser.Call) and part.func.name in _OF_COUNTERS:
            name = part.args[0].vector_selector.name
            if name in families and families[name].type != "counter":
                wrong.append(f"{part.func.name} of {name}, which is no counter")
    groups = [set(part.modifier.labels) for part in parts if _is_grouped(part)]
    grouped = set().union(*groups)
    wrong += [f"there is no label {name}" for name in sorted(grouped - known - _ADDED)]
    kept = grouped if any(isinstance(p, promql_parser.AggregateExpr) for p in parts) else known
    wrong += [f"{name} is shown, and gone" for name in sorted(question.shown - kept - _ADDED)]
    return wrong


def _is_grouped(part: Any) -> bool:
    return isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None


def _labels(family: Metric, name: str) -> dict[str, set[str]]:
    """Return the values by label that samples of *name* have."""
    found: dict[str, set[str]] = {}
    for sample in family.samples:
        if sample.name == name:
            for label, value in sample.labels.items():
                found.setdefault(label, set()).add(value)
    return found


def _mismatches(
    selector: Any, labels: Mapping[str, set[str]], *, has_all_values: bool
) -> Iterator[str]:
    for matcher in selector.matchers.matchers:
        if matcher.name in _ADDED:
            continue
        if matcher.name not in labels:
            yield f"{selector.name} has no label {matcher.name}"
        elif has_all_values and matcher.value != _ANYTHING:
            for wanted in matcher.value.split("|"):
                if not any(re.fullmatch(wanted, value) for value in labels[matcher.name]):
                    yield f"{selector.name} has no {matcher.name} like {wanted}"
