# SPDX-License-Identifier: MIT
"""Which container a cgroup path belongs to: one table of the forms that runtimes give them."""

from __future__ import annotations

import functools
import re

import attrs

__all__ = ["PATTERNS", "Container", "container_of", "pod_of"]


@attrs.frozen
class Container:
    """A container as its *cgroup* names it; what lies below that is the container's, too."""

    runtime: str
    id: str
    pod_uid: str | None = None
    cgroup: str = attrs.field(default="", eq=False)

    @property
    def form(self) -> str:
        """Who gives cgroups such names: the runtime, but for nerdctl, which has its own beside containerd's for pods."""
        name = self.cgroup.rpartition("/")[2]
        return "nerdctl" if name.startswith("nerdctl-") else self.runtime


_HEX = r"(?P<id>[0-9a-f]{64})"
_NAME = r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]*)"
_DASH = r"\x2d"  # as systemd writes it in the name of a unit
_ESCAPED = rf"(?P<id>[A-Za-z0-9](?:[A-Za-z0-9_.-]|{re.escape(_DASH)})*)"

PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (runtime, re.compile(pattern))
    for runtime, pattern in (
        ("docker", rf"/docker-{_HEX}\.scope(?=/|$)"),
        ("docker", rf"/docker/{_HEX}(?=/|$)"),
        ("containerd", rf"/cri-containerd-{_HEX}\.scope(?=/|$)"),
        ("containerd", rf":cri-containerd:{_HEX}(?=/|$)"),
        ("containerd", rf"/nerdctl-{_HEX}\.scope(?=/|$)"),
        ("cri-o", rf"/crio-{_HEX}(?:\.scope)?(?=/|$)"),
        ("podman", rf"/libpod-{_HEX}(?:\.scope)?(?=/|$)"),
        ("kubernetes", rf"/kubepods[^ ]*?/pod[0-9a-fA-F_-]{{32,36}}/{_HEX}(?=/|$)"),
        ("lxc", rf"/lxc\.payload\.{_NAME}(?=/|$)"),
        ("lxc", rf"/lxc/{_NAME}(?=/|$)"),
        ("nspawn", rf"/machine\.slice/systemd-nspawn@{_ESCAPED}\.service(?=/|$)"),
        ("machine", rf"/machine\.slice/machine-{_ESCAPED}\.scope(?=/|$)"),
    )
)
"""The outermost that fits counts: what a container makes below its own cgroup is its own."""

# Nobody but root gives names outside of these; what is below may be delegated to whom the unit runs as.
_UNIT = re.compile(r"\.(?:service|scope)/")

# That of a static pod is a digest.
_POD = re.compile(
    r"/[^/]*pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
    r"(?:\.slice)?(?=/|$)"
)
_KUBELET = re.compile(r"/kubepods(?:\.slice)?/")


@functools.lru_cache(maxsize=16384)
def container_of(cgroup: str) -> Container | None:
    """Read the container from a cgroup *path*; None outside of containers, and below units."""
    found = [
        (match.end(), -match.start(), runtime, match["id"])
        for runtime, pattern in PATTERNS
        if (match := pattern.search(cgroup))
    ]
    if not found:
        return None
    end, _, runtime, name = min(found)
    if _UNIT.search(cgroup, 0, end):
        return None
    pod = pod_of(cgroup[:end])
    return Container(runtime, name.replace(_DASH, "-"), pod[1] if pod else None, cgroup[:end])


def pod_of(cgroup: str) -> tuple[str, str] | None:
    """Return the cgroup and the uid of the pod that *cgroup* lies in; None outside of pods."""
    kubelet = _KUBELET.search(cgroup)
    # From the slash on: the pod's may be the next component.
    found = _POD.search(cgroup, kubelet.end() - 1) if kubelet else None
    if found is None or _UNIT.search(cgroup, 0, found.end()):
        return None
    return cgroup[: found.end()], found["uid"].replace("_", "-")
