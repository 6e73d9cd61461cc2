# SPDX-License-Identifier: MIT
"""Policies of any number of rules, and the images that they become."""

from __future__ import annotations

import json
from typing import Any, Final

from cases import FILES, SHAPES, Family, Scope, User

from enforcer.compiler import compile_policies
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS
from enforcer.policy.readers.syscalls import WIDTHS
from enforcer.policy.store import load_text

__all__ = ["VARIANTS", "image", "policy"]

VARIANTS: Final = (Scope.IN, Scope.ALLOW, Scope.LISTED)
"""Policies that differ; who is out of scope of the first is so by being somebody else."""

_EVENTS: Final[dict[Family, dict[str, Any]]] = {
    Family.OPEN: {"file": "read"},
    Family.STRICT: {"file": {"operations": ["read"], "strict": True}},
    Family.EXEC: {"exec": {}},
    Family.CREATE: {"file": ["create", "unlink"]},
    Family.CONNECT: {"network": "connect"},
}
_MASK: Final = 0o22
"""What work.c passes to umask."""

_NUMBERED: Final = {
    name: next(i for i, kind in enumerate(call.kinds) if kind in WIDTHS)
    for name, call in sorted(SYSCALLS.items(), key=lambda item: item[0] != "umask")
    if name not in LIFTED_SYSCALLS and WIDTHS.keys() & set(call.kinds)
}
"""Which argument rules on a system call are about, by its name: those that rules name by turns."""

_ENDS: Final = {Family.STRICT: "A", Family.EXEC: "!", Family.CREATE: "="}


def image(family: Family, rules: int, scope: Scope) -> bytes:
    """Return the image of *rules* rules, as the compiler makes it of the text."""
    policies = load_text(policy(family, rules, scope), f"{family}.yaml")
    # The variants follow one another in one session.
    return compile_policies(policies, generation=1 + VARIANTS.index(scope)).image


def policy(family: Family, rules: int, scope: Scope) -> str:
    """Return *rules* rules on one event: JSON is YAML, and one file holds 10,000 of them."""
    ours = {**_event(family, 0), "match": _ours(family), "action": "allow"}
    theirs: dict[str, Any] = {"action": "allow" if scope is Scope.LISTED else "deny"}
    if scope is not Scope.LISTED and family not in {Family.CONNECT, Family.CALLS}:
        theirs["guard"] = False  # else programs would be loaded for renaming, mounting and so on
    texts = [{**_event(family, n), "match": _other(family, n), **theirs} for n in range(rules)]
    if scope is Scope.ALLOW:
        texts = [ours, *texts[1:]]
    elif scope is Scope.LISTED:
        # The policy's default would refuse every operation on files, by twenty programs.
        texts = [*texts[1:], ours, {**_event(family, 0), "action": "deny"}]
    document = {
        "apiVersion": "enforcer/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": "bench"},
        "spec": {"selector": {"uid": int(User.IN_SCOPE)}, "rules": texts},
    }
    return json.dumps(document, separators=(",", ":"))


def _event(family: Family, n: int) -> dict[str, Any]:
    """What the rule *n* is about."""
    return {"syscall": _call(n)} if family is Family.CALLS else _EVENTS[family]


def _call(n: int) -> str:
    return tuple(_NUMBERED)[n % len(_NUMBERED)]


def _ours(family: Family) -> dict[str, Any]:
    """What is done: one address, one argument, or paths of all shapes."""
    if family is Family.CALLS:
        return {"args": [{"index": 0, "equal": _MASK}]}
    if family is Family.CONNECT:
        return {"address": "127.0.0.1"}
    ends = _ENDS.get(family, FILES)
    return {"path": {"in": [shape.path(end) for shape in SHAPES for end in ends]}}


def _other(family: Family, n: int) -> dict[str, Any]:
    """Something else."""
    if family is Family.CALLS:
        return {"args": [{"index": _NUMBERED[_call(n)], "equal": 1000 + n}]}
    if family is Family.CONNECT:
        return {"address": f"10.{n >> 8}.{n & 255}.1", "port": 443}
    # One that is longer than the plain path: else no decision would look at all of its components.
    return {"path": f"/o/{n}" if n else "/o/longer/than/the/plain/path"}
