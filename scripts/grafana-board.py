# SPDX-License-Identifier: MIT
"""
The board of Grafana, ``packaging/grafana/enforcer.json``: what each panel asks Prometheus, and how it is shown.

Without arguments it is printed; ``--write FILE`` renews it. Queries and titles stand here; what Grafana needs
beside them would be the same a dozen times in the file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS: Final = 24
WORDS: Final = {
    "HOST": 'instance=~"$instance"',
    "POLICY": 'instance=~"$instance",policy=~"$policy"',
    "REFUSED": 'action=~"deny|kill",enforced="true"',
    "RATE": "[$__rate_interval]",
}
"""What stands for what many queries have in common."""


@attrs.frozen
class Query:
    """One question to Prometheus, and what its lines are called."""

    text: str
    name: str = ""

    @property
    def expr(self) -> str:
        """The question with nothing left out."""
        return re.sub("|".join(WORDS), lambda found: WORDS[found[0]], self.text)


@attrs.frozen
class Panel:
    """
    One panel.

    Attributes:
        kind: of Grafana: ``stat``, ``timeseries``, ``table``, ``state-timeline``.
        about: what the numbers mean, as the panel's description.
        width, height: of Grafana's grid.
        bad: from where on a number is red; 0: only that; None: no number is.
        colors: of lines, by name.
    """

    kind: str
    title: str
    about: str
    queries: tuple[Query, ...]
    width: int = 12
    height: int = 8
    unit: str = "short"
    bad: int | None = None
    colors: Mapping[str, str] = attrs.field(factory=dict)


def records(action: str, *, is_enforced: bool = True) -> str:
    """Return the query for how many records of *action* there were in the time that is shown."""
    labels = f'HOST,action=~"{action}",enforced="{str(is_enforced).lower()}"'
    return f"sum(increase(enforcer_records_total{{{labels}}}[$__range]))"


def number(title: str, about: str, query: str, *, bad: int | None = None) -> Panel:
    return Panel("stat", title, about, (Query(query),), width=4, height=4, bad=bad)


def table(title: str, about: str, query: str) -> Panel:
    return Panel("table", title, about, (Query(query),))


def lines(title: str, about: str, queries: Mapping[str, str], **more: Any) -> Panel:
    """Return a plot of *queries* by the names of their lines."""
    asked = tuple(Query(query, name) for name, query in queries.items())
    return Panel("timeseries", title, about, asked, **more)


PANELS: Final = (
    number(
        "Killed", "Processes that were killed in the time that is shown.", records("kill"), bad=1
    ),
    number("Denied", "Operations that were denied in the time that is shown.", records("deny")),
    number(
        "Would be refused",
        "What policies in audit mode would have denied or killed in the time that is shown.",
        records("deny|kill", is_enforced=False),
    ),
    number(
        "Records lost",
        "Records that found no room or could not be read. Their verdicts held all the same.",
        "sum(increase(enforcer_records_lost_total{HOST}[$__range]))",
        bad=1,
    ),
    number(
        "Attempts on the engine",
        "Refused attempts to stop, trace or detach enforcer itself.",
        'sum(increase(enforcer_kernel_events_total{HOST,event="guard_refused"}[$__range]))',
        bad=1,
    ),
    number(
        "Wait for confirmation",
        "Hosts whose newest policies are undone unless somebody confirms them.",
        "sum(enforcer_confirmation_pending{HOST})",
    ),
    Panel(
        "state-timeline",
        "Daemons",
        "Green: the daemon gives metrics. Red: it did within the last day, and enforcement may go on.",
        (
            Query(
                "max by (instance) (enforcer_build_info{HOST}) "
                "or 0 * max by (instance) (max_over_time(enforcer_build_info{HOST}[1d]))",
                "{{instance}}",
            ),
        ),
        height=6,
        bad=0,
    ),
    lines(
        "Age of the active policies",
        "For how long the active generation is active: a step to zero is a change of policies.",
        {"{{instance}}": "time() - enforcer_generation_start_time_seconds{HOST}"},
        width=8,
        height=6,
        unit="s",
    ),
    Panel(
        "stat",
        "Generation",
        "Number of the active policy image, by host.",
        (Query("max by (instance) (enforcer_generation{HOST})", "{{instance}}"),),
        width=4,
        height=6,
        unit="none",
    ),
    lines(
        "Records per second, by verdict",
        "Verdicts of which rules and policies want a record.",
        {
            "{{action}}": 'sum by (action) (rate(enforcer_records_total{HOST,enforced="true"}RATE))',
            "would {{action}}": "sum by (action) "
            '(rate(enforcer_records_total{HOST,enforced="false",action!="attempt"}RATE))',
            "refused by the kernel itself": 'sum(rate(enforcer_records_total{HOST,action="attempt"}RATE))',
        },
        colors={"kill": "dark-red", "deny": "orange", "log": "blue", "allow": "green"},
        unit="ops",
    ),
    lines(
        "Denials and kills per second, by policy",
        "Those that were carried out.",
        {"{{policy}}": "sum by (policy) (rate(enforcer_rule_records_total{POLICY,REFUSED}RATE))"},
        unit="ops",
    ),
    table(
        "Denials and kills by rule, since the daemons started",
        "The twenty rules that refuse most.",
        "topk(20, sum by (policy, rule, action) (enforcer_rule_records_total{POLICY,REFUSED}))",
    ),
    lines(
        "Verdicts per second, by policy",
        "As the kernel counts them: exact also when records were lost.",
        {
            "{{policy}}": 'sum by (policy) (rate(enforcer_verdicts_total{POLICY,enforced="true"}RATE))',
            "{{policy}}, audit": "sum by (policy) "
            '(rate(enforcer_verdicts_total{POLICY,enforced="false"}RATE))',
        },
        unit="ops",
    ),
    lines(
        "Ring buffers in use",
        "Records that wait for the daemon, of the room for them. When a ring is full, records are lost.",
        {
            "{{ring}}": "max by (ring) "
            "(enforcer_ring_used_bytes{HOST} / enforcer_ring_size_bytes{HOST})"
        },
        width=8,
        unit="percentunit",
    ),
    lines(
        "Records lost per second",
        "In the kernel's ring buffers, and by outputs that are too slow. Unread: command lines that "
        "processes did not let be read.",
        {
            "{{kind}}": "sum by (kind) (rate(enforcer_records_lost_total{HOST}RATE))",
            "{{output}}": "sum by (output) (rate(enforcer_output_dropped_total{HOST}RATE))",
            "unread": "sum(rate(enforcer_command_lines_unread_total{HOST}RATE))",
        },
        width=8,
        unit="ops",
    ),
    lines(
        "Outputs that fail",
        "1 while an output fails or its reader is slow.",
        {"{{output}}": "max by (instance, output) (enforcer_output_failing{HOST})"},
        width=8,
    ),
    lines(
        "Decisions per second in the kernel",
        "Operations that some rule may be about. All others are let through before that.",
        {
            "{{instance}}": "sum by (instance) "
            '(rate(enforcer_kernel_events_total{HOST,event="decisions"}RATE))'
        },
        width=8,
        unit="ops",
    ),
    lines(
        "Processor time of the daemon",
        "Of one processor. Decisions take their time in the processes that they are about.",
        {"{{instance}}": "sum by (instance) (rate(enforcer_cpu_seconds_total{HOST}RATE))"},
        width=8,
        unit="percentunit",
    ),
    lines(
        "Memory",
        "Of the daemon, and of its maps in the kernel.",
        {"{{of}}": "sum by (of) (enforcer_memory_bytes{HOST})"},
        width=8,
        unit="bytes",
    ),
    table(
        "Policies",
        "1: the policy is active.",
        "max by (instance, policy, mode) (enforcer_policy_enabled{POLICY})",
    ),
    lines(
        "What the kernel side could not do, per second",
        "Operands that it could not read, signals that it could not deliver, memory that was missing.",
        {
            "{{event}}": "sum by (event) (rate(enforcer_kernel_events_total{HOST,event=~"
            '".*_unknown|on_error|signal_failed|fork_refused|bind_refused|no_.*|bad_image|overflow|passed_by"'
            "}RATE)) > 0"
        },
        unit="ops",
    ),
    lines(
        "Containers announced by their runtime, per second",
        "Known: before its first program. Unknown: no file of the host describes it. Refused: not believed, or not possible then.",
        {"{{outcome}}": "sum by (outcome) (rate(enforcer_containers_met_total{HOST}RATE))"},
        width=24,
        unit="ops",
    ),
)

VARIABLES: Final = {
    "instance": ("Host", "label_values(enforcer_build_info, instance)"),
    "policy": ("Policy", "label_values(enforcer_policy_rules{HOST}, policy)"),
}


def variables() -> Iterator[dict[str, Any]]:
    yield {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    for name, (label, text_) in VARIABLES.items():
        query = Query(text_).expr
        yield {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def target(at: int, query: Query, kind: str) -> dict[str, Any]:
    is_instant = kind in {"stat", "table"}
    return {
        "refId": chr(ord("A") + at),
        "expr": query.expr,
        "legendFormat": query.name or "__auto",
        "format": "table" if kind == "table" else "time_series",
        "instant": is_instant,
        "range": not is_instant,
    }


def field_config(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "red" if panel.bad == 0 else "green", "value": None}]
    if panel.bad is not None:
        steps.append(
            {"color": "red", "value": panel.bad} if panel.bad else {"color": "green", "value": 1}
        )
    is_plot = panel.kind == "timeseries"
    defaults = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "palette-classic" if is_plot else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.unit == "short":
        defaults["decimals"] = 0
    if is_plot:
        defaults["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
    overrides = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in panel.colors.items()
    ]
    return {"defaults": defaults, "overrides": overrides}


OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "stat": {
        "colorMode": "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {"showValue": "never", "mergeValues": True, "rowHeight": 0.8},
}


def drawn(panel: Panel, number_: int, place: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": number_,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [target(at, query, panel.kind) for at, query in enumerate(panel.queries)],
        "fieldConfig": field_config(panel),
        "options": OPTIONS[panel.kind],
    }
    if panel.kind == "table":
        hidden = {"excludeByName": {"Time": True}}
        found["transformations"] = [{"id": "organize", "options": hidden}]
    return found


def placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """Lay *panels* out in rows, from left to right; those of a row are of one height."""
    found: list[dict[str, Any]] = []
    x = y = 0
    for at, panel in enumerate(panels, 1):
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        found.append(drawn(panel, at, place))
        x += panel.width
        if x >= COLUMNS:
            x, y = 0, y + panel.height
    return found


def board() -> dict[str, Any]:
    return {
        "title": "enforcer",
        "description": "What policies refuse on these hosts, and how enforcement itself is.",
        "tags": ["enforcer", "security"],
        "schemaVersion": 41,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {"list": list(variables())},
        "annotations": {"list": []},
        "links": [],
        "panels": placed(PANELS),
    }


def text() -> str:
    return json.dumps(board(), indent=2) + "\n"


def main() -> None:
    match sys.argv[1:]:
        case []:
            print(text(), end="")
        case ["--write", file]:
            Path(file).write_text(text(), encoding="utf-8")
        case _:
            sys.exit("usage: grafana-board.py [--write FILE]")


if __name__ == "__main__":
    main()
