# SPDX-License-Identifier: MIT
"""
Write the completions of every shell into a folder, from the parsers of the commands.

usage: scripts/completions.py FOLDER

build.py runs it. shtab makes the scripts. What is said here besides: which arguments are files, and where
shtab and a shell do not understand each other.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# A wheel is built where enforcer is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from enforcer.cli.commands import COMMANDS, parser

try:
    import shtab
except ImportError:
    sys.exit("completions need shtab: pip install shtab")

# fish gives the whole word, `--config=/etc/en`, and puts the option in front of what comes back.
_FISH_WORD = "(commandline -ct | string replace -r -- '^--[^=]*=' '')"
FILE = {**shtab.FILE, "fish": f"(__fish_complete_path {_FISH_WORD})"}
FOLDER = {**shtab.DIRECTORY, "fish": f"(__fish_complete_directories {_FISH_WORD})"}

FOLDERS = {"pins"}
"""Arguments that name a folder and never a file."""

BASH = """
# bash divides `--option=value` at the sign, into three words. An option and its value are two.
_enforcer() {
  local -a words=()
  local at current=0
  for at in "${!COMP_WORDS[@]}"; do
    if [[ ${COMP_WORDS[at]} == = && ${COMP_WORDS[at-1]} == --* ]]; then
      ((at == COMP_CWORD)) && words+=("") && current=$((${#words[@]} - 1))
      continue
    fi
    words+=("${COMP_WORDS[at]}")
    ((at == COMP_CWORD)) && current=$((${#words[@]} - 1))
  done
  local -a COMP_WORDS=("${words[@]}")
  local COMP_CWORD=$current
  _shtab_enforcer "$@"
}

complete -o bashdefault -F _enforcer enforcer
"""


def with_files(root: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Say of all arguments of *root* that are paths that they are, and return it."""
    for action in actions(root):
        if action.dest in FOLDERS:
            action.complete = FOLDER  # type: ignore[attr-defined]
        elif is_path(action):
            action.complete = FILE  # type: ignore[attr-defined]
    return root


def is_path(action: argparse.Action) -> bool:
    """Tell whether the value of *action* becomes a path."""
    reads = getattr(action.type, "__annotations__", {})
    return action.type is Path or reads.get("return") in {"Path", Path}


def actions(root: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of *root* and of everything below it."""
    for action in root._actions:  # noqa: SLF001 - argparse offers no other way to read a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from actions(each)
        else:
            yield action


def bash(script: str) -> str:
    """Return *script* for words in which an option has its value behind a sign."""
    return script + BASH


def zsh(script: str) -> str:
    """
    Return *script* with two of shtab's forms in those that zsh means.

    An argument that may be repeated is ``*:``; with ``(*):`` only the first one is completed. An option
    whose value may follow ``=`` says so; without that only a value behind a space is completed.
    """
    script = re.sub(r'"\(\*\)::?', '"*:', script)
    return re.sub(r'"(\*?--[\w-]+)(\[(?:\\.|[^\]\\])*\]:)', r'"\1=\2', script)


def fish(script: str) -> str:
    """Return *script* as it is."""
    return script


SHELLS: dict[str, Callable[[str], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def main(folder: Path) -> None:
    root = with_files(parser(COMMANDS))
    for shell, finish in SHELLS.items():
        script = finish(shtab.complete(root, shell).strip() + "\n")
        (folder / f"enforcer.{shell}").write_text(script, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
