# SPDX-License-Identifier: MIT
"""Protocols of what the daemon and its socket need from others, so that tests can use fakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enforcer.events.types import Lost, Record
    from enforcer.runtime.control.answers import ChangeAnswer, Confirmation, PoliciesState
    from enforcer.runtime.control.container_answers import MetAnswer
    from enforcer.runtime.control.policy_answers import PolicyDetail, PolicyState
    from enforcer.runtime.control.posture import Posture

__all__ = ["Audience", "Hits", "KernelSession", "PolicyControl"]


class Hits(Protocol):
    """How often one row decided, counted in the kernel."""

    @property
    def enforced(self) -> int:
        """Verdicts that were carried out."""

    @property
    def audited(self) -> int:
        """Verdicts that were only recorded."""


class KernelSession(Protocol):
    """Active enforcement; ``enforcer.kernel.session.Session`` is the real one."""

    @property
    def generation(self) -> int:
        """Of the active image."""

    @property
    def operations(self) -> dict[str, tuple[str, ...]]:
        """Programs attached, by operation."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Programs that this kernel has no hook for, and that enforcement can do without."""

    @property
    def enforces_at(self) -> str:
        """Where programs of LSM hooks sit, as words."""

    @property
    def is_kept(self) -> bool:
        """Whether what was to be kept beyond this process still is."""

    def fileno(self) -> int:
        """Readable when records wait."""

    def drain(self) -> Sequence[bytes]:
        """Take a bounded number of records."""

    def hits(self) -> Sequence[Hits]:
        """Count by row id."""

    def stats(self) -> dict[str, int]:
        """Count by name of ``enum enf_stat``."""

    def map_bytes(self) -> dict[str, int]:
        """Memory by map, as the kernel accounts it."""

    def ring_use(self) -> dict[str, tuple[int, int]]:
        """Bytes of records that wait, and that there is room for, by ring."""

    @property
    def has_backlog(self) -> bool:
        """Whether records may wait where no descriptor tells of them."""

    def heartbeat(self, *, lost_decisions: int, lost_activity: int) -> None:
        """Leave a sign of life, and how many losses were reported."""

    def end(self) -> str:
        """
        End enforcement at once; :meth:`close` must follow, which takes longer.

        Returns a sentence on what could not be removed, if anything could not.
        """

    def close(self) -> None:
        """End enforcement, and free everything. Idempotent."""

    def leave(self) -> None:
        """End, and leave enforcement active."""


class Audience(Protocol):
    """Receivers of records besides the sinks; ``enforcer.runtime.daemon.Daemon`` is the real one."""

    @property
    def is_following(self) -> bool:
        """Whether anybody wants every record."""

    def observe(self, record: Record | Lost) -> None:
        """Keep in mind a record that was made."""

    def count(self, record: Record, number: int) -> None:
        """Keep in mind that *number* others came that are like *record*."""

    def publish(self, record: Record | Lost) -> None:
        """Send *record* to all followers."""


class PolicyControl(Protocol):
    """
    Changes of the active policies; every one is the same atomic commit.

    A change that fails raises an ``EnforcerError`` and leaves the old set active. With
    *confirm_within*, the old set is back after so many seconds unless :meth:`confirm` came. What a
    change returns is described in ``docs/commands.md``.
    """

    def reload(self, *, confirm_within: float | None = None) -> ChangeAnswer:
        """Read the policy files again."""

    def confirm(self) -> Confirmation:
        """Keep the active policies; ``unchanged`` if nothing waited for it."""

    def posture(self) -> Posture:
        """Say what is enforced."""

    def describe(self) -> PoliciesState:
        """Say what ``status`` shows of policies."""

    def policies(self) -> list[PolicyState]:
        """Describe every policy, those that are disabled included."""

    def show(self, name: str) -> PolicyDetail:
        """Describe one policy and its rules."""

    def add(self, texts: Mapping[str, str], *, confirm_within: float | None = None) -> ChangeAnswer:
        """Add the policies of *texts*, at once; they stand by the names in places."""

    def remove(self, name: str, *, confirm_within: float | None = None) -> ChangeAnswer:
        """Remove a policy that was added at run time."""

    def set_enabled(
        self, name: str, *, enabled: bool, confirm_within: float | None = None
    ) -> ChangeAnswer:
        """Switch a policy on or off."""

    def set_mode(
        self, name: str, mode: str, *, confirm_within: float | None = None
    ) -> ChangeAnswer:
        """Let a policy ``enforce`` or ``audit``, whatever its file says."""

    def meet(self, pid: int, number: str, *, began: float, wait: float) -> MetAnswer:
        """
        Let the kernel know the container *number*, whose first process is *pid* and runs nothing of it yet.

        A hook *began* at that time of the monotonic clock, and waits for *wait* seconds.
        """
