# SPDX-License-Identifier: MIT
"""
A parser of command lines that says what is wrong in one sentence, as all other errors are said.

argparse prints how a command is called, which for ``start`` hides the mistake behind fifteen lines. It also takes
the beginning of an option for the option: what ``--prot`` means would change with the next option that begins so.
"""

from __future__ import annotations

import argparse
import importlib
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from enforcer.cli.exits import Exit, conclude
from enforcer.cli.help_formatter import HelpFormatter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Parser", "add_commands", "sentence"]

_OPTION: Final = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
_CHOICE: Final = re.compile(
    r"argument (?P<name>.+?): invalid choice: '?(?P<given>.*?)'?(?:, maybe .*)? "
    r"\(choose from (?P<known>.+)\)"
)
_SENTENCES: Final = (
    (re.compile(r"the following arguments are required: (.+)"), "{0} is missing"),
    (re.compile(r"one of the arguments (.+) is required"), "one of {0} is missing"),
    (re.compile(r"argument (.+?): expected .*argument.*"), "{0} needs a value"),
    (
        re.compile(r"argument (.+?): ignored explicit argument (.+)"),
        "{0} takes no value, and {1} was given",
    ),
    (re.compile(r"argument (.+?): not allowed with argument (.+)"), "{0} does not go with {1}"),
    (re.compile(r"argument (.+?): (.+)"), "{0}: {1}"),
)
"""What argparse says, and what it means. Anything else is printed as it is."""

_KINDS: Final = {"COMMAND": "command", "ACTION": "action"}


class Parser(argparse.ArgumentParser):
    """As its base, but an error is one sentence, and an option is written out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and refuse here what is left over: this parser knows what was meant."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(self._left_over(rest))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where the help is; end with the code of wrong usage."""
        command = self.prog.removeprefix("enforcer").removesuffix(" help").strip()
        conclude(f"{sentence(message)} ({f'enforcer help {command}'.strip()})")
        raise SystemExit(Exit.USAGE)

    def _left_over(self, rest: Sequence[str]) -> str:
        option = next((word for word in rest if word.startswith("-") and len(word) > 1), None)
        if option is None:
            return f"{rest[0]!r} is one argument too many"
        word = option.partition("=")[0]
        who = self.prog.removeprefix("enforcer ")
        known = _OPTION.findall(self.format_usage())
        return f"{who} has no option {word}{_suggestion(word, known)}"


def add_commands(
    parser: argparse.ArgumentParser,
    package: str,
    summaries: Mapping[str, str],
    named: Collection[str],
) -> list[argparse.ArgumentParser]:
    """
    Add commands to *parser*. Of those *named* it has the arguments; only their modules are imported.

    Args:
        parser: gets them, and which one is meant as ``run``.
        package: has a module for each.
        summaries: of all, in the order of the help.
        named: those that may be meant.

    Returns:
        The parsers of those *named*.
    """
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    made = []
    for name, summary in summaries.items():
        if name not in named:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__.strip() if module.__doc__ else summary,
            epilog=module.EXAMPLES,
            formatter_class=HelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
        made.append(command)
    return made


def sentence(message: str) -> str:
    """Say in one sentence what argparse calls *message*."""
    if found := _CHOICE.fullmatch(message):
        name, given = found["name"], found["given"]
        known = [word.strip(" '") for word in found["known"].split(",")]
        if name in _KINDS:
            return f"there is no {_KINDS[name]} {given!r}{_suggestion(given, known, cutoff=0.7)}"
        hint = _suggestion(given, known)
        return f"{name}: {given!r} is not one of {', '.join(known)}{hint}"
    for pattern, sentence in _SENTENCES:
        if found := pattern.fullmatch(message):
            return sentence.format(*found.groups())
    return message


def _suggestion(word: str, known: Sequence[str], *, cutoff: float = 0.6) -> str:
    """Return ``; did you mean X?``, or nothing: ``--jsonLog`` is near ``--json-log``, ``--prot`` to ``--protect``."""
    import difflib

    def plain(text: str) -> str:
        return text.strip("-").replace("-", "").casefold()

    if not plain(word):
        return ""
    meant = {plain(each): each for each in reversed(known)}
    begun = [each for each in meant if len(plain(word)) > 1 and each.startswith(plain(word))]
    close = begun[:1] or difflib.get_close_matches(plain(word), meant, n=1, cutoff=cutoff)
    shown = meant[close[0]] if close else ""
    return f"; did you mean {shown if shown.startswith('-') else repr(shown)}?" if shown else ""
