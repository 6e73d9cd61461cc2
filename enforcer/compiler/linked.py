# SPDX-License-Identifier: MIT
"""
The names of patterns by the symbolic links of containers.

A container's own name for a file is the same in every container, so it cannot say that a link of this one
leads there and none of that one. Therefore they are written as the host has them: below the root of the
container in which the link is. A link of one container is thus never about a file of another.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import guards
from enforcer.compiler.paths import rejoined, split
from enforcer.compiler.patterns import Exact, Form, Glob, forms
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.model.container_links import MAX_FORMS, MAX_GLOBS, spellings
from enforcer.policy.model.policy import Text
from enforcer.policy.model.workloads import asked_containers, may_hold, named_inside, seen_inside

if TYPE_CHECKING:
    from enforcer.compiler.paths import Names
    from enforcer.policy.model.policy import Condition, Policy, PolicySet, Rule
    from enforcer.policy.model.workloads import Workload

__all__ = ["LinkAsks", "LinkedNames"]


@attrs.define(eq=False, repr=False)
class LinkedNames:
    """
    Those of one image; remembers what it made.

    Each container has the same share of the room, whatever its links are: none can take what others need.

    Attributes:
        made: all of them, and their directories, with the root below which each is. The container says what
            is there, so nothing of that is looked up on the host.
        left_out: the containers whose share was too small.
        renamed: those whose links make any name, or would if their root had one.
    """

    names: Names
    made: dict[Form, bytes] = attrs.field(factory=dict)
    left_out: set[bytes] = attrs.field(factory=set)
    renamed: set[bytes] = attrs.field(factory=set)
    _linked: list[Workload] = attrs.field(init=False)
    _asked: dict[tuple[Condition, ...], list[Workload]] = attrs.field(factory=dict)
    _roots: dict[bytes, tuple[bytes, ...]] = attrs.field(factory=dict)
    _spelled: dict[tuple[bytes, bytes], tuple[bytes, ...]] = attrs.field(factory=dict)
    _used: Counter[tuple[bytes, bool]] = attrs.field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self._linked = [each for each in self.names.host.workloads if each.links and each.root]

    def of(
        self,
        text: Text,
        asked: tuple[Condition, ...],
        longest: int,
        known: tuple[Form, ...] = (),
    ) -> tuple[Form, ...]:
        """
        Return the further names of *text* in the containers where *asked* may hold.

        Args:
            text: paths, as the policy says it.
            asked: conditions on containers.
            longest: bytes of such a name; of one that is longer the kernel side knows nothing.
            known: forms that count anyway, whose names in containers need no others.
        """
        if not self._linked:
            return ()
        if asked not in self._asked:
            self._asked[asked] = [each for each in self._linked if may_hold(asked, each.facts)]
        met = frozenset(known)
        return tuple(
            dict.fromkeys(
                form
                for workload in self._asked[asked]
                for each in _written(text)
                for form in self._in(workload, each, met)
                if isinstance(form, Glob) or len(form.value) <= longest
            )
        )

    def directories(self, form: Form) -> Iterator[Form]:
        """Yield the directories above what *form* names: for one that was made here, those in its container."""
        root = self.made.get(form)
        for above in guards.directories(form):
            if root is None:
                yield above
            elif _is_below(above, root):
                self.made.setdefault(above, root)
                yield above

    def _in(self, workload: Workload, form: Form, known: frozenset[Form]) -> Iterator[Form]:
        head, tail = split(form)
        if not head:
            return
        key = workload.cgroup, head
        if key not in self._spelled:
            self._spelled[key] = spellings(head, lambda path: workload.links.get(path, ()))
        for name in self._spelled[key][1:]:
            if rejoined(form, name, tail) in known:
                continue  # as on a host with the same link
            self.renamed.add(workload.cgroup)
            for root in self._roots_of(workload):
                made = rejoined(form, root + name.rstrip(b"/"), tail)
                if made in self.made or self._has_room(workload, made):
                    self.made.setdefault(made, root)
                    yield made

    def _roots_of(self, workload: Workload) -> tuple[bytes, ...]:
        """Return the names that the host has for the root of *workload*; none if it is the host's own."""
        if workload.cgroup not in self._roots:
            spelled = self.names.spell(Exact(workload.root))
            found = tuple(form.value for form in spelled if isinstance(form, Exact))
            self._roots[workload.cgroup] = () if b"/" in found else found
        return self._roots[workload.cgroup]

    def _has_room(self, workload: Workload, form: Form) -> bool:
        """Count *form*, unless the share of *workload* is used up: then its links lead no further."""
        is_glob = isinstance(form, Glob)
        share = (MAX_GLOBS if is_glob else MAX_FORMS) // len(self._linked)
        if self._used[workload.cgroup, is_glob] >= share:
            self.left_out.add(workload.cgroup)
            return False
        self._used[workload.cgroup, is_glob] += 1
        return True


def _is_below(directory: Form, root: bytes) -> bool:
    text = directory.tokens[0] if isinstance(directory, Glob) else directory.value
    return isinstance(text, bytes) and text.startswith(root + b"/")


@attrs.frozen
class LinkAsks:
    """
    What policies ask of links in containers.

    Attributes:
        groups: conditions on a container that hold together, and the beginnings of patterns on whose way links count
            in it then.
    """

    groups: tuple[tuple[tuple[Condition, ...], tuple[bytes, ...]], ...] = ()

    @classmethod
    def of(cls, policies: PolicySet) -> LinkAsks:
        """Collect them."""
        found: dict[tuple[Condition, ...], dict[bytes, None]] = {}
        for policy in policies.policies:
            for rule in (None, *policy.rules):
                for asked, head in _asked(policy, rule):
                    found.setdefault(asked, {})[head] = None
        return cls(tuple((asked, tuple(beginnings)) for asked, beginnings in found.items()))

    def meant(self, workload: Workload) -> tuple[int, ...]:
        """Return the numbers of the groups that may be about *workload*; none if its root is not known."""
        if not workload.root.rstrip(b"/"):
            return ()
        return tuple(
            number
            for number, (asked, _) in enumerate(self.groups)
            if may_hold(asked, workload.facts)
        )

    def heads(self, workload: Workload) -> tuple[bytes, ...]:
        """Return the beginnings that count in *workload*."""
        found = (self.groups[number][1] for number in self.meant(workload))
        return tuple(dict.fromkeys(itertools.chain.from_iterable(found)))


def _asked(policy: Policy, rule: Rule | None) -> Iterator[tuple[tuple[Condition, ...], bytes]]:
    selector, subject = seen_inside(policy, rule)
    if not (asked := asked_containers(selector, subject)):
        return
    conditions = [*selector.conditions]
    if rule is not None:
        conditions += named_inside(policy, rule).conditions
        for part in SUBJECT_PARTS.values():
            conditions += getattr(subject, part.attribute).conditions
    for condition in conditions:
        if condition.linked_in is not None:
            texts = (value for value in condition.values if isinstance(value, Text))
            for form in itertools.chain.from_iterable(map(_written, texts)):
                if head := split(form)[0]:
                    yield asked, head


def _written(text: Text) -> tuple[Form, ...]:
    return forms(text.kind, text.value, is_path=True)
