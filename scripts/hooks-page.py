# SPDX-License-Identifier: MIT
"""
The table of the LSM hooks that programs sit on, as ``docs/hooks.md`` carries it between two marks.

Without arguments it is printed; ``--write FILE`` renews it there. What the page says of all other hooks
is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from enforcer.events.operations import OPERATIONS
from enforcer.kernel.programs import GUARD, HOOKS, IDENTITY, NAMES, names
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.schema.pages import renewed

BEGIN = "<!-- hooks: begin (python scripts/hooks-page.py --write docs/hooks.md) -->"
END = "<!-- hooks: end -->"
NOTHING = "-"


def words(ops: int) -> str:
    """Return the operations of the mask *ops* as records call them, each once."""
    found = dict.fromkeys(OPERATIONS[Op[name]].full for name in names(ops))
    return ", ".join(f"`{word}`" for word in found) or NOTHING


def table() -> str:
    """Return the table, hooks by name."""
    return "\n".join(_lines()) + "\n"


def renew(document: str) -> str:
    """Return *document* with the table between its marks replaced."""
    return renewed(document, BEGIN, END, table())


def _lines() -> Iterator[str]:
    decided = {spec.hook: 0 for spec in (*HOOKS, *IDENTITY, *NAMES, *GUARD)}
    for spec in HOOKS:
        decided[spec.hook] |= spec.ops
    uses = (
        ("labels", {spec.hook for spec in IDENTITY}),
        ("what is remembered of files", {spec.hook for spec in NAMES}),
        ("self-protection", {spec.hook for spec in GUARD}),
    )
    yield "| hook | operations | also for |"
    yield "|---|---|---|"
    for hook, ops in sorted(decided.items()):
        also = ", ".join(use for use, hooks in uses if hook in hooks) or NOTHING
        yield f"| `{hook}` | {words(ops)} | {also} |"


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--write"]:
        path = Path(arguments[1])
        path.write_text(renew(path.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write(table())


if __name__ == "__main__":
    _main(sys.argv[1:])
