# SPDX-License-Identifier: MIT
"""
What policies mean, for who does what by which name: the decision core in this process, on the same text.

Each question is asked once. Some are asked of the reference as well, which is slow.
"""

from __future__ import annotations

import functools
from typing import Any

import attrs
from reference import semantics

from enforcer.compiler import BareHost, compile_policies, verify
from enforcer.libbpf.decision import Access, Core, Identity, Subject
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import PolicySet, Verb
from enforcer.policy.store import load_text

__all__ = ["Judge"]

_BOTH = 50  # one in so many is asked of the reference


@attrs.define
class Judge:
    """The verdicts under one set of policies."""

    policies: PolicySet
    core: Core
    _known: dict[object, bool] = attrs.field(factory=dict, init=False)
    _subjects: dict[int, Subject] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, text: str) -> Judge:
        """Read the policies as the engine does."""
        policies = load_text(text, "storm.yaml")
        compiled = compile_policies(policies, host=BareHost(), now_ns=1)
        verify(compiled.image)
        return cls(policies, Core(compiled.image))

    @property
    def size(self) -> int:
        """How many answers it knows."""
        return len(self._known)

    def forget(self) -> None:
        """Ask anew."""
        self._known.clear()
        self._subjects.clear()

    def refuses(
        self, actor: semantics.Actor, ops: tuple[Op, ...], flags: int = 0, **operands: Any
    ) -> bool:
        """
        Whether *actor* may not do what is *ops* at once; *operands* by dimension.

        Equal actors must be the same object.
        """
        key = (id(actor), ops, flags, *sorted(operands.items()))
        if key not in self._known:
            given = {Dim[name]: value for name, value in operands.items()}
            access = Access(ops=tuple(map(int, ops)), operands=given, flags=flags)
            action = self.core.decide(self._subject(actor), access).action
            refused = action in (Verb.DENY, Verb.KILL)
            if len(self._known) % _BOTH == 0:
                asked = semantics.Access(ops, given, flags=flags)
                verb = semantics.decide(self.policies, actor, asked).enforced.verb
                assert refused == (verb in (Verb.DENY, Verb.KILL)), (actor, asked)
            self._known[key] = refused
        return self._known[key]

    def _subject(self, actor: semantics.Actor) -> Subject:
        if id(actor) not in self._subjects:
            parent = _identity(actor.parent) if actor.parent is not None else None
            above = [_identity(one) for one in actor.ancestors]
            self._subjects[id(actor)] = self.core.subject(_identity(actor.now), parent, above)
        return self._subjects[id(actor)]


@functools.cache
def _identity(who: semantics.Identity) -> Identity:
    assert isinstance(who.exe, bytes)
    assert isinstance(who.cgroup, bytes)
    return Identity(
        exe=who.exe, cgroup=who.cgroup, uid=who.uid, euid=who.euid, gid=who.gid, egid=who.egid
    )
