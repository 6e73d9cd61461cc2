# SPDX-License-Identifier: MIT
"""
What kubectl runs as ``kubectl_complete-enforcer`` to complete the words behind ``kubectl enforcer``.

It prints a candidate on each line with what it means, and a last line that says whether files may follow, as
programs of cobra do. The words come from the parsers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.plugin.commands import COMMANDS, parser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_FILES: Final = 0
_NO_FILES: Final = 4
"""Directives of cobra: complete names of files if nothing else was printed, or do not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how the last of *arguments* may go on, by default of those of the process; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments) or [""]
    candidates, directive = _completed(words[:-1], words[-1])
    for word, means in candidates:
        print(f"{word}\t{means}" if means else word)
    print(f":{directive}")
    return 0


def _completed(before: Sequence[str], word: str) -> tuple[list[tuple[str, str]], int]:
    """Return the candidates for *word* behind the words *before*, and whether files may follow."""
    root = parser(COMMANDS)
    actions = root._actions  # noqa: SLF001 - argparse offers no other way to read a parser
    name = next((each for each in before if each in COMMANDS), None)
    if name is not None:
        actions = _below(actions)[name]._actions  # noqa: SLF001 - as above
    options = {option: each for each in actions for option in each.option_strings}
    waiting = options.get(before[-1]) if before else None
    if waiting is not None and waiting.nargs != 0:
        chosen = [(str(each), "") for each in waiting.choices or ()]
        found = [each for each in chosen if each[0].startswith(word)]
        return found, _FILES if _is_file(waiting) else _NO_FILES
    if word.startswith("-"):
        meanings = {option: _first(each.help) for option, each in options.items()}
        return [each for each in meanings.items() if each[0].startswith(word)], _NO_FILES
    if name is None:
        return [each for each in COMMANDS.items() if each[0].startswith(word)], _NO_FILES
    # The record of explain may be a file.
    has_words = any(not each.option_strings for each in actions)
    return [], _FILES if has_words else _NO_FILES


def _below(actions: Sequence[argparse.Action]) -> dict[str, argparse.ArgumentParser]:
    return {name: each for found in map(_choices, actions) for name, each in found}


def _choices(action: argparse.Action) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
        yield from action.choices.items()


def _is_file(action: argparse.Action) -> bool:
    reads = getattr(action.type, "__annotations__", {})
    return reads.get("return") in {"Path", Path, "_Recording"} or action.metavar == "FILE"


def _first(text: str | None) -> str:
    """Return the beginning of a help: kubectl shows one line."""
    return (text or "").partition(" (default")[0].replace("%%", "%")
