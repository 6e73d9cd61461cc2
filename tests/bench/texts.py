# SPDX-License-Identifier: MIT
"""Policies of any number of rules, and the images that they become."""

from __future__ import annotations

import json
from typing import Any, Final

from cases import FILES, LIBRARIES, MOUNT, PROGRAM, SHAPES, Family, Scope, User

from enforcer.compiler import compile_policies
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import LIFTED_SYSCALLS
from enforcer.policy.readers.syscalls import WIDTHS
from enforcer.policy.store import load_text

__all__ = ["VARIANTS", "image", "policy", "variants"]

VARIANTS: Final = (Scope.IN, Scope.ALLOW, Scope.LISTED)
"""Policies that differ; who is out of scope of the first is so by being somebody else."""

_EVENTS: Final[dict[Family, dict[str, Any]]] = {
    Family.OPEN: {"file": "read"},
    Family.STRICT: {"file": {"operations": ["read"], "strict": True}},
    Family.EXEC: {"exec": {}},
    Family.CREATE: {"file": ["create", "unlink"]},
    Family.CONNECT: {"network": "connect"},
}
_LAUNCH: Final[tuple[dict[str, Any], ...]] = ({"exec": {}}, {"file": "mmapExec"})
"""What starts a dynamic program."""

_BUILT_WITH: Final = (
    f"{MOUNT}/**",
    *(f"/{top}/**" for top in ("usr", "lib", "lib64", "etc", "dev", "proc")),
)
"""What a compiler, its libraries and a project are."""

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


def variants(family: Family) -> tuple[Scope, ...]:
    """Return the policies of :data:`VARIANTS` that there are for *family*."""
    return (Scope.LISTED,) if family is Family.BUILD else VARIANTS


def policy(family: Family, rules: int, scope: Scope) -> str:
    """Return *rules* rules on one event or two: JSON is YAML, and one file holds 10,000 of them."""
    ours = [{**event, "match": match, "action": "allow"} for event, match in _ours(family)]
    theirs: dict[str, Any] = {"action": "allow" if scope is Scope.LISTED else "deny"}
    if scope is not Scope.LISTED and family not in {Family.CONNECT, Family.CALLS}:
        theirs["guard"] = False  # else programs would be loaded for renaming, mounting and so on
    texts = [{**_event(family, n), "match": _other(family, n), **theirs} for n in range(rules)]
    spec: dict[str, Any] = {"selector": {"uid": int(User.IN_SCOPE)}}
    if scope is Scope.ALLOW:
        texts = [*ours, *texts[len(ours) :]]
    elif scope is Scope.LISTED:
        texts = [*texts[len(ours) :], *ours]
        if family is Family.BUILD:
            spec["default"] = "deny"
        else:
            # The policy's default would refuse every operation on files, by twenty programs.
            texts += [{**event, "action": "deny"} for event, _ in _ours(family)]
    document = {
        "apiVersion": "enforcer/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": "bench"},
        "spec": {**spec, "rules": texts},
    }
    return json.dumps(document, separators=(",", ":"))


def _event(family: Family, n: int) -> dict[str, Any]:
    """What the rule *n* is about."""
    if family is Family.CALLS:
        return {"syscall": _call(n)}
    if family is Family.LIBRARIES:
        return _LAUNCH[n % len(_LAUNCH)]
    return {"file": "any"} if family is Family.BUILD else _EVENTS[family]


def _call(n: int) -> str:
    return tuple(_NUMBERED)[n % len(_NUMBERED)]


def _ours(family: Family) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What is done, as events and matches: one address, one argument, paths of all shapes, or all that a program needs."""
    if family is Family.CALLS:
        return [(_event(family, 0), {"args": [{"index": 0, "equal": _MASK}]})]
    if family is Family.CONNECT:
        return [(_event(family, 0), {"address": "127.0.0.1"})]
    if family is Family.LIBRARIES:
        mapped = [PROGRAM, *(f"{MOUNT}/lib/{name}" for name in LIBRARIES)]
        return list(zip(_LAUNCH, ({"path": PROGRAM}, {"path": {"in": mapped}}), strict=True))
    if family is Family.BUILD:
        return [(event, {"path": list(_BUILT_WITH)}) for event in ({"exec": {}}, {"file": "any"})]
    ends = _ENDS.get(family, FILES)
    paths = [shape.path(end) for shape in SHAPES for end in ends]
    return [(_event(family, 0), {"path": {"in": paths}})]


def _other(family: Family, n: int) -> dict[str, Any]:
    """Something else."""
    if family is Family.CALLS:
        return {"args": [{"index": _NUMBERED[_call(n)], "equal": 1000 + n}]}
    if family is Family.CONNECT:
        return {"address": f"10.{n >> 8}.{n & 255}.1", "port": 443}
    # One that is longer than the plain path: else no decision would look at all of its components.
    return {"path": f"/o/{n}" if n else "/o/longer/than/the/plain/path"}
