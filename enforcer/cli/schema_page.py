# SPDX-License-Identifier: MIT
"""
The tables of the page on JSON, as Markdown: every key of every document, every kind of
finding, every counter of the kernel side.

``python -m enforcer.cli.schema_page`` prints them; ``docs/json.md`` carries them between two marks, and ``--write FILE``
renews them there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.cli.schemas import DOCUMENTS, SCHEMAS, schema
from enforcer.kernel_counters import COUNTERS
from enforcer.policy.lint.kinds import KINDS
from enforcer.policy.schema.pages import renewed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.policy.schema.fragments import Schema

__all__ = ["BEGIN", "END", "renew", "tables"]

BEGIN: Final = "<!-- tables: begin (python -m enforcer.cli.schema_page --write docs/json.md) -->"
END: Final = "<!-- tables: end -->"

_WORDS: Final = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


def tables() -> str:
    """Return all tables."""
    return "\n".join(_lines())


def renew(document: str) -> str:
    """Return *document* with the tables between its marks replaced."""
    return renewed(document, BEGIN, END, tables())


def _lines() -> Iterator[str]:
    rows = ((f"`{name}`", each.of) for name, each in SCHEMAS.items())
    yield from _section("Schemas", ("name", "of"), rows)
    rows = ((f"`{kind}`", says) for kind, says in KINDS.items())
    yield from _section("Kinds of findings", ("kind", "is"), rows)
    counters = ((f"`{name}`", each.counts, each.then) for name, each in COUNTERS.items())
    yield from _section("Counters of the kernel side", ("counter", "counts", "then"), counters)
    for name, each in DOCUMENTS.items():
        yield from (f"## {name}", "", f"What {each.of} prints.", "")
        yield from _table(("key", "is", "meaning"), _keys(schema(name)))


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from (f"## {title}", "")
    yield from _table(heads, rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _keys(form: Schema, above: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the keys of an object, and those of the objects in it."""
    for key, value in form["properties"].items():
        path = f"{above}{key}"
        maybe = "" if key in form["required"] else ", not always there"
        yield f"`{path}`", f"{_word(value)}{maybe}", value["description"]
        for either in (value, *value.get("anyOf", ())):
            for part, inside in ((either, "."), (either.get("items", {}), "[].")):
                if "properties" in part:
                    yield from _keys(part, f"{path}{inside}")


def _word(form: Schema) -> str:
    """Say of what kind values of *form* are."""
    if "anyOf" in form:
        # Words alone first: behind those of a list they would be of its items.
        return " or ".join(sorted(map(_word, form["anyOf"]), key=lambda word: ":" in word))
    if "const" in form:
        return f"`{form['const']}`"
    if "enum" in form:
        return " or ".join(f"`{each}`" for each in form["enum"])
    if form.get("type") == "array":
        return f"list, each: {_word(form['items'])}"
    if isinstance(form["type"], list):
        return " or ".join(_WORDS[each] for each in form["type"])
    if isinstance(inner := form.get("additionalProperties"), dict) and inner:
        return f"{_word(inner)} by name"
    return _WORDS[form["type"]]


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--write"]:
        path = Path(arguments[1])
        path.write_text(renew(path.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write(tables())


if __name__ == "__main__":
    _main(sys.argv[1:])
