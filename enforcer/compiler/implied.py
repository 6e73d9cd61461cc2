# SPDX-License-Identifier: MIT
"""What a rule implies: the names that it guards, and what it permits in advance."""

from __future__ import annotations

import functools
from typing import Final

import attrs

from enforcer.policy.language.vocabulary import EVENTS, GUARDED, Dim, ObjectFlag, Op, OpSpec
from enforcer.policy.model.loaders import loaded_ops
from enforcer.policy.model.policy import Condition, Policy, Rule, Text, TextKind, Verb

__all__ = [
    "freed_when_detached",
    "guard_ops",
    "is_on_code",
    "layer_ops",
    "layers_behind",
    "linked_guard_ops",
    "named",
]

_ALL_FILE_OPS: Final = frozenset(EVENTS["file"].everything)
_ALL_MOUNT_OPS: Final = frozenset(EVENTS["mount"].everything)
_MOUNT_KEEPERS: Final = frozenset((Op.MOUNT_GUARD,))
_NAME_KEEPERS: Final = frozenset((Op.GUARD, Op.MOUNT_GUARD))
_REPLACES: Final = frozenset((Op.UNLINK, Op.SYMLINK, Op.MKNOD, Op.LINK, Op.RENAME))
_RUNS_CODE: Final = frozenset((Op.EXEC, Op.MMAP_EXEC))
_KEEPERS_OF_CONTENT: Final = frozenset((Op.NAME_GUARD,))
_EVERY_FILE: Final = (
    Text(TextKind.PREFIX, b"/"),
    *(Text(TextKind.GLOB, text) for text in (b"/**", b"/**/*", b"/**/**")),
)
_UNTOLD: Final = (
    ObjectFlag.SCRIPT
    | ObjectFlag.INTERPRETER
    | ObjectFlag.SETUID
    | ObjectFlag.SETGID
    | ObjectFlag.FILECAPS
)
"""Facts of an exec that are not known when the file is opened."""


@functools.lru_cache(maxsize=1024)
def named(operations: tuple[OpSpec, ...]) -> frozenset[Op]:
    """Return all that *operations* are; thousands of rules name the same."""
    return frozenset(op for word in operations for op in word.ops)


def freed_when_detached(rule: Rule) -> Rule | None:
    """
    Return what of *rule* permits to make a file system that is nowhere yet; None if nothing does.

    Where it will be, and what else the rule asks, is not known then. A rule behind it must not refuse what this
    one may be about to permit; what it does not permit is refused when it is attached.
    """
    is_open = rule.action.verb in {Verb.ALLOW, Verb.LOG} and not rule.only_marks
    known = tuple(c for c in rule.conditions if c.field.dim == Dim.FSTYPE)
    if not is_open or rule.event != "mount" or Op.MOUNT not in named(rule.operations):
        return None
    if known == rule.conditions and not rule.within:
        return None  # met as it is
    return attrs.evolve(rule, conditions=known, within=())


def layer_ops(rule: Rule, *, asked: bool) -> frozenset[Op]:
    """
    Return what decides on *rule* by the name that a program of an overlay has in the layer.

    Only rules that refuse what they name, and not all: a list of what may be run has the names that are seen in the
    overlay.
    Rules that permit come with them, so that the same rule matches first; they refuse nothing by themselves.

    *asked*: as for :func:`~enforcer.policy.model.loaders.loaded_ops`.
    """
    dims = {c.field.dim for c in rule.conditions}
    is_told = not any((f.field.flag or 0) & _UNTOLD for f in rule.flags) and Dim.ARG_ANY not in dims
    if rule.event != "exec" or not is_told or rule.only_marks:
        return frozenset()
    if rule.action.verb >= Verb.DENY and not any(_names_some(c) for c in rule.conditions):
        return frozenset()
    loaded = loaded_ops(rule, asked=asked)
    return frozenset((Op.EXEC_LAYER, Op.LOADED_LAYER) if loaded else (Op.EXEC_LAYER,))


def _names_some(condition: Condition) -> bool:
    """Tell whether *condition* names files by their path, and not simply every file."""
    is_on_path = condition.field.dim == Dim.PATH and not condition.negate
    return is_on_path and not any(value in _EVERY_FILE for value in condition.values)


def layers_behind(policy: Policy, *, asked: bool) -> list[frozenset[Op]]:
    """For each rule of *policy*, return the operations on layers that rules behind it refuse."""
    seen: frozenset[Op] = frozenset()
    out: list[frozenset[Op]] = []
    for rule in reversed(policy.rules):
        out.append(seen)
        if rule.action.verb >= Verb.DENY:
            seen |= layer_ops(rule, asked=asked)
    return out[::-1]


def guard_ops(rule: Rule) -> frozenset[Op]:
    """Return what decides whether the names of *rule* stay in place; nothing if it keeps none."""
    paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
    is_strict = rule.action.verb >= Verb.DENY
    has_names = rule.event in GUARDED and any(not c.negate for c in paths)
    if not rule.guard or not ((is_strict and has_names) or _is_free_hand(rule)):
        return _KEEPERS_OF_CONTENT if rule.guard and _may_replace(rule) else frozenset()
    if rule.event == "mount":
        return _MOUNT_KEEPERS
    if not is_strict or _keeps_content(rule):
        return _NAME_KEEPERS | _KEEPERS_OF_CONTENT
    return _NAME_KEEPERS


def linked_guard_ops(rule: Rule) -> frozenset[Op]:
    """
    Return what keeps those names of *rule* whose files have others; nothing if that is kept anyway.

    The kernel side knows a file by its other names only as long as there are several.
    """
    if rule.action.verb < Verb.DENY or not guard_ops(rule) or _keeps_content(rule):
        return frozenset()
    return _KEEPERS_OF_CONTENT


def is_on_code(rule: Rule) -> bool:
    """Tell whether *rule* only decides on running or mapping what its paths name."""
    return named(rule.operations) <= _RUNS_CODE


def _keeps_content(rule: Rule) -> bool:
    """Tell whether who reads by the names of *rule* must not come to read another file."""
    return (
        rule.event == "file"
        and rule.action.verb >= Verb.DENY
        and Op.WRITE in named(rule.operations)
    )


def _is_free_hand(rule: Rule) -> bool:
    """Tell whether *rule* allows everything to files or mounts at its paths, on no condition."""
    ops = named(rule.operations)
    return (ops >= _ALL_FILE_OPS or ops >= _ALL_MOUNT_OPS) and _is_plain(rule)


def _may_replace(rule: Rule) -> bool:
    """Tell whether *rule* allows all by which the names at its paths come to mean something else."""
    return rule.event == "file" and named(rule.operations) >= _REPLACES and _is_plain(rule)


def _is_plain(rule: Rule) -> bool:
    """Tell whether *rule* allows, on no condition but its paths."""
    return (
        rule.action.verb is Verb.ALLOW
        and not rule.flags
        and not rule.only_marks
        and not rule.within
        and all(c.field.dim == Dim.PATH for c in rule.conditions)
    )
