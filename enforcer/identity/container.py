# SPDX-License-Identifier: MIT
"""Which container a cgroup path belongs to: one table of the forms that runtimes give them."""

from __future__ import annotations

import re

import attrs

__all__ = ["PATTERNS", "Container", "container_of"]


@attrs.frozen
class Container:
    """A container as its cgroup names it."""

    runtime: str
    id: str
    pod_uid: str | None = None


_HEX = r"(?P<id>[0-9a-f]{64})"
_NAME = r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]*)"

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
        ("kubernetes", rf"/kubepods[^ ]*/pod[0-9a-fA-F_-]{{36}}/{_HEX}(?=/|$)"),
        ("lxc", rf"/lxc\.payload\.{_NAME}(?=/|$)"),
        ("lxc", rf"/lxc/{_NAME}(?=/|$)"),
        ("nspawn", rf"/machine\.slice/systemd-nspawn@{_NAME}\.service(?=/|$)"),
        ("machine", rf"/machine\.slice/machine-{_NAME}\.scope(?=/|$)"),
    )
)
"""Tried in order; the first that fits names the runtime."""

_POD = re.compile(r"pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?=\.slice|/|$)")


def container_of(cgroup: str) -> Container | None:
    """Read the container from a cgroup *path*; None outside of containers."""
    for runtime, pattern in PATTERNS:
        found = pattern.search(cgroup)
        if found:
            pod = _POD.search(cgroup)
            uid = pod["uid"].replace("_", "-") if pod else None
            return Container(runtime, found["id"], uid)
    return None
