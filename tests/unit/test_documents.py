# SPDX-License-Identifier: MIT
"""The form of the documentation: tables are tables, and links lead somewhere."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {"build", ".venv", ".pytest_cache"} & set(path.relative_to(ROOT).parts)
)
UNIT = ROOT / "packaging/enforcer.service"

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CELL = re.compile(r"(?<!\\)\|")


def name_of(path):
    return str(path.relative_to(ROOT))


def lines_of(text):
    """Return the lines of *text*, those of code left empty."""
    found, is_code = [], False
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        is_code ^= is_fence
        found.append("" if is_code or is_fence else line)
    return found


def broken_tables(text):
    """Yield the first lines of tables that have no head, and lines with another number of cells."""
    table = []
    for line in [*lines_of(text), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if table:
            if len(table) < 2 or not re.fullmatch(r"\|(?: *:?-+:? *\|)+", table[1]):
                yield table[0]
            width = len(_CELL.findall(table[0]))
            yield from (row for row in table if len(_CELL.findall(row)) != width)
        table = []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_tables_have_heads(path):
    """Without its head a table is shown as lines of text."""
    assert [] == list(broken_tables(path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("| a | b |\n|---|---|\n| c | d |\n", []),
        ("text\n\n| c | d |\n| e | f |\n", ["| c | d |"]),
        ("| a | b |\n|---|---|\n| c |\n", ["| c |"]),
        ("| a |\n|---|\n| `x \\| y` |\n", []),
        ("```\n| c | d |\n```\n", []),
    ],
)
def test_the_check_sees_broken_tables(text, broken):
    """A head that is gone, and a cell that is."""
    assert broken == list(broken_tables(text))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files(path):
    """Of the repository; where they lead elsewhere is not looked up."""
    links = _LINK.findall("\n".join(lines_of(path.read_text("utf-8"))))
    files = [link.partition("#")[0] for link in links if "://" not in link]

    assert [] == [file for file in files if file and not (path.parent / file).exists()]


def installed_by_the_wheel(pattern):
    """Yield the files below its prefix that match the *pattern*."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for source, place in settings["targets"]["wheel"]["shared-data"].items():
        inner = [path.relative_to(ROOT / source) for path in (ROOT / source).rglob("*")]
        for path in (Path(place) / part for part in inner or [Path()]):
            if path.match(pattern):
                yield path


def test_the_unit_names_documentation_that_is_installed():
    """By the commands of the page on the service, which install the unit, too."""
    (place,) = re.findall(r"^Documentation=file://(\S+)$", UNIT.read_text(), re.MULTILINE)
    page = (ROOT / "docs/service.md").read_text("utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^# (install .+)$", page, re.MULTILINE)]

    sources = [word for words in commands for word in words if word.startswith(("lib/", "share/"))]
    assert [] == [source for source in sources if not list(installed_by_the_wheel(source))]
    installed = {
        Path(words[words.index("-t") + 1]) / source.name
        for words in commands
        if "-t" in words
        for source in installed_by_the_wheel(words[-1])
    }
    assert "lib/systemd/system/enforcer.service" in sources
    assert Path(place) in installed
