# SPDX-License-Identifier: MIT
"""
Make the documentation as a site in build/site: ``make docs``.

Adds two pages that are made here, the help of all commands and the list of JSON Schemas. Fails at a link or an
anchor that leads nowhere, and at a page that would load anything from elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.schemas import SCHEMAS, schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "build/pages"
SITE = ROOT / "build/site"

_FOREIGN = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^>]*>"""
)
_IMPORT = re.compile(r"""(?:@import\s*|url\()\s*["']?(?:https?:)?//""")


def help_page() -> Iterator[str]:
    """Yield the lines of the page with what every command says of itself."""
    yield from ("# The help of all commands", "")
    yield "What `enforcer COMMAND --help` prints. [Commands](../../docs/commands.md) says more."
    for name, summary in COMMANDS.items():
        yield from ("", f"## enforcer {name}", "", f"{summary[0].upper()}{summary[1:]}.", "")
        yield from ("```text", *_help(name).splitlines(), "```")


def _help(name: str) -> str:
    """Return the help of a command."""
    (commands,) = (each for each in parser([name])._actions if each.choices)  # noqa: SLF001 - there is no other way
    return commands.choices[name].format_help()


def schemas_page() -> Iterator[str]:
    """Yield the lines of the page of schemas, and write these beside it."""
    folder = PAGES / "schemas"
    folder.mkdir()
    yield from (
        "# JSON Schemas",
        "",
        "What `enforcer schema NAME` prints. [JSON](../../docs/json.md)",
    )
    yield from ("says what the keys mean.", "", "| schema | of |", "|---|---|")
    for name, each in SCHEMAS.items():
        file = f"{name}.schema.json"
        (folder / file).write_text(json.dumps(schema(name), indent=1) + "\n", encoding="utf-8")
        yield f"| [{name}](schemas/{file}) | {each.of.replace('|', chr(92) + '|')} |"


def made_pages() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for name, lines in {"help": help_page(), "schemas": schemas_page()}.items():
        (PAGES / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def foreign(site: Path) -> Iterator[str]:
    """Yield what pages and styles of *site* would load from elsewhere."""
    for path in sorted(site.rglob("*")):
        if path.suffix in {".html", ".css"}:
            text = path.read_text("utf-8")
            for found in (*_FOREIGN.finditer(text), *_IMPORT.finditer(text)):
                yield f"{path.relative_to(site)}: {found[0]}"


def main() -> None:
    os.environ["COLUMNS"] = "90"  # of the help
    made_pages()
    shutil.rmtree(SITE, ignore_errors=True)
    options = (
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        "build/doctrees",
        "-c",
        "scripts/docs",
    )
    sphinx = [sys.executable, "-m", "sphinx", *options, ".", SITE]
    if code := subprocess.run(sphinx, cwd=ROOT, check=False).returncode:
        sys.exit(code)  # it has said why
    shutil.copy(SITE / "README.html", SITE / "index.html")
    if wrong := list(foreign(SITE)):
        sys.exit("\n".join(["the site would load from elsewhere:", *wrong]))
    print(SITE / "index.html")


if __name__ == "__main__":
    main()
