# SPDX-License-Identifier: MIT
"""Short ways to write policies and hosts for the tests of the compiler."""

from __future__ import annotations

import attrs

from enforcer.compiler import BareHost, Mount, compile_policies
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text


def load(*rules: str, spec: str = "") -> PolicySet:
    """Load one policy with *rules*, each a flow mapping."""
    lines = "".join(f"    - {rule}\n" for rule in rules)
    head = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: p}\nspec:\n"
    return load_text(f"{head}{spec}" + (f"  rules:\n{lines}" if rules else ""), "p.yaml")


def compiled(*rules: str, spec: str = "", host=None, **options):
    """Compile one policy with *rules* for a host of which nothing is known."""
    return compile_policies(load(*rules, spec=spec), host=host or BareHost(), **options)


@attrs.frozen
class MadeUpHost:
    """Links and hard links as given; *mounts* in order of age; *others* are links that somebody else has made."""

    links: dict[bytes, bytes] = attrs.field(factory=dict)
    inodes: dict[bytes, tuple[int, int]] = attrs.field(factory=dict)
    mounts: tuple[Mount, ...] = ()
    nodes: dict[bytes, tuple[int, int]] = attrs.field(factory=dict)
    workloads: tuple[Workload, ...] = ()
    others: frozenset[bytes] = frozenset()

    def is_by_root(self, path: bytes) -> bool:
        return path not in self.others

    def link(self, path: bytes) -> bytes | None:
        return self.links.get(path)

    def hard_linked(self, path: bytes) -> tuple[int, int] | None:
        return self.inodes.get(path)

    def node(self, path: bytes) -> tuple[int, int] | None:
        return self.nodes.get(path)
