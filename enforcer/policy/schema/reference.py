# SPDX-License-Identifier: MIT
"""
The tables of the language reference, as Markdown.

``python -m enforcer.policy.schema.reference`` prints them; ``docs/policy-language.md`` carries them between two
marks, and ``--write FILE`` renews them there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.templates import PLACEHOLDERS
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    LIFTED_SYSCALLS,
    OPERATORS,
    PROCESS_FIELDS,
    EventSpec,
    FieldSpec,
    Kind,
    LiftSpec,
)
from enforcer.policy.model.workloads import WORKLOAD_FIELDS
from enforcer.policy.readers.arguments import ARGUMENT_OPERATORS
from enforcer.policy.schema.limits import LIMITS
from enforcer.policy.schema.pages import renewed

__all__ = ["BEGIN", "END", "renew", "tables"]

BEGIN = "<!-- tables: begin (python -m enforcer.policy.schema.reference --write docs/policy-language.md) -->"
END = "<!-- tables: end -->"

_OPERATOR_TEXT = {
    "equal": "the value, literally",
    "notEqual": "anything but the value",
    "in": "one of the values, literally",
    "notIn": "none of the values",
    "prefix": "begins with, literally",
    "suffix": "ends with, literally",
    "contains": "has in it, literally",
    "glob": "a glob",
    "notPrefix": "does not begin with any of them, literally",
    "notSuffix": "does not end with any of them, literally",
    "notContains": "has none of them in it, literally",
    "notGlob": "none of the globs",
    "range": "from low to high, both included: `low-high`",
    "mask": "`MASK`: any of these bits; `MASK=VALUE`: these bits have this value",
    "cidr": "an address or network",
    "any": "at least one of these",
    "all": "all of these",
    "none": "none of these",
}


def tables() -> str:
    """Return all tables."""
    return "\n".join(_lines())


def renew(document: str) -> str:
    """Return *document* with the tables between its marks replaced."""
    return renewed(document, BEGIN, END, tables())


def _lines() -> Iterator[str]:
    for event in EVENTS.values():
        yield from _event(event)
    yield from _section("Fields of the object", _fields(FIELDS.values()))
    yield from _section(
        "Processes that a rule can describe",
        _table(
            ("under `match`", "the description fits"),
            ((f"`{p.name}`", p.doc) for p in SUBJECT_PARTS.values()),
        ),
    )
    yield from _section("Fields of a process", _fields(PROCESS_FIELDS.values()))
    for group, fields in WORKLOAD_FIELDS.items():
        yield from _section(
            f"Fields of `{group}`",
            _table(
                ("field", "is"),
                ((f"`{f.name.partition('.')[2]}`", f.doc) for f in fields.values()),
            ),
        )
    yield from _section(
        "Operators",
        _table(
            ("operator", "holds for", "of"),
            (
                (f"`{name}`", text, ", ".join(_kinds_with(name)))
                for name, text in _OPERATOR_TEXT.items()
            ),
        ),
    )
    yield from _section(
        "Operators of the long form of arguments",
        _table(
            ("operator", "same as"), ((f"`{k}`", f"`{v}`") for k, v in ARGUMENT_OPERATORS.items())
        ),
    )
    yield from _section(
        "System calls",
        _table(
            ("system call", "same as", "arguments"),
            (
                (f"`{n}`", f"`{_meaning(lift)}`", _arguments(lift))
                for n, lift in LIFTED_SYSCALLS.items()
            ),
        ),
    )
    yield from _section(
        "Placeholders",
        _table(("placeholder", "meaning"), ((f"`{{{k}}}`", v) for k, v in PLACEHOLDERS.items())),
    )
    yield from _section(
        "Limits",
        _table(("of", "at most", "beyond that"), ((e.of, f"{e.most:,}", e.beyond) for e in LIMITS)),
    )


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield from lines
    yield ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _event(event: EventSpec) -> Iterator[str]:
    rows = (
        (
            f"`{o.name}`" if event.name != "exec" else "",
            o.doc,
            " ".join(f"`{f}`" for f in FIELDS if f in o.fields),
        )
        for o in event.operations.values()
    )
    yield from _section(
        f"Operations of `{event.name}`", _table(("operation", "is", "fields"), rows)
    )


def _fields(fields: Iterable[FieldSpec]) -> Iterator[str]:
    yield from _table(
        ("field", "kind", "is", "names"),
        ((f"`{f.name}`", f.kind.value, f.doc, " ".join(f"`{n}`" for n in f.names)) for f in fields),
    )


def _kinds_with(operator: str) -> Iterator[str]:
    return (kind.value for kind in Kind if operator in OPERATORS[kind])


def _meaning(lift: LiftSpec) -> str:
    return "exec: {}" if lift.event == "exec" else f"{lift.event}: {_words(lift)}"


def _words(lift: LiftSpec) -> str:
    words = lift.operations.split()
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"


def _arguments(lift: LiftSpec) -> str:
    return ", ".join(f"{index}: `{field}`" for index, field in lift.args.items()) or "—"


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--write"]:
        path = Path(arguments[1])
        path.write_text(renew(path.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write(tables())


if __name__ == "__main__":
    _main(sys.argv[1:])
