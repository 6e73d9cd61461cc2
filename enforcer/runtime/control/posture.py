# SPDX-License-Identifier: MIT
"""
What is enforced now, as one value.

The service manager, ``status``, answers to changes, dashboards, metrics and the results file all tell this value,
so that none of them says something else. It is computed in one place, ``runtime/policies/policies_state.py``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final, TypedDict

import attrs

from enforcer.amounts import plural
from enforcer.policy.model.modes import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.runtime.control.report import PolicyFacts

__all__ = ["Posture", "PostureDocument", "Tally"]

_NAMED: Final = 3  # policies that a sentence names

NOTHING: Final = "nothing is enforced"


class PostureDocument(TypedDict):
    """``posture``: what is enforced, for people and as numbers."""

    summary: Annotated[str, "How many policies enforce, and how many do not, as words."]
    sentence: Annotated[str, "The same with rules and programs."]
    enforcing: Annotated[int, "Policies that refuse."]
    auditing: Annotated[int, "Policies in audit mode, which only record."]
    permitting: Annotated[int, "Policies in enforce mode in which no rule refuses."]
    disabled: Annotated[int, "Policies that are switched off."]
    setToAudit: Annotated[list[str], "Those that audit because that was set at run time."]
    rules: Annotated[int, "Number of active rules."]
    programs: Annotated[int, "Number of attached programs."]
    refusedFiles: Annotated[int, "With --tolerant: files not active as they are."]
    confirm: Annotated[str | None, "What confirms the change that waits, or null if nothing can."]
    confirmUntil: Annotated[
        float | None, "When it is undone otherwise, seconds since 1970, or null."
    ]
    returned: Annotated[bool, "A change was not confirmed in time: the policies before are active."]
    outlives: Annotated[bool, "Enforcement goes on if the daemon dies."]


@attrs.frozen
class Tally:
    """
    How many policies there are of each kind.

    Attributes:
        enforcing: active, and some rule or default of it refuses.
        auditing: active, in audit mode.
        permitting: active, in enforce mode, and it only allows and records.
        disabled: switched off at run time.
        set_to_audit: names of those that audit because that was set at run time.
    """

    enforcing: int = 0
    auditing: int = 0
    permitting: int = 0
    disabled: int = 0
    set_to_audit: tuple[str, ...] = ()

    @classmethod
    def of(cls, policies: Iterable[PolicyFacts]) -> Tally:
        """Count *policies*."""
        known = list(policies)
        active = [each for each in known if each.is_enabled]
        audits = [each for each in active if each.mode == Mode.AUDIT.value]
        enforcing = [each for each in active if each.mode != Mode.AUDIT.value and each.refuses]
        return cls(
            enforcing=len(enforcing),
            auditing=len(audits),
            permitting=len(active) - len(audits) - len(enforcing),
            disabled=len(known) - len(active),
            set_to_audit=tuple(each.name for each in audits if each.is_mode_set),
        )

    @property
    def words(self) -> str:
        """How many enforce, and how many do not, as words. Where none does, that comes first."""
        said = ", ".join(self._kinds())
        if not said:
            return f"no policies, so {NOTHING}"
        return said if self.enforcing else f"{NOTHING}: {said}"

    def _kinds(self) -> Iterator[str]:
        kinds = (
            (self.enforcing, "enforces", "enforce", ""),
            (self.auditing, "only audits", "only audit", self._set),
            (self.permitting, "has no rule that refuses", "have no rule that refuses", ""),
            (self.disabled, "is disabled", "are disabled", ""),
        )
        is_first = True
        for number, one, many, more in kinds:
            if number:
                noun = (" policy" if number == 1 else " policies") if is_first else ""
                yield f"{number:,}{noun} {one if number == 1 else many}{more}"
                is_first = False

    @property
    def _set(self) -> str:
        names = self.set_to_audit
        if not names:
            return ""
        left = len(names) - _NAMED
        more = f" and {left:,} more" if left > 0 else ""
        return f" (set at run time: {', '.join(names[:_NAMED])}{more})"


@attrs.frozen(kw_only=True)
class Posture:
    """
    What is enforced now.

    Attributes:
        tally: the policies.
        rules: those that are active.
        programs: those that are attached.
        refused_files: files that are not active as they stand.
        confirm: what confirms the change that waits; None: nothing can.
        confirm_until: when it is undone otherwise, seconds since 1970; None: none waits.
        returned: whether a change was not confirmed in time, so that these are the policies before it.
        outlives: whether enforcement goes on if the daemon dies.
    """

    tally: Tally
    rules: int
    programs: int
    refused_files: int = 0
    confirm: str | None = None
    confirm_until: float | None = None
    returned: bool = False
    outlives: bool = False

    @property
    def sentence(self) -> str:
        """The numbers as words."""
        said = [self.tally.words]
        if self.rules or self.tally != Tally():
            said += [plural(self.rules, "rule"), plural(self.programs, "program")]
        if self.refused_files:
            said.append(f"{plural(self.refused_files, 'file')} refused")
        return ", ".join(said)

    @property
    def line(self) -> str:
        """All of it in one line, for the service manager and the line of a start."""
        return f"active: {self.sentence}{self.condition}"

    @property
    def condition(self) -> str:
        """For how long it holds, and what came before it: the end of a sentence."""
        if self.confirm_until is not None:
            until = time.strftime("%H:%M:%S", time.localtime(self.confirm_until))
            if self.confirm is None:
                return f"; until {until}, and nothing can confirm it"
            return f"; until {until} unless confirmed: {self.confirm}"
        if self.returned:
            return "; a change was not confirmed in time, so the policies before it are active"
        return ""

    def as_dict(self) -> PostureDocument:
        """Describe it in JSON."""
        return {
            "summary": self.tally.words,
            "sentence": self.sentence,
            "enforcing": self.tally.enforcing,
            "auditing": self.tally.auditing,
            "permitting": self.tally.permitting,
            "disabled": self.tally.disabled,
            "setToAudit": list(self.tally.set_to_audit),
            "rules": self.rules,
            "programs": self.programs,
            "refusedFiles": self.refused_files,
            "confirm": self.confirm,
            "confirmUntil": self.confirm_until,
            "returned": self.returned,
            "outlives": self.outlives,
        }
