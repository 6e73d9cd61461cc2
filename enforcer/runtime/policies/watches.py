# SPDX-License-Identifier: MIT
"""What is looked at now and then while policies are active, whatever the files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.runtime.policies.compile_process import changed_apart
from enforcer.runtime.policies.followed_links import LinkWatch
from enforcer.runtime.policies.pin_watch import PinWatch
from enforcer.runtime.policies.too_late import LOOK, PreemptionWatch

if TYPE_CHECKING:
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["begin_watches"]


def begin_watches(enforcement: Enforcement) -> None:
    """Look from now on after the containers of *enforcement*, the kernel's preemption, and what is pinned."""
    _follow_containers(enforcement)
    enforcement.reactor.every(LOOK, PreemptionWatch(enforcement.report).look)
    PinWatch(enforcement).begin()


def _follow_containers(enforcement: Enforcement) -> None:
    if enforcement.now.workloads is not None and not enforcement.workloads.has_tree:
        enforcement.report(
            "cgroups do not form one tree (version 2), so containers cannot be told from the "
            "host: rules on containers and pods match nothing"
        )
    enforcement.containers.begin()

    def forget() -> None:
        enforcement.now = attrs.evolve(enforcement.now, workloads=())  # all are new then

    LinkWatch(
        enforcement.reactor,
        followed=lambda: enforcement.now.followed,
        changed=lambda followed: changed_apart(followed, enforcement.on_idle),
        renew=forget,
        report=enforcement.report,
    ).begin()
