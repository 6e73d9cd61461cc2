# SPDX-License-Identifier: MIT
"""Checks for paths that are well-formed, and hardly what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.lint.issues import Host, Issue, check, warning
from enforcer.policy.model.glob_match import literal_directory
from enforcer.policy.model.policy import Policy, Process, Text, TextKind
from enforcer.policy.text.characters import describe_character

__all__ = ["blank_in_path", "path_below_file", "variable_in_path"]

_VARIABLE: Final = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")
_OTHER_SPACE: Final = re.compile(r"[^\S ]")


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


def _paths(policy: Policy) -> Iterator[Text]:
    """Yield every path in *policy*, of objects and of executables."""
    described = [policy.selector]
    for rule in policy.rules:
        for condition in rule.conditions:
            if condition.field.dim is Dim.PATH:
                yield from _texts(condition.values)
        parts: list[Process] = [getattr(rule.subject, p.attribute) for p in SUBJECT_PARTS.values()]
        described += parts
    for process in described:
        for condition in process.conditions:
            if condition.field.dim is Dim.EXE:
                yield from _texts(condition.values)


def _texts(values: tuple[object, ...]) -> Iterator[Text]:
    return (value for value in values if isinstance(value, Text))


def _shown(value: Text) -> str:
    return value.value.decode(errors="replace")
