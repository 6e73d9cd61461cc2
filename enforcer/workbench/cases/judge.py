# SPDX-License-Identifier: MIT
"""Cases against policies, by the native build of the decision core."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import BareHost, compile_policies, verify
from enforcer.compiler.rows import RowKind
from enforcer.libbpf.decision import Core
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from enforcer.compiler import CompiledImage
    from enforcer.libbpf.decision import Access, Subject, Verdict
    from enforcer.workbench.cases.model import Case, CaseFile, Expected

__all__ = ["GroupVerdict", "Outcome", "Table", "judge"]

_REFUSALS = (Verb.DENY, Verb.KILL)
_NOW = 1 << 62  # of the clock that marks go by


@attrs.frozen
class LinkedHost(BareHost):
    """A host of which only some symbolic links are known."""

    links: dict[bytes, bytes] = attrs.field(factory=dict, kw_only=True)

    def link(self, path: bytes) -> bytes | None:
        """Look *path* up."""
        return self.links.get(path)


@attrs.frozen(kw_only=True)
class GroupVerdict:
    """
    What one group of policies (enforcing, or auditing) says of a case; *verb* None: nothing.

    *place* is that of the rule.
    """

    verb: Verb | None = None
    rule: str | None = None
    place: str | None = None
    is_guard: bool = False
    on_error: bool = False
    error: int = 0
    signal: int = 0

    @property
    def verdict(self) -> str:
        """The verb's word, or ``nothing``."""
        return self.verb.name.lower() if self.verb is not None else "nothing"

    def __str__(self) -> str:
        if self.verb is None:
            return "nothing"
        guard = ", by its guard" if self.is_guard else ""
        unknown = ", by onError" if self.on_error else ""
        return f"{self.verdict} by {self.rule}{guard}{unknown} ({self.place})"


_NOTHING = GroupVerdict()


@attrs.frozen
class Outcome:
    """A case with what was decided; *problems* says in which way that is not what was expected."""

    case: Case
    enforced: GroupVerdict
    audited: GroupVerdict
    problems: tuple[str, ...]

    @property
    def is_as_expected(self) -> bool:
        """Whether nothing differs."""
        return not self.problems


@attrs.frozen
class Table:
    """Policies, compiled, and the core that decides by them."""

    compiled: CompiledImage
    core: Core

    @classmethod
    def of(cls, cases: CaseFile, policies: Sequence[Path]) -> Table:
        """
        Load *policies* for the machine that *cases* describe.

        Raises:
            PolicyErrors, PolicyError, LimitError: what is wrong with them.
        """
        loaded = load_policies(policies, cases.resolver)
        workloads = tuple(w for case in cases.cases for w in case.actor.workloads)
        host = LinkedHost(links=cases.links, workloads=workloads)
        compiled = compile_policies(loaded, host=host, now_ns=1)
        verify(compiled.image)
        return cls(compiled, Core(compiled.image))

    def decide(self, case: Case) -> tuple[GroupVerdict, GroupVerdict]:
        """
        Return the verdicts on *case*: of the policies that enforce, and of those in audit mode.

        The kernel asks about one access after the other and stops at the first that is refused; of
        what is permitted the strictest counts.
        """
        actor = case.actor
        subject = self.core.subject(actor.now, actor.parent, actor.ancestors)
        times = {
            number: _NOW - case.marks[name]
            for name, number in self.marks.items()
            if name in case.marks
        }
        for earlier in case.earlier:
            self._do(subject, earlier.accesses, times, _NOW - earlier.ago_ns)
        return self._do(subject, case.accesses, times, _NOW)

    @property
    def marks(self) -> dict[str, int]:
        """Numbers of the marks that some rule sets, by ``policy/mark``."""
        return {key.partition("@")[0]: n for key, (n, _) in self.compiled.labels.marks.items()}

    def _do(
        self, subject: Subject, accesses: Iterable[Access], times: dict[int, int], now: int
    ) -> tuple[GroupVerdict, GroupVerdict]:
        """Decide *accesses* at *now*; what they mark joins *times*."""
        enforced = audited = _NOTHING
        for access in accesses:
            verdict = self.core.decide(subject, attrs.evolve(access, marks=times, now=now))
            times |= {n: now for n in self.marks.values() if verdict.marks >> n & 1}
            audited = _stricter(audited, self._audited(verdict))
            enforced = _stricter(enforced, self._enforced(verdict))
            if enforced.verb in _REFUSALS:
                break
        return enforced, audited

    def _enforced(self, verdict: Verdict) -> GroupVerdict:
        found = self._said(verdict.row, verdict.action, on_error=verdict.on_error)
        return attrs.evolve(found, error=verdict.error, signal=verdict.signal)

    def _audited(self, verdict: Verdict) -> GroupVerdict:
        return self._said(verdict.audit_row, verdict.audit_action, on_error=verdict.audit_on_error)

    def _said(self, row: int | None, action: int, *, on_error: bool) -> GroupVerdict:
        if row is None:
            return _NOTHING
        info = self.compiled.rows[row]
        return GroupVerdict(
            verb=Verb(action),
            rule=f"{info.policy}/{info.rule}",
            place=str(info.span),
            is_guard=info.kind is RowKind.GUARD,
            on_error=on_error,
        )


def _stricter(first: GroupVerdict, second: GroupVerdict) -> GroupVerdict:
    return second if (second.verb or 0) > (first.verb or 0) else first


def judge(cases: Iterable[Case], table: Table) -> tuple[Outcome, ...]:
    """Decide *cases* and compare."""
    return tuple(_outcome(case, table) for case in cases)


def _outcome(case: Case, table: Table) -> Outcome:
    enforced, audited = table.decide(case)
    problems = [f"no rule sets the mark {name}" for name in case.marks if name not in table.marks]
    problems += _differences(case.expected, enforced)
    if (audit := case.expected.audit) is not None:
        if not _is_verdict(audit.verdict, audited):
            problems.append(f"in audit mode: expected {audit.verdict}, got {audited}")
        elif audit.rule is not None and audit.rule != audited.rule:
            problems.append(f"in audit mode: expected by {audit.rule}, got {audited}")
    return Outcome(case, enforced, audited, tuple(problems))


def _differences(expected: Expected, said: GroupVerdict) -> Iterable[str]:
    wanted = expected.verdict + (f" by {expected.rule}" if expected.rule else "")
    if not _is_verdict(expected.verdict, said) or (
        expected.rule is not None and expected.rule != said.rule
    ):
        yield f"expected {wanted}, got {said}"
        return
    for what, want, got in (
        ("guard", expected.is_guard, said.is_guard),
        ("onError", expected.on_error, said.on_error),
    ):
        if want is not None and want != got:
            yield f"expected {what} {str(want).lower()}, got {said}"
    if expected.error is not None and expected.error != said.error:
        yield f"expected the error {errno.errorcode[expected.error]}, got {_error(said)}: {said}"
    if expected.signal is not None and expected.signal != said.signal:
        name = signal.Signals(expected.signal).name
        yield f"expected the signal {name}, got {_signal(said)}: {said}"


def _error(said: GroupVerdict) -> str:
    return errno.errorcode.get(said.error, str(said.error)) if said.error else "none"


def _signal(said: GroupVerdict) -> str:
    return signal.Signals(said.signal).name if said.signal else "none"


def _is_verdict(expected: str, said: GroupVerdict) -> bool:
    is_refused = said.verb in _REFUSALS
    match expected:
        case "permitted":
            return not is_refused
        case "refused":
            return is_refused
    return expected == said.verdict
