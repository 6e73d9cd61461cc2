# SPDX-License-Identifier: MIT
"""
Which rules also decide on the program that a loader is told to run.

For the kernel, ``ld.so /bin/sh`` is an exec of ``ld.so``. A policy that refuses programs decides again when
the loader maps the first file. All of its rules on exec take part, so that the same rule matches first.
"""

from __future__ import annotations

from typing import Final

from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op
from enforcer.policy.model.policy import Policy, Rule, Verb

__all__ = ["could_be_met", "is_asked", "loaded_ops"]

_NEVER: Final = (
    ObjectFlag.SCRIPT
    | ObjectFlag.INTERPRETER
    | ObjectFlag.SETUID
    | ObjectFlag.SETGID
    | ObjectFlag.FILECAPS
)
"""Facts of an exec that a mapped file does not have."""

_LOADED: Final = frozenset((Op.EXEC_LOADED,))
_NOTHING: Final[frozenset[Op]] = frozenset()


def is_asked(policy: Policy) -> bool:
    """Tell whether *policy* refuses some program, and by way of a loader too."""
    action = policy.defaults.get("exec")
    if action is not None and action.verb >= Verb.DENY:
        return True
    return any(
        rule.action.verb >= Verb.DENY and rule.loader and could_be_met(rule)
        for rule in policy.rules
    )


def loaded_ops(rule: Rule, *, asked: bool) -> frozenset[Op]:
    """
    Return what decides on *rule* when a loader runs the program.

    *asked*: :func:`is_asked` of its policy.
    """
    if not asked or not could_be_met(rule):
        return _NOTHING
    return _LOADED if rule.loader or rule.action.verb < Verb.DENY else _NOTHING


def could_be_met(rule: Rule) -> bool:
    """
    Tell whether a file that a loader maps could match *rule*.

    What its arguments are is unknown then: a rule that compares them and no path would be about every
    program, and is left to the exec of the loader, which has the same arguments behind its own.
    """
    if rule.event != "exec" or any(f.wanted and (f.field.flag or 0) & _NEVER for f in rule.flags):
        return False
    asked = {c.field.dim for c in rule.conditions if not c.negate}
    return Dim.ARG_ANY not in {c.field.dim for c in rule.conditions} or Dim.PATH in asked
