# SPDX-License-Identifier: MIT
"""The figures as a picture for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import pygal
from cases import PLAIN, RULES, Record, Scope
from pygal.style import LightSolarizedStyle

__all__ = ["draw"]

_NAMES = {
    Scope.OUT: "enforcer, task out of scope",
    Scope.IN: "enforcer, in scope, no match",
    Scope.ALLOW: "enforcer, first rule allows",
    Scope.LISTED: "enforcer, last rule of an allow-list",
}
_OTHERS = {
    ("empty", 0): "an empty LSM program",
    ("seccomp", 200): "seccomp, 200 comparisons",
    ("apparmor", 1000): "AppArmor, 1,000 rules",
    ("landlock", 1): "Landlock, one rule",
}


def draw(records: Sequence[Record]) -> bytes:
    """Return, as SVG, what open+close costs more with each number of rules."""
    ours = [
        r
        for r in records
        if r.op == "open" and (r.depth, r.path_length) == (PLAIN.depth, PLAIN.length)
    ]
    rules = RULES[1:]
    chart = pygal.Line(
        js=(),  # the picture loads nothing from elsewhere
        style=LightSolarizedStyle,
        width=900,
        height=480,
        include_x_axis=True,
        truncate_legend=-1,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        title="open + close: instructions added",
        x_title="rules loaded",
        x_labels=[f"{n:,}" for n in rules],
        value_formatter=lambda value: f"{value:,.0f}",
        disable_xml_declaration=False,
    )
    chart.uuid = "open"  # not random: the same figures make the same file
    for scope, name in _NAMES.items():
        added = {r.rules: r.added for r in ours if (r.engine, r.scope) == ("enforcer", scope)}
        chart.add(name, [added.get(n) for n in rules])
    for (engine, size), name in _OTHERS.items():
        for record in ours:
            if (record.engine, record.rules) == (engine, size):
                chart.add(name, [record.added] * len(rules), stroke_style={"dasharray": "4, 4"})
    return bytes(chart.render())
