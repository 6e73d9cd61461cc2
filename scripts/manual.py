# SPDX-License-Identifier: MIT
"""
Write the pages of the manual into a folder: one for each command, one for all, one for the plug-in of kubectl, and
one for the configuration.

usage: scripts/manual.py FOLDER

build.py runs it. Synopsis, options and examples come from the parsers of the commands, exit codes from the
table of them, and details from `docs/`. So nothing is described a second time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# A wheel is built where enforcer is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import roff

from enforcer import __version__, places
from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import MEANINGS
from enforcer.plugin import commands as plugin

ROOT = Path(__file__).resolve().parents[1]

FILES = {
    places.CONFIG: "settings of `enforcer start`",
    places.POLICIES: "policies that are activated if none are named",
    places.SOCKET: "control socket of the daemon",
    places.PINS: "where enforcement is pinned, so that it outlives the daemon",
}
ENVIRONMENT = {
    "NO_COLOR": "if it is set, nothing is printed in colours",
    "FORCE_COLOR": "if it is set and not 0, output that is no terminal has colours, too; and so CLICOLOR_FORCE",
    "ENFORCER_DEBUG": "if it is set, an internal error shows where it happened",
}
_PLACEHOLDER = re.compile(r"(?<![\w-])(--?[a-z][\w-]*)|(?<![\w-])([A-Z][A-Z:|x-]*)(?![\w-])")


# ---- Parts of a page --------------------------------------------------------------------------


def title(name: str, section: int, summary: str) -> Iterator[str]:
    """Yield the head of a page and its line for `apropos`."""
    yield f'.TH "{roff.escaped(name.upper())}" {section} "" "enforcer {__version__}" "enforcer"'
    yield from (".SH NAME", f"{roff.escaped(name)} \\- {roff.line(summary)}")


def synopsis(command: argparse.ArgumentParser) -> Iterator[str]:
    """Yield how *command* is called; no option is divided from its value at the end of a line."""
    words = command.format_usage().removeprefix("usage: ").removeprefix(command.prog).split()
    text = re.sub(r"\[[^][]*\]|\S+", lambda part: _call(part[0]), " ".join(words))
    yield from (f'.SY "{roff.escaped(command.prog)}"', text or "\\&", ".YS")


def _call(part: str) -> str:
    """Return an option, or what else stands together in a usage, as roff; it is divided only at a choice."""
    found, at = "", 0
    for match in _PLACEHOLDER.finditer(part):
        found += roff.escaped(part[at : match.start()])
        found += roff.bold(match[1]) if match[1] else roff.italic(match[2])
        at = match.end()
    return (found + roff.escaped(part[at:])).replace(" ", "\\~").replace("\\~|\\~", "\\~| ")


def options(command: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the arguments of *command* by their groups, without those of its actions."""

    def is_told(action: argparse.Action) -> bool:
        # That an action of a command has a help, too, is said with its command.
        is_help = isinstance(action, argparse._HelpAction)  # noqa: SLF001
        return not _actions(action) and not (is_help and command.prog.count(" ") > 1)

    formatter = command._get_formatter()  # noqa: SLF001 - argparse offers no other way to read a parser
    for group in command._action_groups:  # noqa: SLF001
        actions = [each for each in group._group_actions if is_told(each)]  # noqa: SLF001
        if actions and group.title not in {"options", "positional arguments"}:
            yield f".SS {roff.line((group.title or '').capitalize())}"
        for action in actions:
            text = formatter._expand_help(action) if action.help else ""  # noqa: SLF001
            yield from roff.term(_invocation(action), [roff.line(text)])


def _invocation(action: argparse.Action) -> str:
    names = ", ".join(roff.bold(name) for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
    shown = roff.italic(str(value)) if action.metavar else roff.bold(str(value))
    return f"{names} {shown}" if names else shown


def _actions(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below *action* by their names, if it chooses among some."""
    is_choice = isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    return dict(action.choices or {}) if is_choice else {}


def below(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below *command* by their names."""
    return {name: each for action in command._actions for name, each in _actions(action).items()}  # noqa: SLF001


def examples(epilog: str) -> tuple[list[list[str]], list[str]]:
    """Divide the end of a help into blocks of examples, each with its title, and paragraphs."""
    chunks = [chunk.splitlines() for chunk in epilog.strip().split("\n\n")]
    titled = [chunk for chunk in chunks if chunk[0].endswith(":") and len(chunk) > 1]
    plain = ["\n".join(chunk) for chunk in chunks if chunk not in titled]
    return (
        [chunk for chunk in titled if chunk[0] != "exit codes:"],
        [f"{text[0].upper()}{text[1:]}" for text in plain],
    )


def ending(epilog: str, see: list[str]) -> Iterator[str]:
    """Yield what every page of a command ends with."""
    blocks, _ = examples(epilog)
    yield ".SH EXAMPLES"
    for block in blocks:
        if block[0] != "examples:":
            yield from roff.paragraph(f"{block[0][0].upper()}{block[0][1:]}")
        yield from roff.literal([line.removeprefix("  ") for line in block[1:]])
    yield ".SH EXIT STATUS"
    for code, means in MEANINGS.items():
        yield from roff.term(roff.bold(f"{code:d}"), [roff.line(means)])
    yield from (".SH SEE ALSO", ", ".join(see))


def _reference(page: str) -> str:
    name, _, section = page.partition("(")
    return f"{roff.bold(name)}({section}"


# ---- The documentation ------------------------------------------------------------------------


def sections(document: str) -> dict[str, str]:
    """Return the parts of a page of `docs/` by their titles."""
    parts = re.split(
        r"^## (.+)$", (ROOT / "docs" / document).read_text("utf-8"), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def about(command: str) -> str:
    """Return what the documentation says of *command*."""
    return "".join(
        text
        for name, text in sections("commands.md").items()
        if command in re.findall(r"[\w-]+", name.replace(" and ", " "))
    )


def details(text: str) -> Iterator[str]:
    """Yield *text* of the documentation without what the parser says better: usage and options."""
    for at, block in enumerate(roff.divided(text)):
        is_usage = at == 0 and block[0].startswith("```")
        is_options = block[0].startswith("| option |")
        if not is_usage and not is_options:
            yield from roff.blocks("\n".join(block))


def linked(text: str) -> list[str]:
    """Return the other pages of the documentation that *text* refers to, each as roff."""
    pages = re.findall(r"\]\(([\w-]+\.md)", text)
    return [roff.italic(f"docs/{page}") for page in sorted(set(pages))]


# ---- Pages ------------------------------------------------------------------------------------


def command_page(
    name: str, command: argparse.ArgumentParser, page: str = "", summary: str = ""
) -> Iterator[str]:
    """Yield the page of one command, which is called *page* if it is none of enforcer itself."""
    epilog = command.epilog or ""
    yield from title(page or f"enforcer-{name}", 1, summary or COMMANDS[name])
    yield ".SH SYNOPSIS"
    for each in below(command).values() or [command]:
        yield from synopsis(each)
    yield ".SH DESCRIPTION"
    for text in [*(command.description or "").split("\n\n"), *examples(epilog)[1]]:
        yield from roff.paragraph(text)
    yield ".SH OPTIONS"
    yield from options(command)
    for action, each in below(command).items():
        yield f".SS {roff.line(action)}"
        yield from roff.paragraph(each.description or "")
        yield from options(each)
    text = about(name)
    yield from (".SH DETAILS", *details(text))
    see = [_reference("enforcer(1)"), _reference("enforcer.yaml(5)"), *linked(text)]
    yield from ending(epilog, see)


def plugin_page() -> Iterator[str]:
    """Yield the page of the plug-in of kubectl, with all its commands."""
    summary = "see what the nodes of a Kubernetes cluster enforce, and why"
    yield from command_page("kubectl", plugin.parser(plugin.COMMANDS), "kubectl-enforcer", summary)


def root_page(root: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the page that names all others."""
    yield from title("enforcer", 1, "runtime enforcement for Linux, decided in the kernel")
    yield ".SH SYNOPSIS"
    yield from synopsis(root)
    yield from (".SH DESCRIPTION", *roff.paragraph(root.description or ""))
    yield from (".SH OPTIONS", *options(root), ".SH COMMANDS")
    for name, summary in COMMANDS.items():
        yield from roff.term(_reference(f"enforcer-{name}(1)"), [roff.line(summary)])
    yield ".SH FILES"
    for path, text in FILES.items():
        yield from roff.term(roff.italic(str(path)), [roff.line(text)])
    yield ".SH ENVIRONMENT"
    for name, text in ENVIRONMENT.items():
        yield from roff.term(roff.bold(name), [roff.line(text)])
    pages = [*(f"enforcer-{name}(1)" for name in COMMANDS), "enforcer.yaml(5)"]
    yield from ending(root.epilog or "", [_reference(page) for page in pages])


def configuration_page() -> Iterator[str]:
    """Yield the page of the configuration file, which the page on the service describes."""
    yield from title("enforcer.yaml", 5, "settings of the enforcer daemon")
    text = sections("service.md")["Configuration"]
    yield ".SH DESCRIPTION"
    for block in roff.divided(text):
        if block[0].startswith("|"):
            yield from (".SH SETTINGS", *roff.table(block), ".SH NOTES")
        else:
            yield from roff.blocks("\n".join(block))
    yield ".SH EXAMPLE"
    yield from roff.literal((ROOT / "packaging/enforcer.yaml").read_text("utf-8").splitlines())
    yield ".SH FILES"
    yield from roff.term(roff.italic(str(places.CONFIG)), [roff.line(FILES[places.CONFIG])])
    yield from (".SH SEE ALSO", ", ".join([_reference("enforcer-start(1)"), *linked(text)]))


def main(folder: Path) -> None:
    root = parser(COMMANDS)
    pages = {f"enforcer-{name}.1": command_page(name, each) for name, each in below(root).items()}
    pages["kubectl-enforcer.1"] = plugin_page()
    pages |= {"enforcer.1": root_page(root), "enforcer.yaml.5": configuration_page()}
    for name, lines in pages.items():
        path = folder / f"man{name[-1]}" / name
        path.parent.mkdir(exist_ok=True)
        head = '.\\" Made by scripts/manual.py when enforcer was built: change the help or docs/ instead.'
        path.write_text("\n".join([head, *lines]) + "\n", "ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
