# SPDX-License-Identifier: MIT
"""Checks for paths that are well-formed, and hardly what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim, Kind, Op
from enforcer.policy.lint.issues import Host, Issue, check, warning
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.glob_match import literal_directory
from enforcer.policy.model.policy import Condition, Policy, Process, Text, TextKind, Verb
from enforcer.policy.text.characters import describe_character

__all__ = [
    "blank_in_path",
    "directory_as_file",
    "glob_that_is_literal",
    "name_of_no_cgroup",
    "path_below_file",
    "path_of_each_process",
    "regular_expression",
    "several_paths_in_one",
    "variable_in_path",
]

_VARIABLE: Final = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_EXPRESSION: Final = re.compile(
    r"""\([^()]*\|[^()]*\)   # (a|b)
      | [\])][+{]           # [0-9]+, (ab){2}
      | \.\+(?=$|/)         # .+
      | (?<=.)\$$           # sh$
    """,
    re.VERBOSE,
)
_HIDDEN: Final = re.compile(r"(/(?:usr|bin|sbin|lib|lib64|opt|etc)(?:/[^/*?\[\\]+)*)/\.\*")
_FILES_ONLY: Final = frozenset(
    {
        *(Op.EXEC, Op.EXEC_LOADED, Op.EXEC_CREDS, Op.EXEC_ARGV, Op.MMAP_EXEC),
        *(Op.EXEC_LAYER, Op.LOADED_LAYER),
        *(Op.WRITE, Op.APPEND, Op.CREATE, Op.TRUNCATE, Op.OVERWRITE, Op.FD_WRITE),
    }
)
"""What is never done to a directory that is there."""
_OTHER_SPACE: Final = re.compile(r"[^\S ]")
_BETWEEN: Final = re.compile(r", *(?=/)")
_CGROUPS: Final = "/sys/fs/cgroup"
_ID: Final = re.compile("[0-9a-f]{64}")
_OPEN: Final = re.compile(r"/dev/(?:fd/.+|stdin|stdout|stderr)")
_OF_EACH: Final = {
    "/proc/self": ("directory", "/proc/*"),
    "/proc/thread-self": ("directory", "/proc/*/task/*"),
    "/proc/mounts": ("file", "/proc/*/mounts"),
    "/proc/net": ("directory", "/proc/*/net"),
}
"""Links of procfs: what they lead each process to, and how all of these are named."""


@check
def variable_in_path(policy: Policy, host: Host) -> Iterator[Issue]:
    """A variable of a shell, which nobody expands."""
    del host
    for value in _paths(policy):
        if value.span and (found := _VARIABLE.search(_shown(value))):
            yield warning(
                value.span,
                f"{found[0]} in the path stands for itself, since variables are not expanded: write *, "
                "or what it should stand for",
            )


@check
def blank_in_path(policy: Policy, host: Host) -> Iterator[Issue]:
    """A blank that nobody sees: at the end, or one that is no space."""
    del host
    for value in _paths(policy):
        if value.span is None:
            continue
        text = _shown(value)
        if text.endswith(" "):
            yield warning(
                value.span, "the path ends with a blank: remove it, unless the name does so"
            )
        elif "\n" in text:
            yield warning(
                value.span, "the path has a line break: write it on one line, without | or >"
            )
        elif found := _OTHER_SPACE.search(text):
            yield warning(
                value.span,
                f"the path has the character {describe_character(found[0])}, which only looks like a "
                "space: write a space, unless the name has it",
            )


@check
def path_below_file(policy: Policy, host: Host) -> Iterator[Issue]:
    """A glob on what is below a directory that is a file."""
    for value in _paths(policy):
        if value.span is None or value.kind is not TextKind.GLOB:
            continue
        folder = literal_directory(value)
        if folder is not None and host.is_file(folder):
            name = folder.decode(errors="replace")
            yield warning(
                value.span,
                f"{name} is a file on this machine, so nothing is below it: write {name}",
            )


@check
def regular_expression(policy: Policy, host: Host) -> Iterator[Issue]:
    """A regular expression where a glob or a text is compared."""
    for value in _paths(policy):
        text = _shown(value)
        if value.span is None or (value.kind is TextKind.EXACT and host.exists(value.value)):
            continue
        found = _EXPRESSION.search(text)
        if found and found[0] == "$" and value.kind is TextKind.EXACT:
            found = found if host.exists(value.value[:-1]) else None  # a name may end so
        if found:
            yield warning(
                value.span,
                f"{found[0]} in the path stands for these characters, since paths are globs and not "
                "regular expressions: list the paths, or write *, ? or [a-z]",
            )
        elif value.kind is TextKind.GLOB and (hidden := _HIDDEN.fullmatch(text)):
            yield warning(
                value.span,
                f"{text} only matches names that begin with a dot, since it is a glob and not a "
                f"regular expression: write {hidden[1]}/*, or {hidden[1]}/[.]* for hidden files",
            )


@check
def directory_as_file(policy: Policy, host: Host) -> Iterator[Issue]:
    """A directory by its own name, where only files are decided on."""
    for rule in policy.rules:
        if rule.action.verb >= Verb.DENY and kernel_operations(rule) <= _FILES_ONLY:
            for condition in rule.conditions:
                if condition.field.dim is Dim.PATH and not condition.negate:
                    yield from _directories(condition, host, "which is neither run nor written")
    for condition in _of_processes(policy):
        if condition.field.dim is Dim.EXE:
            yield from _directories(condition, host, "and not a program")


def _directories(condition: Condition, host: Host, why: str) -> Iterator[Issue]:
    for value in _texts(condition.values):
        if value.span and value.kind is TextKind.EXACT and host.is_directory(value.value):
            name = _shown(value)
            yield warning(
                value.span,
                f"{name} is a directory on this machine, {why}: write {name.rstrip('/')}/** for the "
                "files below it",
            )


@check
def path_of_each_process(policy: Policy, host: Host) -> Iterator[Issue]:
    """A name that is another file for each process: it would be looked up for the one that reads the policy."""
    del host
    for value in _paths(policy):
        text = _shown(value)
        for name, (what, instead) in _OF_EACH.items():
            if value.span and (text == name or text.startswith(f"{name}/")):
                yield warning(
                    value.span,
                    f"{name} leads each process to a {what} of its own: write {instead}{text[len(name) :]}",
                )
        if value.span and _OPEN.fullmatch(text):
            yield warning(
                value.span, f"{text} leads to what the process has open there: name that file"
            )


@check
def glob_that_is_literal(policy: Policy, host: Host) -> Iterator[Issue]:
    """An asterisk behind an operator that compares literally."""
    for value in _paths(policy):
        is_name = value.kind is TextKind.EXACT and host.exists(value.value)
        if value.span and value.kind is not TextKind.GLOB and b"*" in value.value and not is_name:
            yield warning(
                value.span,
                f"* in {_shown(value)} stands for itself here: leave the operator out, or write glob",
            )


@check
def several_paths_in_one(policy: Policy, host: Host) -> Iterator[Issue]:
    """A list that is a text."""
    for value in _paths(policy):
        several = _BETWEEN.split(_shown(value))
        if value.span and len(several) > 1 and not host.exists(value.value):
            yield warning(
                value.span,
                f"this is one path with a comma in it: write a list, [{', '.join(several)}]",
            )


@check
def name_of_no_cgroup(policy: Policy, host: Host) -> Iterator[Issue]:
    """A cgroup by its directory, or the beginning of a container's id."""
    del host
    for condition in _of_processes(policy):
        for value in _texts(condition.values):
            text = _shown(value)
            if value.span is None or value.kind is not TextKind.EXACT:
                continue
            if condition.field.kind is Kind.CGROUP and text.startswith(_CGROUPS):
                yield warning(
                    value.span,
                    f"a cgroup is named by its path below {_CGROUPS}: write {text[len(_CGROUPS) :] or '/'}",
                )
            if condition.field.name == "container.id" and not _ID.fullmatch(text):
                yield warning(
                    value.span,
                    f"the id of a container has 64 hexadecimal digits: write {text}* for one that begins so",
                )


def _paths(policy: Policy) -> Iterator[Text]:
    """Yield every path in *policy*, of objects and of executables."""
    for rule in policy.rules:
        for condition in rule.conditions:
            if condition.field.dim is Dim.PATH:
                yield from _texts(condition.values)
    for condition in _of_processes(policy):
        if condition.field.dim is Dim.EXE:
            yield from _texts(condition.values)


def _of_processes(policy: Policy) -> Iterator[Condition]:
    """Yield the conditions on processes, of the selector and of rules."""
    yield from policy.selector.conditions
    for rule in policy.rules:
        for part in SUBJECT_PARTS.values():
            process: Process = getattr(rule.subject, part.attribute)
            yield from process.conditions


def _texts(values: tuple[object, ...]) -> Iterator[Text]:
    return (value for value in values if isinstance(value, Text))


def _shown(value: Text) -> str:
    return value.value.decode(errors="replace")
