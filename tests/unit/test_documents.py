# SPDX-License-Identifier: MIT
"""The form of the documentation: tables are tables, and links and anchors lead somewhere."""

import functools
import re
import runpy
import shlex
import tomllib
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import attrs
import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {"build", ".venv", ".pytest_cache"} & set(path.relative_to(ROOT).parts)
)
PICTURES = sorted((ROOT / "docs/pictures").iterdir())
UNIT = ROOT / "packaging/enforcer.service"

_READER = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=6)
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


@attrs.frozen
class Document:
    """What a text points to, links and pictures, and what can be pointed to in it."""

    links: tuple[str, ...]
    anchors: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Document":
        links, anchors = [], []
        for token in _parts(_READER.parse(text)):
            links += [str(token.attrs[key]) for key in ("href", "src") if key in token.attrs]
            if token.type == "heading_open":
                anchors.append(str(token.attrs["id"]))
        return cls(tuple(map(unquote, links)), frozenset(anchors))


def _parts(tokens):
    for token in tokens:
        yield token
        yield from _parts(token.children or ())


@functools.cache
def document(path):
    return Document.of(path.read_text("utf-8"))


def broken_links(path, links):
    """Yield those of *links* in the document at *path* that lead nowhere in this repository."""
    for link in links:
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        is_there = target.exists() and target.is_relative_to(ROOT)
        if "://" in link or (is_there and not anchor):
            continue
        if not is_there or target.suffix != ".md" or anchor not in document(target).anchors:
            yield link


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    """To a file of the repository, and to a heading in it; where they lead elsewhere is not looked up."""
    assert [] == list(broken_links(path, document(path).links))


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("docs/records.md#metrics", False),
        ("docs/records.md#nothing", True),
        ("docs/nothing.md", True),
        ("#read-on", False),
        ("#nothing", True),
        ("LICENSE", False),
        ("LICENSE#mit", True),
        ("../outside.md", True),
        ("/etc/passwd", True),
        ("https://example.org/#nothing", False),
    ],
)
def test_the_check_sees_broken_links(link, is_broken):
    """Files and headings that are not there, and what only this machine has."""
    assert ([link] if is_broken else []) == list(broken_links(ROOT / "README.md", [link]))


def test_links_and_headings_are_found():
    """Not in code; those of pictures, too; equal headings are told apart as code hosting does."""
    found = Document.of(
        "# `a`, b\n[x](y.md) `[no](no.md)` [![z](p.svg)](q.md)\n\n    [no](no.md)\n\n"
        "|a|\n|-|\n|[c](d.md)|\n\n# `a`, b\n"
    )

    assert ("y.md", "q.md", "p.svg", "d.md") == found.links
    assert {"a-b", "a-b-1"} == found.anchors


def test_every_document_can_be_reached():
    """From the README, over any number of links."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            files = {
                (path.parent / link.partition("#")[0]).resolve() for link in document(path).links
            }
            waiting += [file for file in files if file.suffix == ".md" and file.is_file()]

    assert set(DOCUMENTS) <= reached


def test_the_site_leads_to_every_document():
    """In the order of the README, by which whoever reads the site finds them."""
    settings = runpy.run_path(str(ROOT / "scripts/docs/conf.py"))
    named = settings["read_on"]((ROOT / "README.md").read_text("utf-8"))
    beside = {"README", settings["LABORATORY"]}

    assert {name_of(path.with_suffix("")) for path in DOCUMENTS} - beside == set(named)


def installed_by_the_wheel(pattern):
    """Yield what it has below its prefix that matches the *pattern*, or lies in a folder of that name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for source, place in settings["targets"]["wheel"]["shared-data"].items():
        inner = [path.relative_to(ROOT / source) for path in (ROOT / source).rglob("*")]
        for path in (Path(place) / part for part in inner or [Path()]):
            if path.match(pattern) or Path(pattern) in path.parents:
                yield path


@pytest.mark.parametrize("path", PICTURES, ids=name_of)
def test_pictures_are_small_and_whole(path):
    """They load nothing, run nothing, and have a form that every browser shows."""
    assert path.stat().st_size < 150 << 10
    if path.suffix == ".svg":
        text = path.read_text("utf-8")
        root = ET.fromstring(text)
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert {"script", "image", "foreignObject", "use"}.isdisjoint(tags)
        assert "viewBox" in root.attrib
        assert not re.search(r"@import|url\((?!#)", text)


def test_the_unit_names_documentation_that_is_installed():
    """By the commands of the page on the service, which install the unit, too. A folder is copied as a whole."""
    (place,) = re.findall(r"^Documentation=file://(\S+)$", UNIT.read_text(), re.MULTILINE)
    page = (ROOT / "docs/service.md").read_text("utf-8")
    lines = re.findall(r"^# (install .+|cp -r -t .+)$", page, re.MULTILINE)
    commands = [shlex.split(line) for line in lines]

    sources = [word for words in commands for word in words if word.startswith(("lib/", "share/"))]
    assert [] == [source for source in sources if not list(installed_by_the_wheel(source))]
    copied = {
        Path(words[words.index("-t") + 1]) / source.relative_to(Path(words[-1]).parent)
        for words in commands
        if words[0] == "cp"
        for source in installed_by_the_wheel(words[-1])
    }
    assert "lib/systemd/system/enforcer.service" in sources
    assert Path(place) in copied
    shown = Path(place).with_name("pictures") / "dashboard.svg"
    assert shown in copied
