# SPDX-License-Identifier: MIT
"""
Keep the active policies up to date with the containers that run.

Conditions on containers and pods are sets of cgroups in the image. When a container starts, the kernel is told of
it beside the image: see :mod:`.newcomers`. Where that is not enough, and when more becomes known about one, the same
policies are compiled with new sets. Until then the kernel side knows that it is a container, but not which one:
conditions on it are unknown, so ``onError`` decides.

A hook of the runtime can announce a container before its first program, and wait until the kernel knows it. It
brings no facts: it only says when to look.
"""

from __future__ import annotations

import time
from itertools import starmap
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import ControlError, EnforcerError
from enforcer.identity.first_process import container_at
from enforcer.identity.workloads import MAX_WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.identity.container import Container
    from enforcer.identity.workloads import Workloads
    from enforcer.policy.model.workloads import Workload
    from enforcer.runtime.control.container_answers import (
        ContainerOutcome,
        MetAnswer,
        MetContainers,
    )
    from enforcer.runtime.policies.container_mounts import ContainerMounts
    from enforcer.runtime.policies.newcomers import Newcomers
    from enforcer.runtime.reactor import Reactor

__all__ = ["ContainerWatch"]

_LOOK: Final = 0.15  # seconds between two looks while some policy asks for containers
_REST: Final = 1.0  # while none does
_GONE: Final = (
    10.0  # seconds for which a container that is gone may stay in the sets: it does no harm
)
_AGAIN: Final = 5.0  # after a failure
_STRANGE: Final = 10.0  # seconds after which it is said that a container is not identified


def _nobody() -> MetContainers:
    return {
        "known": 0,
        "unasked": 0,
        "unknown": 0,
        "refused": 0,
        "late": 0,
        "slowestSeconds": 0.0,
    }


@attrs.define(eq=False, repr=False)
class ContainerWatch:
    """
    Looks, and has the sets renewed when that is needed.

    Attributes:
        told: the workloads that the active image was compiled for; None: it asks for none.
        renew: compiles and commits; the active set stays where it fails.
        is_settled: whether a change can be made now.
        newcomers: those that the kernel knows without being in the image.
        mounts: what the kernel side knows of their mounts.
        find: finds the container of a process that a hook names.
        met: what came of those that were announced.
    """

    workloads: Workloads
    reactor: Reactor
    report: Callable[[str], None]
    told: Callable[[], tuple[Workload, ...] | None]
    renew: Callable[[tuple[Workload, ...]], None]
    is_settled: Callable[[], bool]
    newcomers: Newcomers
    mounts: ContainerMounts
    clock: Callable[[], float] = time.monotonic
    find: Callable[[int, str], Container] = container_at
    met: MetContainers = attrs.field(factory=_nobody, init=False)
    _stale_since: float | None = attrs.field(default=None, init=False)
    _strange: dict[str, float] = attrs.field(factory=dict, init=False)
    _said: set[str] = attrs.field(factory=set, init=False)
    _told_of_limit: bool = attrs.field(default=False, init=False)

    def begin(self) -> None:
        """Look from now on."""
        self.reactor.after(_LOOK, self._again)

    def _again(self) -> None:
        self.reactor.after(self.look(), self._again)

    def look(self) -> float:
        """Look once, and do what is needed; return the seconds until the next look."""
        told = self.told()
        if told is None:
            return _REST
        if not self.is_settled():
            return _LOOK  # what begins meanwhile stays unknown: the strict way
        began = self.clock()
        found = self.workloads.look()
        self.newcomers.leave(found)
        self.mounts.follow(found)  # first what a container calls its files, then who it is
        known, new = self._compared(found, told)
        self._tell_of_strangers(began)
        is_due = bool(new) and not self.newcomers.enter(new)
        if not is_due and not self._is_stale(found, known, began):
            return _LOOK
        try:
            self.renew(found)
        except EnforcerError as error:
            self.report(
                "the policies cannot be updated for the containers that run now, trying "
                f"again: {error}"
            )
            return _AGAIN
        # A burst of containers must not keep the daemon from everything else.
        return max(_LOOK, self.clock() - began)

    def meet(self, pid: int, number: str, *, began: float, wait: float) -> MetAnswer:
        """
        Let the kernel know the container *number*, whose first process is *pid* and waits for the answer.

        Where they need an image, the changes of several that begin together are one: it has all that there are.

        Args:
            pid: as the host numbers it.
            number: what its runtime calls it.
            began: when the hook began, by the monotonic clock.
            wait: seconds for which it waits.

        Raises:
            EnforcerError: it is not that container, or nothing can be changed now; it stays unknown.
        """
        try:
            outcome, missing = self._meet(self.find(pid, number), pid)
        except EnforcerError:
            self.met["refused"] += 1
            raise
        self.met[outcome] += 1
        took = self.clock() - began
        self.met["late"] += took > wait
        self.met["slowestSeconds"] = max(self.met["slowestSeconds"], round(took, 3))
        return {"outcome": outcome, "missing": missing}

    def _compared(
        self, found: tuple[Workload, ...], told: tuple[Workload, ...]
    ) -> tuple[dict[bytes, Workload], list[Workload]]:
        """Return what the kernel knows, by its cgroup, and what of *found* it does not know, or not so."""
        known = {each.cgroup: each for each in (*told, *self.newcomers.workloads)}
        return known, [each for each in found if known.get(each.cgroup) != each]

    def _meet(self, container: Container, pid: int) -> tuple[ContainerOutcome, list[str]]:
        told = self.told()
        if told is None:
            return "unasked", []
        if not self.is_settled():
            raise ControlError(
                "a change of the policies waits to be confirmed: until then new containers stay unknown"
            )
        workload, pod = self.workloads.look_at(container)
        if workload is None:
            return "unknown", []
        found = (workload,) if pod is None else (pod, workload)
        self.newcomers.leave_to(found)
        self.mounts.tell(found)
        _, begun = self._compared(found, told)
        if begun and not self.newcomers.enter(begun, pid):
            self.renew(self.workloads.look())
        return "known", [name for name, value in workload.facts.items() if value is None]

    def _is_stale(
        self, found: tuple[Workload, ...], known: dict[bytes, Workload], now: float
    ) -> bool:
        """Tell whether the image has said for a while what is not there any more."""
        if known.keys() <= {each.cgroup for each in found}:
            self._stale_since = None
            return False
        if self._stale_since is None:
            self._stale_since = now
        return now - self._stale_since >= _GONE

    def _tell_of_strangers(self, now: float) -> None:
        """Say once of each container that it could not be identified, of each file likewise, and that there are too many."""
        if self.workloads.overflown and not self._told_of_limit:
            self._told_of_limit = True
            self.report(
                f"there are more than {MAX_WORKLOADS} containers and pods: onError decides in "
                "the others"
            )
        strange = {
            *starmap(_stranger, self.workloads.unknown.items()),
            *self.workloads.unread,
            *self.workloads.places.left_out,
        }
        self._strange = {each: self._strange.get(each, now) for each in strange}
        self._said &= self._strange.keys()
        for sentence, since in self._strange.items():
            if now - since >= _STRANGE and sentence not in self._said:
                self._said.add(sentence)
                self.report(sentence)


def _stranger(path: str, missing: str) -> str:
    place = f"the container in {ascii(path)[1:-1]}"
    if not missing:
        return (
            f"no runtime describes {place}: onError decides there for rules on containers and pods"
        )
    return f"nothing says the {missing} of {place}: onError decides there for rules on that"
