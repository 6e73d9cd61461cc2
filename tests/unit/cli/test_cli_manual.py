# SPDX-License-Identifier: MIT
"""The pages of the manual: what they say, and that roff understands it."""

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from enforcer import __version__
from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.config import KEYS
from enforcer.cli.exits import Exit
from enforcer.plugin import commands as plugin

ROOT = Path(__file__).parents[3]
MANUAL = ROOT / "build/man"
PAGES = (
    *("enforcer.1", *(f"enforcer-{name}.1" for name in COMMANDS), "kubectl-enforcer.1"),
    "enforcer.yaml.5",
)

MACROS = {
    *(".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".RS", ".RE", ".EX", ".EE", ".SY", ".YS", ".br"),
    '.\\"',
}
OF_COMMANDS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "DETAILS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"]  # fmt: skip


def path_of(page):
    return MANUAL / f"man{page[-1]}" / page


@pytest.fixture(params=PAGES)
def page(request):
    path = path_of(request.param)
    assert path.exists(), "run `make build`"
    return path


@pytest.fixture
def scripts(monkeypatch):
    """Import a module of scripts/."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    for name in ("roff", "manual"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module


def plain(path):
    """Return the words of a page: no fonts, no signs of roff, no folding."""
    text = re.sub(r"\\f[BIR]|\\&", "", path.read_text("ascii"))
    for sign, shown in {"\\-": "-", "\\~": " ", "\\(aq": "'", "\\(dq": '"', "\\e": "\\"}.items():
        text = text.replace(sign, shown)
    return text


def test_every_command_has_a_page():
    """And no page is left of a command that is gone."""
    assert sorted(PAGES) == sorted(path.name for path in MANUAL.glob("man?/*"))


def test_roff_reads_a_page_without_a_warning(page):
    """Of any kind, also in a narrow terminal."""
    if shutil.which("groff") is None:
        pytest.skip("no groff: run scripts/setup.sh")

    for width in ("60n", "120n"):
        done = subprocess.run(
            ["groff", "-ww", "-man", "-Tutf8", f"-rLL={width}", page],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert "" == done.stderr
        assert "NAME" in done.stdout


def test_a_page_has_the_form_of_one(page):
    """Known macros only, every block is closed, and the title says name, section and version."""
    lines = page.read_text("ascii").splitlines()
    macros = [line.split()[0] for line in lines if line.startswith((".", "'"))]
    name, section = page.name.upper().rsplit(".", 1)

    assert macros[:3] == ['.\\"', ".TH", ".SH"]
    assert set() == set(macros) - MACROS
    for begin, end in ((".RS", ".RE"), (".EX", ".EE"), (".SY", ".YS")):
        assert macros.count(begin) == macros.count(end)
    escaped = name.replace("-", "\\-")
    assert f'.TH "{escaped}" {section} "" "enforcer {__version__}" "enforcer"' == lines[1]


def test_no_name_of_a_page_or_an_option_is_divided(page):
    """Every hyphen is one that can be copied into a shell, and opens no list of its own."""
    text = re.sub(
        r"\\-|^\.\\\".*$|\\\(.{2}|\\\[u[0-9A-F]+\]", "", page.read_text("ascii"), flags=re.MULTILINE
    )

    assert "-" not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command(name):
    """Its sections, its options with their groups, its examples, and every exit code."""
    module = import_module(f"enforcer.cli.{name.replace('-', '_')}")
    text = plain(path_of(f"enforcer-{name}.1"))
    below = [action for action in parser([name])._actions if action.dest == "==SUPPRESS=="]
    command = below[0].choices[name]

    assert OF_COMMANDS == re.findall(r"^\.SH (.+)$", text, re.MULTILINE)
    assert f"enforcer-{name} - {COMMANDS[name]}" in text
    for option in {option for action in command._actions for option in action.option_strings}:
        assert re.search(rf"^(-\w, |--[\w-]+, )*{option}\b", text, re.MULTILINE), option
    example = module.EXAMPLES.splitlines()[1].strip()
    assert example in text
    codes = text[text.index(".SH EXIT STATUS") :]
    assert [f"{code:d}" for code in Exit] == re.findall(r"^\.TP\n(\d+)$", codes, re.MULTILINE)


def test_the_page_of_start_has_its_groups_and_details():
    """From the parser and from the documentation."""
    text = plain(path_of("enforcer-start.1"))

    groups = re.findall(r"^\.SS (.+)$", text, re.MULTILINE)
    options = ["Policies", "Records and metrics", "Safety", "Terminal", "Service"]
    assert [*options, "Folders that a machine fills", "Files of another user", "Results"] == groups
    assert "[--pins FOLDER | --no-pins]" in text
    assert "`" not in text
    assert "If the process is killed or fails, enforcement stays active without it." in text
    assert 1 == len(re.findall("^--json-log FILE$", text, re.MULTILINE)), "options are told once"
    assert "docs/service.md" in text


def test_the_page_of_a_command_with_actions_has_all_of_them():
    """Each with its synopsis and its options."""
    text = plain(path_of("enforcer-policy.1"))

    for action in ("list", "show", "add", "remove", "enable", "disable", "set-mode"):
        assert f'.SY "enforcer policy {action}"' in text
        assert f".SS {action}\n" in text


def test_the_page_of_the_plugin_of_kubectl():
    """All of its commands, with their options and the details of the documentation."""
    text = plain(path_of("kubectl-enforcer.1"))

    assert OF_COMMANDS == re.findall(r"^\.SH (.+)$", text, re.MULTILINE)
    for command in plugin.COMMANDS:
        assert f'.SY "kubectl enforcer {command}"' in text
        assert f".SS {command}\n" in text
    assert "--recording JOURNAL" in text
    assert "kubectl enforcer events -f -n shop" in text


def test_the_page_of_all_commands():
    """It names every page, the files and the variables of the environment."""
    text = plain(path_of("enforcer.1"))

    assert [] == [name for name in COMMANDS if f"enforcer-{name}(1)" not in text]
    assert {"/etc/enforcer/enforcer.yaml", "/run/enforcer/enforcer.sock", "NO_COLOR"} <= set(
        text.split()
    )
    assert "A first session, as root:" in text


def test_the_page_of_the_configuration_has_every_key():
    """With the values that the documentation gives it, and the shipped file."""
    text = plain(path_of("enforcer.yaml.5"))
    settings = text[text.index(".SH SETTINGS") : text.index(".SH NOTES")]

    assert sorted(KEYS) == sorted(re.findall(r"^\.TP\n(\w+)$", settings, re.MULTILINE))
    assert "value: absolute path\n.br\ndefault: /run/enforcer/enforcer.sock" in settings
    assert "\nprotect: true\n" in text[text.index(".SH EXAMPLE") :]


def test_pages_do_not_depend_on_the_terminal(tmp_path):
    """Nor on where they are made: a build is the same everywhere."""
    script = [sys.executable, ROOT / "scripts/manual.py", tmp_path]

    subprocess.run(
        script, check=True, env={**os.environ, "COLUMNS": "40"}, cwd=tmp_path, timeout=120
    )

    for page in PAGES:
        made = tmp_path / path_of(page).relative_to(MANUAL)
        assert path_of(page).read_bytes() == made.read_bytes()


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("a `b-c` d", r"a \fBb\-c\fR d"),
        (".start of a line", r"\&.start of a line"),
        ("'quoted' \\ and …", r"\(aqquoted\(aq \e and \[u2026]"),
        ("**The end.** *any* x*y*z", r"\fBThe end.\fR \fIany\fR x*y*z"),
        ("[a `b`](c.md#d) and [e](f)", r"a \fBb\fR and e"),
        ("`policies[]` (a list)", r"\fBpolicies[]\fR (a list)"),
    ],
)
def test_a_line_of_markdown(scripts, markdown, expected):
    """Marks become fonts, and no sign of the text is one of roff."""
    assert expected == scripts("roff").line(markdown)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("one\ntwo\n\nthree\n", [".PP", "one", "two", ".PP", "three"]),
        (
            "one\n\n<!-- first: a\nb -->\n```sh\nc\n```\n",
            [".PP", "one", ".PP", ".RS 4", ".EX", "c", ".EE", ".RE"],
        ),
        ("- a\n  b\n- c\n", [".IP \\(bu 2", "a", "b", ".IP \\(bu 2", "c"]),
        ("so:\n- a\n1. b\n", [".PP", "so:", ".IP \\(bu 2", "a", ".IP 1. 4", "b"]),
        (
            "```sh\n.x\n\n# y\n```\nz",
            [".PP", ".RS 4", ".EX", "\\&.x", "", "# y", ".EE", ".RE", ".PP", "z"],
        ),
        ("### A title\ntext", [".SS A title", ".PP", "text"]),
        ("| k | m |\n|---|---|\n| `a` | b \\| c |\n", [".TP", "\\fB\\fBa\\fR\\fR", "b | c"]),
        (
            "| k | v | m |\n|---|---|---|\n| a | b | c |\n",
            [".TP", "\\fBa\\fR", "c", ".br\nv: b"],
        ),
    ],
)
def test_blocks_of_markdown(scripts, markdown, expected):
    """Paragraphs, lists, code that stays as it is, headings, and tables as lists."""
    assert expected == list(scripts("roff").blocks(markdown))
