# SPDX-License-Identifier: MIT
"""Find rules that this kernel can only enforce too late, or not every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import UnsupportedError
from enforcer.kernel import entries, host, lsm_support, placement, points
from enforcer.kernel.placement import Placement
from enforcer.policy.kernel_types.operand_path import PointError, local_types
from enforcer.policy.language.kinds import ObjectFlag
from enforcer.policy.lint.degradation import Gap
from enforcer.policy.model.points import Point, PointKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.policy.model.policy import Rule

__all__ = ["LOOK", "PreemptionWatch", "find_gaps", "why_late"]

LOOK: Final = 30.0
"""Seconds between two looks whether preemption was switched on."""

_PASSES: Final = (
    "preempt tasks where policies are decided, so some operations may pass undecided (enforcer "
    "doctor says which)"
)
_SWITCHED: Final = (
    f"the kernel can now {_PASSES}: somebody wrote to /sys/kernel/debug/sched/preempt"
)
_SHOWN: Final = (
    f"the kernel can {_PASSES}: that was not known before, for want of /sys/kernel/debug"
)


@attrs.define(eq=False, repr=False)
class PreemptionWatch:
    """Reports that preemption was switched on while policies are active, which were accepted without it."""

    _report: Callable[[str], None]
    _is_on: Callable[[], bool | None] = host.preempts
    _was_on: bool | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._was_on = self._is_on()

    def look(self) -> None:
        """Compare with how it was."""
        is_on = self._is_on()
        if is_on is None:
            return  # what is hidden for a while is compared with how it was before
        if is_on and not self._was_on:
            self._report(_SHOWN if self._was_on is None else _SWITCHED)
        self._was_on = is_on


def why_late(at_calls: str | None, rule: Rule) -> str | None:
    """
    Say why *rule* cannot refuse before the effect, as the beginning of a sentence; None: it can.

    *at_calls* says it of system calls at their entry.
    """
    if rule.point is not None:
        return _at_point(rule.point)
    if rule.calls:
        return at_calls
    if any(flag.field.flag == ObjectFlag.FILECAPS for flag in rule.flags) and _is_around():
        return placement.CAPABILITIES_LATE
    return None


def find_gaps() -> tuple[Gap, ...]:
    """Return why not every operation is decided by the rules of this kernel; (): each is."""
    if not host.preempts():
        return ()  # where programs sit is found by trying, which takes time and is not asked for here
    at = Placement.AROUND if _is_around() else Placement.HOOKS
    found = ((lsm_support.find_gap(at), False), (lsm_support.find_call_gap(), True))
    return tuple(Gap(gap.what, gap.remedy, at_calls) for gap, at_calls in found if gap is not None)


def _is_around() -> bool:
    try:
        return lsm_support.is_around()
    except UnsupportedError:
        return False  # the start says why nothing can be enforced here


def _at_point(point: Point) -> str | None:
    match point.kind:
        case PointKind.LSM:
            return f"{point} cannot refuse, it only observes" if _is_void(point) else None
        case PointKind.KPROBE:
            return _at_entry(point.name)
        case PointKind.KRETPROBE:
            return f"{point.name} has taken effect at its end"
    return f"{point} cannot refuse, it only observes"


def _is_void(point: Point) -> bool:
    try:
        signature = local_types().signature(point)
    except PointError:
        return False  # the compiler says that there is none, with its place
    return signature is not None and signature.is_void


def _at_entry(function: str) -> str | None:
    if points.can_override(function):
        return None
    if not entries.can_override():
        return (
            f"this kernel ({host.release()}) cannot replace the result of {function} "
            "(CONFIG_BPF_KPROBE_OVERRIDE)"
        )
    return (
        f"this kernel cannot replace the result of {function}: it is not among the functions of "
        "/sys/kernel/debug/error_injection/list"
    )
