# SPDX-License-Identifier: MIT
"""The figures as tables for a terminal, and whether they keep what is promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import attrs
from cases import NOWHERE, OPERATIONS, PLAIN, Operation, Record, Scope
from rich.table import Table

__all__ = ["NOISE", "bars", "maps_table", "tables"]

NOISE: Final = 10
"""Instructions by which two runs of the same may differ."""

_ENGINES: Final = ("empty", "enforcer", "seccomp", "landlock", "apparmor")


def tables(records: Sequence[Record]) -> Iterator[Table]:
    """Yield a table of sizes and one of shapes for each operation."""
    for op in OPERATIONS:
        ours = [r for r in records if r.op == op.name]
        if not ours:
            continue
        yield _sizes(op, [r for r in ours if _is_plain(r)])
        if any(r.engine == "enforcer" and not _is_plain(r) for r in ours):
            yield _shapes(op, ours)


def _is_plain(record: Record) -> bool:
    return any((record.depth, record.path_length) == (s.depth, s.length) for s in (PLAIN, NOWHERE))


def _sizes(op: Operation, records: Sequence[Record]) -> Table:
    base = next(r.base for r in records if r.engine == "none")
    table = Table(title=f"{op.name}: base {base:,} instructions; added, by number of rules")
    columns = sorted({r.rules for r in records})
    table.add_column("")
    for rules in columns:
        table.add_column(f"{rules:,}", justify="right")
    for engine in _ENGINES:
        for scope in ("", *Scope):
            row = {r.rules: r.added for r in records if (r.engine, r.scope) == (engine, scope)}
            if row:
                cells = (f"{row[n]:+,}" if n in row else "" for n in columns)
                table.add_row(f"{engine} {scope}".strip(), *cells)
    return table


def _shapes(op: Operation, records: Sequence[Record]) -> Table:
    ours = [r for r in records if r.engine == "enforcer" and r.rules]
    most = max(r.rules for r in ours)
    shapes = sorted({(r.depth, r.path_length) for r in ours})
    table = Table(title=f"{op.name}: added with {most:,} rules, by depth and length of the path")
    table.add_column("")
    for depth, length in shapes:
        table.add_column(f"{depth} / {length:,}", justify="right")
    bases = {(r.depth, r.path_length): r.base for r in records if r.engine == "none"}
    table.add_row("base", *(f"{bases[shape]:,}" for shape in shapes))
    for scope in Scope:
        row = {(r.depth, r.path_length): r for r in ours if (r.scope, r.rules) == (scope, most)}
        if row:
            table.add_row(scope, *(f"{row[s].added:+,}" if s in row else "" for s in shapes))
    return table


def maps_table(maps: Mapping[str, int]) -> Table:
    """Return how much memory the maps took."""
    table = Table(title="memory of all maps")
    table.add_column("rules")
    table.add_column("MiB", justify="right")
    for name, size in maps.items():
        table.add_row(name, f"{size / (1 << 20):.1f}")
    return table


# ---- Promises ---------------------------------------------------------------------------------


@attrs.frozen
class _Bar:
    """What is promised: *limit* may depend on the base and on the figure for one rule."""

    op: str
    scope: Scope
    rules: int
    text: str
    limit: Callable[[Record, Record], float]


_BARS: Final = (
    _Bar("open", Scope.OUT, 10000, "330", lambda _one, _it: 330),
    _Bar("open", Scope.IN, 1, "512", lambda _one, _it: 512),
    _Bar("open", Scope.IN, 10000, "one rule + 3 %", lambda one, _it: one.added * 1.03 + NOISE),
    _Bar("open", Scope.ALLOW, 10000, "700", lambda _one, _it: 700),
    _Bar("open", Scope.LISTED, 10000, "700", lambda _one, _it: 700),
    _Bar("read-strict", Scope.ALLOW, 10000, "550", lambda _one, _it: 550),
    _Bar("create", Scope.IN, 10000, "2,500", lambda _one, _it: 2500),
    _Bar("create", Scope.ALLOW, 10000, "3,000", lambda _one, _it: 3000),
    _Bar("connect", Scope.IN, 10000, "900", lambda _one, _it: 900),
    _Bar("connect", Scope.ALLOW, 10000, "1,000", lambda _one, _it: 1000),
    _Bar("open-first", Scope.IN, 1, "1,405", lambda _one, _it: 1405),
    _Bar(
        "open-first", Scope.IN, 10000, "one rule + 3 %", lambda one, _it: one.added * 1.03 + NOISE
    ),
    _Bar("exec", Scope.IN, 1000, "3 % of the base", lambda _one, it: it.base * 0.03),
    _Bar("exec-libraries", Scope.LISTED, 1000, "2 % of the base", lambda _one, it: it.base * 0.02),
    _Bar("build", Scope.LISTED, 10000, "1.5 % of the base", lambda _one, it: it.base * 0.015),
    _Bar("read", Scope.IN, 10000, "nothing", lambda _one, _it: NOISE),
    _Bar("stat", Scope.IN, 10000, "nothing", lambda _one, _it: NOISE),
    _Bar("getppid", Scope.IN, 1, "nothing", lambda _one, _it: NOISE),
    _Bar("getppid", Scope.IN, 200, "nothing", lambda _one, _it: NOISE),
    _Bar("getppid", Scope.IN, 10000, "nothing", lambda _one, _it: NOISE),
)


def bars(records: Sequence[Record]) -> Table:
    """Compare what is promised with what was measured, as far as it was."""
    table = Table(title="promised")
    for name in ("operation", "scope", "rules", "at most", "added", ""):
        table.add_column(name, justify="right" if name in {"rules", "at most", "added"} else "left")
    plain = {
        (r.op, r.scope, r.rules): r for r in records if r.engine == "enforcer" and _is_plain(r)
    }
    for bar in _BARS:
        it = plain.get((bar.op, bar.scope, bar.rules))
        one = plain.get((bar.op, bar.scope, 1), it)
        if it is None or one is None:
            continue
        verdict = "kept" if it.added <= bar.limit(one, it) else "[bold red]missed[/]"
        cells = (f"{bar.rules:,}", bar.text, f"{it.added:+,}")
        table.add_row(bar.op, bar.scope, *cells, verdict)
    return table
