#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Print how large the rooms of the tree are: folders, modules, functions, hooks, names, circles of imports.

Every import counts, also one in a function or for type checkers only.  ``--names`` lists what is counted.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (".py", ".c", ".h")
FOLDER_LIMIT, FUNCTION_LIMIT, HOOK_LIMIT = 20, 40, 15
DAEMON = "enforcer.runtime.assembly"

_INCLUDE = re.compile(r'^#include "([\w./]+)"', re.MULTILINE)
_HOOK = re.compile(r'^SEC\("[^"]*"\)[^;{]*?\{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_HOOK_NAME = re.compile(r"(?:BPF_PROG|BPF_KPROBE|BPF_KRETPROBE)\((\w+)|(\w+)\(")

Graph = dict[str, set[str]]
Row = tuple[str, str, "list[str]"]


def folders() -> dict[str, int]:
    """Return how many sources each folder has, without those below it."""
    counts: dict[str, int] = defaultdict(int)
    for top in ("enforcer", "bpf", "tests", "scripts"):
        for path in (ROOT / top).rglob("*"):
            if path.suffix in SOURCES and path.name != "__init__.py" and path.is_file():
                counts[str(path.parent.relative_to(ROOT))] += 1
    return counts


def module_name(path: Path) -> str:
    """Return the full name of the module at *path*."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, modules: Iterable[str]) -> Iterator[str]:
    """Yield the modules among *modules* that *tree* imports, wherever the import stands."""
    known = set(modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if (name := full if full in known else node.module) in known:
                    yield name


def closure(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return *start* and whatever can be reached from it."""
    found, pending = {start}, [start]
    while pending:
        new = graph.get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found


def circles(graph: Graph) -> list[str]:
    """Return the sets of nodes that reach each other, each as one line."""
    reach = {node: closure(graph, node) for node in graph}
    sets = {frozenset(o for o in reach[node] if node in reach.get(o, ())) for node in graph}
    return sorted(", ".join(sorted(one)) for one in sets if len(one) > 1)


def functions(trees: Mapping[str, ast.Module]) -> dict[str, int]:
    """Return the lines of each function, from its ``def`` to its end."""
    return {
        f"{name}.{node.name}:{node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def hooks() -> dict[str, int]:
    """Return the lines between the braces of each BPF program."""
    found = {}
    for path in sorted((ROOT / "bpf").rglob("*.[ch]")):
        for match in _HOOK.finditer(path.read_text()):
            head = match.group(0).partition("\n")[2]
            named = _HOOK_NAME.search(head)
            word = next(filter(None, named.groups())) if named else "?"
            found[f"{path.name}: {word}"] = len(match.group(1).splitlines())
    return found


def shared_names(paths: Iterable[Path]) -> dict[str, int]:
    """Return the base names that more than one module has, and how many have each."""
    counts = Counter(path.stem for path in paths if path.stem not in {"__init__", "__main__"})
    return {name: count for name, count in sorted(counts.items()) if count > 1}


def includes() -> Graph:
    """Return which unit of the kernel side, a source with its header, includes which."""
    paths = sorted((ROOT / "bpf").rglob("*.[ch]"))
    graph: Graph = {_unit(path): set() for path in paths}
    for path in paths:
        others = {_unit(Path(other)) for other in _INCLUDE.findall(path.read_text())}
        graph[_unit(path)] |= (others & graph.keys()) - {_unit(path)}
    return graph


def _unit(path: Path) -> str:
    return path.name.removesuffix(path.suffix).removesuffix(".bpf")


def over(counts: Mapping[str, int], limit: int) -> list[str]:
    """Return what is over *limit*, the largest first."""
    large = ((count, name) for name, count in counts.items() if count > limit)
    return [f"{count} {name}" for count, name in sorted(large, reverse=True)]


def measured() -> Iterator[Row]:
    """Yield each measure: what it is, its figure, and what is behind it."""
    paths = [path for path in sorted((ROOT / "enforcer").rglob("*.py")) if path.name != "_abi.py"]
    texts = {module_name(path): path.read_text() for path in paths}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    lines = [len(text.splitlines()) for text in texts.values()]
    graph = {name: set(imported(tree, trees)) - {name} for name, tree in trees.items()}
    shared = shared_names(paths)

    large = over(folders(), FOLDER_LIMIT)
    yield f"folders over {FOLDER_LIMIT} files", str(len(large)), large
    ends = statistics.quantiles(lines, n=10)
    yield "modules", str(len(paths)), []
    yield (
        "lines: median, p90, max",
        f"{statistics.median(lines):.0f} {ends[8]:.0f} {max(lines)}",
        [],
    )
    yield "lines of Python", str(sum(lines)), []
    for what, counts, limit in (
        ("functions", functions(trees), FUNCTION_LIMIT),
        ("BPF programs", hooks(), HOOK_LIMIT),
    ):
        large = over(counts, limit)
        longest = max(counts.values(), default=0)
        yield (
            f"{what} over {limit} lines",
            f"{len(large)} of {len(counts)}; longest {longest}",
            large,
        )
    yield (
        "shared base names",
        f"{len(shared)} by {sum(shared.values())} files",
        [f"{name} ({count})" for name, count in shared.items()],
    )
    for what, arrows in (("circles in Python", graph), ("circles in C", includes())):
        found = circles(arrows)
        yield what, str(len(found)), found
    loaded = closure(graph, DAEMON)
    size = sum(len(texts[name].splitlines()) for name in loaded)
    yield "modules that the daemon imports", f"{len(loaded)}; {size} lines", []


def main(words: list[str]) -> int:
    """Print the table, and with ``--names`` what each figure counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", action="store_true", help="list what is counted")
    wanted = parser.parse_args(words)
    rows = list(measured())
    table = Table("measure", "figure")
    for what, figure, _ in rows:
        table.add_row(what, figure)
    console = Console(soft_wrap=True)
    console.print(table)
    for what, _, items in rows if wanted.names else []:
        console.print(f"\n{what}", style="bold")
        for item in items:
            console.print(f"  {item}", highlight=False, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
