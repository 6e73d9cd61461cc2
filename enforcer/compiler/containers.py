# SPDX-License-Identifier: MIT
"""
Workloads to sets of cgroups, and the forms by which a cgroup is known to be a container's.

A container that is not known has the form of a container but is in no set, so a condition on it is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.compiler.patterns import Below, Exact, Form, Glob, Token, Wild
from enforcer.policy.model.policy import Condition
from enforcer.policy.model.workloads import Facts, Workload, holds

__all__ = ["CONTAINER_FORMS", "ContainerAtoms", "inside", "within"]

_HEX: Final = (frozenset(b"0123456789abcdef"),) * 64
_NAME: Final[tuple[Token, ...]] = (
    frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
    Wild.RUN,
)

# As identity.container has them, and all below the pods of a kubelet; what of the latter has a form
# that is not known stays unknown for good, which is the strict way.
_HEADS: Final[tuple[tuple[Token, ...], ...]] = (
    (b"/docker-", *_HEX, b".scope"),
    (b"/docker/", *_HEX),
    (b"/cri-containerd-", *_HEX, b".scope"),
    (b"/", Wild.RUN, b":cri-containerd:", *_HEX),
    (b"/nerdctl-", *_HEX, b".scope"),
    (b"/crio-", *_HEX),
    (b"/crio-", *_HEX, b".scope"),
    (b"/libpod-", *_HEX),
    (b"/libpod-", *_HEX, b".scope"),
    (b"/kubepods",),
    (b"/kubepods.slice",),
    (b"/lxc.payload.", *_NAME),
    (b"/lxc/", *_NAME),
    (b"/machine.slice/systemd-nspawn@", *_NAME, b".service"),
    (b"/machine.slice/machine-", *_NAME, b".scope"),
)

CONTAINER_FORMS: Final[frozenset[Form]] = frozenset(
    form
    for head in _HEADS
    for form in (
        Glob((Wild.UNITLESS, *head)),
        Glob((Wild.UNITLESS, *head, b"/", Wild.DEEP)),
    )
)
"""
Paths of cgroups that are those of containers, or below.

What is below a service or a scope may be delegated to a user, who gives names there as he likes.
"""


def inside(forms: tuple[Form, ...]) -> tuple[Form, ...]:
    """
    Return *forms* and the names that the host has for what containers see under them.

    By a list of places, not by a view of the acting process, which could be one that it made up.
    """
    tokens = map(_tokens, forms)
    return (*forms, *(Glob((Wild.ROOT, *each)) for each in tokens if each[0] is not Wild.DEEP))


def _tokens(form: Form) -> tuple[Token, ...]:
    match form:
        case Exact(value):
            return (value,)
        case Below(value):
            return (value.rstrip(b"/") + b"/", Wild.BYTE, Wild.DEEP)
    return form.tokens


def within(
    condition: Condition, workloads: Iterable[Workload]
) -> tuple[frozenset[Form], frozenset[Form]]:
    """Return the cgroups where *condition* holds, and those where it is known whether it does."""
    true: set[Form] = set()
    known: set[Form] = set()
    for workload in workloads:
        truth = holds(condition, workload.facts)
        if truth is None:
            continue
        forms = (Exact(workload.cgroup), Below(workload.cgroup))
        known.update(forms)
        if truth:
            true.update(forms)
    return frozenset(true), frozenset(known)


@attrs.define(eq=False)
class ContainerAtoms:
    """
    The atoms of conditions on containers and pods, by what they ask.

    So what the image would say of a container that was not there yet can be told without a compilation.

    Attributes:
        holding: conditions, by the atom of where each holds.
        decided: names of fields, by the atom of where that is known.
    """

    holding: dict[int, Condition] = attrs.field(factory=dict)
    decided: dict[int, str] = attrs.field(factory=dict)

    def add(self, condition: Condition, holding: int, decided: int) -> None:
        """Remember the two atoms of *condition*."""
        self.holding.setdefault(holding, condition)
        self.decided.setdefault(decided, condition.field.name)

    def of(self, facts: Facts) -> tuple[int, ...]:
        """Return the atoms that the cgroup of a workload with these *facts* satisfies."""
        known = (atom for atom, name in self.decided.items() if facts.get(name, ()) is not None)
        held = (atom for atom, each in self.holding.items() if holds(each, facts))
        return (*known, *held)
