# SPDX-License-Identifier: MIT
"""
Show and change the active policies, one by one.

Each change becomes active at once, like a reload. Changes survive reloads of the files and a crash of
the daemon. They end when the daemon ends normally.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

from enforcer.cli.arguments import add_confirm_within, add_socket, file_path
from enforcer.cli.changes import ask, print_answer, show_change
from enforcer.cli.colours import add_color
from enforcer.cli.columns import columns
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.folding import folded, width_of
from enforcer.cli.formats import JSON, YAML, add_output
from enforcer.cli.help_formatter import HelpFormatter
from enforcer.cli.passphrase import add_key_fd
from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.model.modes import Mode
from enforcer.runtime.control.protocol import (
    POLICY_ADD,
    POLICY_DISABLE,
    POLICY_ENABLE,
    POLICY_LIST,
    POLICY_REMOVE,
    POLICY_SET_MODE,
    POLICY_SHOW,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from enforcer.runtime.control.policy_answers import PolicyDetail, PolicyState

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer policy list
  enforcer policy show vault
  enforcer policy add --confirm-within 60s vault.yaml
  enforcer policy set-mode vault audit
  enforcer policy disable vault
"""

_MODES = [mode.value for mode in Mode]
_CHANGES = {
    "remove": POLICY_REMOVE,
    "enable": POLICY_ENABLE,
    "disable": POLICY_DISABLE,
    "set-mode": POLICY_SET_MODE,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, act: Callable[[argparse.Namespace], None], summary: str) -> Any:
        made = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=HelpFormatter,
        )
        made.set_defaults(act=act, action=name)
        add_socket(made)
        return made

    listed = action("list", _list, "list all policies, those that are disabled included")
    shown = action("show", _show, "print one policy as YAML, and how often its rules decided")
    added = action("add", _add, "activate the policies of files")
    removed = action("remove", _change, "remove a policy that was added")
    enabled = action("enable", _change, "switch a policy on again")
    disabled = action("disable", _change, "switch a policy off and keep it listed")
    moded = action("set-mode", _change, "let a policy enforce or audit, whatever its file says")
    for each in (shown, removed, enabled, disabled, moded):
        each.add_argument("name", metavar="NAME", help="name of the policy")
    for each in (added, removed, enabled, disabled, moded):
        add_confirm_within(each)
        add_key_fd(each)
    for each in (listed, added, removed, enabled, disabled, moded):
        add_color(add_output(each))
    add_color(add_output(shown, YAML))
    added.add_argument("files", metavar="FILE", nargs="+", type=file_path, help="policy file")
    moded.add_argument(
        "mode",
        metavar="MODE",
        choices=_MODES,
        help="enforce, or audit (decide and record, refuse nothing)",
    )


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    args.act(args)
    return Exit.OK


def _list(args: argparse.Namespace) -> None:
    answer = ask(args.socket, POLICY_LIST)
    if args.form == JSON:
        print_answer(answer)
        return
    heads = ("policy", "mode", "state", "rules", "refused", "audited", "origin", "file")
    rows = [
        (
            policy["name"],
            _mode(policy),
            _state(policy),
            policy["rules"],
            policy["refused"],
            policy["audited"],
            policy["origin"],
            policy["file"],
        )
        for policy in answer["policies"]
    ]
    _print_table(heads, rows)
    if posture := answer.get("posture"):
        print()
        for line in folded(posture["sentence"], width_of(sys.stdout)):
            print(line)


def _show(args: argparse.Namespace) -> None:
    answer = ask(args.socket, POLICY_SHOW, name=args.name)
    policy = answer["policy"]
    if args.form == JSON:
        print_answer(policy)
        return
    if args.form != YAML:
        for line in _comments(policy):
            print(f"# {line}".rstrip())
    # The printer escapes what a terminal would obey; its first line is the place, which is told above.
    print(policy["yaml"].partition("\n")[2], end="")


def _comments(policy: PolicyDetail) -> Iterator[str]:
    """Say what the text of *policy* does not."""
    from enforcer.safe_text import neutral

    origin = "added at run time" if policy["origin"] == "added" else "from its file"
    yield neutral(f"{policy['place']}: {policy['name']}, {origin}")
    yield f"mode {_mode(policy)}, {_state(policy)}"
    yield ""
    heads = ("rule", "refused", "permitted", "audited")
    rows = [
        (row["rule"], row["refused"], row["enforced"] - row["refused"], row["audited"])
        for row in policy["rows"]
    ]
    yield from map(neutral, columns(heads, rows))
    yield ""


def _add(args: argparse.Namespace) -> None:
    contents = {str(path.absolute()): _read(path) for path in args.files}
    _check(contents)
    # They are UTF-8, or the check had refused them.
    texts = {file: content.decode("utf-8") for file, content in contents.items()}
    within = args.confirm_within
    answer = ask(args.socket, POLICY_ADD, args.key_fd, texts=texts, confirmWithin=within)
    show_change(args.form, answer)


def _change(args: argparse.Namespace) -> None:
    answer = ask(
        args.socket,
        _CHANGES[args.action],
        args.key_fd,
        name=args.name,
        mode=getattr(args, "mode", None),
        confirmWithin=args.confirm_within,
    )
    show_change(args.form, answer)


def _mode(policy: PolicyState) -> str:
    return f"{policy['mode']} (set)" if policy["modeSet"] else policy["mode"]


def _state(policy: PolicyState) -> str:
    if not policy["enabled"]:
        return "disabled"
    return "older" if policy["older"] else "enabled"


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    from enforcer.safe_text import neutral

    for line in columns(heads, rows, width_of(sys.stdout)):
        print(neutral(line))


def _read(path: Path) -> bytes:
    """
    Read *path*, which must be the file itself, up to just above the limit.

    Raises:
        UsageError: it is not a regular file.
        OSError: it cannot be read.
    """
    from enforcer.policy.text.loader import MAX_BYTES

    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UsageError(f"{path} is a symbolic link: name the file that it leads to") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError(f"{path} is not a regular file: write the policy to one")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(handle)


def _check(contents: dict[str, bytes]) -> None:
    """Find what is wrong with any file before one of them is sent."""
    from enforcer.policy.store import load_text

    errors: list[PolicyError] = []
    for file, content in contents.items():
        try:
            load_text(content, file)
        except PolicyErrors as found:
            errors += found.errors
    if errors:
        raise PolicyErrors(errors)
