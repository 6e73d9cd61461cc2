# SPDX-License-Identifier: MIT
"""
New files of namespaces, each compiled by itself in a process with limits, before any of them is compiled with others.

Quotas and shares say what policies may have, and what they may take is bounded by that as far as we know. Where we
are wrong, the process that compiles all comes to an end, which says of no file that it was the cause. Then each is
tried. The policies of the whole host are not: their author may do anything, and a refusal would open what they close.
"""

from __future__ import annotations

import contextlib
import resource
import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerBug, EnforcerError
from enforcer.runtime.policies.work_process import Limits, WorkEnded, apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.policy.model.policy import PolicySet

__all__ = ["OF_ALL_FILES", "Trials", "TriedInVain", "bugs_told"]

OF_ALL_FILES: Final = Limits(seconds=60, memory=1 << 30)
"""For the first try, with all files. Whoever exceeds them without a fault is compiled a second time, without limits."""

OF_ONE_NAMESPACE: Final = Limits(seconds=15, memory=512 << 20)
"""
For the new files of one namespace. At their quota and their share they take three seconds and 200 MB; some machines
are slow.
"""

_PAUSE: Final = 3600.0  # seconds; what it depends on besides changes some time
_SHORT_PAUSE: Final = 300.0  # seconds, where the machine may have been short of memory for a moment


@attrs.frozen
class TriedInVain:
    """*why* a file is not to be active, and when it may be tried *again_at*, by the monotonic clock."""

    why: str
    again_at: float


@attrs.define(eq=False)
class Trials:
    """
    Those of one change.

    Attributes:
        work: compiles the policies of one file. What it returns does not matter here, nor an error of the policies.
        limits: for the files of one namespace together.
    """

    work: Callable[[PolicySet], object]
    limits: Limits = OF_ONE_NAMESPACE
    _used: dict[str, float] = attrs.field(factory=dict, init=False)

    def problem(self, policies: PolicySet) -> TriedInVain | None:
        """Return why *policies*, those of one file, cannot be compiled beside others; None: they can."""
        namespaces = {policy.namespace for policy in policies.policies if policy.namespace}
        used = max((self._used.get(each, 0.0) for each in namespaces), default=0.0)
        # The kernel counts whole seconds. Less than one counts as none: else each further file would get one more.
        if (left := int(self.limits.seconds - used)) < 1:
            return self._too_much(f"takes more than {self.limits.seconds} s of a processor")
        began = _seconds_of_children()
        try:
            apart(lambda: self._ended(policies), _wait, Limits(left, self.limits.memory))
        except EnforcerBug as bug:
            return _in_vain(str(bug), _SHORT_PAUSE)
        except WorkEnded as error:
            if error.is_late:
                return self._too_much(f"takes more than {self.limits.seconds} s of a processor")
            return self._too_much(
                f"comes to no end (the process ends with {error.ending}), or takes more than "
                f"{self.limits.memory >> 20} MiB of memory",
                _SHORT_PAUSE,
            )
        finally:
            took = _seconds_of_children() - began
            self._used.update(dict.fromkeys(namespaces, used + took))
        return None

    def _ended(self, policies: PolicySet) -> None:
        try:
            with bugs_told():
                self.work(policies)
        except EnforcerBug:
            raise
        except EnforcerError:
            # It has come to an end. What is wrong with the policies is told, with its place, when they are compiled
            # with all others.
            return

    def _too_much(self, what: str, pause: float = _PAUSE) -> TriedInVain:
        return _in_vain(f"to compile the new files of its namespace {what}", pause)


@contextlib.contextmanager
def bugs_told() -> Iterator[None]:
    """
    Treat a mistake of ours that some policy brings about as an error of that policy: it must not keep others out.

    Raises:
        EnforcerBug: there was one. Errors of the machine are none, and stay what they are.
    """
    try:
        yield
    except (EnforcerError, OSError, MemoryError):
        raise
    except Exception as bug:
        text = f"enforcer fails to compile this: {type(bug).__name__}: {bug}"
        raise EnforcerBug(text) from bug


def _in_vain(why: str, pause: float) -> TriedInVain:
    until = time.strftime("%H:%M:%S", time.gmtime(time.time() + pause))
    return TriedInVain(
        f"{why}: the same text is not tried again before {until} UTC", time.monotonic() + pause
    )


def _wait() -> None:
    """Do nothing else meanwhile."""


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
